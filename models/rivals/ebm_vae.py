"""A VAE with a tenth of the divergence triangle: what stands for EBM-VAE here, and not the paper's method.

After Han, Nijkamp, Zhou, Pang, Zhu and Wu, *Joint Training of Variational Auto-Encoder and Latent
Energy-Based Model* (CVPR 2020). With Q = q(I) q(z|I), P = p(z) N(I; g(z), sigma^2) and Pi ~ exp f(I, z), the
objective

    min over q, g, max over f of   KL(Q || P) + KL(P || Pi) - KL(Q || Pi)

comes down, apart from constants, to: f ascends E_Q f - E_P f; the encoder descends -E_Q[log p(z) p(I|z)] +
E_Q f, in which q's entropy cancels, and the generator -E_Q log p(I|z) - E_P f. Two things are ours, and they
decide what is learned: the encoder keeps the VAE's entropy, without which nothing holds its variances up, and
f's part has the weight .1, so that encoder and generator minimise a VAE's bound that f perturbs. -f(I, e(I))
is the score. The authors published no code.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.descent import descend, take_steps
from models.interface import FitRequest
from models.networks.critic import build_critic
from models.networks.encoder import draw_latents
from models.rivals.bases.autoencoder import JudgedAutoencoder, build_autoencoder
from models.rivals.gan import refuse_occlusion
from models.rivals.vae import compute_loss

WEIGHT = 0.1  # of f's terms beside the VAE's, per sample
DECAY = 1e-3  # |f|^2, which keeps an unnormalised f near zero
BETAS = (0.5, 0.999)
COST = 7  # encoder: one; generator: two; two pairs through f, for its own step and for theirs


class JointModel(JudgedAutoencoder):
    """Encoder, generator, and the energy of pairs that scores."""

    has_posterior = True

    def judge(self, images: Tensor, z: Tensor) -> Tensor:
        return -self.critic(images, z)


def fit(request: FitRequest) -> JointModel:
    """Train f, then encoder and generator, on each minibatch."""
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng, request.latent_dim).to(request.device)
    optimiser = request.make_adam([*encoder.parameters(), *generator.parameters()])
    adversary = request.make_adam(critic.parameters(), request.learning_rate / 10, BETAS)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        images, _ = request.load(next(batches))
        prior = request.draw_prior(len(images), rng)
        with request.autocast():
            mean, log_variance = encoder(images, None)
            z = draw_latents(mean, log_variance, rng)
            # In one batch: its statistics are those that BatchNorm keeps for both.
            reconstructed, generated = generator(torch.cat([z, prior])).chunk(2)
            inferred, drawn = critic(images, z.detach()), critic(generated.detach(), prior)
        contrast = (drawn - inferred).mean() + DECAY * (drawn.square() + inferred.square()).mean()
        descend(adversary, contrast)
        with request.autocast():
            opposed = critic(images, z).mean() - critic(generated, prior).mean()
        bound = compute_loss(reconstructed, images, None, mean, log_variance, request.sigma).mean()
        descend(optimiser, bound + WEIGHT * opposed)
        return bound

    take_steps("EBM-VAE", request.count_steps(COST), take_step)
    return JointModel(encoder, generator, critic, request)
