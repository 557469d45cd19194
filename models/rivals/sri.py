"""Short-run inference without correction or memory, for one or several layers of latent variables.

Nijkamp, Pang, Han, Zhou, Zhu and Wu, *Learning Multi-Layer Latent Variable Model via Variational Optimization
of Short Run MCMC for Approximate Inference* (ECCV 2020). Each minibatch's chains start at the prior, take
K = 25 steps of Eq. (8), and the generator learns from where they end. The step size s is fixed, as in the
authors' published script. ``fit_learned`` learns it, as their paper says: of .8 s, s and 1.25 s the one with
the largest

    E [ -U(z^K) + log |det dz^K / dz^0| ],

the variational bound of the short run's own distribution, given its noise. A step's derivative is
I - (s^2 / 2) H(z^k) with the Hessian H of U, so that

    log |det dz^K / dz^0| = sum over k < K of log |det (I - (s^2 / 2) H(z^k))|.

Every fifth term from a random first one, times five, estimates that sum without bias at a fifth of its cost;
each term is exact. Given the noise, contraction is charged and the spread that noise adds is not credited: s
falls, and the generator learns less (docs/methods.md has the numbers).

With L layers each one below the first is Gaussian given the features h above it, z_l = mu(h) + sigma(h) e_l,
as in the authors' ``Stochastic``. Chains run on z_1 and e_2, ..., e_L, which are N(0, I) a priori, and z_l
is added, through a linear map, to what goes into the generator's next ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.descent import take_steps
from models.interface import FitRequest
from models.langevin.dynamics import Network
from models.langevin.energy import compute_energy
from models.langevin.noise import Stream, draw_normal
from models.langevin.tilted import lower, run_chains
from models.networks.architectures import find_architecture
from models.networks.generator import Generator, build_network
from models.networks.lowering import LoweredNetwork
from models.rivals.bases.chain_inference import ChainInference, learn_generator

STEPS = 25
STEP_PER_SIGMA = 0.05 / 0.075  # the paper's s = .05 at sigma .15 on [-1, 1], where a learned one starts
BETAS = (0.5, 0.999)  # the authors' script's
FACTORS = (0.8, 1.0, 1.25)
N_ADJUSTMENTS, SHARE = 10, 0.25  # over the training, or as many as this share of the budget pays
FEWEST_ADJUSTMENTS = 3  # without which s hardly moves: for these the share may rise
N_MEASURED = 2  # images of the bound
STRIDE = 5  # of the steps whose determinants are taken
INJECTED_DIM = 16
LARGEST_LOG_VARIANCE = 10.0
COST = STEPS + 1
COLUMN_COST = 2  # a column of a step's derivative, in gradients

Step = Callable[[Tensor], Tensor]  # z -> the next z, (B, d) each


class StochasticLayer(nn.Module):
    """z_l = mu(h) + sigma(h) e and what it adds below: features h, e (B, 16) -> (B, width).

    The log variance is a softplus, at most 10, as in the authors' code: sigma is never below 1.
    """

    def __init__(self, features: int, width: int):
        super().__init__()
        self.heads = nn.Linear(features, 2 * INJECTED_DIM)
        self.projection = nn.Linear(INJECTED_DIM, width)

    def infer_moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of z_l given the features above it: (B, 16) each."""
        mean, raw = self.heads(h.flatten(1)).chunk(2, 1)
        log_variance = functional.softplus(raw).clamp(max=LARGEST_LOG_VARIANCE)
        return mean, (log_variance / 2).exp()

    def forward(self, h: Tensor, part: Tensor) -> Tensor:
        mean, deviation = self.infer_moments(h)
        return self.projection(mean + deviation * part)


class LayeredGenerator(nn.Module):
    """g(z_1, e_2, ..., e_L) of Table 1's layers, (B, d + (L - 1) 16) -> (B, C, H, W), L - 1 ReLUs at most."""

    def __init__(self, base: Generator, n_layers: int):
        super().__init__()
        self.base = base
        self.places = [i for i, layer in enumerate(base.layers) if isinstance(layer, nn.ReLU)][: n_layers - 1]
        self.stochastic = nn.ModuleList(
            StochasticLayer(*_count_features(base.layers, place)) for place in self.places
        )
        self.latent_dim = base.latent_dim + INJECTED_DIM * len(self.places)

    def forward(self, z: Tensor) -> Tensor:
        first, *parts = z.split([self.base.latent_dim, *[INJECTED_DIM] * len(self.places)], 1)
        x, waiting = first, list(zip(self.places, self.stochastic, parts, strict=True))
        for index, layer in enumerate(self.base.layers):
            if waiting and waiting[0][0] == index:
                _, stochastic, part = waiting.pop(0)
                added = stochastic(functional.relu(x), part)
                x = x + added.view(*added.shape, *[1] * (x.dim() - 2))
            x = layer(x)
        return x


def _count_features(layers: nn.Sequential, place: int) -> tuple[int, int]:
    """How many numbers go into the ReLU at ``place``, and how many channels they have."""
    norm, pixels = layers[place - 1], 1
    assert isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))  # which comes before each ReLU
    for layer in layers[:place]:
        if isinstance(layer, nn.Unflatten):
            _, height, width = layer.unflattened_size
            pixels = height * width
        elif isinstance(layer, nn.ConvTranspose2d):
            pixels *= 4  # each of them doubles both sides
    return norm.num_features * pixels, norm.num_features


