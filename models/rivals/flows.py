"""Normalising flows on pixels: RealNVP and Glow.

Dinh, Sohl-Dickstein and Bengio, *Density Estimation Using Real NVP* (ICLR 2017); Kingma and Dhariwal, *Glow*
(NeurIPS 2018). An invertible f takes images to a standard normal, and the loss of an image is exact,

    - log N(f(x); 0, I) - log |det df/dx|,      x = logit(.05 + .9 (I + u) / 256),  u uniform on [0, 1).

A flow has as many latent dimensions as pixels: it reconstructs any image exactly, which says nothing of the
model, so reconstruction and recovery are left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.descent import minimise
from models.interface import FitRequest, FittedMethod, apply_split, count_weights, make_rng
from models.networks.generator import build_network
from models.rivals.gan import refuse_occlusion

ALPHA = 0.05  # keeps the logit finite, RealNVP's value
LEVELS, DEPTH, HIDDEN = 2, 4, 64  # levels, couplings in each, their channels: MNIST's generator's arithmetic
COST = 1

Step = tuple[Tensor, Tensor]  # a layer's output (B, C, H, W) and log |det| of its derivative, (B,)


class ActNorm(nn.Module):
    """A layer (x - shift) exp(-log_scale) for each channel.

    ``initialise`` sets both so that a batch comes out with mean 0 and variance 1.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.shift, self.log_scale = (nn.Parameter(torch.zeros(1, channels, 1, 1)) for _ in range(2))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        self.shift.copy_(x.mean((0, 2, 3), keepdim=True))
        self.log_scale.copy_((x.std((0, 2, 3), keepdim=True) + 1e-6).log())

    def forward(self, x: Tensor) -> Step:
        log_det = -self.log_scale.sum() * x.shape[2] * x.shape[3]
        return (x - self.shift) * (-self.log_scale).exp(), log_det.expand(len(x))

    def invert(self, z: Tensor) -> Tensor:
        return z * self.log_scale.exp() + self.shift


class Mixing(nn.Module):
    """Glow's invertible 1x1 convolution: a pixel's channels times one matrix, which starts as a rotation."""

    def __init__(self, channels: int, rng: torch.Generator):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels, generator=rng))[0])

    def forward(self, x: Tensor) -> Step:
        log_det = torch.linalg.slogdet(self.weight).logabsdet * x.shape[2] * x.shape[3]
        return torch.einsum("ij,bjhw->bihw", self.weight, x), log_det.expand(len(x))

    def invert(self, z: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.weight), z)


class Coupling(nn.Module):
    """Half of the channels, scaled and shifted by a network of the other half; starts as the identity.

    The scale is exp(tanh(a) b) with a learned b for each channel, as RealNVP's.
    """

    def __init__(self, channels: int, is_first_half: bool, rng: torch.Generator):
        super().__init__()
        half = channels // 2
        self.is_first_half = is_first_half
        self.network = build_network(
            lambda: nn.Sequential(
                nn.Conv2d(half, HIDDEN, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(HIDDEN, HIDDEN, 1),
                nn.ReLU(),
                nn.Conv2d(HIDDEN, channels, 3, padding=1),
            ),
            rng,
        )
        last = self.network[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        self.bound = nn.Parameter(torch.ones(1, half, 1, 1))

    def forward(self, x: Tensor) -> Step:
        kept, changed = self._split(x)
        log_scale, shift = self._evaluate(kept)
        return self._join(kept, changed * log_scale.exp() + shift), log_scale.flatten(1).sum(1)

    def invert(self, z: Tensor) -> Tensor:
        kept, changed = self._split(z)
        log_scale, shift = self._evaluate(kept)
        return self._join(kept, (changed - shift) * (-log_scale).exp())

    def _evaluate(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.network(kept).chunk(2, 1)
        return log_scale.tanh() * self.bound, shift

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, 1)
        return (first, second) if self.is_first_half else (second, first)

    def _join(self, kept: Tensor, changed: Tensor) -> Tensor:
        return torch.cat([kept, changed] if self.is_first_half else [changed, kept], 1)


Layer = ActNorm | Mixing | Coupling


class MultiScaleFlow(nn.Module):
    """The invertible f: a level makes four channels of one, couples, lets half of them go as latents.

    ``kind``: RealNVP or Glow, whose steps also mix the channels; ``shape``: (C, H, W), H and W divisible
    by 4.
    """

    def __init__(self, shape: tuple[int, int, int], kind: str, rng: torch.Generator):
        super().__init__()
        self.shape = shape
        self._steps: list[
            list[Layer]
        ] = []  # those of ``levels``, which a ModuleList does not know the type of
        channels = shape[0]
        for _ in range(LEVELS):
            channels *= 4
            steps: list[Layer] = []
            for number in range(DEPTH):
                steps.append(ActNorm(channels))
                if kind == "Glow":
                    steps.append(Mixing(channels, rng))
                steps.append(Coupling(channels, number % 2 == 0, rng))
            self._steps.append(steps)
            channels //= 2
        self.levels = nn.ModuleList(nn.ModuleList(steps) for steps in self._steps)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to latents (B, C H W) and log |det df/dx| (B,)."""
        latents, log_det = [], x.new_zeros(len(x))
        for number, level in enumerate(self._steps):
            x = functional.pixel_unshuffle(x, 2)
            for step in level:
                x, more = step(x)
                log_det = log_det + more
            if number + 1 < len(self.levels):
                x, leaving = x.chunk(2, 1)
                latents.append(leaving.flatten(1))
        return torch.cat([*latents, x.flatten(1)], 1), log_det

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set the activation norms by a first batch."""
        for level in self._steps:
            x = functional.pixel_unshuffle(x, 2)
            for step in level:
                if isinstance(step, ActNorm):
                    step.initialise(x)
                x, _ = step(x)
            x, _ = x.chunk(2, 1)

    def invert(self, z: Tensor) -> Tensor:
        """Map latents (B, C H W) back to images (B, C, H, W)."""
        channels, height, width = self.shape
        sizes = [channels * height * width // 2 ** (number + 1) for number in range(LEVELS)]
        *leaving, last = z.split([*sizes[:-1], 2 * sizes[-1]], 1)
        side = 2**LEVELS
        x = last.view(len(z), -1, height // side, width // side)
        for number in reversed(range(LEVELS)):
            if number + 1 < LEVELS:
                x = torch.cat([x, leaving[number].view_as(x)], 1)
            for step in reversed(self._steps[number]):
                x = step.invert(x)
            x = functional.pixel_shuffle(x, 2)
        return x

    def evaluate_log_likelihood(self, x: Tensor) -> Tensor:
        """Return log p(x): (B,)."""
        z, log_det = self(x)
        return log_det - (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2


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
    flow = MultiScaleFlow((channels, height, width), kind, rng).to(request.device)
    batches = request.shuffle(rng)

    def draw(rows: Tensor) -> Tensor:
        images = request.images[rows]
        return spread(images, torch.rand(images.shape, generator=rng).to(request.device))[0]

    def compute_loss(rows: Tensor) -> Tensor:  # in nats a value
        return -flow.evaluate_log_likelihood(draw(rows)).mean() / math.prod(flow.shape)

    flow.initialise(draw(next(batches)))
    minimise(kind, request.make_adam(flow.parameters()), compute_loss, batches, request.count_steps(COST))
    return Flow(flow, request)
