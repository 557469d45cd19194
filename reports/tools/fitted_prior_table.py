"""What ``reports.tools.fitted_prior`` measured, as the tables of docs/results/fitted_prior.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.evaluation.fitted_densities import DENSITIES, PRIOR
from pipeline.storage import places
from reports.tools.benchmark_tables import NOT_RUN
from reports.tools.measured_rows import compare_rows, read_rows, tell_machines, write_mean

FILE = places.RESULTS / "fitted_prior" / "fitted_prior.json"
QUANTITIES = {
    "frechet_train": "Frechet distance to training images",
    "frechet_test": "Frechet distance to as many test images",
    "recall": "Recall: test images near to samples",
    "nearer_training": "Share of samples nearer to a training image than to any test image",
}
RIVALS = ("ABP", "VAE")
Place = tuple[int, int, str]  # images, rounds, method
Rows = Mapping[Place, Mapping[str, Sequence[Mapping[str, Any]]]]  # each density's rows, one a seed


def render_fitted_prior(path: Path = FILE) -> str:
    """Render a table for each quantity, with densities as columns, and what is left of the lead."""
    rows = read_rows(path)
    if not rows:
        return NOT_RUN
    by_place: dict[Place, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_place[row["n_train"], row["rounds"], row["method"]][row["density"]].append(row)
    tables = [line for key in QUANTITIES for line in (*render_quantity(by_place, key), "")]
    return "\n".join([*tables, *tell_leads(by_place), tell_machines(rows)])


def render_quantity(by_place: Rows, key: str) -> list[str]:
    """Render the table of one quantity, a line a method and length."""
    lines = [
        f"**{QUANTITIES[key]}**",
        "",
        f"| images | rounds | method | {' | '.join(DENSITIES)} | root mean square of z | seeds |",
        "|" + "---|" * (5 + len(DENSITIES)),
    ]
    for (n_train, rounds, method), by_density in by_place.items():
        told = [write_mean(by_density[one], key) if by_density[one] else "" for one in DENSITIES]
        told += [write_mean(by_density[PRIOR], "latent_rms"), str(len(by_density[PRIOR]))]
        lines.append(f"| {n_train:,} | {rounds} | {method} | {' | '.join(told)} |")
    return lines


def tell_leads(by_place: Rows) -> list[str]:
    """Tell how many times the distance of Ours a rival's is, by density of z, a paragraph each."""
    told = []
    for (n_train, rounds, method), theirs in by_place.items():
        ours = by_place.get((n_train, rounds, "Ours"), {})
        parts = [
            f"{factor} ({density})"
            for density in DENSITIES
            if (factor := compare_rows(theirs[density], ours.get(density, ()), "frechet_train"))
        ]
        if method in RIVALS and parts:
            length = f"{rounds} round{'s' * (rounds > 1)} on {n_train:,} images"
            said = f"{method}'s distance over that of Ours, after {length}, with its 95 % interval"
            told += [f"{said}: {', '.join(parts)}.", ""]
    return told
