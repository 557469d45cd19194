"""The figures of section 7 that show images: 4, 6, 7 and 9."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.images import to_unit
from pipeline.data.masks import INPAINTING_MASKS
from pipeline.studies.measured import MeasuredCell
from reports.drawing import Strips, save_grid
from reports.paper.names import describe_place, name_dataset, name_row

N_COLUMNS = 16


@dataclass(frozen=True)
class Grid:
    """Titled rows of images; more than ``columns`` in a row wrap, None: all of a row stand on one line."""

    rows: Strips
    columns: int | None = None


def draw_grid(
    path: Path, cells: Sequence[MeasuredCell], gather: Callable[[Sequence[MeasuredCell]], Grid]
) -> None:
    """Draw what ``gather`` finds in the cells."""
    grid = gather(cells)
    save_grid(path, grid.rows, grid.columns)


def gather_samples(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather Figure 4: training images, reconstructions and samples of the prior, ours on each data set."""
    for_ours = [cell for cell in cells if cell.method == "Ours"]
    rows: Strips = []
    for cell in for_ours:
        arrays = cell.arrays
        label = f"{name_dataset(cell.dataset)}, {name_row(cell)}"
        rows += [
            (f"{label}: training images", to_unit(arrays["images"][:N_COLUMNS])),
            ("reconstructions", to_unit(arrays["reconstructions"][:N_COLUMNS])),
            ("samples from the prior", to_unit(arrays["samples"][: 2 * N_COLUMNS])),
        ]
    return Grid(rows, N_COLUMNS)


def gather_rivals(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather training images, then each method's reconstructions of them and its samples, if it has them."""
    rows: Strips = [
        (f"{name_dataset(cells[0].dataset)}: training images", to_unit(cells[0].arrays["images"]))
    ]
    for method in dict.fromkeys(cell.method for cell in cells):
        cell = find_longest(cells, method)
        for name in ("reconstructions", "samples"):
            if name in cell.arrays:
                rows.append((f"{name_row(cell)}: {name}", to_unit(cell.arrays[name][:N_COLUMNS])))
    return Grid(rows, N_COLUMNS)


def find_longest(cells: Sequence[MeasuredCell], method: str) -> MeasuredCell:
    """Find the first seed's cell of ``method`` after most rounds, where they are an axis."""
    return max((cell for cell in cells if cell.method == method), key=lambda cell: cell.axes.get("rounds", 0))


def gather_generated(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather Figure 5: samples of each method, a data set after the other."""
    rows: Strips = []
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        shown = [cell for cell in cells if cell.dataset == dataset]
        images = to_unit(shown[0].arrays["images"][:N_COLUMNS])
        rows.append((f"{name_dataset(dataset)}: training images", images))
        for cell in shown:
            samples = to_unit(cell.arrays["samples"][: 2 * N_COLUMNS])
            rows.append((f"{name_row(cell)}: samples from the prior", samples))
    return Grid(rows, N_COLUMNS)


def gather_inpaintings(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather Figure 6: test images restored by ours under the six masks of section 7.4."""
    cell = find_last(cells, "Ours")
    originals = cell.arrays["inpainting_originals"]
    rows: Strips = [(f"{name_dataset(cell.dataset)}, {name_row(cell)}: test images", to_unit(originals))]
    for (kind, size, share), visible, restored in zip(
        INPAINTING_MASKS,
        cell.arrays["inpainting_occlusions"],
        cell.arrays["inpainting_restored"],
        strict=True,
    ):
        mask = f"{kind} {size} of 64 pixels" if size else f"{kind} {share:.0%}"
        both = np.concatenate([originals * visible, restored])
        rows.append((f"{mask}: occluded, then restored", to_unit(both)))
    return Grid(rows)


def gather_diversity(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather Figure 7: one occluded image restored by several chains."""
    cell = find_last(cells, "Ours")
    arrays = cell.arrays
    rows: Strips = []
    for image, visible, restored in zip(
        arrays["inpainting_originals"],
        arrays["inpainting_diverse_occlusions"],
        arrays["inpainting_diverse"],
        strict=False,
    ):
        line = np.concatenate([image[None], (image * visible)[None], restored])
        rows.append(("test image, occluded, then one chain after another", to_unit(line)))
    return Grid(rows)


def gather_recoveries(cells: Sequence[MeasuredCell]) -> Grid:
    """Gather Figure 9: originals, occluded training images and what each method recovers, at three masks.

    The smallest square, the middle one, and the middle share of hidden pixels.
    """
    squares, shares = (
        list(dict.fromkeys(describe_place(cell) for cell in cells if cell.axes["mask"]["kind"] == kind))
        for kind in ("region", "salt_pepper")
    )
    chosen = [*squares[:1], *squares[len(squares) // 2 :][:1], *shares[len(shares) // 2 :][:1]]
    rows: Strips = []
    for place in dict.fromkeys(chosen):
        masked = [cell for cell in cells if describe_place(cell) == place]
        arrays = masked[0].arrays
        rows.append((f"{place}: originals", to_unit(arrays["originals"])))
        rows.append(("occluded training images", to_unit(arrays["originals"] * arrays["visible"])))
        rows += [(name_row(cell), to_unit(cell.arrays["recovered"])) for cell in masked]
    return Grid(rows)


def find_last(cells: Sequence[MeasuredCell], method: str) -> MeasuredCell:
    """Find the last cell of ``method``: Table 2's data sets end with the one measured in place of faces."""
    return next(cell for cell in reversed(cells) if cell.method == method)
