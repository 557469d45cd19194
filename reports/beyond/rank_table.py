"""The leaderboard's second table: each method's ranks, and its verdicts beside Ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipeline.evaluation.effects import UNDECIDED, estimate_over_seeds
from pipeline.studies.measured import MeasuredCell
from reports.beyond.leaderboard_columns import COLUMNS, QUALITIES
from reports.beyond.standings import compare_with_ours, rank_by_seed
from reports.paper.all_methods import has_several_seeds
from reports.paper.names import show_method

FEWEST_SEEDS = 3  # for an interval of ranks: two that agree by chance would have one of no width


def render_ranks(cells: Sequence[MeasuredCell]) -> list[str]:
    """Render each method's ranks, of three or more seeds as a mean with its interval, and who beats Ours."""
    ranks = {key: rank_by_seed(cells, key, side) for key, side in QUALITIES.items()}
    verdicts = {
        key: {one.method: one for one in compare_with_ours(cells, key, side)}
        for key, side in QUALITIES.items()
    }
    several = has_several_seeds(cells)
    lines = [
        f"{_tell_seeds(ranks.values())} Beside Ours: better or worse where the effect's interval, paired by "
        "seed and adjusted for all methods by Holm, is beyond the smallest that matters (5 % of an error or "
        "a distance, .02 of an AUPRC), no difference where it is within; nothing is said of what is open."
        if several
        else "Rank of one seed, which has no interval and decides nothing.",
        "",
        "| method | " + " | ".join(COLUMNS[key] for key in QUALITIES) + " |",
        "|" + "---|" * (len(QUALITIES) + 1),
    ]
    for method in dict.fromkeys(cell.method for cell in cells):
        texts = []
        for key in QUALITIES:
            text = _format_ranks(ranks[key][method], len(ranks[key])) if method in ranks[key] else ""
            one = verdicts[key].get(method)
            if several and one is not None and one.verdict != UNDECIDED:
                text += f" {one.verdict}"
            texts.append(text.strip())
        lines.append(f"| {show_method(method)} | " + " | ".join(texts) + " |")
    return lines


def _tell_seeds(ranks: Iterable[Mapping[str, np.ndarray]]) -> str:
    """What a rank is: seeds count in which every method that has the quality was measured."""
    seeds = {len(by_seed) for of_methods in ranks for by_seed in of_methods.values()}
    words = " to ".join(map(str, sorted({min(seeds), max(seeds)}))) if seeds else "no"
    among = f"of the {words} seeds in which all methods were measured"
    if max(seeds, default=0) < FEWEST_SEEDS:
        return f"Rank in each {among}, which are too few for an interval."
    return f"Mean rank {among} [95 % interval]; of fewer than {FEWEST_SEEDS} seeds each one's."


def _format_ranks(ranks: np.ndarray, last: int) -> str:
    """A mean rank with its interval, cut to the ranks from 1 to ``last``; of few seeds each one's rank."""
    if len(ranks) < FEWEST_SEEDS:
        return ", ".join(f"{rank:g}" for rank in ranks)
    estimate = estimate_over_seeds(ranks)
    low, high = (float(end) for end in estimate.bound())
    return f"{float(estimate.effect):.1f} [{max(1.0, low):.1f}, {min(last, high):.1f}]"
