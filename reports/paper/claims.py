"""What reproduces and what does not: the paper's claims, judged by code on our own cells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.studies.grid import describe
from pipeline.studies.measured import MeasuredCell

Cells = Mapping[str, Sequence[MeasuredCell]]  # table -> its cells


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds in our numbers (None: a cell is missing or failed), and the numbers."""

    claim: str
    holds: bool | None
    numbers: str


def judge_claims(cells: Cells) -> list[Verdict]:
    """Judge every claim of section 7 that our tables can speak to."""
    return [
        _judge_methods(
            cells,
            "table2",
            "frechet_distance",
            "ABP",
            "dataset",
            lower=True,
            claim="The correction lowers the Frechet distance of prior samples: Ours below ABP on all data",
        ),
        _judge_methods(
            cells,
            "table3",
            "tenth_mean",
            "ABP",
            "held_out",
            lower=False,
            claim="The correction raises the AUPRC (tenth): some alpha > 0 beats ABP for each digit",
        ),
        _judge_methods(
            cells,
            "table3",
            "pooled_mean",
            "ABP",
            "held_out",
            lower=False,
            claim="The correction raises the AUPRC (pooled): some alpha > 0 beats ABP for each digit",
        ),
        _judge_trend(
            cells,
            "table4",
            "latent_dim",
            "frechet_distance",
            "A larger latent space lowers the Frechet distance",
        ),
        _judge_trend(cells, "table4", "latent_dim", "mse_train", "A larger latent space lowers the error"),
        _judge_trend(
            cells, "table6", "K", "frechet_distance", "More Langevin steps lower the Frechet distance"
        ),
        _judge_trend(cells, "table6", "K", "mse_train", "More Langevin steps lower the error"),
        _judge_trend(
            cells, "table7", "L2", "frechet_distance", "More learning steps lower the Frechet distance"
        ),
        _judge_trend(cells, "table7", "L2", "mse_train", "More learning steps lower the error"),
        _judge_step_size(cells),
        _judge_methods(
            cells,
            "table8",
            "absolute_error",
            "VAE",
            "mask",
            lower=True,
            claim="Ours recovers hidden pixels better than the VAE at every mask",
        ),
        _judge_methods(
            cells,
            "table8",
            "absolute_error",
            "ABP",
            "mask",
            lower=True,
            claim="Ours recovers hidden pixels better than ABP at every mask",
        ),
        *(
            _judge_methods(
                cells,
                "figure3",
                "to_prior",
                rival,
                "space",
                lower=True,
                claim=f"The aggregated posterior of Ours is nearer to the prior than that of {rival}",
            )
            for rival in ("VAE", "ABP")
        ),
        _judge_trend(cells, "figure8", "alpha", "ot_cost", "A larger alpha lowers the transport cost"),
        _judge_trend(cells, "figure8", "alpha", "mse_train", "A larger alpha raises the error", rising=True),
        _judge_best_inside(
            cells, "figure8", "alpha", "frechet_distance", "A medium alpha has the lowest Frechet distance"
        ),
    ]


def render_claims(verdicts: Sequence[Verdict]) -> str:
    """The section in Markdown."""
    words = {True: "holds", False: "does not hold", None: "cannot be told"}
    lines = [
        "## What reproduces and what does not",
        "",
        "| claim | in our numbers | the numbers |",
        "|---|---|---|",
    ]
    lines += [f"| {one.claim} | {words[one.holds]} | {one.numbers} |" for one in verdicts]
    return "\n".join(lines) + "\n"


def _judge_methods(
    cells: Cells, table: str, key: str, rival: str, axis: str, *, lower: bool, claim: str
) -> Verdict:
    """Compare the best of Ours with ``rival`` at every value of ``axis``."""
    better: Callable[[list[float]], float] = min if lower else max
    outcomes: list[bool | None] = []
    numbers: list[str] = []
    found = [cell for cell in cells.get(table, []) if axis in cell.axes]
    places = dict.fromkeys(describe(cell.axes[axis]) for cell in found)
    for place in places:
        here = [cell for cell in found if describe(cell.axes[axis]) == place]
        ours, theirs = (_values(here, name, key) for name in ("Ours", rival))
        if not ours or not theirs:
            outcomes.append(None)
            numbers.append(f"{place}: missing or failed")
            continue
        best = better(ours)
        outcomes.append(best < theirs[0] if lower else best > theirs[0])
        numbers.append(f"{place}: {best:.4g} against {theirs[0]:.4g}")
    return Verdict(claim, _combine(outcomes), "; ".join(numbers))


def _judge_trend(cells: Cells, table: str, axis: str, key: str, claim: str, rising: bool = False) -> Verdict:
    """Does ``key`` fall (rise) at every step along ``axis``?"""
    values, numbers = _list_along(cells, table, axis, key)
    if values is None or len(values) < 2:
        return Verdict(claim, None, numbers)
    steps = itertools.pairwise(reversed(values) if rising else values)
    return Verdict(claim, all(later < earlier for earlier, later in steps), numbers)


def _judge_best_inside(cells: Cells, table: str, axis: str, key: str, claim: str) -> Verdict:
    """Is the lowest ``key`` at neither end of ``axis``?"""
    values, numbers = _list_along(cells, table, axis, key)
    if values is None or len(values) < 3:
        return Verdict(claim, None, numbers)
    return Verdict(claim, min(values) < min(values[0], values[-1]), numbers)


def _list_along(cells: Cells, table: str, axis: str, key: str) -> tuple[list[float] | None, str]:
    """``key`` at each value of ``axis`` in rising order, None where a cell failed; and that in words."""
    here = [cell for cell in cells.get(table, []) if axis in cell.axes]
    here.sort(key=lambda cell: cell.axes[axis])
    values = [cell.numbers.get(key) for cell in here]
    numbers = "; ".join(
        f"{axis} = {describe(cell.axes[axis])}: " + ("failed" if value is None else f"{value:.4g}")
        for cell, value in zip(here, values, strict=True)
    )
    known = [value for value in values if value is not None]
    return (known if len(known) == len(values) else None), numbers


def _judge_step_size(cells: Cells) -> Verdict:
    claim = "The smallest s has the lowest error before the correction and not the lowest Frechet distance"
    here = [cell for cell in cells.get("table5", []) if not cell.error]
    if len(here) < 2:
        return Verdict(claim, None, "fewer than two step sizes finished")
    keys = ("mse_before", "frechet_distance")
    numbers = "; ".join(
        f"s = {cell.axes['s']:g}: " + ", ".join(f"{cell.numbers[key]:.4g}" for key in keys) for cell in here
    )
    smallest = min(here, key=lambda cell: cell.axes["s"])
    least_error = min(here, key=lambda cell: cell.numbers["mse_before"])
    nearest = min(here, key=lambda cell: cell.numbers["frechet_distance"])
    holds = least_error is smallest and nearest is not smallest
    return Verdict(claim, holds, numbers)


def _values(cells: Sequence[MeasuredCell], method: str, key: str) -> list[float]:
    return [cell.numbers[key] for cell in cells if cell.method == method and key in cell.numbers]


def _combine(outcomes: list[bool | None]) -> bool | None:
    if False in outcomes:
        return False
    return None if None in outcomes or not outcomes else True
