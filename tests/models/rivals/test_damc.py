"""DAMC: the diffusion model where the best denoiser is known, its average, what its encoder learns from."""

import copy
import math

import pytest
import torch

from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_network
from models.rivals import damc
from models.rivals.damc import find_average_share
from models.rivals.latent_diffusion import (
    DIFFUSION_STEPS,
    Denoiser,
    average,
    build_amortiser,
    compute_denoising_loss,
    denoise,
    find_log_ratio,
)

D = 3


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


class Optimal(torch.nn.Module):
    """The best guess of the noise when z ~ N(m, v): E[e | z_u]."""

    def __init__(self, mean, variance):
        super().__init__()
        self.mean, self.variance = mean, variance

    def forward(self, z, log_ratio, features):
        share = log_ratio.sigmoid()[:, None]
        scale = (1 - share).sqrt() / (share * self.variance + 1 - share)
        return scale * (z - share.sqrt() * self.mean)


def test_the_schedule_falls_from_the_authors_largest_to_their_smallest_ratio():
    log_ratios = find_log_ratio(torch.linspace(0, 1, DIFFUSION_STEPS, dtype=torch.float64))
    assert DIFFUSION_STEPS == 100 and (log_ratios.diff() < 0).all()
    assert log_ratios[0].item() == pytest.approx(9.8) and log_ratios[-1].item() == pytest.approx(-5.1)
    # The angle whose tangent is the ratio of noise to signal, in standard deviations, grows evenly.
    angles = (-log_ratios / 2).exp().atan()
    torch.testing.assert_close(angles.diff(), angles.diff().mean().expand(DIFFUSION_STEPS - 1))


def test_a_perfect_denoiser_draws_the_distribution_it_was_made_for():
    noise = torch.randn(DIFFUSION_STEPS + 1, 20_000, 2, generator=rng())
    z = denoise(Optimal(1.2, 0.25), noise, torch.zeros(20_000, 4))
    assert z.mean().item() == pytest.approx(1.2, abs=0.03)
    assert z.std().item() == pytest.approx(0.5, abs=0.05)


def test_the_perfect_denoiser_has_the_lowest_loss():
    z = 1.2 + torch.randn(5000, 2, generator=rng()) / 2
    u = torch.rand(5000, generator=rng(1))
    noise = torch.randn(5000, 2, generator=rng(2))
    losses = [
        compute_denoising_loss(Optimal(mean, variance), z, torch.zeros(5000, 4), u, noise).item()
        for mean, variance in ((1.2, 0.25), (0.8, 0.25), (1.2, 0.6))
    ]
    assert losses[0] < min(losses[1:]) and math.isfinite(losses[0])


def test_the_denoising_loss_is_that_of_a_loop():
    denoiser = build_network(lambda: Denoiser(D), rng())
    z, noise = torch.randn(4, D, generator=rng(1)), torch.randn(4, D, generator=rng(2))
    features, u = torch.randn(4, 2 * D, generator=rng(3)), torch.rand(4, generator=rng(4))
    losses = []
    for i in range(4):
        ratio = find_log_ratio(u[i : i + 1])
        signal = math.sqrt(1 / (1 + math.exp(-ratio)))
        noisy = signal * z[i : i + 1] + math.sqrt(1 - signal**2) * noise[i : i + 1]
        losses.append((noise[i] - denoiser(noisy, ratio, features[i : i + 1])[0]).square().sum() / 2)
    found = compute_denoising_loss(denoiser, z, features, u, noise)
    torch.testing.assert_close(found, torch.stack(losses).mean())


@pytest.fixture
def amortiser():
    return build_amortiser(ARCHITECTURES["mnist"], D, rng())


def test_an_untrained_amortiser_draws_from_the_prior(amortiser):
    """Exactly: of a standard normal z the reverse steps keep the variance, 1, but for that left at u = 0."""
    noise = torch.randn(DIFFUSION_STEPS + 1, 4000, D, generator=rng(1))
    z = amortiser.draw(noise, torch.randn(4000, 2 * D, generator=rng(2)))
    torch.testing.assert_close(z.mean(0), torch.zeros(D), atol=0.06, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(D), atol=0.06, rtol=0)
    # Each draw is linear in its noise: the squares of the coefficients are the variance.
    units = torch.eye(DIFFUSION_STEPS + 1)[..., None].repeat(1, 1, 1)  # (T + 1, T + 1, 1)
    single = build_amortiser(ARCHITECTURES["mnist"], 1, rng())
    variance = single.draw(units, torch.zeros(DIFFUSION_STEPS + 1, 2)).square().sum()
    assert variance.item() == pytest.approx(1 / (1 + math.exp(-9.8)), abs=1e-3)


def test_an_images_features_depend_on_it_alone_in_training_and_test(amortiser):
    with torch.no_grad():
        for norm in amortiser.encoder.modules():
            if isinstance(norm, torch.nn.InstanceNorm2d | torch.nn.LayerNorm):
                norm.weight.copy_(torch.rand(norm.weight.shape, generator=rng(1)))
        images = torch.rand(6, 1, 28, 28, generator=rng(2))
        trained, alone = amortiser.train().encode(images, None), amortiser.encode(images[:1], None)
        tested = amortiser.eval().encode(images, None)
    assert torch.equal(trained, tested)
    torch.testing.assert_close(alone, trained[:1], atol=1e-5, rtol=1e-4)
    assert not any(
        isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) for norm in amortiser.modules()
    )


def test_the_average_is_the_plain_mean_until_the_authors_share_is_larger(amortiser):
    averaged, seen = copy.deepcopy(amortiser), []
    weight, mean = (next(network.denoiser.parameters()) for network in (amortiser, averaged))
    for step in range(1, 6):
        with torch.no_grad():
            weight.copy_(torch.randn(weight.shape, generator=rng(step)))
        seen.append(weight.detach().clone())
        average(averaged, amortiser, find_average_share(step))
        torch.testing.assert_close(mean.detach(), torch.stack(seen).mean(0))
    assert find_average_share(1999) > find_average_share(2000) == find_average_share(10**6) == 0.005 / 10


def test_the_encoder_learns_from_each_of_six_updates_and_all_gradients_are_clipped(make_request, monkeypatch):
    calls, original = [], damc.descend

    def record(optimiser, loss, max_norm):
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        before = [weight.detach().clone() for weight in weights]
        original(optimiser, loss, max_norm)
        moved = sum(not torch.equal(a, b) for a, b in zip(before, weights, strict=True))
        calls.append((type(optimiser).__name__, len(weights), moved, max_norm))

    monkeypatch.setattr(damc, "descend", record)
    request = make_request(budget=damc.COST * 20)
    assert request.count_steps(damc.COST) == 1
    fitted = damc.fit(request)
    updates = [call for call in calls if call[0] == "AdamW"]
    assert len(updates) == 6 and all(call[3] == 100 for call in calls)
    n_weights = len(list(fitted._amortiser.parameters()))
    # The denoiser's last layer starts at 0: nothing behind it has a gradient before the first update.
    assert updates[0][1] == n_weights and all(call[2] == n_weights for call in updates[1:])
    assert [call[0] for call in calls[6:]] == ["Adam"]  # the energy, last; the generator is learned elsewhere
