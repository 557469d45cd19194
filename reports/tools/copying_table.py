"""What ``reports.tools.copying`` measured, as the table of docs/results/copying.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.storage import places
from reports.tools.benchmark_tables import NOT_RUN
from reports.tools.measured_rows import compare_rows, read_rows, tell_machines, write_mean

FOLDER = places.RESULTS / "copying"
FILE = FOLDER / "copying.json"
UNLEARNED = "unlearned digits"
Place = tuple[int, int, str]  # images, rounds, method
RIVALS = ("ABP", "VAE")
QUANTITIES = {
    "frechet_train": "Frechet distance to training images",
    "frechet_test": "to as many test images",
    "nearer_training": "nearer to a training image",
    "precision": "precision",
    "recall": "recall",
}


def render_copying(path: Path = FILE) -> str:
    """Render what was measured, a line a method and length; then how far Ours is ahead on either images."""
    rows = read_rows(path)
    if not rows:
        return NOT_RUN
    lines = [
        f"| images | rounds | samples of | {' | '.join(QUANTITIES.values())} | seeds |",
        "|" + "---|" * (4 + len(QUANTITIES)),
    ]
    by_place: dict[Place, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_place[row["n_train"], row["rounds"], row["method"]].append(row)
    for (n_train, rounds, method), measured in by_place.items():
        cells = [write_mean(measured, key) for key in QUANTITIES]
        lines.append(f"| {n_train:,} | {rounds or ''} | {method} | {' | '.join(cells)} | {len(measured)} |")
    return "\n".join([*lines, "", *tell_leads(by_place), tell_machines(rows)])


def tell_leads(by_place: Mapping[Place, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Tell how many times the distance of Ours a rival's is, to either kind of images, a paragraph each."""
    told = []
    for rival in RIVALS:
        parts = []
        for (n_train, rounds, method), theirs in by_place.items():
            ours = by_place.get((n_train, rounds, "Ours"), ())
            train, test = (compare_rows(theirs, ours, key) for key in ("frechet_train", "frechet_test"))
            if method == rival and train and test:
                where = f"after {rounds} rounds on {n_train:,} images"
                parts.append(f"{where} {train} to training images, {test} to test images")
        if parts:
            told += [f"{rival}'s distance over that of Ours, with its 95 % interval: {'; '.join(parts)}.", ""]
    return told
