"""Linear ground truth: probabilistic principal components in closed form and by EM, factor analysis by EM.

I = W z + mu + e, z ~ N(0, I), e ~ N(0, Psi) over P pixels. Tipping and Bishop, *Probabilistic Principal
Component Analysis* (1999): with Psi = sigma^2 I the maximum of the likelihood is

    sigma^2 = mean of the P - d smallest eigenvalues of the covariance,
    W = U_d (Lambda_d - sigma^2 I)^(1/2).

Factor analysis, Psi diagonal, has no closed form: Rubin and Thayer, *EM Algorithms for ML Factor Analysis*
(1982). Pixels that are hidden are left out of each sample's likelihood, and EM maximises what remains.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.interface import FitRequest, FittedMethod, make_rng

EM_STEPS = 50
SMALLEST_VARIANCE = 1e-4  # of a pixel that never changes
FIRST_DRAW = 2  # purpose of a draw's random numbers; 0 is the samples', 1 the aggregated posterior's
SAMPLES_AT_ONCE = 200  # with hidden pixels each has a (d, d) covariance of its own


@dataclass(frozen=True)
class LinearGaussian:
    """A linear Gaussian model: loadings W (P, d), mean (P,), noise variances Psi (P,), float64."""

    loadings: Tensor
    mean: Tensor
    variances: Tensor

    def infer(self, x: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return mean (N, d) and covariance (N, d, d) of p(z|x), x (N, P) where ``seen`` (N, P) is 1.

        With all pixels seen the covariance is the same for all: (1, d, d).
        """
        eye = torch.eye(self.loadings.shape[1], dtype=self.loadings.dtype, device=x.device)
        weighted = self.loadings / self.variances[:, None]  # (P, d)
        centred = x - self.mean
        if seen is None:
            precision = (eye + self.loadings.mT @ weighted)[None]
        else:
            centred = centred * seen
            outer = torch.einsum("pi,pj->pij", self.loadings, weighted).flatten(1)
            precision = eye + (seen @ outer).view(-1, *eye.shape)
        covariance = torch.linalg.inv(precision)
        return (covariance @ (centred @ weighted)[..., None])[..., 0], covariance

    def evaluate_log_likelihood(self, x: Tensor) -> Tensor:
        """Return log p(x) for complete x (N, P): (N,), by the determinant and inversion lemmas."""
        z, covariance = self.infer(x)
        centred = x - self.mean
        explained = ((centred @ (self.loadings / self.variances[:, None])) * z).sum(1)
        distance = (centred.square() / self.variances).sum(1) - explained
        log_determinant = self.variances.log().sum() - torch.linalg.slogdet(covariance[0]).logabsdet
        return -(distance + log_determinant + x.shape[1] * math.log(2 * math.pi)) / 2


def draw_gaussian(mean: Tensor, covariance: Tensor, rng: torch.Generator) -> Tensor:
    """Draw from N(mean, covariance): (N, d), and (N, d, d) or (1, d, d) -> (N, d)."""
    noise = torch.randn(mean.shape, generator=rng, dtype=mean.dtype).to(mean.device)
    return mean + (torch.linalg.cholesky(covariance) @ noise[..., None])[..., 0]


def fit_closed_form(x: Tensor, d: int) -> LinearGaussian:
    """Fit probabilistic principal components to x (N, P): the maximum of the likelihood."""
    mean = x.mean(0)
    n, p = x.shape
    _, singular, axes = torch.linalg.svd(x - mean, full_matrices=False)
    eigenvalues = singular.square() / n
    d = min(d, len(eigenvalues) - 1)
    variance = max(float(eigenvalues[d:].sum()) / (p - d), SMALLEST_VARIANCE)
    scales = (eigenvalues[:d] - variance).clamp(min=0).sqrt()
    return LinearGaussian(axes[:d].mT * scales, mean, torch.full_like(mean, variance))


