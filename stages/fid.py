"""Stage fid: the Frechet distance of generated images (Table 2), its floor, and whether they are copies."""

from __future__ import annotations

import json
import logging
from typing import Any

import torch

from pipeline.data.image_folder import read_images
from pipeline.evaluation.coverage import measure_coverage, pick_nearest, share_nearer
from pipeline.evaluation.features import INCEPTION_MIN_SAMPLES, open_extractor, refuse_untrained
from pipeline.evaluation.fitted_densities import FITTED_DISTANCES, draw_from_fitted
from pipeline.evaluation.frechet import compute_frechet_distance
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import project_root
from reports.drawing import save_grid, save_nearest

INPUT = places.DATA / "complete"
FIGURE = places.FIGURES / "fid_samples.png"
NEAREST_FIGURE = places.FIGURES / "fid_nearest.png"
N_SHOWN = 64
MOST_COMPARED = 1_000  # images of each kind, pair by pair: of all of CelebA's it would take hours
log = logging.getLogger(__name__)


def fid(params: Params, tracker: object) -> dict[str, Any]:
    """Generate from the prior, picture some, return the distance to training images and to test images.

    The floor is the distance of the test images to the training images: what a perfect generator would get
    with as many samples as there are test images. Distances of densities that are fitted to the training
    images' z stand beside that of the prior.
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
    if refused:
        log.warning("Frechet distance refused: %s", refused)
    samples = fitted.sample(n_generated).cpu()
    n = min(len(samples), len(train_images), len(test_images), MOST_COMPARED)
    distance = floor = distance_test = precision = recall = None
    of_fitted: dict[str, float | None] = dict.fromkeys(FITTED_DISTANCES.values())
    if not refused:
        features, of_train, of_test = map(extractor.extract, (samples, train_images, test_images))
        distance, floor = (compute_frechet_distance(one, of_train) for one in (features, of_test))
        distance_test = compute_frechet_distance(features, of_test)
        precision, recall = measure_coverage(features[:n], of_test[:n])
        for density, z in draw_from_fitted(fitted.latents, n_generated, params.seed):
            of_z = extractor.extract(fitted.generate(z).cpu())
            of_fitted[FITTED_DISTANCES[density]] = compute_frechet_distance(of_z, of_train)
    said = (
        f"no Frechet distance: {refused}" if distance is None else f"Frechet distance {distance:.1f} ({name})"
    )
    title = f"g(z), z from the prior; {said}"
    save_grid(FIGURE, [(title, samples[:N_SHOWN])], columns=16)
    save_nearest(NEAREST_FIGURE, f"of {n:,} samples", pick_nearest(samples[:n], train_images, test_images))
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
        "frechet_distance_test": distance_test,
        "nearer_training": share_nearer(samples[:n], train_images[:n], test_images[:n]),
        "precision": precision,
        "recall": recall,
        "n_compared": n,
        **of_fitted,
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("fid", fid)


if __name__ == "__main__":
    main()
