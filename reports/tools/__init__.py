"""Commands that are run by hand."""
