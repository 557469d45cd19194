"""A diffusion model of latent vectors given an image, q(z|I), or none, q(z): where DAMC's chains begin.

Yu, Zhu, Xie, Ma, Gao, Zhu and Wu, *Learning Energy-Based Prior Model with Diffusion-Amortized MCMC*
(NeurIPS 2023) and its code (``diffusion_net.py``, ``diffusion_helper_func.py``). At time u in [0, 1]

    z_u = sqrt(a) z + sqrt(1 - a) e,      log a / (1 - a) = - 2 log tan(alpha u + beta),

which falls from 9.8 at u = 0 to -5.1 at u = 1, and the denoiser e_hat descends |e - e_hat(z_u, u, I)|^2 / 2
at uniform u. Draws go through 100 values of u, with the larger of the two usual variances of a reverse step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.networks.architectures import Architecture
from models.networks.encoder import Encoder, build_encoder
from models.networks.generator import build_network

DIFFUSION_STEPS = 100
LARGEST_LOG_RATIO, SMALLEST_LOG_RATIO = 9.8, -5.1  # of signal to noise, in variances
WIDTH, TIME_DIM = 256, 32


class Denoiser(nn.Module):
    """Predicts z_u's noise: z_u (B, d), log ratio (B,), features of the image, 0 for none (B, 2 d) -> (B, d).

    What it learns is added to sqrt(1 - a) z_u, the noise's mean if z is from the prior: chains that an
    untrained denoiser starts then begin as LEBM's do. Without that they begin forty times as far out. The
    authors add it to z_u, and have a deeper network.
    """

    def __init__(self, d: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * d + TIME_DIM, WIDTH),
            nn.GELU(),
            nn.Linear(WIDTH, WIDTH),
            nn.GELU(),
            nn.Linear(WIDTH, d),
        )

    def forward(self, z: Tensor, log_ratio: Tensor, features: Tensor) -> Tensor:
        # The angle whose tangent is noise over signal, in units of a right one: even in u, as in their code.
        time = (-log_ratio / 2).exp().arctan() / (math.pi / 2)
        frequencies = 1e3 * torch.exp(
            -torch.arange(TIME_DIM // 2, device=z.device) * math.log(1e4) / (TIME_DIM // 2 - 1)
        )
        angles = time[:, None] * frequencies
        learned = self.layers(torch.cat([z, features, angles.sin(), angles.cos()], 1))
        return (-log_ratio).sigmoid().sqrt()[:, None] * z + learned


def find_log_ratio(u: Tensor) -> Tensor:
    """The logarithm of signal over noise, in variances, at times u in [0, 1]."""
    beta = math.atan(math.exp(-LARGEST_LOG_RATIO / 2))
    alpha = math.atan(math.exp(-SMALLEST_LOG_RATIO / 2)) - beta
    return -2 * (alpha * u + beta).tan().log()


@torch.no_grad()
def denoise(denoiser: nn.Module, noise: Tensor, features: Tensor) -> Tensor:
    """Draw z from the diffusion model: ``noise`` (T + 1, B, d) standard normal -> (B, d).

    From z_t the signal is guessed, and z_s is drawn at the next smaller time given both: with r the ratio of
    signal to noise at t over that at s, z_s has the mean r (alpha_t / alpha_s)^-1 z_t + (1 - r) alpha_s z and
    the variance (1 - r) (1 - a_t), alpha = sqrt(a).
    """
    log_ratios = find_log_ratio(torch.linspace(0, 1, DIFFUSION_STEPS, device=noise.device))
    z = noise[-1]
    for t in reversed(range(DIFFUSION_STEPS)):
        here = log_ratios[t]
        guess = denoiser(z, here.expand(len(z)), features)
        signal = (z - (-here).sigmoid().sqrt() * guess) / here.sigmoid().sqrt()
        if not t:
            return signal
        there = log_ratios[t - 1]
        rest = -torch.expm1(here - there)  # 1 - r
        kept = (1 - rest) * (there.sigmoid() / here.sigmoid()).sqrt()
        z = kept * z + rest * there.sigmoid().sqrt() * signal + (rest * (-here).sigmoid()).sqrt() * noise[t]
    raise AssertionError("DIFFUSION_STEPS is positive")


def compute_denoising_loss(
    denoiser: nn.Module, z: Tensor, features: Tensor, u: Tensor, noise: Tensor
) -> Tensor:
    """Compute the module's loss, a mean over samples: z, noise (B, d), features (B, 2 d), u (B,)."""
    log_ratio = find_log_ratio(u)
    share = log_ratio.sigmoid()[:, None]
    noisy = share.sqrt() * z + (1 - share).sqrt() * noise
    return (noise - denoiser(noisy, log_ratio, features)).square().sum(1).mean() / 2


class Amortiser(nn.Module):
    """An encoder of images and the denoiser that sees its features.

    As in the authors' encoder each image is normalised by itself: nothing differs between training and test.
    """

    def __init__(self, encoder: Encoder, denoiser: Denoiser):
        super().__init__()
        self.encoder, self.denoiser = encoder, denoiser

    def encode(self, images: Tensor, visible: Tensor | None) -> Tensor:
        """Features of images (B, C, H, W): (B, 2 d)."""
        return torch.cat(self.encoder(images, visible), 1)

    def draw(self, noise: Tensor, features: Tensor) -> Tensor:
        """Draw z, from q(z|I), or from q(z) with features of zeros: noise (T + 1, B, d) -> (B, d)."""
        return denoise(self.denoiser, noise, features)


def build_amortiser(architecture: Architecture, d: int, rng: torch.Generator) -> Amortiser:
    """Build an amortiser that takes z for a draw of the prior, whatever the image."""
    encoder = build_encoder(architecture, d, rng)
    normalise_each_image(encoder.layers)
    denoiser = build_network(lambda: Denoiser(d), rng)
    last = denoiser.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    return Amortiser(encoder, denoiser)


def normalise_each_image(layers: nn.Sequential) -> None:
    """Put an instance norm in each batch norm's place, a norm over all features where there are no pixels."""
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.BatchNorm2d):
            layers[index] = nn.InstanceNorm2d(layer.num_features, affine=True)
        elif isinstance(layer, nn.BatchNorm1d):
            layers[index] = nn.LayerNorm(layer.num_features)


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, share: float) -> None:
    """Move the weights of ``averaged`` by ``share`` of the way to those of ``network``."""
    for mean, weight in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(weight, share)
