"""Stage fid: the Frechet distance of generated images (Table 2), with its extractor and its floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.langevin.noise import Stream, draw_normal
from pipeline.data.image_folder import read_images
from pipeline.evaluation.features import INCEPTION_MIN_SAMPLES, open_extractor
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.evaluation.trained import load_engine
from pipeline.settings.params import Params
from pipeline.stage import run_stage
from pipeline.storage.files import project_root
from reports.drawing import save_grid

INPUT = "artifacts/data/complete"
EXTRACTOR = Path("artifacts/extractor/classifier.pt")
FIGURE = "reports/figures/fid_samples.png"
N_SHOWN = 64


def fid(params: Params, tracker: object) -> dict[str, Any]:
    """Generate from the prior, picture some, return the distance to the training images.

    The floor is the distance of the test images to the same reference: what a perfect generator would get
    with as many samples as there are test images.
    """
    stored = read_images(INPUT)
    file = params.fid.inception_file
    extractor = open_extractor(EXTRACTOR, None if file is None else project_root() / file)
    extract, name = extractor.extract, "inception" if file else f"{params.dataset} classifier"
    model, engine = load_engine(params, "complete", planned_steps=0)
    n_generated = params.profile_settings.evaluate.n_generated
    indices = torch.arange(n_generated, device=model.latents.device)
    z = draw_normal(params.seed, Stream.GENERATION, indices, 0, 1, model.latents.shape[1])[0]
    features = torch.cat([extract(engine.generate(part)) for part in z.split(2000)])
    reference = extract(torch.from_numpy(stored["train_images"].copy()))
    test = extract(torch.from_numpy(stored["test_images"].copy()))
    if name == "inception" and min(len(features), len(reference), len(test)) < INCEPTION_MIN_SAMPLES:
        name = f"inception (singular: fewer than {INCEPTION_MIN_SAMPLES} samples)"
    distance = compute_frechet_distance(features, reference)
    title = f"g(z), z from the prior; Frechet distance {distance:.1f} ({name})"
    save_grid(FIGURE, [(title, engine.generate(z[:N_SHOWN]))], columns=16)
    return {
        "frechet_distance": distance,
        "floor": compute_frechet_distance(test, reference),
        "extractor": name,
        "n": n_generated,
        "n_reference": len(reference),
        "n_floor": len(test),
        "reference_split": "train",
        "seed": params.seed,
    }


def main() -> None:
    """Run the stage."""
    run_stage("fid", fid)


if __name__ == "__main__":
    main()
