"""The tables and the page of the pipeline's own run."""
