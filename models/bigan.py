"""Adversarially learned inference: a critic of pairs tells (I, e(I)) from (g(z), z).

ALI: Dumoulin et al., *Adversarially Learned Inference* (ICLR 2017), e(I) drawn from N(mu(I), diag v(I));
BiGAN: Donahue, Kraehenbuehl and Darrell, *Adversarial Feature Learning* (ICLR 2017), e(I) = mu(I). With
D = 1 / (1 + exp(-f)),

    critic:                  - log D(I, e(I)) - log(1 - D(g(z), z)),
    encoder and generator:   - log(1 - D(I, e(I))) - log D(g(z), z).

BiGAN-sigma scores an image by .9 |I - g(e(I))|_1 - .1 log D(I, e(I)): Zenati, Foo, Lecouat, Manek and
Chandrasekhar, *Efficient GAN-Based Anomaly Detection* (2018), Eq. (2) with the cross-entropy L_D.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.autoencoder import Autoencoder, build_autoencoder
from models.critic import Critic, build_critic
from models.encoder import Encoder
from models.gan import refuse_occlusion
from models.generator import Generator
from models.interface import FitRequest, count_weights
from models.optimisation import check_loss, shuffle
from models.vae import draw_latents

RATE, BETAS = 1e-4, (0.5, 0.999)  # the three papers'
SCORE_WEIGHT = 0.9
COST = 6  # two pairs through the critic, encoder and generator: four gradients; the critic's own step: two
CHECK_EVERY = 20
CHUNK = 500


class AdversarialInference(Autoencoder):
    """Encoder, generator, and the critic that scores."""

    def __init__(self, encoder: Encoder, generator: Generator, critic: Critic, request: FitRequest):
        super().__init__(encoder, generator, request)
        self._critic = critic.eval()

    @torch.no_grad()
    def score(self, images: Tensor, steps: int, draw: int) -> Tensor:
        scores = []
        for rows in torch.arange(len(images), device=images.device).split(CHUNK):
            batch = images[rows].float() / 255
            z, _ = self.encoder(batch, None)
            error = (batch - self.generator(z)).abs().flatten(1).sum(1)
            doubt = functional.softplus(-self._critic(batch, z))
            scores.append(SCORE_WEIGHT * error + (1 - SCORE_WEIGHT) * doubt)
        return torch.cat(scores)

    def count_parameters(self) -> int:
        return super().count_parameters() + count_weights(self._critic)


def fit_ali(request: FitRequest) -> AdversarialInference:
    """Train ALI, whose encoder draws."""
    return _fit(request, "ALI")


def fit_bigan(request: FitRequest) -> AdversarialInference:
    """Train BiGAN, whose encoder is a function."""
    return _fit(request, "BiGAN-sigma")


def _fit(request: FitRequest, name: str) -> AdversarialInference:
    refuse_occlusion(request)
    rng = request.make_rng()
    encoder, generator = build_autoencoder(request, rng)
    critic = build_critic(generator.architecture, rng, request.latent_dim, True).to(request.device)
    weights = [*encoder.parameters(), *generator.parameters()]
    optimiser = torch.optim.Adam(weights, lr=RATE, betas=BETAS, fused=True)
    adversary = torch.optim.Adam(critic.parameters(), lr=RATE, betas=BETAS, fused=True)
    batches = shuffle(len(request.images), request.minibatch, rng, request.device)
    steps = request.count_steps(COST)
    for step in range(1, steps + 1):
        images, _ = request.load(next(batches))
        prior = torch.randn(len(images), request.latent_dim, generator=rng).to(request.device)
        with request.autocast():
            mean, log_variance = encoder(images, None)
            z = draw_latents(mean, log_variance, rng) if name == "ALI" else mean
            generated = generator(prior)
            doubt = functional.softplus(-critic(images, z.detach()))
            doubt = doubt + functional.softplus(critic(generated.detach(), prior))
        adversary.zero_grad(set_to_none=True)
        doubt.mean().backward()
        adversary.step()
        with request.autocast():
            losses = functional.softplus(critic(images, z)) + functional.softplus(-critic(generated, prior))
        optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        optimiser.step()
        if step % CHECK_EVERY == 0 or step == steps:
            check_loss(name, step, losses.mean())
    return AdversarialInference(encoder, generator, critic, request)
