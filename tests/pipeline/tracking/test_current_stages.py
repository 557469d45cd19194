import copy

import pytest

from pipeline.tracking.current_stages import find_current_stages

PARAMS = {"alpha": 0.3, "profile": "smoke", "profiles": {"smoke": {"n": 2}, "paper": {"n": 9}}}
LOCK = {
    "stages": {
        "prepare": {
            "params": {"params.yaml": {"profiles.smoke.n": 2}},
            "outs": [{"path": "data", "md5": "d1"}],
        },
        "train@complete": {
            "deps": [{"path": "data", "md5": "d1"}, {"path": "code.py", "md5": "c"}],
            "params": {"params.yaml": {"alpha": 0.3}},
            "outs": [{"path": "model", "md5": "m1"}],
        },
        "fid": {"deps": [{"path": "model", "md5": "m1"}], "outs": [{"path": "fid.json", "md5": "f"}]},
    }
}


def changed(stage, part, value):
    lock = copy.deepcopy(LOCK)
    lock["stages"][stage][part] = value
    return lock


def test_a_consistent_lock_is_current():
    assert find_current_stages(LOCK, PARAMS) == {"prepare", "train@complete", "fid"}


@pytest.mark.parametrize(
    ("lock", "current"),
    [
        (changed("train@complete", "params", {"params.yaml": {"alpha": 0.5}}), {"prepare"}),
        (changed("prepare", "params", {"params.yaml": {"profiles.smoke.n": 3}}), set()),
        (changed("fid", "deps", [{"path": "model", "md5": "m0"}]), {"prepare", "train@complete"}),
        (changed("prepare", "outs", [{"path": "data", "md5": "d2"}]), {"prepare"}),
    ],
)
def test_other_parameters_and_other_inputs_make_a_stage_and_what_follows_stale(lock, current):
    assert find_current_stages(lock, PARAMS) == current


def test_a_stage_that_ran_at_another_profile_is_not_current():
    assert find_current_stages(LOCK, {**PARAMS, "profile": "paper"}) == set()


FOLDER_LOCK = {
    "stages": {
        "cells@table2-Ours": {
            "params": {"params.yaml": {"alpha": 0.3}, "tables.yaml": {"studies.table2": {"K": 1}}},
            "outs": [{"path": "cells/table2/Ours", "md5": "o1"}],
        },
        "table2": {
            "deps": [{"path": "cells/table2", "md5": "f1"}, {"path": "published.yaml", "md5": "p"}],
            "outs": [{"path": "table2.csv", "md5": "t1"}],
        },
    }
}


def test_a_folder_is_as_current_as_what_stages_left_in_it():
    both = {"cells@table2-Ours", "table2"}
    grid = {"studies": {"table2": {"K": 1}}}
    assert find_current_stages(FOLDER_LOCK, PARAMS, grid) == both
    assert find_current_stages(FOLDER_LOCK, {**PARAMS, "alpha": 0.5}, grid) == set()
    assert find_current_stages(FOLDER_LOCK, PARAMS, {"studies": {"table2": {"K": 2}}}) == set()
    assert find_current_stages(FOLDER_LOCK, PARAMS) == both
