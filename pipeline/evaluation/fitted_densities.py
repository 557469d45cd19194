"""Samples of z from other densities than N(0, I): what does a trained generator owe to its prior?

A generator is asked for images of z from N(0, I), and learned from z that need not look so. The correction
moves those z to the prior; a density that is fitted to them afterwards goes to where they are (Ghosh et al.,
*From Variational to Deterministic Autoencoders*, 2020, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from models.interface import FittedMethod, make_rng
from models.latent_density import N_COMPONENTS, LatentMixture
from models.short_run.method import ShortRun

PRIOR = "N(0, I)"
FITTED = {"one Gaussian": 1, "ten Gaussians": N_COMPONENTS}  # name -> components
FITTED_DISTANCES = {  # density -> the stage fid's number
    name: f"frechet_distance_{name.replace(' ', '_').lower()}" for name in FITTED
}
THEMSELVES = "z of the training images"
DENSITIES = (PRIOR, *FITTED, THEMSELVES)


def find_latents(fitted: FittedMethod, images: Tensor, steps: int) -> Tensor:
    """The z (N, d) that the generator learned with last: chains as training left them, else a draw of q.

    ``images``: the training images (N, C, H, W) uint8; ``steps``: of a chain that draws.
    """
    return fitted.latents if isinstance(fitted, ShortRun) else fitted.draw_posterior(images, steps)


def draw_from_fitted(latents: Tensor, n: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Draw ``n`` z from each density fitted to ``latents`` (N, d).

    Yields the density's name, of FITTED, and its z (n, d). ``seed``: of the fit and of what is drawn from it.
    """
    for name, n_components in FITTED.items():
        z = LatentMixture(latents, n_components, seed).draw(n, make_rng(seed, n_components))
        yield name, z.to(latents.device)


def draw_from_each(fitted: FittedMethod, latents: Tensor, n: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Draw ``n`` z from the method's prior, then from each density fitted to ``latents`` (N, d); last, these.

    Yields the density's name, one of DENSITIES, and its z (n, d), of the last (N, d).
    """
    yield PRIOR, fitted.draw_prior(n, 0)
    yield from draw_from_fitted(latents, n, seed)
    yield THEMSELVES, latents
