"""Seeds for what is drawn one after the other, such as the order of batches: independent for each address."""

from __future__ import annotations

import numpy as np
import torch


def derive_seed(*address: int) -> int:
    """Hash an address, such as (seed, purpose, number), into the 32 bits that torch's CPU generator keeps.

    Numbers that are added up, or shifted beside each other, lose all but their low 32 bits there: seeds 1
    and 3 once had the same batches. Raises ValueError for a negative number.
    """
    return int(np.random.SeedSequence(address).generate_state(1)[0])


def derive_rng(*address: int) -> torch.Generator:
    """A generator on the CPU for an address; two addresses share their numbers by a hash's chance alone."""
    return torch.Generator().manual_seed(derive_seed(*address))
