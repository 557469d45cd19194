"""A model in use infers as the stages do, each image by itself, and says in one line what it cannot use."""

import dataclasses

import numpy as np
import pytest
import torch

from models.langevin.dynamics import ChainSettings
from pipeline.evaluation.trained import load_trained
from pipeline.inference.image_tasks import ModelInUse
from pipeline.inference.portable import PortableModel, fix_drift, read_trained
from pipeline.settings.params import load_params

SHAPE = (1, 28, 28)


@pytest.fixture
def model(trained_project):
    return ModelInUse(read_trained("complete", load_params()))


@pytest.fixture
def images():
    rng = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (7, *SHAPE), generator=rng, dtype=torch.uint8)


def load_stages_model():
    params = load_params()
    engine = dataclasses.replace(params.engine, device="cpu", precision="float32", compile="never")
    return load_trained(dataclasses.replace(params, engine=engine), "complete")


def test_with_the_runs_seed_it_gives_what_the_stages_measure(model, images):
    fitted, seed = load_stages_model(), load_params().seed
    steps = load_params().profile_settings.evaluate
    assert torch.equal(model.sample(5, seed), fitted.sample(5))
    z = fitted.infer(images, None, steps.reconstruct_steps, 0)
    assert torch.equal(model.encode(images, seed), z)
    assert torch.equal(model.reconstruct(images, seed), fitted.generate(z))
    assert torch.equal(model.score(images, seed), fitted.score(images, steps.anomaly_steps, 0))


@pytest.mark.parametrize("score", ["reconstruction", "laplace"])
def test_the_stored_score_is_the_one_that_is_computed(trained_project, images, score):
    text = (trained_project / "params.yaml").read_text()
    (trained_project / "params.yaml").write_text(text.replace("score: joint", f"score: {score}"))
    model = ModelInUse(read_trained("complete", load_params()))
    assert torch.equal(model.score(images, 1), load_stages_model().score(images, 5, 0))


def test_an_image_depends_on_the_seed_and_its_number_alone(model, images):
    whole = model.encode(images, seed=3)
    parts = torch.cat([model.encode(images[:2], seed=3), model.encode(images[2:], seed=3, first=2)])
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.sample(6, 3)[4:], model.sample(2, 3, first=4), rtol=0, atol=1e-5)
    others = images.clone()
    others[0] = 255 - others[0]  # who else is there
    torch.testing.assert_close(model.encode(others, seed=3)[1:], whole[1:], rtol=0, atol=1e-5)
    assert not torch.allclose(model.encode(images, seed=4), whole)
    assert not torch.allclose(model.encode(images[1:], seed=3), whole[1:])


