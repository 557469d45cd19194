"""Stage anomaly_study: what decides the AUPRC, on one held-out class; a table and a figure of effects.

What is kept, here or in Git, is not trained again. ``--gather`` writes what is kept so far where Git holds
it, and trains nothing, so that another clone goes on from there.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import replace

from tqdm import tqdm

from pipeline.settings.params import Params
from pipeline.stage import run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_json, write_text
from pipeline.studies.auprc_factors import PROTOCOLS, StudyRow, choose_best
from pipeline.studies.auprc_trainings import (
    STUDY,
    StudyTraining,
    key_training,
    list_trainings,
    load_pool,
    recall_making,
    recall_training,
    train_all,
    write_trainings,
)
from pipeline.studies.crew import count_workers
from pipeline.studies.grid import Cell, Grid, read_grid
from pipeline.studies.making import write_making
from pipeline.studies.pace import RATES
from pipeline.studies.planning import list_here
from pipeline.studies.recall import choose_tuning, read_rate_factor
from pipeline.studies.study_folders import hold_study, recover_folder
from reports.beyond.auprc_effects import list_effects
from reports.beyond.factors_table import describe_way, draw_effects, render_study

SEEDS = {"smoke": 2, "embedded": 3, "recorded": 5, "paper": 5}


def choose_base(params: Params, grid: Grid) -> Cell:
    """Table 3's cell of Ours at the profile, for the held-out class and latent dimension of ``params``."""
    cell = list_here("table3", "Ours", params, grid)[0]
    anomaly = replace(cell.params.anomaly, held_out=params.anomaly.held_out)
    return replace(cell, params=replace(cell.params, anomaly=anomaly, latent_dim=params.latent_dim))


def plan_trainings(params: Params, grid: Grid) -> list[StudyTraining]:
    """All trainings of the study at the profile, at the learning rate that was tuned for Ours."""
    base, seen = choose_base(params, grid), list_here(RATES, "Ours", params, grid)
    return list_trainings(base, seen, SEEDS[params.profile], read_factor(base, seen))


def read_factor(cell: Cell, seen: Sequence[Cell]) -> float:
    """What the learning rate of Ours is multiplied by, as the cells ``seen`` chose for the cell's images."""
    return read_rate_factor(cell.params.profile, RATES, "Ours", choose_tuning(cell.params.dataset, seen))


def keep_trainings(trainings: Sequence[StudyTraining], profile: str) -> int:
    """Write what is kept of ``trainings`` where Git holds it; returns how many are."""
    keys = [key_training(one, load_pool(one.cell, one.seen)) for one in trainings]
    recalled = {key: recall_training(key, profile) for key in keys}
    kept = {key: rows for key, rows in recalled.items() if rows is not None}
    if kept:
        with hold_study(profile, STUDY):
            write_trainings(places.find_cells(profile, STUDY, ""), kept)
        write_making(profile, STUDY, {key: recall_making(key) for key in kept}, kept)
    return len(kept)


def anomaly_study(params: Params, tracker: object, gather: bool = False) -> None:
    """Train in all ways over several seeds, score in all ways, write the tables and the figure."""
    with hold_study(params.profile, STUDY):
        recover_folder(places.find_cells(params.profile, STUDY, ""))
    trainings = plan_trainings(params, read_grid())
    if gather:
        print(f"{keep_trainings(trainings, params.profile)} of {len(trainings)} trainings are kept")
        return
    found: dict[int, list[StudyRow]] = {}
    for number, measured in tqdm(
        train_all(trainings, count_workers([])), total=len(trainings), unit="training", disable=None
    ):
        found[number] = measured
    keep_trainings(trainings, params.profile)
    rows = [row for number in sorted(found) for row in found[number]]
    seeds = list(dict.fromkeys(row.seed for row in rows))
    pool = load_pool(trainings[0].cell, trainings[0].seen)
    held_out, factor = params.anomaly.held_out, read_factor(trainings[0].cell, trainings[0].seen)
    about = (
        f"{pool.name}, held-out class {held_out}, {len(pool.split.train)} training images, profile "
        f"{params.profile}, seeds {', '.join(map(str, seeds))}, {factor:g} times the profile's learning rate"
    )
    chosen = {}
    for protocol in PROTOCOLS:
        way, validation, test = choose_best(rows, protocol)
        chosen[protocol] = {"validation": validation, "test": test, "chosen": describe_way(way)}
    effects = {protocol: list_effects(rows, protocol) for protocol in PROTOCOLS}
    with write_folder(places.find_exhibit(params.profile, STUDY)) as folder:
        write_text(folder / "anomaly_study.md", render_study(rows, effects, about))
        draw_effects(folder / "anomaly_study.png", effects, about)
        write_json(
            folder / "anomaly_study.json", {"held_out": held_out, "trainings": len(trainings), **chosen}
        )


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gather", action="store_true", help="write what is kept, and train nothing")
    run_stage("anomaly_study", functools.partial(anomaly_study, gather=parser.parse_args().gather))


if __name__ == "__main__":
    main()
