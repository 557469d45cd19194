"""Trainings, solvers, methods and resumption on the machine's accelerator; on the CPU without one."""

import dataclasses

import pytest
import torch

from models.catalogue import METHODS
from models.interface import Lacking
from models.networks.generator import build_generator
from models.short_run.algorithm import start_training, train
from models.short_run.method import fit_short_run
from models.transport.solve import SOLVERS, solve_transport
from pipeline.storage.checkpoints import resume_training, save_training


def begin(request):
    rng = torch.Generator().manual_seed(0)
    generator = build_generator(request.architecture, request.latent_dim, rng).to(request.images.device)
    return start_training(generator, len(request.images), request.plan)


def test_the_same_training_twice_is_bit_identical(make_request):
    one, other = fit_short_run(make_request()), fit_short_run(make_request())
    assert torch.equal(one.latents, other.latents)
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, other.generator.state_dict()[name]), name


def test_a_resumed_training_equals_the_uninterrupted_one(make_request, tmp_path):
    request, path = make_request(rounds=3), tmp_path / "state.pt"
    whole = train(begin(request), request.images, None, request.plan, request.settings)

    class Killed(Exception):
        pass

    def stop(state):
        save_training(path, state, "key")
        if state.round == 2:
            raise Killed

    with pytest.raises(Killed):
        train(begin(request), request.images, None, request.plan, request.settings, stop)
    fresh = build_generator(request.architecture, request.latent_dim, torch.Generator()).to(
        request.images.device
    )
    resumed = resume_training(path, fresh, request.plan, "key")
    assert resumed is not None and resumed.round == 2
    train(resumed, request.images, None, request.plan, request.settings)
    assert torch.equal(resumed.latents, whole.latents)
    for name, value in resumed.generator.state_dict().items():
        assert torch.equal(value, whole.generator.state_dict()[name]), name


def test_noise_and_chains_are_those_of_the_cpu(make_request, device, smooth_images):
    """One pass in float32: what two devices round differently has not had time to grow."""
    one = fit_short_run(make_request(rounds=1, passes=1, regression_passes=0, alpha=0.0))
    other = fit_short_run(make_request("cpu", rounds=1, passes=1, regression_passes=0, alpha=0.0))
    torch.testing.assert_close(one.latents.cpu(), other.latents, atol=2e-2, rtol=0)


@pytest.mark.slow  # where a processor has no bfloat16; `make test-gpu` runs it
def test_bfloat16_learns_as_float32_on_the_cpu_does(make_request, device, smooth_images):
    plan = {"rounds": 4, "passes": 4, "learning_rate": 3e-3}
    images = smooth_images.float() / 255
    errors = []
    for request in (make_request(precision=torch.bfloat16, **plan), make_request("cpu", **plan)):
        fitted = fit_short_run(dataclasses.replace(request, architecture="mnist"))
        errors.append((fitted.generate(fitted.latents).cpu() - images).square().mean().item())
    assert errors[0] < 1.15 * errors[1]


def test_hidden_pixels_change_nothing(make_request, device, smooth_images):
    visible = torch.ones(len(smooth_images), 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    one = fit_short_run(make_request(visible=visible))
    request = make_request(visible=visible)
    junk = torch.where(request.visible.bool(), request.images, 255 - request.images)
    other = fit_short_run(type(request)(**vars(request) | {"images": junk}))
    assert torch.equal(one.latents, other.latents)


@pytest.mark.parametrize("name", list(SOLVERS))
def test_a_solver_finds_on_the_device_what_it_finds_on_the_cpu(name, device):
    rng = torch.Generator().manual_seed(0)
    source, target = torch.randn(300, 4, generator=rng) * 1.3, torch.randn(300, 4, generator=rng)
    there, here = (
        solve_transport(source.to(place), target.to(place), name, generator=torch.Generator().manual_seed(1))
        for place in (device, "cpu")
    )
    assert there.transported.device.type == device and there.matched.device.type == device
    assert there.cost == pytest.approx(here.cost, rel=1e-2)  # a near tie may fall either way
    assert there.matched_share == pytest.approx(here.matched_share, abs=0.02)
    corrected = there.correct(source.to(device), 0.5)
    assert corrected.device.type == device and corrected.isfinite().all()


@pytest.mark.slow  # on the CPU tests/models/rivals has them
@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_trains_samples_infers_and_scores_on_the_device(name, make_request, device):
    request = make_request()
    fitted = METHODS[name].load()(request)
    for attempt in (
        lambda: fitted.sample(7),
        lambda: fitted.generate(fitted.infer(request.images[:6], None, 3, 0)),
        lambda: fitted.generate(fitted.infer_training(request.images, None, 3)),
        lambda: fitted.draw_posterior(request.images, 3),
        lambda: fitted.score(request.images[:6], 3, 0),
    ):
        try:
            found = attempt()
        except Lacking:
            continue
        assert found.device.type == device and found.isfinite().all()
