"""The invertible layers of RealNVP and Glow: each maps x to y and says log |det dy/dx|.

Dinh, Sohl-Dickstein and Bengio, *Density Estimation Using Real NVP* (ICLR 2017), section 3; Kingma and
Dhariwal, *Glow* (NeurIPS 2018), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.generator import build_network

FLOOR = 0.5  # of the scale of Glow's couplings

Output = tuple[Tensor, Tensor]  # a layer's output (B, C, H, W) and log |det| of its derivative, (B,)


class Layer(nn.Module):
    """An invertible layer; ``forward`` gives an Output."""

    def forward(self, x: Tensor) -> Output:
        raise NotImplementedError

    def invert(self, y: Tensor) -> Tensor:
        """Map an output back."""
        raise NotImplementedError


class Squeeze(Layer):
    """Four channels of one, each of a quarter of the pixels."""

    def forward(self, x: Tensor) -> Output:
        return functional.pixel_unshuffle(x, 2), x.new_zeros(len(x))

    def invert(self, y: Tensor) -> Tensor:
        return functional.pixel_shuffle(y, 2)


class ActNorm(Layer):
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

    def forward(self, x: Tensor) -> Output:
        log_det = -self.log_scale.sum() * x.shape[2] * x.shape[3]
        return (x - self.shift) * (-self.log_scale).exp(), log_det.expand(len(x))

    def invert(self, y: Tensor) -> Tensor:
        return y * self.log_scale.exp() + self.shift


class Mixing(Layer):
    """Glow's invertible 1x1 convolution: a pixel's channels times one matrix, which starts as a rotation."""

    def __init__(self, channels: int, rng: torch.Generator):
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels, generator=rng))[0])

    def forward(self, x: Tensor) -> Output:
        log_det = torch.linalg.slogdet(self.weight).logabsdet * x.shape[2] * x.shape[3]
        return torch.einsum("ij,bjhw->bihw", self.weight, x), log_det.expand(len(x))

    def invert(self, y: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.weight), y)


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def build_residual_network(
    channels_in: int, channels_out: int, width: int, blocks: int, rng: torch.Generator
) -> nn.Sequential:
    """Build RealNVP's network of a coupling, whose last layer starts at 0."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels_in, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(blocks)),
            nn.ReLU(),
            nn.Conv2d(width, channels_out, 3, padding=1),
        )

    return _silence(build_network(build, rng))


def build_plain_network(
    channels_in: int, channels_out: int, width: int, rng: torch.Generator
) -> nn.Sequential:
    """Build Glow's network of a coupling, whose last layer starts at 0."""

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels_in, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, channels_out, 3, padding=1),
        )

    return _silence(build_network(build, rng))


def _silence(network: nn.Sequential) -> nn.Sequential:
    last = network[-1]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    return network


