"""One thin module a DVC stage: ``python -m stages.NAME``."""

import os

# Waiting threads that spin take a busy machine's cores from those that work: with one neighbour a training
# was fifty times slower where half speed would be fair. torch reads this once, when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Large tensors in pages of 2 MB, where the kernel grants them: a learning step gains a tenth.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
