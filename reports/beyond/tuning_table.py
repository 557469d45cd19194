"""What the tuning tried and chose: a line a method, and what its trainings cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.studies.measured import MeasuredCell
from pipeline.studies.tuning import QUALITIES, choose_rate_factor, rate_candidates
from reports.paper.names import show_method


def tabulate_tuning(cells: Sequence[MeasuredCell]) -> pd.DataFrame:
    """Tabulate a row a candidate: method, factor, validation numbers, its rating, whether it was chosen."""
    rows = []
    for method in dict.fromkeys(cell.method for cell in cells):
        candidates = [cell for cell in cells if cell.method == method and "rate_factor" in cell.axes]
        chosen = choose_rate_factor(candidates)
        for cell, rating in zip(
            candidates, rate_candidates([one.numbers for one in candidates]), strict=True
        ):
            factor = cell.axes["rate_factor"]
            rows.append(
                {
                    "method": show_method(method),
                    "rate_factor": factor,
                    **{key: cell.numbers.get(key) for key in QUALITIES},
                    "rating": rating,
                    "chosen": factor == chosen,
                    "sample_gradients": cell.numbers.get("sample_gradients"),
                    "error": cell.error,
                }
            )
    columns = ["method", "rate_factor", *QUALITIES, "rating", "chosen", "sample_gradients", "error"]
    return pd.DataFrame(rows, columns=columns)


def render_tuning(frame: pd.DataFrame, profile: str) -> str:
    """Render the candidates in Markdown, a line a method: ``Frechet distance; MSE``, the chosen one bold."""
    factors = sorted(set(frame["rate_factor"]))
    lines = [
        "### Tuning on the validation split",
        "",
        f"Profile {profile}, one seed. Every method, ours included, was trained {len(factors)} times on two "
        "thirds of the training images, at its source's learning rate times a factor, and judged on the last "
        "third: Frechet distance of its samples; mean squared error of its reconstructions, where it infers. "
        "Chosen (bold) is the lowest mean of both, each in units of the method's own best; all else is as "
        "the source has it. The studies that it tunes train and test on other images than these.",
        "",
        "| method | " + " | ".join(f"x {factor:g}" for factor in factors) + " |",
        "|" + "---|" * (len(factors) + 1),
    ]
    for method, candidates in frame.groupby("method", sort=False):
        texts = dict.fromkeys(factors, "")
        for _, row in candidates.iterrows():
            values = [f"{row[key]:.3g}" for key in QUALITIES if pd.notna(row[key])]
            text = "; ".join(values) or row["error"].partition(":")[0]
            texts[row["rate_factor"]] = f"**{text}**" if row["chosen"] else text
        lines.append(f"| {method} | " + " | ".join(texts.values()) + " |")
    return "\n".join([*lines, ""])