class CheckerboardCoupling(Layer):
    """Every other pixel, scaled and shifted by a network of those between; starts as the identity.

    With b = 1 at the pixels that stay: y = b x + (1 - b) (x exp(s(b x)) + t(b x)), where s = tanh(a) times a
    learned bound for each channel. The network sees b beside b x. ``keeps_even``: whether the pixel at (0, 0)
    stays.
    """

    def __init__(self, channels: int, keeps_even: bool, width: int, blocks: int, rng: torch.Generator):
        super().__init__()
        self.keeps_even = keeps_even
        self.network = build_residual_network(channels + 1, 2 * channels, width, blocks, rng)
        self.bound = nn.Parameter(torch.ones(1, channels, 1, 1))

    def _draw_board(self, x: Tensor) -> Tensor:
        """b: (1, 1, H, W)."""
        rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
        is_odd = (rows[:, None] + columns) % 2 == 1
        return (is_odd ^ self.keeps_even)[None, None].to(x.dtype)

    def _evaluate(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        board = self._draw_board(x)
        seen = torch.cat([board * x, board.expand(len(x), -1, -1, -1)], 1)
        raw, shift = self.network(seen).chunk(2, 1)
        return board, (1 - board) * raw.tanh() * self.bound, (1 - board) * shift

    def forward(self, x: Tensor) -> Output:
        _, log_scale, shift = self._evaluate(x)
        return x * log_scale.exp() + shift, log_scale.flatten(1).sum(1)

    def invert(self, y: Tensor) -> Tensor:
        _, log_scale, shift = self._evaluate(y)
        return (y - shift) * (-log_scale).exp()


class ChannelCoupling(Layer):
    """Half of the channels, scaled and shifted by a network of the other half.

    RealNVP: x exp(tanh(a) b) + t with a learned b for each channel, at first the identity. Glow: (x + t) s, s
    being sigmoid(a + 2), as its code has it, moved from (0, 1) to (FLOOR, 1). Near 0 the inverse explodes
    (Behrmann et al., *Understanding and Mitigating Exploding Inverses in Invertible Neural Networks*, AISTATS
    2021): after 50 steps at three times the rate on 300 digits a third of the samples was not finite.
    """

    def __init__(self, channels: int, keeps_first: bool, network: nn.Module, is_glow: bool):
        super().__init__()
        self.keeps_first, self.network, self.is_glow = keeps_first, network, is_glow
        if not is_glow:
            self.bound = nn.Parameter(torch.ones(1, channels // 2, 1, 1))

    def forward(self, x: Tensor) -> Output:
        kept, changed = self._split(x)
        log_scale, shift = self._evaluate(kept)
        if self.is_glow:
            changed = (changed + shift) * log_scale.exp()
        else:
            changed = changed * log_scale.exp() + shift
        return self._join(kept, changed), log_scale.flatten(1).sum(1)

    def invert(self, y: Tensor) -> Tensor:
        kept, changed = self._split(y)
        log_scale, shift = self._evaluate(kept)
        if self.is_glow:
            changed = changed * (-log_scale).exp() - shift
        else:
            changed = (changed - shift) * (-log_scale).exp()
        return self._join(kept, changed)

    def _evaluate(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(kept).chunk(2, 1)
        if self.is_glow:
            return (FLOOR + (1 - FLOOR) * (raw + 2).sigmoid()).log(), shift
        return raw.tanh() * self.bound, shift

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, 1)
        return (first, second) if self.keeps_first else (second, first)

    def _join(self, kept: Tensor, changed: Tensor) -> Tensor:
        return torch.cat([kept, changed] if self.keeps_first else [changed, kept], 1)


class Split(nn.Module):
    """Half of the channels become latents: N(0, I) in RealNVP, N(mean(kept), exp(2 log_std(kept))) in Glow.

    The latents that leave are standardised, (x - mean) exp(-log_std), so that all of a flow's are N(0, I).
    Glow's convolution starts at 0, and its outputs at N(0, I).
    """

    def __init__(self, channels: int, is_learned: bool, rng: torch.Generator):
        super().__init__()
        self.prior = None
        if is_learned:
            self.prior = build_network(lambda: nn.Conv2d(channels // 2, channels, 3, padding=1), rng)
            nn.init.zeros_(self.prior.weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, C, H, W) to what stays and the latents, (B, C / 2, H, W) each, and log |det| (B,)."""
        kept, leaving = x.chunk(2, 1)
        mean, log_std = self._evaluate(kept)
        return kept, (leaving - mean) * (-log_std).exp(), -log_std.flatten(1).sum(1)

    def invert(self, kept: Tensor, latents: Tensor) -> Tensor:
        """Map what stayed and the latents back."""
        mean, log_std = self._evaluate(kept)
        return torch.cat([kept, latents * log_std.exp() + mean], 1)

    def _evaluate(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        if self.prior is None:
            nothing = torch.zeros_like(kept)
            return nothing, nothing
        mean, log_std = self.prior(kept).chunk(2, 1)
        return mean, log_std
