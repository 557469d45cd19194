"""A VAE and a latent energy-based model trained together by the divergence triangle (EBM-VAE).

Han, Nijkamp, Zhou, Pang, Zhu and Wu, *Joint Training of Variational Auto-Encoder and Latent Energy-Based
Model* (CVPR 2020). With Q = q(I) q(z|I), P = p(z) N(I; g(z), sigma^2) and Pi ~ exp f(I, z), the objective

    min over q, g, max over f of   KL(Q || P) + KL(P || Pi) - KL(Q || Pi)

comes down, apart from constants, to: f ascends E_Q f - E_P f; the encoder descends -E_Q[log p(z) p(I|z)] +
E_Q f, in which q's entropy cancels, and the generator -E_Q log p(I|z) - E_P f. Two things are ours: the
encoder keeps the VAE's entropy, without which nothing holds its variances up, and f's part has a weight.
-f(I, e(I)) is the score.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.autoencoder import Autoencoder, build_autoencoder
from models.critic import Critic, build_critic
from models.encoder import Encoder
from models.gan import refuse_occlusion
from models.generator import Generator
from models.interface import FitRequest, count_weights
from models.optimisation import check_loss, shuffle
from models.vae import compute_loss, draw_latents

WEIGHT = 0.1  # of f's terms beside the VAE's, per sample
DECAY = 1e-3  # |f|^2, which keeps an unnormalised f near zero
BETAS = (0.5, 0.999)
COST = 6  # encoder and generator: two; two pairs through f for its own step and for theirs
CHECK_EVERY = 20
CHUNK = 500


class JointModel(Autoencoder):
    """Encoder, generator, and the energy of pairs that scores."""

    def __init__(self, encoder: Encoder, generator: Generator, critic: Critic, request: FitRequest):
        super().__init__(encoder, generator, request)
        self._critic = critic.eval()

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        scores = []
        for rows in torch.arange(len(images), device=images.device).split(CHUNK):
            batch = images[rows].float() / 255
            scores.append(-self._critic(batch, self.encoder(batch, None)[0]))
        return torch.cat(scores)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._critic)


def fit(request: FitRequest) -> JointModel:
    """Train f, then encoder and generator, on each minibatch."""
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng, request.latent_dim).to(request.device)
    weights = [*encoder.parameters(), *generator.parameters()]
    optimiser = torch.optim.Adam(weights, lr=request.learning_rate, fused=True)
    adversary = torch.optim.Adam(critic.parameters(), lr=request.learning_rate / 10, betas=BETAS, fused=True)
    batches = shuffle(len(request.images), request.minibatch, rng, request.device)
    steps = request.count_steps(COST)
    for step in range(1, steps + 1):
        images, _ = request.load(next(batches))
        prior = torch.randn(len(images), request.latent_dim, generator=rng).to(request.device)
        with request.autocast():
            mean, log_variance = encoder(images, None)
            z = draw_latents(mean, log_variance, rng)
            reconstructed, generated = generator(z), generator(prior)
            inferred, drawn = critic(images, z.detach()), critic(generated.detach(), prior)
        contrast = (drawn - inferred).mean() + DECAY * (drawn.square() + inferred.square()).mean()
        adversary.zero_grad(set_to_none=True)
        contrast.backward()
        adversary.step()
        with request.autocast():
            opposed = critic(images, z).mean() - critic(generated, prior).mean()
        bound = compute_loss(reconstructed, images, None, mean, log_variance, request.sigma).mean()
        optimiser.zero_grad(set_to_none=True)
        (bound + WEIGHT * opposed).backward()
        optimiser.step()
        if step % CHECK_EVERY == 0 or step == steps:
            check_loss("EBM-VAE", step, bound)
    return JointModel(encoder, generator, critic, request)
