"""Would a density fitted to z after training do what the correction does?

The correction moves z to where samples are drawn, N(0, I); one may as well draw samples where z are.
``python -m reports.tools.fitted_prior VAE ABP Ours --rounds 4 --seed 1 2 3`` trains those cells of the study
``convergence`` again, and measures images of z from N(0, I), from one Gaussian and from ten that are fitted
to the z of the training images, and of those z themselves. What comes out is added to
reports/results/fitted_prior; docs/results/fitted_prior.md shows it. What is there already is not measured
again, and nothing that is kept is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm import tqdm

from models.catalogue import METHODS
from models.interface import FittedMethod, make_rng
from models.latent_density import LatentMixture
from models.short_run.method import ShortRun
from pipeline.studies.recall import KeyedCell
from pipeline.studies.threads import use_one_thread
from reports.tools.fitted_prior_table import FILE, FITTED, PRIOR, THEMSELVES, render_fitted_prior
from reports.tools.measured_rows import put_row, read_rows
from reports.tools.trained_again import (
    compare_samples,
    describe,
    find_wanted,
    parse_arguments,
    train_again,
)


def measure_fitted_prior(keyed: KeyedCell) -> Iterator[dict[str, Any]]:
    """Train a cell's method on its complete images; yield a row for each density of z."""
    params = keyed.cell.params
    settings = params.profile_settings
    with use_one_thread():
        fitted, learned, test = train_again(keyed)
        latents = find_latents(fitted, learned, settings.train.K)
        size = float(latents.square().mean().sqrt())
        for density, z in draw_from_each(fitted, latents, settings.evaluate.n_generated, params.seed):
            numbers = compare_samples(keyed, fitted.generate(z.to(latents)).cpu(), learned, test)
            yield describe(keyed, keyed.cell.method, numbers | {"latent_rms": size}) | {"density": density}


def find_latents(fitted: FittedMethod, images: Tensor, steps: int) -> Tensor:
    """The z (N, d) that the generator learned with last: chains as training left them, else a draw of q."""
    return fitted.latents if isinstance(fitted, ShortRun) else fitted.draw_posterior(images, steps)


def draw_from_each(fitted: FittedMethod, latents: Tensor, n: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Draw ``n`` z from the method's prior and from densities of ``latents`` (N, d), which come last."""
    yield PRIOR, fitted.draw_prior(n, 0)
    for name, n_components in FITTED.items():
        yield name, LatentMixture(latents, n_components, seed).draw(n, make_rng(seed, n_components))
    yield THEMSELVES, latents


def add_row(row: dict[str, Any], path: Path = FILE) -> None:
    """Add what was measured, in the place of an earlier measurement of the same training."""
    methods, densities = list(METHODS), [PRIOR, *FITTED, THEMSELVES]
    put_row(
        row,
        path,
        ("method", "density", "n_train", "rounds", "seed"),
        lambda one: (
            one["n_train"],
            one["rounds"],
            methods.index(one["method"]),
            densities.index(one["density"]),
            one["seed"],
        ),
    )


def main() -> None:
    """Measure what the command line names and what is not there yet, one training after the other."""
    given = parse_arguments(__doc__.splitlines()[0])
    known = {(row["method"], row["key"], row["density"]) for row in read_rows(FILE)}
    for (seed, method), cells in find_wanted(given).items():
        for keyed in tqdm(cells, f"{method}, seed {seed}", disable=None):
            if (method, keyed.key, THEMSELVES) not in known:  # the last of a training's rows
                for row in measure_fitted_prior(keyed):
                    add_row(row)
    print(render_fitted_prior())


if __name__ == "__main__":
    main()
