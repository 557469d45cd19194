"""Speed against named rivals, measured by hand."""

import os

# As the stages do (stages/__init__.py), before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