def test_the_same_seed_gives_the_same_bits_and_the_global_generator_stays_as_it_was(model, images):
    before = torch.get_rng_state()
    for task in ("encode", "reconstruct", "score"):
        assert torch.equal(model.run(task, images, seed=2), model.run(task, images, seed=2))
    assert torch.equal(model.run("sample", n=3, seed=2), model.run("sample", n=3, seed=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_bytes_floats_arrays_and_lists_are_the_same_images(model, images):
    z = model.encode(images)
    floats = images.float() / 255
    for same in (images.numpy(), floats, floats.double().numpy(), floats.tolist()):
        assert torch.equal(model.encode(same), z)
    black = np.zeros((1, *SHAPE), np.uint8)  # JSON writes 0.0 as 0
    assert torch.equal(model.encode(black.tolist()), model.encode(black))


def test_inpainting_keeps_what_is_seen_and_never_looks_at_what_is_hidden(model, images):
    visible = torch.ones(len(images), *SHAPE)
    visible[:, :, 8:20, 5:15] = 0
    restored = model.inpaint(images, visible, seed=2)
    hidden = visible == 0
    assert torch.equal(restored[~hidden], (images.float() / 255)[~hidden])
    assert not torch.equal(restored[hidden], (images.float() / 255)[hidden])
    others = torch.where(hidden, 255 - images, images)
    assert torch.equal(model.inpaint(others, visible, seed=2), restored)
    assert torch.equal(model.inpaint(images, visible[0, 0].numpy(), seed=2), restored)  # one mask for all


def test_steps_take_the_place_of_the_stored_ones(model, images):
    fitted = load_stages_model()
    assert torch.equal(model.encode(images, 1, steps=9), fitted.infer(images, None, 9, 0))


@pytest.mark.parametrize("coefficient", ["half_square", "linear"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_step_of_a_single_image_is_the_step_that_training_took_in_its_batches(coefficient, reduction):
    trained = ChainSettings(0.3, 5, coefficient, reduction, noise_scale=0.1, noise_decay=0.01)
    fixed = fix_drift(trained, 100)
    for batch in (1, 7, 100):
        assert fixed.drift(batch) == pytest.approx(trained.drift(100), rel=1e-12)
    assert fixed.noise_std(0) == pytest.approx(trained.noise_std(0), rel=1e-12)
    assert fixed.steps == trained.steps


BAD = {
    "shape": (np.zeros((2, 1, 5, 28)), {}, "images: shape (2, 1, 5, 28) found; should be (N, 1, 28, 28)"),
    "single": (np.zeros(SHAPE), {}, "a single image is images[None]"),
    "none": (np.zeros((0, *SHAPE)), {}, "images: 0 found; should be 1 to 1000 at once"),
    "many": (np.zeros((1001, *SHAPE), np.uint8), {}, "images: 1001 found; should be 1 to 1000 at once"),
    "int64": (np.full((1, *SHAPE), 200), {}, "images: dtype int64, values from 200 to 200, found"),
    "bool": (
        np.zeros((1, *SHAPE), bool),
        {},
        "images: dtype bool found; should be uint8, or a float in [0, 1]",
    ),
    "range": (np.full((1, *SHAPE), 255.0), {}, "images: values from 255 to 255 found; should be in [0, 1]"),
    "signed": (np.full((1, *SHAPE), -1.0), {}, "images: values from -1 to -1 found"),
    "nan": (np.full((1, *SHAPE), np.nan), {}, "images: nan found at (0, 0, 0, 0); should be finite"),
    "infinite": (np.full((1, *SHAPE), np.inf), {}, "images: inf found at"),
    "ragged": ([[1, 2], [3]], {}, "images: rows of unequal length found"),
    "text": ("a.png", {}, "images: str found; should be an array of numbers"),
    "absent": (None, {}, "images: none found; encode needs (N, 1, 28, 28)"),
    "task": (None, {"task": "dream"}, "task: 'dream' found; should be one of sample, encode"),
    "no mask": (np.zeros((1, *SHAPE)), {"task": "inpaint"}, "visible: no mask found"),
    "mask of another size": (
        np.zeros((1, *SHAPE)),
        {"task": "inpaint", "visible": np.ones((32, 32))},
        "visible: shape (32, 32) found; should be (28, 28) for all images, or (1, 1, 28, 28)",
    ),
    "half seen": (
        np.zeros((1, *SHAPE)),
        {"task": "inpaint", "visible": np.full((28, 28), 0.5)},
        "visible: 0.5 found; should be 1 where a pixel is seen and 0 where not",
    ),
    "mask nan": (
        np.zeros((1, *SHAPE)),
        {"task": "inpaint", "visible": np.full((28, 28), np.nan)},
        "visible: nan",
    ),
    "mask for nothing": (np.zeros((1, *SHAPE)), {"visible": np.ones((28, 28))}, "visible: a mask found"),
    "seed": (
        np.zeros((1, *SHAPE)),
        {"seed": -1},
        "seed: -1 found; should be a whole number from 0 to 4294967295",
    ),
    "seed text": (np.zeros((1, *SHAPE)), {"seed": "1"}, "seed: '1' found"),
    "steps": (
        np.zeros((1, *SHAPE)),
        {"steps": 0},
        "steps: 0 found; should be a whole number from 1 to 10000",
    ),
    "n": (None, {"task": "sample", "n": 0}, "n: 0 found; should be a whole number from 1 to 1000"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_one_line_with_the_value_found_and_what_would_be_right(model, case):
    images, given, expected = BAD[case]
    with pytest.raises(ValueError) as refused:
        model.run(**{"task": "encode", **given}, images=images)
    assert expected in str(refused.value) and "\n" not in str(refused.value)


def test_weights_of_another_generator_are_refused(trained_project):
    stored = read_trained("complete", load_params())
    other = dataclasses.replace(stored.settings, architecture="svhn/8")
    with pytest.raises(ValueError, match="weights: not those of generator svhn/8"):
        ModelInUse(PortableModel(other, stored.weights))
