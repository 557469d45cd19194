"""Chains on a tilted posterior and prior in closed form, for a linear generator."""

import functools

import torch

from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import lower, run_chains, run_prior_chains
from models.networks.generator import build_generator
from tests.models.linear_generator import IMAGE, SIGMA, WEIGHT, D, Linear, rng


def test_tilted_chains_sample_the_closed_form_posterior():
    """A tilt of -|z|^2 makes the prior N(0, I / 3)."""
    n, step_size = 4000, 0.25
    noise = torch.randn(300, n, D, generator=rng(2))
    tilt = functools.partial(torch.Tensor.square)
    z = run_chains(
        Linear(WEIGHT),
        torch.zeros(n, D),
        IMAGE.expand(n, -1, -1, -1),
        None,
        noise,
        step_size,
        SIGMA,
        lambda z: -tilt(z).sum(1),
    )
    precision = WEIGHT.T @ WEIGHT / SIGMA**2 + 3 * torch.eye(D)
    mean = torch.linalg.solve(precision, WEIGHT.T @ IMAGE.flatten() / SIGMA**2)
    torch.testing.assert_close(z.mean(0), mean, atol=0.04, rtol=0)
    # The discretised chain's own stationary covariance, 2 (P (2 I - h P))^-1 with h = s^2 / 2.
    h = step_size**2 / 2
    covariance = 2 * torch.linalg.inv(precision @ (2 * torch.eye(D) - h * precision))
    torch.testing.assert_close(z.T.cov(), covariance, atol=0.03, rtol=0)


def test_prior_chains_sample_the_tilted_prior():
    n, step_size = 4000, 0.3
    noise = torch.randn(200, n, 2, generator=rng())
    z = run_prior_chains(
        torch.zeros(n, 2), noise, step_size, lambda z: 1.5 * z.sum(1)
    )  # moves the mean to 1.5
    torch.testing.assert_close(z.mean(0), torch.full((2,), 1.5), atol=0.05, rtol=0)
    h = step_size**2 / 2
    torch.testing.assert_close(z.var(0), torch.full((2,), 2 / (2 - h)), atol=0.06, rtol=0)


def test_without_a_tilt_a_chain_is_the_engines_to_the_last_bit():
    generator = build_generator("mnist/16", D, rng()).eval()
    images, z = torch.rand(4, 1, 28, 28, generator=rng(1)), torch.randn(4, D, generator=rng(2))
    visible = (torch.rand(4, 1, 28, 28, generator=rng(3)) > 0.3).to(torch.uint8)
    engine = InferenceEngine(generator, SIGMA, EngineSettings(chunk=4, compile="never"))
    address = NoiseAddress(1, Stream.TEST_CHAIN, 2)
    of_engine = engine.infer(z, images, visible, torch.arange(4), ChainSettings(0.3, 3), address)
    network, dtype = lower(generator, torch.float32)
    noise = draw_normal(1, Stream.TEST_CHAIN, torch.arange(4), 2, 3, D)
    with torch.no_grad():
        assert torch.equal(run_chains(network, z, images, visible, noise, 0.3, SIGMA, None, dtype), of_engine)
