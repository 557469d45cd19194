"""A linear generator, whose posteriors and chains have closed forms: what several tests are about."""

import torch


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Linear(torch.nn.Module):
    """g(z) = W z as a row of pixels (B, 1, 1, P)."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, z):
        return (z @ self.weight.T)[:, None, None]


SIGMA, D, PIXELS = 0.6, 3, 5
WEIGHT = torch.randn(PIXELS, D, generator=rng()) / 2
IMAGE = torch.rand(1, 1, 1, PIXELS, generator=rng(1))
