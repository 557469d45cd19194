"""tables.yaml as cells: listed, requested, measured, remembered, read back."""
