"""A trained model in use: images sampled, encoded, reconstructed, completed and scored, and its one file."""
