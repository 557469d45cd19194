"""Stage holdout: pool the images and take the held-out class out of the training set (section 7.5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.images import to_unit
from pipeline.data.anomaly_split import split_anomaly
from pipeline.data.image_folder import read_images, write_images
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from reports.drawing import name_class, save_grid

INPUT = places.DATA / "complete"
OUTPUT = places.DATA / "normal"
FIGURE = places.FIGURES / "holdout_images.png"
N_SHOWN = 16


def holdout(params: Params, tracker: object) -> dict[str, Any]:
    """Write the normal training images and the test sets of both protocols, return their sizes."""
    stored = read_images(INPUT)
    images = np.concatenate([stored["train_images"], stored["test_images"]])
    labels = np.concatenate([stored["train_labels"], stored["test_labels"]])
    held_out = params.anomaly.held_out
    split = split_anomaly(labels, held_out)
    arrays = {
        "train_images": images[split.train],
        "test_images": images[split.pooled],
        "test_is_anomaly": labels[split.pooled] == held_out,
        "test_is_tenth": np.isin(split.pooled, split.tenth),
    }
    names = stored.meta.get("classes", [])
    about = {"dataset": stored.meta["dataset"], "held_out": held_out}
    if names:
        about["held_out_name"] = names[held_out]
    digest = write_images(OUTPUT, arrays, about)
    anomalous = arrays["test_images"][arrays["test_is_anomaly"]]
    shown = slice(0, N_SHOWN * (step := max(1, len(split.train) // N_SHOWN)), step)
    rows = [
        (f"normal, training set: {len(split.train):,}", arrays["train_images"][shown]),
        (f"held out, class {name_class(held_out, names)}: {len(anomalous):,}", anomalous[:N_SHOWN]),
    ]
    captions = [[names[label] for label in labels[split.train][shown]], ()] if names else []
    save_grid(FIGURE, [(title, to_unit(row)) for title, row in rows], captions=captions)
    return {
        **about,
        "digest": digest,
        "n_train": len(split.train),
        "n_pooled": len(split.pooled),
        "n_tenth": len(split.tenth),
        "base_rate_pooled": float((labels[split.pooled] == held_out).mean()),
        "base_rate_tenth": float((labels[split.tenth] == held_out).mean()),
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("holdout", holdout)


if __name__ == "__main__":
    main()
