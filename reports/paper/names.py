"""How tables and figures name data sets, methods and places."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.studies.grid import describe
from pipeline.studies.measured import MeasuredCell

STAND_IN_FOR = {"colour_digits": "SVHN", "emoji": "CelebA"}
SHOWN_AS = {  # methods that are not quite what their key in the settings says
    "EBM-VAE": "VAE + .1 triangle",  # not the published objective (models/rivals/ebm_vae.py)
    "SRI": "SRI, s fixed",  # as in its authors' script; the paper learns s
}


def name_dataset(dataset: str) -> str:
    """Name a data set, and the paper's that it is measured in place of, where it is another."""
    return f"{dataset} (stand-in for {STAND_IN_FOR[dataset]})" if dataset in STAND_IN_FOR else dataset


def describe_place(cell: MeasuredCell) -> str:
    """Say where a cell stands, apart from data set and method's name: ``mask = region 15``."""
    if "space" in cell.axes:
        space = cell.axes["space"]
        return f"{cell.dataset} {describe(space['classes'])}, d = {space['latent_dim']}"
    axes = {key: value for key, value in cell.axes.items() if key not in ("dataset", "alpha", "seed")}
    return ", ".join(f"{key} = {describe(value)}" for key, value in axes.items())


def describe_facts(cells: Sequence[MeasuredCell]) -> str:
    """Of how many training images and of which seeds the cells are, in words; "" without cells."""
    images = sorted({int(cell.numbers["n"]) for cell in cells if "n" in cell.numbers})
    seeds = sorted({cell.seed for cell in cells if cell.seed is not None})
    if not images or not seeds:
        return ""
    n = f"{images[0]:,}" if len(images) == 1 else f"{images[0]:,} to {images[-1]:,}"
    word = "seed" if len(seeds) == 1 else "seeds"
    return f"n = {n} training images; {word} {', '.join(map(str, seeds))}"


def name_row(cell: MeasuredCell) -> str:
    """Name the method as Table 3 does: ``VAE``, ``ABP``, ``Ours (alpha=0.3)``."""
    return show_method(cell.method) if cell.alpha is None else name_method(cell.alpha)


def show_method(method: str) -> str:
    """Name a method for reading: by its key, or by what it is where the key says something else."""
    return SHOWN_AS.get(method, method)


def name_method(alpha: float) -> str:
    """Name our method: ``ABP`` for alpha = 0, which is what it then is; ``Ours (alpha=...)`` otherwise."""
    column = name_column(alpha)
    return column if alpha == 0 else f"{column} (alpha={alpha:g})"


def name_column(alpha: float) -> str:
    """Name the column of the paper's Tables 2 and 8 that a training with this alpha reads beside."""
    return "ABP" if alpha == 0 else "Ours"
