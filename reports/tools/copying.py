"""Does a lower Frechet distance come of copies? It is taken to the training images, and a copy is one.

``python -m reports.tools.copying VAE ABP Ours --rounds 4 16 --seed 1 2 3`` trains those cells of the study
``convergence`` again and measures their samples against the training images and as many test images: the
Frechet distance to either, the share of samples that are nearer to a training image, precision and recall.
The row "unlearned" is of images that were not learned, in the place of samples. What comes out is added to
reports/results/copying, with a picture of each method; docs/results/copying.md shows it. What is there
already is not measured again, and nothing that is kept is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.evaluation.coverage import pick_nearest
from pipeline.studies.recall import KeyedCell
from pipeline.studies.threads import use_one_thread
from reports.drawing import save_nearest
from reports.tools.copying_table import FILE, FOLDER, UNLEARNED, render_copying
from reports.tools.measured_rows import put_row, read_rows
from reports.tools.trained_again import (
    describe,
    find_cells,
    find_wanted,
    make_parser,
    prepare_comparison,
    read_splits,
    train_again,
)


def measure_copying(keyed: KeyedCell, picture: Path | None = None) -> dict[str, Any]:
    """Train a cell's method on its complete images and measure its samples; draw those nearest to them."""
    method = keyed.cell.method
    with use_one_thread():
        fitted, learned, test = train_again(keyed)
        samples = fitted.sample(keyed.cell.params.profile_settings.evaluate.n_generated).cpu()
        if picture is not None:
            shown = pick_nearest(samples, learned, test)
            save_nearest(picture, f"{method}: of {len(samples):,} samples", shown)
        return describe(keyed, method, prepare_comparison(keyed, learned, test)(samples))


def measure_unlearned(keyed: KeyedCell, longest: KeyedCell) -> dict[str, Any]:
    """Measure digits in the place of samples: those that ``longest`` learns and ``keyed`` does not."""
    learned, test = read_splits(keyed)
    known = {image.numpy().tobytes() for image in learned}
    others = [image for image in read_splits(longest)[0] if image.numpy().tobytes() not in known]
    with use_one_thread():
        row = describe(keyed, UNLEARNED, prepare_comparison(keyed, learned, test)(torch.stack(others)))
    return row | {"rounds": 0}  # no training


def add_row(row: dict[str, Any], path: Path = FILE) -> None:
    """Add what was measured, in the place of an earlier measurement of the same training."""
    order = [*METHODS, UNLEARNED]
    put_row(
        row,
        path,
        ("method", "n_train", "rounds", "seed"),
        lambda one: (one["n_train"], one["rounds"], order.index(one["method"]), one["seed"]),
    )


def main() -> None:
    """Measure what the command line names and what is not there yet, one training after the other."""
    given = make_parser(__doc__.splitlines()[0]).parse_args()
    wanted = find_wanted(given)
    known = {(row["method"], row["key"]) for row in read_rows(FILE)}
    for (seed, method), cells in wanted.items():
        for keyed in tqdm(cells, f"{method}, seed {seed}", disable=None):
            is_longest = dict(keyed.cell.axes)["rounds"] == max(given.rounds)
            shown = FOLDER / f"{method}.png" if seed == given.seed[0] and is_longest else None
            if (method, keyed.key) not in known:
                add_row(measure_copying(keyed, shown))
    for (seed, method), cells in wanted.items():
        of_seed = find_cells(method, given.profile, seed)
        if max(of_seed)[0] > given.n_train and not has_unlearned(given.n_train, seed):
            add_row(measure_unlearned(cells[0], of_seed[max(of_seed)]))
    print(render_copying())


def has_unlearned(n_train: int, seed: int) -> bool:
    """Whether unlearned digits were measured for a seed, whose images are the same for each method."""
    same = (UNLEARNED, n_train, seed)
    return any((row["method"], row["n_train"], row["seed"]) == same for row in read_rows(FILE))


if __name__ == "__main__":
    main()
