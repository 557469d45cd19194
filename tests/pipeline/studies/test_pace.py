import pytest

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.pace import TimedCell, learn_pace, measure_errors
from pipeline.studies.workload import estimate_seconds


def test_hours_follow_the_seconds_of_kept_cells_of_the_same_kind():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    pace_of = {"Ours": 2.0, "VAE": 0.5}  # a machine on which Ours takes twice as long as its arithmetic says
    timed = [
        TimedCell(cell, pace_of[method] * estimate_seconds(cell))
        for method in pace_of
        for study in ("table2", "table8")
        for cell in list_cells(study, method, content, grid)
    ]
    pace = learn_pace(timed)
    (wider, *_) = list_cells("figure8", "Ours", content, grid)
    assert pace.predict(wider) == pytest.approx(2 * estimate_seconds(wider))
    assert pace.predict(list_cells("table2", "ABP", content, grid)[0]) is None
    assert max(measure_errors(timed)) < 1e-9 and len(measure_errors(timed)) == len(timed)


def test_a_place_is_judged_by_other_places_alone():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    cells = list_cells("table7", "Ours", content, grid)  # L2 1, 2, 3 over five seeds
    slow = {1: 1.0, 2: 1.0, 3: 1.5}
    timed = [
        TimedCell(cell, slow[cell.params.profile_settings.train.L2] * estimate_seconds(cell))
        for cell in cells
    ]
    errors = measure_errors(timed)
    assert errors[-5:] == pytest.approx([1 / 3] * 5)  # though its own place's other seeds would say 1.5
