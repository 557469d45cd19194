"""Short-run inference without correction or memory, for one or several layers of latent variables.

Nijkamp, Pang, Han, Zhou, Zhu and Wu, *Learning Multi-Layer Latent Variable Model via Variational Optimization
of Short Run MCMC for Approximate Inference* (ECCV 2020). Each minibatch's chains start at the prior, take
K = 25 steps of Eq. (8), and the generator learns from where they end. The step size s is learned too: of
.8 s, s and 1.25 s the one with the largest

    E [ -U(z^K) + log |det dz^K / dz^0| ],

the variational bound of the short run's own distribution, given its noise.

With L layers z = (z_1, ..., z_L): z_1 enters the generator, each further part is added, through a linear map,
to what goes into one of its ReLUs.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

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
STEP_PER_SIGMA = 0.05 / 0.075  # the paper's s = .05 at sigma .15 on [-1, 1], where training starts
FACTORS = (0.8, 1.0, 1.25)
N_ADJUSTMENTS = 10  # over the training, or as many as a quarter of the budget pays
FEWEST_ADJUSTMENTS = 3  # fewer cost steps and hardly move s: then it stays
N_MEASURED = 1  # images of the bound
INJECTED_DIM = 16
COST = STEPS + 1
COLUMN_COST = 2  # a column of a step's derivative, in gradients


class LayeredGenerator(nn.Module):
    """g(z_1, ..., z_L) of Table 1's layers, (B, d + (L - 1) 16) -> (B, C, H, W), with L - 1 ReLUs at most."""

    def __init__(self, base: Generator, n_layers: int):
        super().__init__()
        self.base = base
        self.places = [i for i, layer in enumerate(base.layers) if isinstance(layer, nn.ReLU)][: n_layers - 1]
        widths = [_count_outputs(base.layers[place - 1]) for place in self.places]
        self.injections = nn.ModuleList(nn.Linear(INJECTED_DIM, width) for width in widths)
        self.latent_dim = base.latent_dim + INJECTED_DIM * len(self.places)

    def forward(self, z: Tensor) -> Tensor:
        first, *parts = z.split([self.base.latent_dim, *[INJECTED_DIM] * len(self.places)], 1)
        x, waiting = first, list(zip(self.places, self.injections, parts, strict=True))
        for index, layer in enumerate(self.base.layers):
            if waiting and waiting[0][0] == index:
                _, injection, part = waiting.pop(0)
                added = injection(part)
                x = x + added.view(*added.shape, *[1] * (x.dim() - 2))
            x = layer(x)
        return x


def _count_outputs(layer: nn.Module) -> int:
    assert isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))  # which comes before each ReLU
    return layer.num_features


def measure_bound(
    network: Network,
    z: Tensor,
    images: Tensor,
    visible: Tensor | None,
    noise: Tensor,
    step_size: float,
    sigma: float,
) -> float:
    """Average -U(z^K) + log |det dz^K / dz^0| over samples, by forward differentiation of the chain."""

    def run(start: Tensor) -> Tensor:
        return run_chains(network, start, images, visible, noise, step_size, sigma)

    def differentiate(direction: Tensor) -> Tensor:  # (d,): the same for every sample
        return torch.func.jvp(run, (z,), (direction.expand_as(z),))[1]

    directions = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    columns = torch.func.vmap(differentiate)(directions)  # (d, B, d): derivatives by z^0_k come first
    volumes = torch.linalg.slogdet(columns.permute(1, 2, 0).double()).logabsdet
    end = run(z)
    energy = compute_energy(network(end), images, end, sigma, visible)
    return float((volumes - energy).mean().detach())


def plan_training(request: FitRequest, d: int) -> tuple[int, int]:
    """Count the minibatch steps and the adjustments of s that the budget pays for together."""
    cost = len(FACTORS) * N_MEASURED * STEPS * d * COLUMN_COST
    affordable = int(request.budget / 4 / cost)
    adjustments = min(N_ADJUSTMENTS, affordable) if affordable >= FEWEST_ADJUSTMENTS else 0
    left = replace(request, budget=request.budget - adjustments * cost)
    return left.count_steps(COST), adjustments


def fit_one(request: FitRequest) -> ChainInference:
    """Train with one layer of latent variables."""
    return _fit(request, n_layers=1)


def fit_five(request: FitRequest) -> ChainInference:
    """Train with five layers, or as many as the generator has places for: MNIST's has four."""
    return _fit(request, n_layers=5)


def _fit(request: FitRequest, n_layers: int) -> ChainInference:
    rng = request.make_rng()
    architecture = find_architecture(request.architecture)

    def build() -> Generator | LayeredGenerator:
        base = Generator(architecture, request.latent_dim)
        return base if n_layers == 1 else LayeredGenerator(base, n_layers)

    whole = build_network(build, rng).to(request.device)
    d, step_size = whole.latent_dim, STEP_PER_SIGMA * request.sigma
    optimiser = request.make_adam(whole.parameters())
    network, dtype = lower(whole, request.precision)
    batches = request.shuffle(rng)
    steps, adjustments = plan_training(request, d)
    moments = {math.ceil((number + 0.5) * steps / adjustments) for number in range(adjustments)}

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
            if step in moments:
                seen = None if visible is None else visible[:N_MEASURED]
                few = start[:N_MEASURED], images[:N_MEASURED], seen, noise[:, :N_MEASURED]
                bounds = {
                    factor: measure_bound(whole, *few, factor * step_size, request.sigma)
                    for factor in FACTORS
                }
                step_size *= max(bounds, key=lambda factor: bounds[factor])
            z = run_chains(network, start, images, visible, noise, step_size, request.sigma, dtype=dtype)
        whole.train()
        return learn_generator(whole, optimiser, z, images, visible, request, step)

    take_steps("SRI", steps, take_step)
    return ChainInference(whole, d, request, step_size, fewest_steps=STEPS)
