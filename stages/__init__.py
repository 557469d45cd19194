"""One thin module a DVC stage: ``python -m stages.NAME``."""

import importlib
import os
import sys

# Waiting threads that spin take a busy machine's cores from those that work: with one neighbour a training
# was fifty times slower where half speed would be fair. torch reads this once, when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Large tensors in pages of 2 MB, where the kernel grants them: a learning step gains a tenth.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# A stage that DVC runs goes on in a fork of the process that has torch imported already, where there is one.
# By name, and before anything is imported: an __init__ holds no imports of modules.
if "DVC_STAGE" in os.environ and "RANK" not in os.environ and sys.orig_argv[1:2] == ["-m"]:
    importlib.import_module("pipeline.warm_stages").hand_over()
