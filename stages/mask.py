"""Stage mask: hide pixels of the training images (Eq. 16-19), for learning from incomplete images."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.images import to_unit
from pipeline.data.image_folder import read_images, write_images
from pipeline.data.masks import occlude_images
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from reports.drawing import save_grid

INPUT = places.DATA / "complete"
OUTPUT = places.DATA / "occluded"
FIGURE = places.FIGURES / "mask_examples.png"
N_SHOWN = 16
GREY = 128  # black would not show on a black background


def mask(params: Params, tracker: object) -> dict[str, Any]:
    """Write the occluded training images of INPUT and which pixels are visible to OUTPUT, return the shares.

    ``mask.side`` is in pixels of a 64 x 64 image and scaled to the images' height.
    """
    stored = read_images(INPUT)
    images = stored["train_images"]
    kind, share = params.mask.kind, params.mask.share
    occlusion = occlude_images(images, kind, params.mask.side, share, params.seed)
    visible = occlusion.visible
    amount = {"share": share} if kind == "salt_pepper" else {"side": occlusion.size}
    about = {"dataset": stored.meta["dataset"], "seed": params.seed, "kind": kind, **amount}
    digest = write_images(OUTPUT, {"train_images": occlusion.images, "train_visible": visible}, about)
    grey = np.where(visible[:N_SHOWN], images[:N_SHOWN], np.uint8(GREY))
    rows = [("original", images[:N_SHOWN]), ("occluded (hidden pixels shown in grey)", grey)]
    save_grid(FIGURE, [(title, to_unit(row)) for title, row in rows])
    return {
        "dataset": stored.meta["dataset"],
        "digest": digest,
        "kind": kind,
        **amount,
        "n": len(images),
        "hidden_share": float(1 - visible.mean()),
    }


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("mask", mask)


if __name__ == "__main__":
    main()
