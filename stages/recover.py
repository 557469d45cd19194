"""Stage recover: fill in the hidden pixels of occluded training images (Table 8), by a draw and a point."""

from __future__ import annotations

from typing import Any

import torch

from models.images import to_unit
from pipeline.data.image_folder import read_images
from pipeline.evaluation.reconstruction import measure_recovery, recover_training
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from reports.drawing import save_grid

ORIGINALS = places.DATA / "complete"
INPUT = places.DATA / "occluded"
FIGURE = places.FIGURES / "recover_images.png"
N_SHOWN = 16


def recover(params: Params, tracker: object) -> dict[str, Any]:
    """Recover each image from its persistent chain, picture some, return the error on hidden pixels.

    A draw's error has the posterior's spread in it: that of the same chain without noise, a point, stands
    beside it.
    """
    stored = read_images(INPUT)
    images = torch.from_numpy(stored["train_images"].copy())
    visible = torch.from_numpy(stored["train_visible"].copy())
    originals = torch.from_numpy(read_images(ORIGINALS)["train_images"].copy())
    steps = params.profile_settings.evaluate.recover_steps
    fitted = load_trained(params, "occluded", len(images) * steps)
    device = fitted.latents.device
    images, visible, originals = images.to(device), visible.to(device), originals.to(device)
    way = "draw" if fitted.chain.noise_scale else "point"  # the settings may leave the noise out
    recovered = {
        name: recover_training(method, images, visible, steps)
        for name, method in {way: fitted, "point": fitted.as_points()}.items()
    }
    errors = {name: measure_recovery(one, to_unit(originals), visible) for name, one in recovered.items()}
    error, point = errors[way], errors["point"]
    shown = torch.arange(0, len(images), max(1, len(images) // N_SHOWN))[:N_SHOWN]
    rows = [
        ("original, never seen in training", to_unit(originals[shown])),
        ("occluded (hidden pixels in grey)", torch.where(visible[shown] == 1, to_unit(images[shown]), 0.5)),
    ]
    for name, one in recovered.items():
        said = f"on hidden pixels mean absolute error {errors[name].absolute:.4f}"
        rows.append((f"recovered, z a {name}; {said}", one[shown]))
    save_grid(FIGURE, rows)
    return {
        "absolute_error": error.absolute,
        "squared_error": error.squared,
        "absolute_error_point": point.absolute,
        "squared_error_point": point.squared,
        "way": way,
        "hidden_share": error.hidden_share,
        "mask": {key: value for key, value in stored.meta.items() if key in ("kind", "side", "share")},
        "n": len(images),
        "steps": steps,
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("recover", recover)


if __name__ == "__main__":
    main()
