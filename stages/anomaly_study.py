"""Stage anomaly_study: what decides the AUPRC, on one held-out class; a table and a figure of effects."""

from __future__ import annotations

from dataclasses import replace

from tqdm import tqdm

from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_json, write_text
from pipeline.studies.auprc_factors import PROTOCOLS, StudyRow, choose_best
from pipeline.studies.auprc_trainings import list_trainings, load_pool, train_all
from pipeline.studies.crew import count_workers
from pipeline.studies.grid import Cell, Grid, read_grid
from pipeline.studies.pace import RATES
from pipeline.studies.planning import list_here
from pipeline.studies.recall import read_rate_factor
from reports.beyond.auprc_effects import list_effects
from reports.beyond.factors_table import describe_way, draw_effects, render_study, to_frame

SEEDS = {"smoke": 2, "embedded": 3, "recorded": 5, "paper": 5}


def choose_base(params: Params, grid: Grid) -> Cell:
    """Table 3's cell of Ours at the profile, for the held-out class and latent dimension of ``params``."""
    cell = list_here("table3", "Ours", params, grid)[0]
    anomaly = replace(cell.params.anomaly, held_out=params.anomaly.held_out)
    return replace(cell, params=replace(cell.params, anomaly=anomaly, latent_dim=params.latent_dim))


def anomaly_study(params: Params, tracker: object) -> None:
    """Train in all ways over several seeds, score in all ways, write the tables and the figure."""
    grid = read_grid()
    base, seen = choose_base(params, grid), list_here(RATES, "Ours", params, grid)
    factor = read_rate_factor(params.profile, RATES, "Ours")
    trainings = list_trainings(base, seen, SEEDS[params.profile], factor)
    found: dict[int, list[StudyRow]] = {}
    for number, measured in tqdm(
        train_all(trainings, count_workers([])), total=len(trainings), unit="training", disable=None
    ):
        found[number] = measured
    rows = [row for number in sorted(found) for row in found[number]]
    seeds = list(dict.fromkeys(row.seed for row in rows))
    pool = load_pool(base, seen)
    held_out = params.anomaly.held_out
    about = (
        f"{pool.name}, held-out class {held_out}, {len(pool.split.train)} training images, profile "
        f"{params.profile}, seeds {', '.join(map(str, seeds))}, {factor:g} times the profile's learning rate"
    )
    chosen = {}
    for protocol in PROTOCOLS:
        way, validation, test = choose_best(rows, protocol)
        chosen[protocol] = {"validation": validation, "test": test, "chosen": describe_way(way)}
    effects = {protocol: list_effects(rows, protocol) for protocol in PROTOCOLS}
    with write_folder(places.find_exhibit(params.profile, "anomaly_study")) as folder:
        write_text(folder / "anomaly_study.csv", to_frame(rows).to_csv(index=False))
        write_text(folder / "anomaly_study.md", render_study(rows, effects, about))
        draw_effects(folder / "anomaly_study.png", effects, about)
        write_json(
            folder / "anomaly_study.json", {"held_out": held_out, "trainings": len(trainings), **chosen}
        )


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("anomaly_study", anomaly_study)


if __name__ == "__main__":
    main()
