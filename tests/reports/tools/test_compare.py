from pathlib import Path

import pytest
from PIL import Image

from pipeline.settings.params import parse_params
from pipeline.settings.yaml_files import read_yaml
from reports.paper.published import read_published
from reports.tools.compare import (
    Experiment,
    draw_experiments,
    find_reason,
    name_group,
    read_finished,
    render_pivot,
    tabulate,
)

CONTENT = read_yaml(Path(__file__).parents[3] / "params.yaml")
PAPER = read_published()
FAILED_LOG = """Running stage 'train@complete':
> python -m stages.train complete
train-complete: chains diverged in round 1, pass 1: root mean square of z is inf with s = 5, K = 5; lower s
ERROR: failed to reproduce 'train@complete': failed to run: python -m stages.train complete, exited with 1
"""


def experiment(alpha, seed, distance=None, reason="", **changes):
    params = parse_params({**CONTENT, "alpha": alpha, "seed": seed, **changes})
    numbers = {
        ("fid", "frechet_distance"): distance,
        ("fid", "extractor"): "mnist5k classifier",
        ("reconstruct", "mse_train"): 0.01,
    }
    return Experiment(f"e{alpha}{seed}", params, {} if reason else numbers, reason)


def test_experiments_that_differ_in_their_seed_share_a_row():
    rows = tabulate([experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)], PAPER)
    found = {(row.method, row.quantity): row.value for row in rows}
    assert found[("ABP", "Frechet distance to the training images, mean over 1 seeds")] == 60.0
    assert found[("Ours (alpha=0.5)", "Frechet distance to the training images, mean over 2 seeds")] == 41.0
    assert found[
        ("Ours (alpha=0.5)", "Frechet distance to the training images, std over seeds")
    ] == pytest.approx(2**0.5)


def test_what_varies_between_experiments_is_named_with_auto_resolved():
    rows = tabulate([experiment(0.5, 1, 40.0), experiment(0.5, 1, 45.0, K=30)], PAPER)
    assert {row.method for row in rows} == {"Ours (alpha=0.5), K = 30", "Ours (alpha=0.5), K = 5"}
    assert name_group(experiment(0, 1, 40.0), ["mask.side"]) == "ABP, side = 30"


def test_a_value_that_auto_stands_for_is_the_same_experiment():
    rows = tabulate([experiment(0.5, 1, 40.0), experiment(0.5, 2, 44.0, K=5)], PAPER)
    assert {row.method for row in rows} == {"Ours (alpha=0.5)"}


def test_a_pivot_has_a_line_for_each_method_with_spread_and_published_number():
    rows = [experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)]
    lines = render_pivot(rows, PAPER, "Title", "Note.").splitlines()
    assert lines[:3] == ["### Title", "", "Note."]
    assert lines[4].startswith("| method | seeds | MSE of training images, [0, 1] | Frechet distance")
    assert lines[6] == "| ABP | 1 | 0.01 | 60 |"
    assert lines[7] == "| Ours (alpha=0.5) | 2 | 0.01 ± 0 | 41 ± 1.4 |"
    full = [experiment(0.5, seed, 40.0, profile="paper", dataset="mnist") for seed in (1, 2)]
    assert "| Ours (alpha=0.5) | 2 | 0.01 ± 0 (0.0008) | 40 ± 0 |" in render_pivot(full, PAPER, "T", "N")


def test_the_papers_number_stands_beside_the_paper_profile_alone():
    for profile, printed in (("embedded", None), ("smoke", None), ("paper", 0.0008)):
        row = tabulate([experiment(0.5, 1, 40.0, profile=profile)], PAPER)[0]
        assert (row.value, row.published) == (0.01, printed)


def test_a_failed_experiment_is_a_row_that_says_why():
    assert find_reason(FAILED_LOG) == "diverged"
    other = FAILED_LOG.replace("chains diverged in round 1", "No space left on device")
    assert find_reason(other).startswith("failed: train-complete: No space left on device")
    assert find_reason("") == "failed; its log is gone"
    both = [experiment(0.5, 1, 40.0), experiment(0.5, 2, s=5.0, reason="diverged")]
    *_, row = tabulate(both, PAPER)
    assert (row.quantity, row.value, row.seed) == ("diverged", None, 2)
    assert row.method == "Ours (alpha=0.5), s = 5"
    assert render_pivot(both, PAPER, "T", "N").endswith("- Ours (alpha=0.5), s = 5, seed 2: diverged\n")


def test_experiments_are_drawn_over_what_varies_among_them(tmp_path):
    draw_experiments(tmp_path / "both.png", [experiment(0, 1, 0.0, s=0.1), experiment(0.5, 1, 15.0, s=0.3)])
    draw_experiments(tmp_path / "one.png", [experiment(0, 1, 0.0), experiment(0.5, 1, 15.0)])
    both, one = (Image.open(tmp_path / f"{name}.png").width for name in ("both", "one"))
    assert both == 2 * one  # a panel for each varying setting


def test_stale_metrics_are_left_out(monkeypatch):
    def lock(alpha):
        stages = {
            "train@complete": {
                "params": {"params.yaml": {"alpha": alpha}},
                "outs": [{"path": "artifacts/models/complete", "md5": "m1"}],
            },
            "fid": {
                "deps": [{"path": "artifacts/models/complete", "md5": "m1"}],
                "outs": [{"path": "metrics/fid.json", "md5": "f"}],
            },
        }
        return {"stages": stages}

    locks = {"stale": lock(0.3), "current": lock(0.5)}
    measured = {
        "metrics/fid.json": {"frechet_distance": 3.0},
        "metrics/train/complete.json": {"ot_cost": 35.0},
    }
    monkeypatch.setattr(
        "reports.tools.compare.read_revision",
        lambda revision, path: {"dvc.lock": locks[revision], "params.yaml": CONTENT, **measured}[path],
    )
    assert read_finished("x", "stale").numbers == {}
    found = read_finished("x", "current")  # no stage recover in this lock
    assert found.numbers == {("fid", "frechet_distance"): 3.0, ("train-complete", "ot_cost"): 35.0}
    assert found.settings["alpha"] == 0.5