def take_em_step(model: LinearGaussian, x: Tensor, seen: Tensor | None, is_isotropic: bool) -> LinearGaussian:
    """Take one step of EM for W, mu and Psi together, on what is seen of x (N, P)."""
    z, covariance = model.infer(x, seen)
    n, d = z.shape
    extended = torch.cat([z, z.new_ones(n, 1)], 1)  # the mean is the loading of a constant
    second = torch.einsum("ni,nj->nij", extended, extended)
    second[:, :d, :d] += covariance
    weights = torch.ones_like(x) if seen is None else seen
    moments = (weights.mT @ second.flatten(1)).view(-1, d + 1, d + 1)  # (P, d + 1, d + 1)
    moments = moments + 1e-9 * torch.eye(d + 1, dtype=x.dtype, device=x.device)
    targets = (weights * x).mT @ extended  # (P, d + 1)
    loadings = torch.linalg.solve(moments, targets[..., None])[..., 0]
    counts = weights.sum(0)
    squares = (weights * x.square()).sum(0) - (loadings * targets).sum(1)
    if is_isotropic:
        variances = torch.full_like(squares, float(squares.sum() / counts.sum()))
    else:
        variances = squares / counts.clamp(min=1)
    return LinearGaussian(loadings[:, :d], loadings[:, d], variances.clamp(min=SMALLEST_VARIANCE))


class LinearMethod(FittedMethod):
    """A linear Gaussian model behind the interface."""

    def __init__(self, model: LinearGaussian, request: FitRequest):
        self.model, self._shape, self.seed = model, request.images.shape[1:], request.seed
        self._channels = request.images.shape[1]
        self._draws = False  # whether ``infer`` draws from the posterior

    def sample(self, n: int) -> Tensor:
        return self.generate(self.draw_prior(n, 0))

    def draw_prior(self, n: int, draw: int) -> Tensor:
        rng = make_rng(self.seed, draw)
        return torch.randn(n, self.model.loadings.shape[1], generator=rng).to(self.model.loadings.device)

    def infer(self, images: Tensor, visible: Tensor | None, steps: int, draw: int) -> Tensor:
        """Return the mean of p(z|I) in closed form; ``draw`` is read by ``as_draws`` alone."""
        rng = make_rng(self.seed, FIRST_DRAW + draw)
        parts = []
        for rows in torch.arange(len(images), device=images.device).split(SAMPLES_AT_ONCE):
            seen = None if visible is None else flatten_visible(visible[rows], self._channels)
            mean, covariance = self.model.infer(flatten(images[rows]), seen)
            parts.append(draw_gaussian(mean, covariance, rng) if self._draws else mean)
        return torch.cat(parts).float()

    def as_draws(self) -> LinearMethod:
        """The same with exact draws from the Gaussian p(z|I), of whole and of occluded images."""
        drawing = copy.copy(self)
        drawing._draws = True
        return drawing

    def draw_posterior(self, images: Tensor, steps: int) -> Tensor:
        return draw_gaussian(*self.model.infer(flatten(images)), make_rng(self.seed, 1)).float()

    def generate(self, z: Tensor) -> Tensor:
        x = z.double() @ self.model.loadings.mT + self.model.mean
        return x.float().clamp(0, 1).view(-1, *self._shape)

    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        """Return -log p(I), exactly; neither ``steps`` nor ``draw`` is read."""
        parts = [self.model.evaluate_log_likelihood(flatten(part)) for part in images.split(SAMPLES_AT_ONCE)]
        return -torch.cat(parts).float()

    def count_parameters(self) -> int:
        return self.model.loadings.numel() + self.model.mean.numel() + self.model.variances.numel()


def flatten(images: Tensor) -> Tensor:
    """uint8 images (N, C, H, W) as vectors (N, P) in [0, 1], in float64: ``to_unit`` rounds to float32."""
    return images.flatten(1).double() / 255


def flatten_visible(visible: Tensor, channels: int) -> Tensor:
    """Repeat what is visible, (N, 1, H, W), for each of the P values: (N, P) float64."""
    return visible.expand(-1, channels, -1, -1).flatten(1).double()


def fit_principal_components(request: FitRequest) -> LinearMethod:
    """Fit in closed form to complete images; to occluded ones by EM from there, on the visible pixels."""
    return _fit(request, is_isotropic=True)


def fit_factors(request: FitRequest) -> LinearMethod:
    """Fit factor analysis by EM, from the principal components."""
    return _fit(request, is_isotropic=False)


def _fit(request: FitRequest, is_isotropic: bool) -> LinearMethod:
    x = flatten(request.images)
    seen = None if request.visible is None else flatten_visible(request.visible, request.images.shape[1])
    filled = x
    if seen is not None:  # start from the mean of what is seen where nothing is
        mean = (x * seen).sum(0) / seen.sum(0).clamp(min=1)
        filled = x * seen + mean * (1 - seen)
    model = fit_closed_form(filled, request.latent_dim)
    if seen is not None or not is_isotropic:
        for _ in range(EM_STEPS):
            model = take_em_step(model, x, seen, is_isotropic)
    return LinearMethod(model, request)
