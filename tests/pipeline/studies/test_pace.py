import pytest

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import list_cells, read_grid
from pipeline.studies.pace import TimedCell, learn_pace, measure_errors
from pipeline.studies.workload import estimate_seconds


def test_hours_follow_the_seconds_of_kept_cells_of_the_same_kind():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    pace_of = {"Ours": 2.0, "VAE": 0.5}  # a machine on which Ours takes twice as long as its arithmetic says
    timed = [
        TimedCell(cell, pace_of[method] * estimate_seconds(cell), "here")
        for method in pace_of
        for study in ("table2", "table8")
        for cell in list_cells(study, method, content, grid)
    ]
    pace = learn_pace(timed, "here")
    (wider, *_) = list_cells("figure8", "Ours", content, grid)
    assert pace.predict(wider) == pytest.approx(2 * estimate_seconds(wider))
    assert pace.predict(list_cells("table2", "ABP", content, grid)[0]) is None
    errors = measure_errors(timed, "here")
    assert max(errors) < 1e-9 and len(errors) == len(timed) and measure_errors(timed, "elsewhere") == []


def test_what_another_machine_timed_counts_in_proportion_to_what_both_did():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    ours, vae = (list_cells("table2", method, content, grid)[0] for method in ("Ours", "VAE"))
    elsewhere = [TimedCell(cell, estimate_seconds(cell), "fast") for cell in (ours, vae)]
    unknown = learn_pace(elsewhere, "slow")
    assert unknown.slower is None and unknown.predict(vae) == pytest.approx(estimate_seconds(vae))
    pace = learn_pace([*elsewhere, TimedCell(ours, 2.5 * estimate_seconds(ours), "slow")], "slow")
    assert pace.slower == pytest.approx(2.5)
    assert pace.predict(ours) == pytest.approx(2.5 * estimate_seconds(ours))
    assert pace.predict(vae) == pytest.approx(2.5 * estimate_seconds(vae))


def test_a_place_is_judged_by_other_places_alone():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    cells = list_cells("table7", "Ours", content, grid)  # L2 1, 2, 3 over five seeds
    slow = {1: 1.0, 2: 1.0, 3: 1.5}
    timed = [
        TimedCell(cell, slow[cell.params.profile_settings.train.L2] * estimate_seconds(cell), "here")
        for cell in cells
    ]
    errors = measure_errors(timed, "here")
    assert errors[-5:] == pytest.approx([1 / 3] * 5)  # though its own place's other seeds would say 1.5


def test_chains_with_batch_statistics_have_a_pace_of_their_own():
    content, grid = read_yaml("params.yaml") | {"profile": "recorded"}, read_grid()
    pace_of = {"authors-mnist": 0.8, "eq8": 1.0}
    by_preset = {
        name: [cell for cell in list_cells("authors", "Ours", content, grid) if ("preset", name) in cell.axes]
        for name in pace_of
    }
    timed = [
        TimedCell(cell, pace_of[name] * estimate_seconds(cell), "here")
        for name, (*some, _) in by_preset.items()
        for cell in (some if name == "eq8" else some[:1])
    ]
    pace = learn_pace(timed, "here")
    for name, (*_, last) in by_preset.items():
        assert pace.predict(last) == pytest.approx(pace_of[name] * estimate_seconds(last))
