"""The Frechet distance by the density that z are drawn from, a panel for each number of images and length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.evaluation.fitted_densities import FITTED, PRIOR
from reports.drawing import save_figure
from reports.paper.convergence_figure import draw_seeds, scale_by_factors
from reports.paper.looks import choose_looks

SHOWN = (PRIOR, *FITTED)


def draw_fitted_prior(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw each method's distance to training images as a line over the densities, seeds as pale points."""
    places = sorted({(row["n_train"], row["rounds"]) for row in rows})
    figure = Figure(figsize=(3.4 * len(places) + 0.6, 4.2), layout="constrained")
    panels = figure.subplots(1, len(places), squeeze=False, sharey=True)[0]
    looks = choose_looks(row["method"] for row in rows)
    for axis, (n_train, rounds) in zip(panels, places, strict=True):
        here = [row for row in rows if (row["n_train"], row["rounds"]) == (n_train, rounds)]
        for method, look in looks.items():
            logarithms = {
                number: np.log([row["frechet_train"] for row in here if is_of(row, method, density)])
                for number, density in enumerate(SHOWN)
            }
            draw_seeds(axis, {at: found for at, found in logarithms.items() if len(found)}, look, method)
        axis.set(title=f"{n_train:,} images, {rounds} round{'s' * (rounds > 1)}")
        scale_by_factors(axis)
        axis.set_xticks(range(len(SHOWN)), SHOWN)
        axis.set_xlim(-0.4, len(SHOWN) - 0.6)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Frechet distance to training images")
    panels[0].legend(frameon=False)
    figure.supxlabel("density that z of the samples are drawn from", fontsize=10)
    save_figure(figure, path)


def is_of(row: Mapping[str, Any], method: str, density: str) -> bool:
    """Whether a row is of a method and a density."""
    return (row["method"], row["density"]) == (method, density)
