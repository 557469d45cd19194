"""Stage paper_page: Table 1, the claims, and the page that sets our section 7 beside the paper's."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.settings.params import Params
from pipeline.settings.yaml_files import read_yaml
from pipeline.stage import add_profile, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_text
from pipeline.studies.grid import PAPER_STUDIES, Grid, list_methods, read_grid
from pipeline.studies.measured import RECORDED, MeasuredCell, read_cells
from pipeline.studies.pace import name_studies
from pipeline.studies.planning import list_study
from reports.paper.claims import read_claims
from reports.paper.claims_table import write_claims
from reports.paper.equal_work import describe_equal_work
from reports.paper.evaluations import describe_evaluations
from reports.paper.html_report import write_report
from reports.paper.page import render_architectures, render_paper, tabulate_architectures
from reports.paper.planned import add_missing
from reports.paper.provenance import read_makings, tell_machines
from reports.paper.published import read_published
from reports.paper.remaining import find_machine, list_remaining, render_remaining
from reports.paper.scale import prepare_scales
from reports.paper.verdicts import Cells, judge_claims
from reports.result_table import write_table

# Tables of beyond/dvc.yaml by study, with their figures; as dependencies they would be trained too.
BEYOND = {
    "leaderboard": {
        "leaderboard": "leaderboard",
        "rivals_table2": "",
        "rivals_table3": "",
        "rivals_table8": "",
        "tuning": "",
        "methods": "",
    },
    "figure5": {"figure5": "figure5"},
    "latents": {"latents": "latents"},
    "anomaly_study": {"anomaly_study": "anomaly_study"},
}


def paper_page(params: Params, tracker: object) -> None:
    """Write the page, Table 1, and the claims with their figure."""
    grid, published = read_grid(), read_published()
    cells = read_shown_cells(params.profile, grid)
    table1 = tabulate_architectures(published)
    planned = {study: add_missing(study, measured, params, grid) for study, measured in cells.items()}
    verdicts = judge_claims([claim for claim in read_claims() if claim.study in cells], planned)
    content = read_yaml("params.yaml") | {"profile": params.profile}
    find_scale = prepare_scales(content, grid, published["settings"]["train_size"])
    results = places.RESULTS / params.profile
    notes = write_notes(cells, params, grid)
    with write_folder(places.find_paper(params.profile)) as folder:
        generators = render_architectures(table1)
        write_table(table1, folder, generators)
        claims = write_claims(verdicts, find_scale, folder)
        beyond = read_beyond(params.profile)
        remaining = ""
        if params.profile == RECORDED:  # whose studies are trained one after another, over days
            machine = find_machine(grid)
            remaining = render_remaining(
                params.profile, list_remaining(params.profile, grid, machine), machine
            )
        page = render_paper(params, cells, published, generators, claims, beyond, remaining, notes)
        write_text(folder / "README.md", page)
        everything = cells | read_beyond_cells(results, grid)
        write_report(folder, results, params.profile, everything, published, verdicts, notes)


def write_notes(cells: Cells, params: Params, grid: Grid) -> dict[str, str]:
    """What is told of each study beside its cells' numbers: evaluations, equal arithmetic, the machines."""
    makings = read_makings(places.RESULTS / params.profile)
    notes = {}
    for study, measured in cells.items():
        planned = list_study(study, params, grid)
        told = (
            describe_evaluations(study, planned),
            describe_equal_work(study, measured, planned),
            tell_machines(measured, makings),
        )
        notes[study] = " ".join(filter(None, told))
    return notes


def read_shown_cells(profile: str, grid: Grid) -> dict[str, list[MeasuredCell]]:
    """The cells of the studies that the page shows: of ``recorded`` those that have any, else the paper's."""
    shown = name_studies(profile)
    if profile == RECORDED:
        shown = [study for study in shown if places.find_cells(profile, study, "").exists()]
    return {study: read_cells(profile, study, list_methods(study, grid)) for study in shown}


def read_beyond(profile: str) -> list[tuple[str, str]]:
    """The tables that beyond/dvc.yaml has made, in Markdown, each with its figure's place or ""."""
    tables_and_figures = []
    for study, tables in BEYOND.items():
        for name, figure in tables.items():
            path = places.find_exhibit(profile, study) / f"{name}.md"
            if path.exists():
                text = path.read_text(encoding="utf-8")
                tables_and_figures.append((text, f"{study}/{figure}.png" if figure else ""))
    return tables_and_figures


def read_beyond_cells(results: Path, grid: Grid) -> dict[str, list[MeasuredCell]]:
    """The cells of studies of beyond/dvc.yaml that were measured, by study."""
    studies = [study for study in grid["studies"] if study not in PAPER_STUDIES]
    return {
        study: read_cells(results.name, study, list_methods(study, grid))
        for study in studies
        if (results / "cells" / study).exists()
    }


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_profile(parser)
    run_stage("paper_page", paper_page, profile=parser.parse_args().profile)


if __name__ == "__main__":
    main()
