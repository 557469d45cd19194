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
    Grid,
    draw_grid,
    gather_diversity,
    gather_generated,
    gather_inpaintings,
    gather_recoveries,
    gather_rivals,
    gather_samples,
)
from reports.paper.latent_figures import draw_evolution, draw_posteriors, draw_rival_posteriors

WITHOUT_OURS = ("figure5",)
GRIDS: dict[str, Callable[[Sequence[MeasuredCell]], Grid]] = {  # figures that are rows of images
    "figure4": gather_samples,
    "figure6": gather_inpaintings,
    "figure7": gather_diversity,
    "figure9": gather_recoveries,
    "fashion": gather_rivals,
    "figure5": gather_generated,
}
CLOUDS = ("figure2", "figure3", "latents")  # figures of too many points to be drawn as lines and shapes


def _grid(name: str) -> Callable[[Path, Sequence[MeasuredCell]], None]:
    return functools.partial(draw_grid, gather=GRIDS[name])


FIGURES: dict[str, dict[str, Callable[[Path, Sequence[MeasuredCell]], None]]] = {
    "table2": {name: _grid(name) for name in ("figure4", "figure6", "figure7")},
    "table3": {"table3": draw_auprc},
    "table4": {"table4": functools.partial(draw_sweep, axis_name="latent_dim")},
    "table5": {"table5": functools.partial(draw_sweep, axis_name="s")},
    "table6": {"table6": functools.partial(draw_sweep, axis_name="K")},
    "table7": {"table7": functools.partial(draw_sweep, axis_name="L2")},
    "table8": {"table8": draw_recovery_errors, "figure9": _grid("figure9"), "figure10": draw_recovery_curves},
    "figure3": {"figure2": draw_evolution, "figure3": draw_posteriors},
    "figure8": {"figure8": draw_alpha_curves},
    "alphas": {"alphas": functools.partial(draw_sweep, axis_name="alpha")},
    "table3_all": {"table3_all": draw_auprc},
    "authors": {},  # its table says it
    "convergence": {"convergence": draw_convergence},
    "solvers": {"solvers": draw_solvers},
    "fashion": {"fashion": _grid("fashion")},
    "figure5": {"figure5": _grid("figure5")},
    "latents": {"latents": draw_rival_posteriors},
}


def draw_figures(study: str, cells: Sequence[MeasuredCell], folder: Path) -> list[Path]:
    """Draw all figures of a study into ``folder`` from the cells that were measured.

    Where ours, which most figures are about, has none, the figure says so.
    """
    paths = [folder / f"{name}.png" for name in FIGURES[study]]
    for path, (name, draw) in zip(paths, FIGURES[study].items(), strict=True):
        measured = list_drawn(name, cells)
        if not any(study in WITHOUT_OURS or cell.method == "Ours" for cell in measured):
            draw_nothing(path, "nothing of this figure was measured; the table says why")
            continue
        try:
            draw(path, measured)
        except KeyError as missing:  # cells that were kept for their numbers alone
            draw_nothing(path, f"the cells were kept without {missing}; measured again they have it")
    return paths


def list_drawn(name: str, cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """The cells that the figure ``name`` can be of: measured, and with numbers, which some lack.

    Images and points are of one training each: of several seeds the first.
    """
    measured = [cell for cell in cells if cell.numbers and not cell.error]
    if name in GRIDS or name in CLOUDS:
        ours = [cell for cell in measured if cell.method == "Ours"]  # which most figures are about
        first = min((cell.seed for cell in ours or measured if cell.seed is not None), default=None)
        measured = [cell for cell in measured if cell.seed == first]
    return measured


def draw_nothing(path: Path, reason: str) -> None:
    """Write a picture that says why there is none."""
    figure = Figure(figsize=(12, 2))
    figure.text(0.5, 0.5, reason, ha="center")
    save_figure(figure, path)
