"""Adversarially learned inference: a critic of pairs tells (I, e(I)) from (g(z), z).

ALI: Dumoulin et al., *Adversarially Learned Inference* (ICLR 2017), e(I) drawn from N(mu(I), diag v(I));
BiGAN: Donahue, Kraehenbuehl and Darrell, *Adversarial Feature Learning* (ICLR 2017), e(I) = mu(I). With
D = 1 / (1 + exp(-f)),

    critic:                  - log D(I, e(I)) - log(1 - D(g(z), z)),
    encoder and generator:   - log(1 - D(I, e(I))) - log D(g(z), z).

BiGAN-sigma scores an image by .9 |x - g(e(x))|_1 - .1 log D(x, e(x)), x in [-1, 1]: Zenati, Foo, Lecouat,
Manek and Chandrasekhar, *Efficient GAN-Based Anomaly Detection* (2018), Eq. (2) with the cross-entropy L_D.
Their code, which made the published numbers, has D(g(e(x)), e(x)) there; their dropout, the average of the
weights and the 200 latent numbers are left out.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from models.descent import descend, take_steps
from models.interface import FitRequest
from models.networks.critic import build_critic
from models.networks.encoder import draw_latents
from models.rivals.bases.autoencoder import JudgedAutoencoder, build_autoencoder
from models.rivals.gan import refuse_occlusion

# ALI's rate (appendix A); Zenati et al.'s code has 1e-5, Donahue et al. 2e-4. The betas are those of all.
RATE, BETAS = 1e-4, (0.5, 0.999)
SCORE_WEIGHT = 0.9
SCORE_RANGE = 2  # of the pixels in the score's sources, [-1, 1], where ours is 1
COST = 6  # two pairs through the critic, encoder and generator: four gradients; the critic's own step: two


class AdversarialInference(JudgedAutoencoder):
    """Scores by the distance to the reconstruction and the critic's doubt."""

    def judge(self, images: Tensor, z: Tensor) -> Tensor:
        error = SCORE_RANGE * (images - self.generator(z)).abs().flatten(1).sum(1)
        doubt = functional.softplus(-self.critic(images, z))
        return SCORE_WEIGHT * error + (1 - SCORE_WEIGHT) * doubt


class DrawnInference(AdversarialInference):
    """ALI's inference: the encoder is a distribution, which posterior draws come from."""

    has_posterior = True


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
    optimiser = request.make_adam([*encoder.parameters(), *generator.parameters()], RATE, BETAS)
    adversary = request.make_adam(critic.parameters(), RATE, BETAS)
    batches = request.shuffle(rng)

    def take_step(step: int) -> Tensor:
        images, _ = request.load(next(batches))
        prior = request.draw_prior(len(images), rng)
        with request.autocast():
            mean, log_variance = encoder(images, None)
            z = draw_latents(mean, log_variance, rng) if name == "ALI" else mean
            generated = generator(prior)
            doubt = functional.softplus(-critic(images, z.detach()))
            doubt = doubt + functional.softplus(critic(generated.detach(), prior))
        descend(adversary, doubt.mean())
        with request.autocast():
            losses = functional.softplus(critic(images, z)) + functional.softplus(-critic(generated, prior))
        descend(optimiser, losses.mean())
        return losses.mean()

    take_steps(name, request.count_steps(COST), take_step)
    kind = DrawnInference if name == "ALI" else AdversarialInference
    return kind(encoder, generator, critic, request)
