"""Regularised auto-encoders: the VAE's noise replaced by a penalty on the decoder.

Ghosh, Sajjadi, Vergari, Black and Schoelkopf, *From Variational to Deterministic Autoencoders* (ICLR 2020).
With P pixels and channels and latent dimension d the loss of a sample is, as in the authors' code,

    |M (I - g(z))|^2 / P + beta |z|^2 / d + lambda R,   z = e(I),

    R = |theta|^2, the weights of the decoder's transposed convolutions (RAE-L2), or
    R = mean_j (d |g(z)|^2 / d z_j)^2 (RAE-GP).

A mixture of ten Gaussians fitted to the latent vectors after training is what samples are drawn from.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.descent import minimise
from models.interface import FitRequest
from models.langevin.energy import measure_residual
from models.latent_density import N_COMPONENTS, LatentMixture
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder

# configurations/config.py of the authors' code, MNIST.
BETA = 1e-4
WEIGHT_PENALTY = 1e-7
GRADIENT_PENALTY = 0.5e-7


def penalise_weights(network: nn.Module) -> Tensor:
    """Sum |theta|^2 of the transposed convolutions' weights, the layers that the authors' code penalises."""
    weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d)]
    return torch.stack([weight.square().sum() for weight in weights]).sum()


def penalise_gradient(generated: Tensor, z: Tensor) -> Tensor:
    """Average over samples and latent dimensions (d |g(z)|^2 / d z_j)^2, differentiable."""
    (gradient,) = torch.autograd.grad(generated.square().sum(), z, create_graph=True)
    return gradient.square().mean()


def fit_l2(request: FitRequest) -> Autoencoder:
    """Train RAE-L2; a step costs two gradients a sample, encoder and decoder."""
    return _fit(request, "RAE-L2", cost=2)


def fit_gp(request: FitRequest) -> Autoencoder:
    """Train RAE-GP in float32; the decoder's second derivatives cost two gradients more."""
    return _fit(request, "RAE-GP", cost=4)


def _fit(request: FitRequest, name: str, cost: int) -> Autoencoder:
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    pixels = math.prod(generator.architecture.image_shape)

    def compute_loss(rows: Tensor) -> Tensor:
        images, visible = request.load(rows)
        if name == "RAE-L2":
            with request.autocast():
                z, _ = encoder(images, visible)
                generated = generator(z)
            penalty = WEIGHT_PENALTY * penalise_weights(generator)
        else:
            z, _ = encoder(images, visible)
            generated = generator(z)
            penalty = GRADIENT_PENALTY * penalise_gradient(generated, z)
        error = measure_residual(generated, images, visible).mean() / pixels
        return error + BETA * z.square().mean() + penalty

    optimiser = request.make_adam([*generator.parameters(), *encoder.parameters()])
    minimise(name, optimiser, compute_loss, request.shuffle(rng), request.count_steps(cost))
    fitted = Autoencoder(encoder, generator, request)
    latents = fitted.infer(request.images, request.visible, 0, 0)
    mixture = LatentMixture(latents, N_COMPONENTS, request.seed)
    return Autoencoder(encoder, generator, request, mixture.draw, mixture.score)
