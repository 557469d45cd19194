"""What reproduces and what does not: the paper's claims, judged by code on our own cells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.studies.grid import describe
from pipeline.studies.measured import MeasuredCell

Cells = Mapping[str, Sequence[MeasuredCell]]  # study -> its cells
Judgement = tuple[bool | None, str]  # whether the rule holds, None where cells lack; what it was judged by


class Rule(Protocol):
    """What a study's cells must show for a claim to hold."""

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """Judge the cells of the claim's study, of which there may be none."""


@dataclass(frozen=True)
class Claim:
    """A sentence of section 7, the study that speaks to it, and the rule that decides."""

    text: str
    study: str
    rule: Rule


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds in our numbers (None: a cell is missing or failed), and the numbers."""

    claim: str
    holds: bool | None
    numbers: str


@dataclass(frozen=True)
class Beats:
    """At every value of the axis ``at_every`` the best of Ours is strictly better than ``rival``."""

    rival: str
    quantity: str
    at_every: str
    higher_is_better: bool = False

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """One place that contradicts decides; otherwise one that cannot be compared leaves it open."""
        placed = [cell for cell in cells if self.at_every in cell.axes]
        places = dict.fromkeys(describe(cell.axes[self.at_every]) for cell in placed)
        outcomes: list[bool | None] = []
        comparisons = []
        for place in places:
            rows = [cell for cell in placed if describe(cell.axes[self.at_every]) == place]
            ours, theirs = (_list_values(rows, method, self.quantity) for method in ("Ours", self.rival))
            if not ours or not theirs:
                outcomes.append(None)
                comparisons.append(f"{place}: missing or failed")
                continue
            best = max(ours) if self.higher_is_better else min(ours)
            outcomes.append(best > theirs[0] if self.higher_is_better else best < theirs[0])
            comparisons.append(f"{place}: {best:.4g} against {theirs[0]:.4g}")
        return _combine(outcomes), "; ".join(comparisons)


@dataclass(frozen=True)
class Falls:
    """The quantity is strictly lower at each step up the axis ``along``."""

    quantity: str
    along: str

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """Open below two cells, and where one failed."""
        return _judge_values(cells, self, 2, _falls)


@dataclass(frozen=True)
class Rises:
    """The quantity is strictly higher at each step up the axis ``along``."""

    quantity: str
    along: str

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """Open below two cells, and where one failed."""
        return _judge_values(cells, self, 2, lambda values: _falls(values[::-1]))


@dataclass(frozen=True)
class LowestInside:
    """The lowest value of the quantity is at neither end of the axis ``along``."""

    quantity: str
    along: str

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """Open below three cells, and where one failed."""
        return _judge_values(cells, self, 3, lambda values: min(values) < min(values[0], values[-1]))


@dataclass(frozen=True)
class SmallestTrades:
    """The smallest value of the axis ``along`` has the lowest ``won``, and not the lowest ``lost``."""

    won: str
    lost: str
    along: str

    def judge(self, cells: Sequence[MeasuredCell]) -> Judgement:
        """Judge the cells that finished; open below two."""
        finished = [cell for cell in cells if not cell.error]
        if len(finished) < 2:
            return None, "fewer than two step sizes finished"
        quantities = (self.won, self.lost)
        listed = "; ".join(
            f"{self.along} = {cell.axes[self.along]:g}: "
            + ", ".join(f"{cell.numbers[quantity]:.4g}" for quantity in quantities)
            for cell in finished
        )
        smallest = min(finished, key=lambda cell: cell.axes[self.along])
        best_won = min(finished, key=lambda cell: cell.numbers[self.won])
        best_lost = min(finished, key=lambda cell: cell.numbers[self.lost])
        return best_won is smallest and best_lost is not smallest, listed


CLAIMS = (
    Claim(
        "The correction lowers the Frechet distance of prior samples: Ours below ABP on all data",
        "table2",
        Beats("ABP", "frechet_distance", at_every="dataset"),
    ),
    Claim(
        "The correction raises the AUPRC (tenth): some alpha > 0 beats ABP for each digit",
        "table3",
        Beats("ABP", "tenth_mean", at_every="held_out", higher_is_better=True),
    ),
    Claim(
        "The correction raises the AUPRC (pooled): some alpha > 0 beats ABP for each digit",
        "table3",
        Beats("ABP", "pooled_mean", at_every="held_out", higher_is_better=True),
    ),
    Claim(
        "A larger latent space lowers the Frechet distance",
        "table4",
        Falls("frechet_distance", along="latent_dim"),
    ),
    Claim("A larger latent space lowers the error", "table4", Falls("mse_train", along="latent_dim")),
    Claim("More Langevin steps lower the Frechet distance", "table6", Falls("frechet_distance", along="K")),
    Claim("More Langevin steps lower the error", "table6", Falls("mse_train", along="K")),
    Claim("More learning steps lower the Frechet distance", "table7", Falls("frechet_distance", along="L2")),
    Claim("More learning steps lower the error", "table7", Falls("mse_train", along="L2")),
    Claim(
        "The smallest s has the lowest error before the correction and not the lowest Frechet distance",
        "table5",
        SmallestTrades("mse_before", "frechet_distance", along="s"),
    ),
    Claim(
        "Ours recovers hidden pixels better than the VAE at every mask",
        "table8",
        Beats("VAE", "absolute_error", at_every="mask"),
    ),
    Claim(
        "Ours recovers hidden pixels better than ABP at every mask",
        "table8",
        Beats("ABP", "absolute_error", at_every="mask"),
    ),
    Claim(
        "The aggregated posterior of Ours is nearer to the prior than that of VAE",
        "figure3",
        Beats("VAE", "to_prior", at_every="space"),
    ),
    Claim(
        "The aggregated posterior of Ours is nearer to the prior than that of ABP",
        "figure3",
        Beats("ABP", "to_prior", at_every="space"),
    ),
    Claim("A larger alpha lowers the transport cost", "figure8", Falls("ot_cost", along="alpha")),
    Claim("A larger alpha raises the error", "figure8", Rises("mse_train", along="alpha")),
    Claim(
        "A medium alpha has the lowest Frechet distance",
        "figure8",
        LowestInside("frechet_distance", along="alpha"),
    ),
)


def judge_claims(cells: Cells) -> list[Verdict]:
    """Judge every claim of section 7 that our tables can speak to."""
    return [Verdict(claim.text, *claim.rule.judge(cells.get(claim.study, ()))) for claim in CLAIMS]


def render_claims(verdicts: Sequence[Verdict]) -> str:
    """Render the section in Markdown."""
    words = {True: "holds", False: "does not hold", None: "cannot be told"}
    lines = [
        "## What reproduces and what does not",
        "",
        "| claim | in our numbers | the numbers |",
        "|---|---|---|",
    ]
    lines += [f"| {one.claim} | {words[one.holds]} | {one.numbers} |" for one in verdicts]
    return "\n".join(lines) + "\n"


def _judge_values(
    cells: Sequence[MeasuredCell],
    rule: Falls | Rises | LowestInside,
    at_least: int,
    holds: Callable[[list[float]], bool],
) -> Judgement:
    """Ask ``holds`` of the rule's quantity along its axis in rising order, where no cell failed."""
    placed = [cell for cell in cells if rule.along in cell.axes]
    placed.sort(key=lambda cell: cell.axes[rule.along])
    values: list[Any] = [cell.numbers.get(rule.quantity) for cell in placed]
    listed = "; ".join(
        f"{rule.along} = {describe(cell.axes[rule.along])}: "
        + ("failed" if value is None else f"{value:.4g}")
        for cell, value in zip(placed, values, strict=True)
    )
    if len(values) < at_least or None in values:
        return None, listed
    return holds(values), listed


def _falls(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in itertools.pairwise(values))


def _list_values(cells: Sequence[MeasuredCell], method: str, quantity: str) -> list[float]:
    return [cell.numbers[quantity] for cell in cells if cell.method == method and quantity in cell.numbers]


def _combine(outcomes: Sequence[bool | None]) -> bool | None:
    if False in outcomes:
        return False
    return None if None in outcomes or not outcomes else True
