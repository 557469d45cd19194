"""Stage reconstruct: the MSE of g(z) on training and test images (Table 2), by a draw and a point."""

from __future__ import annotations

from typing import Any

import torch

from models.images import to_unit
from pipeline.data.image_folder import read_images
from pipeline.evaluation.reconstruction import reconstruct_splits
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from reports.drawing import save_grid

INPUT = places.DATA / "complete"
FIGURE = places.FIGURES / "reconstruct_images.png"
N_SHOWN = 16
TRAIN_DRAW = 1  # of the training images' noise, which the tables' cells number 0


def reconstruct(params: Params, tracker: object) -> dict[str, Any]:
    """Reconstruct both splits, picture some of each, return their MSE in both units.

    Training images go on from their persistent chains for K steps, test images start from the prior and
    run ``evaluate.reconstruct_steps``. MSE is per pixel and channel; the [-1, 1] value is 4 times the
    [0, 1] one. A chain with noise draws z, so its error has the posterior's spread in it: that of the same
    chain without noise, a point, stands beside it.
    """
    stored = read_images(INPUT)
    numbers = params.profile_settings
    train_steps, test_steps = numbers.train.K, numbers.evaluate.reconstruct_steps
    n_train, n_test = len(stored["train_images"]), len(stored["test_images"])
    fitted = load_trained(params, "complete", n_train * train_steps + n_test * test_steps)
    train_images, test_images = (
        torch.from_numpy(stored[split].copy()).to(fitted.latents.device)
        for split in ("train_images", "test_images")
    )
    measured, point = (
        reconstruct_splits(method, train_images, test_images, train_steps, test_steps, TRAIN_DRAW)
        for method in (fitted, fitted.as_points())
    )
    way = "draw" if fitted.chain.noise_scale else "point"  # the settings may leave the noise out
    ways = {way: measured, "point": point}
    rows = []
    for split, images in (("training", train_images), ("test", test_images)):
        shown = torch.arange(0, len(images), max(1, len(images) // N_SHOWN))[:N_SHOWN]
        rows.append((f"{split} images", to_unit(images[shown])))
        for name, one in ways.items():
            of_training, of_test = (one.train_latents, one.mse_train), (one.test_latents, one.mse_test)
            latents, mse = of_training if split == "training" else of_test
            title = f"reconstructions, z a {name}; MSE of the whole split {mse:.4f}"
            rows.append((title, fitted.generate(latents[shown])))
    save_grid(FIGURE, rows)
    return {
        "mse_train": measured.mse_train,
        "mse_test": measured.mse_test,
        "mse_train_pm1": 4 * measured.mse_train,
        "mse_test_pm1": 4 * measured.mse_test,
        "mse_train_point": point.mse_train,
        "mse_test_point": point.mse_test,
        "way": way,
        "steps_train": train_steps,
        "steps_test": test_steps,
        "n_train": n_train,
        "n_test": n_test,
        "latent_mean_train": measured.latent_mean,
        "latent_std_train": measured.latent_std,
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("reconstruct", reconstruct)


if __name__ == "__main__":
    main()
