"""Speed against named rivals, measured by hand."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads, as stages/__init__.py
