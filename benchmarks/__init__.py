"""Speed against named rivals, measured by hand."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages do (stages/__init__.py), before torch loads
