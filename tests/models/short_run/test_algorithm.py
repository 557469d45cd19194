import dataclasses
import io
import math
import shutil

import pytest
import torch

from models.descent import DivergenceError
from models.langevin.dynamics import ChainSettings
from models.langevin.engine import EngineSettings, InferenceEngine
from models.networks.generator import build_generator
from models.short_run.algorithm import TrainingPlan, start_training, train
from pipeline.storage.checkpoints import (
    compute_training_key,
    forget_training,
    load_model,
    name_previous,
    resume_training,
    save_model,
    save_training,
)

N, DIM = 60, 5
ARCHITECTURE = "mnist/16"
PLAN = TrainingPlan(
    rounds=3,
    passes=2,
    adam_steps=1,
    regression_passes=1,
    batch_size=20,
    minibatch=10,
    learning_rate=1e-3,
    alpha=0.5,
    sigma=0.3,
    seed=3,
    chain=ChainSettings(0.3, 3),
    solver="exact",
)


@pytest.fixture(scope="module")
def images():
    """Images of a random low-dimensional family: something a generator can learn."""
    rng = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(N, 1, 4, 4, generator=rng), size=(28, 28))
    return (smooth * 255).to(torch.uint8)


def begin(plan=PLAN):
    generator = build_generator(ARCHITECTURE, DIM, torch.Generator().manual_seed(0))
    return start_training(generator, N, plan)


def assert_same(one, other):
    assert one.records == other.records
    assert torch.equal(one.latents, other.latents)
    for name, value in one.generator.state_dict().items():
        assert torch.equal(value, other.generator.state_dict()[name]), name


def run(images, plan=PLAN, visible=None, **settings):
    return train(begin(plan), images, visible, plan, EngineSettings(**settings))


def test_the_same_training_twice_is_bit_identical_and_leaves_the_global_generator_alone(images):
    before = torch.random.get_rng_state()
    first = run(images)
    torch.manual_seed(123)
    assert_same(first, run(images))
    torch.random.set_rng_state(before)


@pytest.mark.parametrize(("solver", "proven"), [("exact", True), ("sparse", True), ("bsp", False)])
def test_a_round_records_how_near_the_optimum_its_correction_is_proven_to_be(images, solver, proven):
    state = run(images, dataclasses.replace(PLAN, solver=solver, rounds=1))
    record = state.records[0]
    assert record.ot_rounds == state.transport.iterations >= 1
    assert record.ot_gap == state.transport.gap
    assert (record.ot_gap is not None and record.ot_gap < 1e-5) if proven else record.ot_gap is None


def test_a_resumed_training_equals_the_uninterrupted_one(images, tmp_path):
    class Killed(Exception):
        pass

    path, key = tmp_path / "state.pt", compute_training_key(PLAN, data="x")

    def stop_after_two(state):
        save_training(path, state, key)
        if state.round == 2:
            raise Killed

    with pytest.raises(Killed):
        train(begin(), images, None, PLAN, EngineSettings(), stop_after_two)
    fresh = build_generator(ARCHITECTURE, DIM, torch.Generator().manual_seed(99))
    state = resume_training(path, fresh, PLAN, key)
    assert state.round == 2
    assert_same(run(images), train(state, images, None, PLAN, EngineSettings()))


def test_a_resumed_training_compiles_where_the_uninterrupted_one_does(images, monkeypatch):
    """Compiled and eager steps round differently: what is left to do must not decide."""
    planned = []

    class Engine(InferenceEngine):
        def __init__(self, generator, sigma, settings, planned_steps, *others):
            planned.append(planned_steps)
            super().__init__(generator, sigma, settings, 0, *others)

    monkeypatch.setattr("models.short_run.algorithm.InferenceEngine", Engine)
    state = begin()
    train(state, images, None, PLAN, EngineSettings())
    state.records.pop()
    train(state, images, None, PLAN, EngineSettings())
    assert planned == [PLAN.rounds * PLAN.passes * PLAN.chain.steps * N] * 2


def test_weights_that_are_no_longer_numbers_end_the_round_with_its_number_and_s(images, monkeypatch):
    def spoil(generator, *_):
        with torch.no_grad():
            generator.layers[0].weight.fill_(math.nan)

    monkeypatch.setattr("models.short_run.algorithm.learning_step", spoil)
    plan = dataclasses.replace(PLAN, passes=1, batch_size=N)  # one batch: no chain sees the spoilt weights
    with pytest.raises(DivergenceError, match=r"weights diverged in round 1: .* with s = 0\.3"):
        train(begin(plan), images, None, plan, EngineSettings())


def test_a_checkpoint_of_other_parameters_or_a_truncated_one_is_refused(images, tmp_path, caplog):
    path, key = tmp_path / "state.pt", compute_training_key(PLAN, data="x")
    other = compute_training_key(dataclasses.replace(PLAN, alpha=0.4), data="x")
    assert len({key, other, compute_training_key(PLAN, data="y")}) == 3
    save_training(path, begin(), key)
    generator = begin().generator
    assert resume_training(path, generator, PLAN, other) is None
    assert "belongs to other parameters" in caplog.text
    path.write_bytes(path.read_bytes()[:1000])
    assert resume_training(path, generator, PLAN, key) is None
    assert "not a readable checkpoint" in caplog.text
    assert resume_training(tmp_path / "none.pt", generator, PLAN, key) is None


