"""Densities of z that are fitted after training, and which z they are fitted to."""

import torch

from models.interface import FittedMethod
from pipeline.evaluation.fitted_densities import DENSITIES, PRIOR, THEMSELVES, draw_from_each, find_latents


class Encoded(FittedMethod):
    """A method of two latent numbers, whose q is at (5, -3) with covariance diag(4, .25)."""

    def draw_prior(self, n, draw):
        return torch.randn(n, 2, generator=torch.Generator().manual_seed(draw))

    def draw_posterior(self, images, steps):
        noise = torch.randn(len(images), 2, generator=torch.Generator().manual_seed(9))
        return torch.tensor([5.0, -3.0]) + torch.tensor([2.0, 0.5]) * noise


def test_fitted_densities_lie_where_z_do_and_the_prior_does_not():
    method = Encoded()
    latents = find_latents(method, torch.zeros(1000, 1), steps=1)
    drawn = dict(draw_from_each(method, latents, n=4000, seed=1))
    assert list(drawn) == list(DENSITIES) and drawn[THEMSELVES] is latents
    for name in DENSITIES[1:-1]:
        torch.testing.assert_close(drawn[name].mean(0), torch.tensor([5.0, -3.0]), atol=0.2, rtol=0)
        torch.testing.assert_close(drawn[name].std(0), torch.tensor([2.0, 0.5]), atol=0.1, rtol=0)
    torch.testing.assert_close(drawn[PRIOR].std(0), torch.ones(2), atol=0.1, rtol=0)
    again = dict(draw_from_each(method, latents, n=4000, seed=1))
    assert all(torch.equal(drawn[name], again[name]) for name in drawn)
