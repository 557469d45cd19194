from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.settings.yaml_files import read_yaml
from pipeline.storage import places
from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.making import write_making
from pipeline.studies.measured import MeasuredCell, write_cells
from pipeline.studies.workload import estimate_seconds
from reports.paper.remaining import find_machine, list_remaining, render_remaining

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the settings files and no cell; works in it."""
    for name in ("params.yaml", "tables.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.chdir(tmp_path)
    return read_grid()


def test_hours_are_those_of_the_missing_cells_at_the_pace_of_the_kept_ones(project):
    assert find_machine(project) == ""
    content = read_yaml("params.yaml") | {"profile": "recorded"}
    project["studies"]["figure8"]["methods"] = ["Ours"]
    cells = list_cells("figure8", "Ours", content, project)
    kept, missing = cells[:10], cells[10:]
    made = {
        f"key {n}": {"machine": "a mill", "cpu_seconds": 2 * estimate_seconds(cell)}
        for n, cell in enumerate(kept)
    }
    measured = [
        MeasuredCell("figure8", "Ours", place=cell.place, key=key)
        for key, cell in zip(made, kept, strict=True)
    ]
    write_cells(places.find_cells("recorded", "figure8", "Ours"), measured)
    write_making("recorded", "figure8", made, made)
    assert find_machine(project) == "a mill"
    found = {one.study: one for one in list_remaining("recorded", project, "a mill")}
    one = found["figure8"]
    assert (one.cells, one.kept) == (len(cells), 10)
    assert one.hours == pytest.approx(2 * sum(map(estimate_seconds, missing)) / 3600)
    text = render_remaining("recorded", list(found.values()), "a mill")
    assert (
        f"| figure8 | 10 of {len(cells)} | {one.hours:.1f} | `python -m stages.cells figure8 --profile"
        in text
    )
    measured[-1] = replace(measured[-1], error="DivergenceError: out of memory")
    measured[-2] = replace(measured[-2], error="diverged: s = 3")  # which comes out the same again
    write_cells(places.find_cells("recorded", "figure8", "Ours"), measured)
    assert {one.study: one for one in list_remaining("recorded", project, "a mill")}["figure8"].kept == 9
    whole = [found["figure8"].__class__("figure8", 3, 3, 0.0)]
    assert render_remaining("recorded", whole, "a mill") == ""
