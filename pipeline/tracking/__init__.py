"""MLflow, which nothing outside imports, and what it is told."""
