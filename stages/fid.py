"""Stage fid: the Frechet distance of generated images (Table 2), with its extractor and its floor."""

from __future__ import annotations

import json
from typing import Any

import torch

from pipeline.data.image_folder import read_images
from pipeline.evaluation.features import INCEPTION_MIN_SAMPLES, open_extractor, refuse_untrained
from pipeline.evaluation.frechet import take_reference
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import project_root
from reports.drawing import save_grid

INPUT = places.DATA / "complete"
FIGURE = places.FIGURES / "fid_samples.png"
N_SHOWN = 64


def fid(params: Params, tracker: object) -> dict[str, Any]:
    """Generate from the prior, picture some, return the distance to the training images.

    The floor is the distance of the test images to the same reference: what a perfect generator would get
    with as many samples as there are test images.
    """
    stored = read_images(INPUT)
    file = params.fid.inception_file
    extractor = open_extractor(places.EXTRACTOR, None if file is None else project_root() / file)
    name = "inception" if file else f"{params.dataset} classifier"
    fitted = load_trained(params, "complete")
    train_images, test_images = (
        torch.from_numpy(stored[split].copy()) for split in ("train_images", "test_images")
    )
    n_generated = params.profile_settings.evaluate.n_generated
    if file and min(n_generated, len(train_images), len(test_images)) < INCEPTION_MIN_SAMPLES:
        name = f"inception (singular: fewer than {INCEPTION_MIN_SAMPLES} samples)"
    refused = "" if file else refuse_untrained(json.loads(places.find_metrics("extractor").read_text()))
    distance = floor = None
    if not refused:
        reference = take_reference(extractor.extract, train_images)
        distance = reference.measure_samples(fitted, n_generated)
        floor = reference.measure_images(test_images)
    said = (
        f"no Frechet distance: {refused}" if distance is None else f"Frechet distance {distance:.1f} ({name})"
    )
    title = f"g(z), z from the prior; {said}"
    save_grid(FIGURE, [(title, fitted.sample(min(N_SHOWN, n_generated)))], columns=16)
    return {
        "frechet_distance": distance,
        "floor": floor,
        "refused": refused,
        "extractor": name,
        "n": n_generated,
        "n_reference": len(train_images),
        "n_floor": len(test_images),
        "reference_split": "train",
        "seed": params.seed,
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("fid", fid)


if __name__ == "__main__":
    main()
