"""Normalising flows on pixels: RealNVP and Glow.

Dinh, Sohl-Dickstein and Bengio, *Density Estimation Using Real NVP* (ICLR 2017); Kingma and Dhariwal, *Glow*
(NeurIPS 2018). An invertible f takes images to a standard normal, and the loss of an image is exact,

    - log N(f(x); 0, I) - log |det df/dx|,      x = logit(.05 + .9 (I + u) / 256),  u uniform on [0, 1).

RealNVP has checkerboard couplings before a squeeze and couplings of channels after it, of residual networks,
and activation norms where its authors have batch norms. A flow has as many latent dimensions as pixels: it
reconstructs any image exactly, which says nothing of the model, so reconstruction and recovery are left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.descent import minimise
from models.interface import FitRequest, FittedMethod, apply_split, count_weights, make_rng
from models.rivals.bases.arithmetic import compare_with_generator
from models.rivals.bases.multi_scale_flow import MultiScaleFlow
from models.rivals.gan import refuse_occlusion

ALPHA = 0.05  # keeps the logit finite, RealNVP's value


def spread(images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Map uint8 images and u alike to the module's x, (B, C, H, W), and log |det dx/dI| (B,)."""
    share = ALPHA + (1 - 2 * ALPHA) * (images.float() + noise) / 256
    x = share.logit()
    slope = functional.softplus(x) + functional.softplus(-x) + math.log((1 - 2 * ALPHA) / 256)
    return x, slope.flatten(1).sum(1)


def gather(x: Tensor) -> Tensor:
    """Map x back to the images in [0, 1]."""
    return ((x.sigmoid() - ALPHA) / (1 - 2 * ALPHA)).clamp(0, 1)


class Flow(FittedMethod):
    """A trained flow: exact likelihoods and samples."""

    def __init__(self, flow: MultiScaleFlow, request: FitRequest):
        self._flow, self.seed, self._device = flow.eval(), request.seed, request.device

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        rng = make_rng(self.seed)
        z = torch.randn(n, math.prod(self._flow.shape), generator=rng).to(self._device)
        return gather(apply_split(self._flow.invert, z))

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Return -log p(I) of dequantised images, u = 1/2; neither ``steps`` nor ``draw`` is read."""

        def measure(part: Tensor) -> Tensor:
            x, slope = spread(part, torch.tensor(0.5, device=part.device))
            return -self._flow.evaluate_log_likelihood(x) - slope

        return apply_split(measure, images)

    def count_parameters(self) -> int:
        return count_weights(self._flow)


def fit_realnvp(request: FitRequest) -> Flow:
    """Train a RealNVP by maximum likelihood."""
    return _fit(request, "RealNVP")


def fit_glow(request: FitRequest) -> Flow:
    """Train a Glow by maximum likelihood."""
    return _fit(request, "Glow")


def _fit(request: FitRequest, kind: str) -> Flow:
    refuse_occlusion(request)
    rng = request.make_rng()
    _, channels, height, width = request.images.shape
    flow = MultiScaleFlow((channels, height, width), kind, rng)
    cost = compare_with_generator(request, flow, lambda: flow(torch.zeros(1, *flow.shape)))
    flow.to(request.device)
    batches = request.shuffle(rng)

    def draw(rows: Tensor) -> Tensor:
        images = request.images[rows]
        return spread(images, torch.rand(images.shape, generator=rng).to(request.device))[0]

    def compute_loss(rows: Tensor) -> Tensor:  # in nats a value
        return -flow.evaluate_log_likelihood(draw(rows)).mean() / math.prod(flow.shape)

    flow.initialise(draw(next(batches)))
    minimise(kind, request.make_adam(flow.parameters()), compute_loss, batches, request.count_steps(cost))
    return Flow(flow, request)
