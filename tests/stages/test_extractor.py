"""Stage extractor pictures its mistakes by name and says when its features are too poor for a distance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.image_folder import write_images
from pipeline.settings.params import load_params
from stages import extractor

PARAMS = dataclasses.replace(load_params(Path(__file__).parents[2] / "params.yaml"), profile="smoke")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([0, 1], ["birds", "cats"]),
        ([0, 1], []),
        ([0, 0], []),  # without classes: told apart by turns
    ],
)
def test_mistakes_have_their_class_and_what_they_are_taken_for(tmp_path, monkeypatch, caplog, labels, names):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)  # noise: nothing to learn, so that test images are labelled by chance
    arrays = {
        f"{split}_images": rng.integers(0, 256, (40, 1, 28, 28), np.uint8) for split in ("train", "test")
    }
    arrays |= {f"{split}_labels": np.array(labels * 20) for split in ("train", "test")}
    write_images(extractor.INPUT, arrays, {"dataset": "folder"} | ({"classes": names} if names else {}))
    drawn = []
    monkeypatch.setattr(extractor, "save_grid", lambda path, rows, captions: drawn.append((rows, captions)))
    metrics = extractor.extractor(PARAMS, None)
    ((((title, images),), (captions,)),) = drawn
    expected = names or (extractor.TURNS if labels[1] == 0 else ["0", "1"])
    assert len(captions) == len(images) > 0 and "→" in title
    for caption in captions:
        right, taken = caption.split("\n→ ")
        assert right != taken and {right, taken} <= set(expected)
    (record,) = caplog.records
    assert (
        "will be refused" in record.getMessage() and f"{metrics['test_accuracy']:.0%}" in record.getMessage()
    )
