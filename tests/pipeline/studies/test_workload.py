"""What a cell is said to take is what it takes, so that no more cells run than memory holds."""

import dataclasses
import math

import pytest

from models.networks.architectures import find_architecture
from pipeline.studies.workload import count_images, estimate_memory
from tests.pipeline.studies.smoke_cells import cell

OF_A_FLOAT64 = 8


def enlarge(one, n_train):
    """A cell with so many training images."""
    smoke = one.params.profiles.smoke
    larger = dataclasses.replace(smoke, prepare=dataclasses.replace(smoke.prepare, n_train=n_train))
    profiles = dataclasses.replace(one.params.profiles, smoke=larger)
    return dataclasses.replace(one, params=dataclasses.replace(one.params, profiles=profiles))


@pytest.mark.parametrize("table", ["table2", "table8"])
def test_a_linear_model_takes_its_whole_decomposition_in_float64(table):
    linear, ours = (enlarge(cell(table, method), 50_000) for method in ("PPCA", "Ours"))
    n, pixels = count_images(linear.params)[0], math.prod(find_architecture("mnist").image_shape)
    assert n == 50_000
    more = estimate_memory(linear) - estimate_memory(ours)
    assert more >= 4.5 * n * pixels * OF_A_FLOAT64
    dim = linear.params.resolved_latent_dim
    if table == "table8":  # by EM, which has the second moments of each image's z
        assert more >= n * (4.5 * pixels + 3 * (dim + 1) ** 2) * OF_A_FLOAT64
