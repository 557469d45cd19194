import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine
from models.networks.generator import build_generator
from models.short_run.scores import (
    SCORES,
    Scoring,
    score_images,
    score_joint,
    score_laplace,
    score_reconstruction,
)

SIGMA = 0.4


@pytest.fixture
def linear():
    """g(z) = W z + b with images of 3 x 2 pixels, latents of 4 dimensions."""
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 4, generator=rng, dtype=torch.float64)
    bias = torch.randn(6, generator=rng, dtype=torch.float64)
    return weight, bias, lambda z: (z @ weight.T + bias).view(-1, 1, 3, 2)


def find_mode(weight, bias, images):
    precision = weight.T @ weight / SIGMA**2 + torch.eye(4, dtype=torch.float64)
    residual = images.flatten(1) - bias
    return torch.linalg.solve(precision, (residual @ weight / SIGMA**2).T).T


def test_the_laplace_score_of_a_linear_generator_is_its_marginal_likelihood(linear):
    weight, bias, network = linear
    images = torch.randn(120, 1, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = score_laplace(network, find_mode(weight, bias, images), images, SIGMA)
    covariance = weight @ weight.T + SIGMA**2 * torch.eye(6, dtype=torch.float64)
    exact = -MultivariateNormal(bias, covariance).log_prob(images.flatten(1))
    constant = (
        6 / 2 * math.log(2 * math.pi * SIGMA**2)
    )  # of the likelihood; the prior's and the volume's cancel
    # compute_energy works in float32
    assert torch.allclose(found + constant, exact, rtol=1e-4, atol=1e-4)


def test_away_from_the_mode_every_score_is_larger(linear):
    weight, bias, network = linear
    images = torch.randn(20, 1, 3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mode = find_mode(weight, bias, images)
    away = mode + 0.3
    assert (score_joint(network, away, images, SIGMA) > score_joint(network, mode, images, SIGMA)).all()
    assert (score_laplace(network, away, images, SIGMA) > score_laplace(network, mode, images, SIGMA)).all()


def test_the_joint_score_is_reconstruction_plus_prior(linear):
    _, _, network = linear
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    images = network(z)
    assert score_reconstruction(network, z, images, SIGMA).abs().max() < 1e-6
    assert torch.allclose(score_joint(network, z, images, SIGMA), z.square().sum(1) / 2, atol=1e-5)


def test_a_constant_generator_has_no_volume_to_correct():
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(4))
    images = torch.zeros(5, 1, 3, 2)
    scores = [
        score(lambda z: 0 * z[:, :1, None, None].expand(-1, 1, 3, 2), z, images, SIGMA)
        for score in SCORES.values()
    ]
    assert torch.allclose(scores[0], scores[2])


def test_scores_are_defined_for_constant_images_and_chains_are_independent_of_the_company():
    generator = build_generator("mnist/16", 5, torch.Generator().manual_seed(0))
    engine = InferenceEngine(generator, 0.3, EngineSettings())
    images = torch.zeros(6, 1, 28, 28, dtype=torch.uint8)
    images[3:] = 255
    scoring = Scoring(ChainSettings(0.3, 2))
    scores, others = (score_images(engine, images, 5, scoring, seed=1, draw=draw) for draw in range(2))
    assert scores.shape == (6,) and scores.isfinite().all()
    assert not torch.isclose(scores, others).any()
    fewer = score_images(engine, images[:4], 5, scoring, seed=1, draw=0)
    torch.testing.assert_close(fewer, scores[:4], atol=1e-2, rtol=1e-5)


def test_other_scores_are_those_of_the_same_latents():
    generator = build_generator("mnist/16", 5, torch.Generator().manual_seed(0)).eval()
    engine = InferenceEngine(generator, 0.3, EngineSettings())
    images = torch.randint(0, 256, (6, 1, 28, 28), generator=torch.Generator().manual_seed(1))
    chain = ChainSettings(0.3, 2)
    joint, reconstruction, laplace = (
        score_images(engine, images.byte(), 5, Scoring(chain, score), seed=1, draw=0)
        for score in ("joint", "reconstruction", "laplace")
    )
    assert (joint > reconstruction).all()  # by |z|^2 / 2
    assert (laplace > joint).all()  # by half the log determinant of a matrix above the identity
