"""Stage prepare: load the data set, choose its images, store them in artifacts/data/complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models.images import to_unit
from models.networks.architectures import find_architecture
from pipeline.data.image_folder import write_images
from pipeline.data.load import load_dataset
from pipeline.settings.params import OWN_IMAGES, Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import project_root
from pipeline.storage.pictures import list_classes
from reports.drawing import save_grid

OUTPUT = places.DATA / "complete"
FIGURE = places.FIGURES / "prepare_images.png"
N_SHOWN = 16  # per row of the picture


def prepare(params: Params, tracker: object) -> dict[str, Any]:
    """Write the data set named in params to OUTPUT, show some of it in FIGURE, return its numbers."""
    settings = params.profile_settings.prepare
    is_own = params.dataset == OWN_IMAGES
    # Queued experiments run in a folder without the user's data. Own images are read where DVC looks for
    # them: what it compares is what is read.
    folder = Path(params.data.images) if is_own else project_root() / params.data.folder
    images = load_dataset(
        params.dataset,
        folder,
        n_train=settings.n_train,
        n_test=settings.n_test,
        at_most=is_own,
        seed=params.seed,
        download=params.data.download,
        image_shape=find_architecture(params.architecture).image_shape if is_own else None,
    )
    about: dict[str, Any] = {"dataset": images.name, "source": images.source, "seed": params.seed}
    names = [name for name in list_classes(folder) if name] if is_own else []
    if names:
        about["classes"] = names  # the labels' names
    digest = write_images(OUTPUT, images.arrays, about)
    counts = {split: np.unique(labels, return_counts=True)[1] for split, labels in images.labels.items()}
    balance = describe_balance(counts["train"])
    rows = [
        (
            f"{images.name}: {len(images.train_images):,} training images, {balance}",
            images.train_images[:N_SHOWN],
        ),
        (f"{len(images.test_images):,} test images", images.test_images[:N_SHOWN]),
    ]
    captions = [[names[label] for label in labels[:N_SHOWN]] for labels in images.labels.values() if names]
    save_grid(FIGURE, [(title, to_unit(shown)) for title, shown in rows], captions=captions)
    return {
        "dataset": images.name,
        "digest": digest,
        "n_train": len(images.train_images),
        "n_test": len(images.test_images),
        "train_mean": float(images.train_images.mean() / 255),
        "test_mean": float(images.test_images.mean() / 255),
        "smallest_class": int(counts["train"].min()),
        "largest_class": int(counts["train"].max()),
    }


def describe_balance(counts: np.ndarray) -> str:
    """How many images there are of each class, from their ``counts`` (classes,)."""
    low, high = int(counts.min()), int(counts.max())
    if len(counts) == 1:
        return "of one class"
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{each} per class, {len(counts)} classes"


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("prepare", prepare)


if __name__ == "__main__":
    main()