class ShortRunInference(ChainInference):
    """Chains that start at the prior, with the fixed step size, or the one that training ended with."""

    def __init__(self, network: nn.Module, d: int, request: FitRequest, step_size: float, adjustments: int):
        super().__init__(network, d, request, step_size, fewest_steps=STEPS)
        self._adjustments = adjustments

    @property
    def diagnostics(self) -> dict[str, float]:
        """The step size, and how often it was chosen anew: never where it is fixed, or the budget small."""
        return {"step_size": self.step_size, "step_size_adjustments": float(self._adjustments)}


def measure_bound(
    network: Network,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    noise: Tensor,
    step_size: float,
    sigma: float,
    stride: int = 1,
    first: int = 0,
) -> float:
    """Average -U(z^K) + log |det dz^K / dz^0| over samples, by forward differentiation of single steps.

    The determinants are those of steps ``first``, ``first + stride``, ..., times ``stride``: exact with
    stride 1, else the mean over all first steps is exact.
    """
    directions = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    volumes = z.new_zeros(len(z), dtype=torch.float64)
    for k, step_noise in enumerate(noise):

        def run(start: Tensor, step_noise: Tensor = step_noise) -> Tensor:
            return run_chains(network, start, images, visible, step_noise[None], step_size, sigma)

        if k % stride == first:

            def differentiate(direction: Tensor, run: Step = run, z: Tensor = z) -> Tensor:
                return torch.func.jvp(run, (z,), (direction.expand_as(z),))[1]  # the same for every sample

            columns = torch.func.vmap(differentiate)(directions)  # (d, B, d): derivatives by z_k come first
            volumes += stride * torch.linalg.slogdet(columns.permute(1, 2, 0).double()).logabsdet.detach()
        z = run(z)
    energy = compute_energy(network(z), images, z, sigma, visible)
    return float((volumes - energy).mean().detach())


def count_adjustment(d: int) -> int:
    """Count the gradients that one adjustment of s takes: each factor's chains and its columns."""
    return len(FACTORS) * N_MEASURED * (STEPS + STEPS // STRIDE * d * COLUMN_COST)


def plan_training(request: FitRequest, d: int) -> tuple[int, int]:
    """Count the minibatch steps and the adjustments of s that the budget pays for together.

    If a quarter of it pays less than three adjustments the share rises, as far as one step is left.
    """
    cost = count_adjustment(d)
    adjustments = min(N_ADJUSTMENTS, int(SHARE * request.budget / cost))
    if adjustments < FEWEST_ADJUSTMENTS:
        left = request.budget - COST * request.batch_size
        adjustments = max(0, min(FEWEST_ADJUSTMENTS, int(left / cost)))
    left_request = replace(request, budget=request.budget - adjustments * cost)
    return left_request.count_steps(COST), adjustments


def fit_one(request: FitRequest) -> ShortRunInference:
    """Train with one layer of latent variables and the script's step size."""
    return _fit(request, n_layers=1, learns_step_size=False)


def fit_learned(request: FitRequest) -> ShortRunInference:
    """Train with one layer of latent variables, and learn the step size by the bound."""
    return _fit(request, n_layers=1, learns_step_size=True)


def fit_five(request: FitRequest) -> ShortRunInference:
    """Train with five layers, or as many as the generator has places for: MNIST's has four."""
    return _fit(request, n_layers=5, learns_step_size=False)


def _fit(request: FitRequest, n_layers: int, learns_step_size: bool) -> ShortRunInference:
    rng = request.make_rng()
    architecture = find_architecture(request.architecture)

    def build() -> Generator | LayeredGenerator:
        base = Generator(architecture, request.latent_dim)
        return base if n_layers == 1 else LayeredGenerator(base, n_layers)

    whole = build_network(build, rng).to(request.device)
    d, step_size = whole.latent_dim, STEP_PER_SIGMA * request.sigma
    optimiser = request.make_adam(whole.parameters(), betas=BETAS)
    network, dtype = lower(whole, request.precision)
    batches = request.shuffle(rng)
    steps, adjustments = plan_training(request, d) if learns_step_size else (request.count_steps(COST), 0)
    moments = [math.ceil((number + 0.5) * steps / adjustments) for number in range(adjustments)]

    def take_step(step: int) -> Tensor:
        nonlocal step_size
        rows = next(batches)
        images, visible = request.load(rows)
        start = draw_normal(request.seed, Stream.TRAIN_INIT, rows, step, 1, d)[0]
        noise = draw_normal(request.seed, Stream.TRAIN_CHAIN, rows, step, STEPS, d)
        whole.eval()
        if isinstance(network, LoweredNetwork):
            network.refresh()
        with torch.no_grad():
            for _ in range(moments.count(step)):  # several, where there are fewer steps than adjustments
                seen = None if visible is None else visible[:N_MEASURED]
                few = start[:N_MEASURED], images[:N_MEASURED], seen, noise[:, :N_MEASURED]
                first = int(torch.randint(STRIDE, (1,), generator=rng))
                bounds = {
                    factor: measure_bound(whole, *few, factor * step_size, request.sigma, STRIDE, first)
                    for factor in FACTORS
                }
                step_size *= max(bounds, key=lambda factor: bounds[factor])
            z = run_chains(network, start, images, visible, noise, step_size, request.sigma, dtype=dtype)
        whole.train()
        return learn_generator(whole, optimiser, z, images, visible, request, step)

    take_steps("SRI", steps, take_step)
    return ShortRunInference(whole, d, request, step_size, adjustments)
