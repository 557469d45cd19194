"""The command leaves a grid, pictures and numbers, and refuses in one line before it works."""

import csv
import re
import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import use
from pipeline.data.own_images import read_image
from pipeline.inference.written import COLUMNS, write_grid

ROOT = Path(__file__).parents[2]
MODEL = "artifacts/models/complete"


@pytest.fixture
def files(trained_project):
    """Three digits of the model's size, a photograph of another, and a mask."""
    rng = np.random.default_rng(0)
    names = []
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).save(f"digit{number}.png")
        names.append(f"digit{number}.png")
    Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save("photo.jpg")
    mask = np.full((28, 28), 255, np.uint8)
    mask[8:18, 8:18] = 0
    Image.fromarray(mask).save("mask.png")
    return [*names, "photo.jpg"]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["use", *map(str, arguments)])
    use.main()


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_task_leaves_its_numbers_a_grid_and_what_it_made(files, monkeypatch, capsys):
    model = use.open_model(MODEL)
    images = np.stack([read_image(Path(name), (1, 28, 28), "mnist5k") for name in files])
    for task in ("encode", "reconstruct", "score"):
        call(monkeypatch, task, "--model", MODEL, *files, "--output", task, "--seed", 3)
        rows = read_rows(f"{task}/numbers.csv")
        assert [row["image"] for row in rows] == files
        assert Image.open(f"{task}/grid.png").size[0] > 4 * 64
    encoded = [[float(row[f"z{axis}"]) for axis in range(30)] for row in read_rows("encode/numbers.csv")]
    assert torch.equal(torch.tensor(encoded), model.encode(images, seed=3))
    scores = torch.tensor([float(row["score"]) for row in read_rows("score/numbers.csv")])
    assert torch.equal(scores, model.score(images, seed=3))
    made = np.asarray(Image.open("reconstruct/images/00003_photo.png"))
    assert np.abs(made / 255 - model.reconstruct(images, seed=3)[3, 0].numpy()).max() <= 0.5 / 255 + 1e-6

    call(monkeypatch, "inpaint", "--model", MODEL, *files[:3], "--mask", "mask.png", "--output", "inpaint")
    restored = np.asarray(Image.open("inpaint/images/00000_digit0.png"))
    seen = np.asarray(Image.open("mask.png")) == 255
    assert np.array_equal(restored[seen], images[0, 0][seen])
    assert float(read_rows("inpaint/numbers.csv")[0]["hidden_share"]) == pytest.approx(100 / 784)

    call(monkeypatch, "sample", "--model", MODEL, "--n", 130, "--output", "sample", "--seed", 5)
    assert len(read_rows("sample/numbers.csv")) == 130 and len(list(Path("sample/images").iterdir())) == 130
    last = np.asarray(Image.open("sample/images/00129.png"))
    assert np.abs(last / 255 - model.sample(130, 5)[129, 0].numpy()).max() <= 0.5 / 255 + 1e-4
    assert capsys.readouterr().err == ""  # no bar where nobody watches


def test_the_packed_file_gives_the_same_bytes_elsewhere(files, monkeypatch, tmp_path_factory):
    call(monkeypatch, "pack", "--model", MODEL, "--output", "mine.pt")
    for model, output in ((MODEL, "here"), ("mine.pt", "packed")):
        call(monkeypatch, "reconstruct", "--model", model, *files, "--output", output)
    names = sorted(path.relative_to("here") for path in Path("here").rglob("*") if path.is_file())
    assert len(names) == 2 + len(files)
    assert all(Path("here", name).read_bytes() == Path("packed", name).read_bytes() for name in names)


def test_a_grid_names_its_rows_writes_above_images_and_has_no_empty_cell(tmp_path):
    black = torch.zeros(COLUMNS + 1, 1, 64, 64)
    write_grid(tmp_path / "pairs.png", {"in": black, "out": black})
    write_grid(tmp_path / "scores.png", {"": black}, ["1.5"] * len(black))
    write_grid(tmp_path / "plain.png", {"": black})
    pairs, scores, plain = (
        np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("pairs", "scores", "plain")
    )
    left, above = pairs.shape[1] - plain.shape[1], (scores.shape[0] - plain.shape[0]) // 2
    for picture in (pairs, scores, plain):
        assert (picture[-20:, left + 100 :] == 255).all()  # right of the one image of the last line
        assert (picture == 0).sum() >= 17 * 64 * 64
    assert (pairs[2:66, : left - 4] < 128).any() and (pairs[68:132, : left - 4] < 128).any()
    assert above > 8 and (scores[: above - 3, :64] < 128).any()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["encode"], "IMAGES: none found; encode needs PNG or JPEG files"),
        (["sample", "digit0.png"], "IMAGES: digit0.png found; sample takes none"),
        (["encode", "absent.png"], "absent.png: nothing found; should be a file"),
        (["encode", "artifacts"], "artifacts: a folder found; should be a file"),
        (["encode", "params.yaml"], "params.yaml: not a whole PNG or JPEG"),
        (["inpaint", "digit0.png"], "--mask: none found; should be given for inpaint"),
        (["score", "digit0.png", "--mask", "mask.png"], "--mask: mask.png found; should be absent for score"),
        (
            ["inpaint", "digit0.png", "--mask", "photo.jpg"],
            "photo.jpg: a mask of 120 x 90 pixels found; should be 28",
        ),
        (["sample", "--n", "0"], "--n: 0 found; should be a whole number from 1 to 100000"),
        (["sample", "--seed", "-1"], "--seed: -1 found; should be a whole number from 0 to 4294967295"),
        (["encode", "digit0.png", "--steps", "0"], "--steps: 0 found"),
        (["sample", "--model", "absent.pt"], "absent.pt: not found"),
        (["sample", "--model", "params.yaml"], "params.yaml: not a readable checkpoint"),
        (["sample", "--model", "models:/a@champion"], "models:/a@champion: no mlflow.db in"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(files, monkeypatch, arguments, expected):
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, arguments[0], "--model", MODEL, "--output", "out", *arguments[1:])
    assert str(ended.value).startswith(f"{arguments[0]}: ") and expected in str(ended.value)
    assert "\n" not in str(ended.value) and not Path("out").exists()


def test_the_help_says_how_images_are_converted(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["use", "--help"])
    with pytest.raises(SystemExit) as ended, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's, of a module that is imported already
        runpy.run_module("pipeline.use", run_name="__main__")  # as `python -m` does
    assert not ended.value.code
    assert "converted exactly as training images were" in capsys.readouterr().out


def test_the_readmes_example_runs(files, monkeypatch):
    section = (ROOT / "README.md").read_text().partition("## Use a trained model")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert 3 <= len(example.splitlines()) <= 10
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["samples"].shape == (16, 1, 28, 28) and names["z"].shape == (16, 30)
    assert names["score"].shape == (16,)
    commands = re.findall(r"`python -m pipeline\.use (.*?)`", section)
    for command in commands:
        call(monkeypatch, *command.replace("*.png", "digit0.png digit1.png").split())
    assert len(commands) == 2 and Path("out/grid.png").exists() and Path("mine.pt").exists()
