"""Densities fitted to the latent vectors of a trained auto-encoder, to sample from and to score with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_COMPONENTS = 10  # of the mixtures that RAE and the main method's variant sample from


class LatentMixture:
    """A mixture of full Gaussians fitted by EM (scikit-learn) to latent vectors (N, d)."""

    def __init__(self, latents: Tensor, n_components: int, seed: int):
        from sklearn.mixture import GaussianMixture  # slow to load

        values = latents.double().cpu().numpy()
        self._mixture = GaussianMixture(min(n_components, len(values)), random_state=seed).fit(values)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw latent vectors (n, d) float32 on the CPU."""
        mixture = self._mixture
        weights = torch.from_numpy(mixture.weights_)
        chosen = torch.multinomial(weights, n, replacement=True, generator=rng)
        means, factors = (
            torch.from_numpy(part)
            for part in (mixture.means_, mixture.precisions_cholesky_.transpose(0, 2, 1).copy())
        )
        noise = torch.randn(n, means.shape[1], generator=rng, dtype=torch.float64)
        # precisions_cholesky_ P has P P^T = inverse covariance, so that solving P^T x = e gives covariance.
        spread = torch.linalg.solve_triangular(factors[chosen], noise[..., None], upper=False)[..., 0]
        return (means[chosen] + spread).float()

    def score(self, z: Tensor) -> Tensor:
        """Return - log density of latent vectors (B, d), without d/2 log 2 pi: (B,) float32."""
        values = z.double().cpu().numpy()
        scores = -torch.from_numpy(self._mixture.score_samples(values)) - z.shape[1] / 2 * math.log(
            2 * math.pi
        )
        return scores.float().to(z.device)
