"""One thin module a DVC stage: ``python -m stages.NAME``."""

import os

# Waiting threads that spin take a busy machine's cores from those that work: with one neighbour a training
# was fifty times slower where half speed would be fair. torch reads this once, when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
