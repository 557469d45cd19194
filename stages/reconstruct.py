"""Stage reconstruct: the error of g(z) on training and test images (Table 2's MSE)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.images import to_unit
from models.langevin.engine import NoiseAddress
from models.langevin.noise import Stream, draw_normal
from pipeline.data.image_folder import read_images
from pipeline.evaluation.reconstruction import measure_error
from pipeline.evaluation.trained import load_engine
from pipeline.settings.params import Params
from pipeline.settings.plan import build_chain
from pipeline.stage import run_stage
from reports.drawing import save_grid

INPUT = "artifacts/data/complete"
FIGURE = "reports/figures/reconstruct_images.png"
N_SHOWN = 16


def reconstruct(params: Params, tracker: object) -> dict[str, Any]:
    """Reconstruct both splits, picture some of each, return their MSE in both units.

    Training images go on from their persistent chains for K steps, test images start from the prior and
    run ``evaluate.reconstruct_steps``. MSE is per pixel and channel; the [-1, 1] value is 4 times the
    [0, 1] one.
    """
    stored = read_images(INPUT)
    numbers = params.profile_settings
    test_steps, train_steps = numbers.evaluate.reconstruct_steps, numbers.train.K
    n_train, n_test = len(stored["train_images"]), len(stored["test_images"])
    planned = n_train * train_steps + n_test * test_steps
    model, engine = load_engine(params, "complete", planned)
    device = model.latents.device
    train_images = torch.from_numpy(stored["train_images"].copy()).to(device)
    test_images = torch.from_numpy(stored["test_images"].copy()).to(device)

    def infer(z: Tensor, images: Tensor, steps: int, draw: int) -> Tensor:
        indices = torch.arange(len(images), device=device)
        address = NoiseAddress(params.seed, Stream.TEST_CHAIN, draw)
        return engine.infer(z, images, None, indices, build_chain(params, steps), address)

    prior = draw_normal(
        params.seed, Stream.TEST_INIT, torch.arange(n_test, device=device), 0, 1, model.latents.shape[1]
    )[0]
    train_latents = infer(model.latents, train_images, train_steps, draw=1)
    test_latents = infer(prior, test_images, test_steps, draw=0)
    mse_train = measure_error(engine.generate, train_latents, train_images)
    mse_test = measure_error(engine.generate, test_latents, test_images)

    rows = []
    for name, images, latents, mse in (
        ("training", train_images, train_latents, mse_train),
        ("test", test_images, test_latents, mse_test),
    ):
        shown = torch.arange(0, len(images), max(1, len(images) // N_SHOWN))[:N_SHOWN]
        rows.append((f"{name} images", to_unit(images[shown])))
        rows.append((f"reconstructions, MSE of the whole split {mse:.4f}", engine.generate(latents[shown])))
    save_grid(FIGURE, rows)
    return {
        "mse_train": mse_train,
        "mse_test": mse_test,
        "mse_train_pm1": 4 * mse_train,
        "mse_test_pm1": 4 * mse_test,
        "steps_train": train_steps,
        "steps_test": test_steps,
        "n_train": n_train,
        "n_test": n_test,
        "latent_mean_train": float(train_latents.mean(0).square().mean().sqrt()),
        "latent_std_train": float(train_latents.std(0, correction=0).mean()),
    }


def main() -> None:
    """Run the stage."""
    run_stage("reconstruct", reconstruct)


if __name__ == "__main__":
    main()
