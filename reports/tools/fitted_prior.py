"""Would a density fitted to z after training do what the correction does?

The correction moves z to where samples are drawn, N(0, I); one may as well draw samples where z are.
``python -m reports.tools.fitted_prior VAE ABP Ours --rounds 4 --seed 1 2 3`` trains those cells of the study
``convergence`` again, and measures images of z from N(0, I), from one Gaussian and from ten that are fitted
to the z of the training images, and of those z themselves. What comes out is added to
reports/results/fitted_prior, with ``--picture`` samples as well; docs/results/fitted_prior.md shows it. What
is there already is not measured again, and nothing that is kept is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from models.catalogue import METHODS
from pipeline.evaluation.fitted_densities import DENSITIES, THEMSELVES, draw_from_each, find_latents
from pipeline.studies.recall import KeyedCell
from pipeline.studies.threads import use_one_thread
from reports.drawing import save_grid
from reports.tools.fitted_prior_figure import draw_fitted_prior
from reports.tools.fitted_prior_table import FILE, render_fitted_prior
from reports.tools.measured_rows import put_row, read_rows
from reports.tools.trained_again import (
    describe,
    find_wanted,
    make_parser,
    prepare_comparison,
    train_again,
)

FIGURE = FILE.with_suffix(".png")
N_SHOWN, COLUMNS = 48, 24  # samples of each density, in lines


def measure_fitted_prior(keyed: KeyedCell, picture: Path | None = None) -> Iterator[dict[str, Any]]:
    """Train a cell's method on its complete images; yield a row for each density of z, and draw samples."""
    params = keyed.cell.params
    settings = params.profile_settings
    with use_one_thread():
        fitted, learned, test = train_again(keyed)
        latents = find_latents(fitted, learned, settings.train.K)
        size = float(latents.square().mean().sqrt())
        compare = prepare_comparison(keyed, learned, test)
        shown = []
        for density, z in draw_from_each(fitted, latents, settings.evaluate.n_generated, params.seed):
            samples = fitted.generate(z).cpu()
            numbers = compare(samples)
            distance = numbers["frechet_train"]
            shown.append((f"{density}: Frechet distance {distance:.1f}", samples[:N_SHOWN]))
            yield describe(keyed, keyed.cell.method, numbers | {"latent_rms": size}) | {"density": density}
        if picture is not None:
            save_grid(picture, shown, columns=COLUMNS)


def add_row(row: dict[str, Any], path: Path = FILE) -> None:
    """Add what was measured, in the place of an earlier measurement of the same training."""
    methods = list(METHODS)
    put_row(
        row,
        path,
        ("method", "density", "n_train", "rounds", "seed"),
        lambda one: (
            one["n_train"],
            one["rounds"],
            methods.index(one["method"]),
            DENSITIES.index(one["density"]),
            one["seed"],
        ),
    )


def main() -> None:
    """Measure what the command line names and what is not there yet, one training after the other."""
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument("--picture", action="store_true", help="draw samples of what the first seed trains")
    given = parser.parse_args()
    known = {(row["method"], row["key"], row["density"]) for row in read_rows(FILE)}
    for (seed, method), cells in find_wanted(given).items():
        for keyed in tqdm(cells, f"{method}, seed {seed}", disable=None):
            if (method, keyed.key, THEMSELVES) in known:  # the last of a training's rows
                continue
            is_shown = given.picture and seed == given.seed[0]
            for row in measure_fitted_prior(keyed, FILE.with_name(f"{method}.png") if is_shown else None):
                add_row(row)
    draw_fitted_prior(FIGURE, read_rows(FILE))
    print(render_fitted_prior())


if __name__ == "__main__":
    main()
