import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from models.interface import make_rng
from models.seeds import derive_rng, derive_seed
from models.short_run.algorithm import Purpose, _shuffled_batches

SEEDS = (0, 1, 2, 3, 4, 5, 7, 1 + 2**24, 1 + 2**31, 2**32 - 1)


def order(seed, purpose, number, n=4000):
    batches = _shuffled_batches(n, 500, derive_seed(seed, purpose, number), torch.device("cpu"))
    return torch.cat(batches)


def test_every_seed_has_minibatches_of_its_own_in_every_pass():
    for number in range(5):
        for one, other in itertools.combinations(SEEDS, 2):
            for purpose in (Purpose.INFERENCE_BATCHES, Purpose.REGRESSION_BATCHES):
                same = (order(one, purpose, number) == order(other, purpose, number)).sum()
                assert same < 15  # of 4,000 places; one by chance


def test_no_address_of_many_shares_a_seed():
    addresses = list(itertools.product(SEEDS, Purpose, range(100)))
    seeds = {derive_seed(*address) for address in addresses}
    # Of 3,000 draws of 32 bits .001 pairs are expected to coincide.
    assert len(seeds) == len(addresses)


def test_what_a_fitted_method_draws_differs_between_seeds_that_share_their_low_bits():
    draws = [torch.randn(50, generator=make_rng(seed)) for seed in SEEDS]
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(draws, 2))


def test_neighbouring_addresses_are_uncorrelated():
    draws = np.array([torch.randn(2000, generator=derive_rng(1, 1, k)).numpy() for k in range(40)])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)]
    assert stats.kstest(correlations * np.sqrt(2000), "norm").pvalue > 1e-3


def test_the_same_address_is_the_same_seed_and_a_negative_one_is_refused():
    assert derive_seed(3, 1, 4) == derive_seed(3, 1, 4)
    with pytest.raises(ValueError):
        derive_seed(-1)
