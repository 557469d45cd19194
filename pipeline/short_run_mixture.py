"""The main method with RAE's way of sampling: a mixture fitted to the latent vectors in the prior's place.

Not the paper's. It tells apart what a method's samples owe to its generator and what to the density that is
fitted after training (Ghosh et al., *From Variational to Deterministic Autoencoders*, 2020, section 4), which
the methods that sample from N(0, I) do without.
"""

from __future__ import annotations

from torch import Tensor

from models.density import LatentMixture
from models.interface import make_rng
from models.rae import N_COMPONENTS
from pipeline.short_run import ShortRun, TrainingRequest, fit_short_run


class ShortRunMixture(ShortRun):
    """Samples from ten Gaussians fitted to the training images' corrected latent vectors."""

    def __init__(self, request: TrainingRequest, fitted: ShortRun):
        super().__init__(request, fitted.generator, fitted.latents)
        self._seed, self._mixture = request.seed, LatentMixture(fitted.latents, N_COMPONENTS, request.seed)

    def sample(self, n: int) -> Tensor:
        rng = make_rng(self._seed)
        return self.generate(self._mixture.draw(n, rng).to(self.latents.device))


def fit(request: TrainingRequest) -> ShortRunMixture:
    """Train as the main method, then fit the mixture."""
    return ShortRunMixture(request, fit_short_run(request))
