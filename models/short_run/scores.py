"""Anomaly scores of a latent vector: the joint energy, its reconstruction term, an estimate of - log p(I).

The paper scores by - log p(I, z) at a draw of z (section 7.5), which says how well some z explains an image,
not how likely the image is: it leaves out the volume of the latents that explain it. The Laplace
approximation (MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003, chapter 27) puts it in,

    - log p(I) ~ U(z*) + 1/2 log det H,   H = J^T J / sigma^2 + I,   J = dg/dz at z*,

with z* the posterior's mode and H its Gauss-Newton precision; constants that all images share are left out.
It is exact where g is linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.dynamics import ChainSettings, Network
from models.langevin.energy import compute_energy
from models.langevin.engine import InferenceEngine, NoiseAddress
from models.langevin.noise import Stream, draw_normal

DIFFERENTIATED = 50  # samples whose Jacobians are held at once


def score_joint(network: Network, z: Tensor, images: Tensor, sigma: float) -> Tensor:
    """U(z) of Eq. (7): (B, d), (B, C, H, W) in [0, 1] -> (B,), larger is more anomalous."""
    return compute_energy(network(z), images, z, sigma)


def score_reconstruction(network: Network, z: Tensor, images: Tensor, sigma: float) -> Tensor:
    """The reconstruction term of U(z) alone: (B,)."""
    return score_joint(network, z, images, sigma) - z.square().sum(1) / 2


def score_laplace(network: Network, z: Tensor, images: Tensor, sigma: float) -> Tensor:
    """The Laplace estimate of - log p(I) at ``z``, up to a constant: (B,)."""
    energy = score_joint(network, z, images, sigma)
    half_log_determinants = [_measure_volume(network, part, sigma) for part in z.split(DIFFERENTIATED)]
    return energy + torch.cat(half_log_determinants)


def _measure_volume(network: Network, z: Tensor, sigma: float) -> Tensor:
    """1/2 log det(J^T J / sigma^2 + I) for each sample, (B,), one column of J at a time."""
    d = z.shape[1]
    columns = []
    for axis in range(d):
        direction = torch.zeros_like(z)
        direction[:, axis] = 1
        columns.append(torch.func.jvp(network, (z,), (direction,))[1].flatten(1))
    jacobian = torch.stack(columns, 2).double()  # (B, pixels, d)
    precision = jacobian.mT @ jacobian / sigma**2 + torch.eye(d, dtype=torch.float64, device=z.device)
    return (torch.linalg.slogdet(precision).logabsdet / 2).to(z.dtype)


SCORES: dict[str, Callable[[Network, Tensor, Tensor, float], Tensor]] = {
    "joint": score_joint,
    "reconstruction": score_reconstruction,
    "laplace": score_laplace,
}
SCORED_AT_ONCE = 1000  # images scored at once


@dataclass(frozen=True)
class Scoring:
    """How test images are scored: the chain that infers z, and a function of ``SCORES`` by its name."""

    chain: ChainSettings
    score: str = "joint"


def score_images(
    engine: InferenceEngine, images: Tensor, latent_dim: int, scoring: Scoring, seed: int, draw: int
) -> Tensor:
    """Score images (N, C, H, W) at the end of one short run each: (N,), a higher score is more anomalous.

    Chains start from the prior; those of another ``draw`` are independent. Score ``joint`` is U(z^K), the
    negative of log p(I, z) in Eq. (7).
    """
    indices = torch.arange(len(images), device=images.device)
    z = draw_normal(seed, Stream.TEST_INIT, indices, draw, 1, latent_dim)[0]
    z = engine.infer(z, images, None, indices, scoring.chain, NoiseAddress(seed, Stream.TEST_CHAIN, draw))
    if scoring.score == "joint":
        return engine.evaluate_energy(z, images)
    generator = engine.generator.eval().requires_grad_(False)
    score = SCORES[scoring.score]
    parts = [
        score(generator, z[rows], to_unit(images[rows]), engine.sigma)
        for rows in torch.arange(len(z), device=z.device).split(SCORED_AT_ONCE)
    ]
    return torch.cat(parts)
