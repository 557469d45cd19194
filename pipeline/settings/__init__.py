"""params.yaml as checked dataclasses, and as what the algorithms take."""
