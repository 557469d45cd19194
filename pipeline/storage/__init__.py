"""Files that are whole or absent, checkpoints, and digests of code."""
