"""Which figures a study of the paper has, and how each is drawn from its cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from pipeline.studies.measured import MeasuredCell
from reports.drawing import save_figure
from reports.paper.convergence_figure import draw_convergence
from reports.paper.curve_figures import (
    draw_alpha_curves,
    draw_auprc,
    draw_recovery_curves,
    draw_recovery_errors,
    draw_solvers,
    draw_sweep,
)
from reports.paper.image_figures import (
    draw_diversity,
    draw_generated,
    draw_inpaintings,
    draw_recoveries,
    draw_rivals,
    draw_samples,
)
from reports.paper.latent_figures import draw_evolution, draw_posteriors, draw_rival_posteriors

WITHOUT_OURS = ("figure5",)
FIGURES: dict[str, dict[str, Callable[[Path, Sequence[MeasuredCell]], None]]] = {
    "table2": {"figure4": draw_samples, "figure6": draw_inpaintings, "figure7": draw_diversity},
    "table3": {"table3": draw_auprc},
    "table4": {"table4": functools.partial(draw_sweep, axis_name="latent_dim")},
    "table5": {"table5": functools.partial(draw_sweep, axis_name="s")},
    "table6": {"table6": functools.partial(draw_sweep, axis_name="K")},
    "table7": {"table7": functools.partial(draw_sweep, axis_name="L2")},
    "table8": {"table8": draw_recovery_errors, "figure9": draw_recoveries, "figure10": draw_recovery_curves},
    "figure3": {"figure2": draw_evolution, "figure3": draw_posteriors},
    "figure8": {"figure8": draw_alpha_curves},
    "authors": {},
    "convergence": {"convergence": draw_convergence},
    "solvers": {"solvers": draw_solvers},
    "fashion": {"fashion": draw_rivals},
    "figure5": {"figure5": draw_generated},
    "latents": {"latents": draw_rival_posteriors},
}


def draw_figures(study: str, cells: Sequence[MeasuredCell], folder: Path) -> list[Path]:
    """Draw all figures of a study into ``folder`` from the cells that were measured.

    Where ours, which most figures are about, has none, the figure says so.
    """
    measured = [cell for cell in cells if cell.numbers and not cell.error]  # some lack all numbers
    paths = [folder / f"{name}.png" for name in FIGURES[study]]
    for path, draw in zip(paths, FIGURES[study].values(), strict=True):
        if not any(study in WITHOUT_OURS or cell.method == "Ours" for cell in measured):
            draw_nothing(path, "nothing of this figure was measured; the table says why")
            continue
        try:
            draw(path, measured)
        except KeyError as missing:  # cells that were kept for their numbers alone
            draw_nothing(path, f"the cells were kept without {missing}; measured again they have it")
    return paths


def draw_nothing(path: Path, reason: str) -> None:
    """Write a picture that says why there is none."""
    figure = Figure(figsize=(12, 2))
    figure.text(0.5, 0.5, reason, ha="center")
    save_figure(figure, path)