@pytest.fixture(scope="module")
def interrupted(images, tmp_path_factory):
    """A folder with the last two checkpoints of a training, their key, and the state that it ended in."""
    folder, key = tmp_path_factory.mktemp("interrupted"), compute_training_key(PLAN, data="x")
    path = folder / "state.pt"
    end = train(begin(), images, None, PLAN, EngineSettings(), lambda state: save_training(path, state, key))
    return folder, key, end


@pytest.mark.injects("damaged checkpoints", 1)
@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "one_bit", "no_dict"])
def test_the_checkpoint_before_a_damaged_one_is_taken(images, interrupted, tmp_path, caplog, damage):
    folder, key, end = interrupted
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "state.pt"
    content = path.read_bytes()
    middle = len(content) // 2  # within a tensor
    no_dict = io.BytesIO()
    torch.save([1, 2], no_dict)
    damaged = {
        "empty": b"",
        "text": b"not a checkpoint",
        "truncated": content[:1000],
        "one_bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "no_dict": no_dict.getvalue(),
    }
    path.write_bytes(damaged[damage])
    state = resume_training(path, begin().generator, PLAN, key)
    assert state.round == PLAN.rounds - 1
    assert "state.pt: not a readable checkpoint" in caplog.text
    save_training(path, state, key)  # leaves the good one where it was
    assert resume_training(name_previous(path), begin().generator, PLAN, key).round == PLAN.rounds - 1
    assert_same(end, train(state, images, None, PLAN, EngineSettings()))
    forget_training(path)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_with_code_in_it_does_not_run_it(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    torch.save({"key": Evil()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="model.pt: not a readable checkpoint"):
        load_model(tmp_path)
    assert not (tmp_path / "touched").exists()


def test_a_model_comes_back_as_it_was_saved(images, tmp_path):
    state = run(images)
    save_model(tmp_path, ARCHITECTURE, state.generator, state.latents)
    model = load_model(tmp_path)
    assert torch.equal(model.latents, state.latents)
    for name, value in state.generator.state_dict().items():
        assert torch.equal(value, model.generator.state_dict()[name])


def test_training_fits_the_images_and_full_correction_reaches_the_targets(images):
    plan = dataclasses.replace(PLAN, alpha=1.0, rounds=4, learning_rate=1e-2)
    state = run(images, plan)
    assert state.records[-1].mse_before < 0.7 * state.records[0].mse_before
    torch.testing.assert_close(state.latents.sort(0).values, state.targets.sort(0).values)
    assert all(record.matched_share == 1 for record in state.records)


def test_alpha_zero_is_alternating_back_propagation(images):
    """Without correction the solver has no say: the chains and the generator do not depend on it."""
    plan = dataclasses.replace(PLAN, alpha=0.0)
    assert torch.equal(
        run(images, plan).latents, run(images, dataclasses.replace(plan, solver="sliced")).latents
    )


def test_training_on_occluded_images_never_looks_at_hidden_pixels(images):
    visible = torch.ones(N, 1, 28, 28, dtype=torch.uint8)
    visible[:, :, 8:20, 8:20] = 0
    inverted = torch.where(visible.bool(), images, 255 - images)
    assert_same(run(images, visible=visible), run(inverted, visible=visible))


def test_noise_initialised_chains_forget_the_previous_pass(images):
    plan = dataclasses.replace(
        PLAN, initialisation="noise", rounds=1, passes=1, regression_passes=0, alpha=0.0
    )
    moved = begin(plan)
    moved.latents += 10
    kept = begin(plan)
    for state in (moved, kept):
        train(state, images, None, plan, EngineSettings())
    assert torch.equal(moved.latents, kept.latents)


def test_another_inference_chunk_changes_rounding_only(images):
    """Without correction: an assignment is discrete, and rounding may flip a near-tie."""
    plan = dataclasses.replace(PLAN, rounds=1, passes=1, alpha=0.0)
    first, second = run(images, plan, chunk=20), run(images, plan, chunk=7)
    # Adam's first steps divide gradients by their own size, so rounding grows; other noise would differ by 1.
    torch.testing.assert_close(first.latents, second.latents, atol=0.1, rtol=0)


def test_another_number_of_threads_changes_rounding_only(images):
    plan, threads = dataclasses.replace(PLAN, rounds=1, passes=1, alpha=0.0), torch.get_num_threads()
    found = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(run(images, plan).latents)
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*found, atol=0.1, rtol=0)


def test_images_that_are_all_hidden_teach_nothing_and_leave_the_latents_at_the_prior(images):
    """Weights may move by nothing; the chains sample N(0, I), and the correction has its usual input."""
    plan = dataclasses.replace(PLAN, chain=ChainSettings(1.0, 10))
    visible = torch.zeros(N, 1, 28, 28, dtype=torch.uint8)
    state, before = begin(plan), begin(plan).generator
    train(state, images, visible, plan, EngineSettings())
    for one, other in zip(state.generator.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)
    assert state.latents.std().item() == pytest.approx(1, abs=0.15)
    assert all(record.mse_after == 0 for record in state.records)


def test_constant_and_repeated_images_train_to_finite_numbers():
    constant = torch.full((N, 1, 28, 28), 128, dtype=torch.uint8)
    state = run(constant)
    assert state.latents.isfinite().all() and state.records[-1].mse_after < 0.05
    assert all(value.isfinite().all() for value in state.generator.parameters())


def test_exploding_chains_stop_with_round_pass_and_step_size(images):
    plan = dataclasses.replace(PLAN, chain=ChainSettings(3.0, 20))
    with pytest.raises(DivergenceError, match=r"diverged in round 1, pass 1: .* with s = 3, K = 20.*lower s"):
        run(images, plan)
