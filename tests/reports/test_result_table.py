import copy
import json

import pandas as pd
import pytest
from PIL import Image

from pipeline.settings.params import load_params
from reports.paper.published import read_published
from reports.result_table import COLUMNS, ResultRow, ResultTable, render_markdown, write_table
from reports.run.run_tables import collect_tables
from reports.tools import readme
from reports.tools.compare import (
    compare_experiments,
    describe_failures,
    draw_experiments,
    find_reason,
    render_pivot,
)

PARAMS = load_params()
TRAIN = {
    "round": 2,
    "n_train": 400,
    "mse_before": 0.02,
    "mse_after": 0.015,
    "ot_cost": 30.0,
    "matched_share": 1.0,
    "latent_mean_after": 0.1,
    "latent_std_before": 1.3,
    "latent_std_after": 1.02,
}
PROTOCOL = {"auprc_mean": 0.7, "auprc_std": 0.01, "base_rate": 0.1, "minimum": 0.05, "n": 100}
METRICS = {
    "train-complete": TRAIN,
    "train-normal": TRAIN,
    "train-occluded": TRAIN,
    "reconstruct": {
        "mse_train": 0.01,
        "mse_test": 0.012,
        "mse_train_pm1": 0.04,
        "mse_test_pm1": 0.048,
        "steps_train": 10,
        "steps_test": 100,
        "n_train": 400,
        "n_test": 100,
    },
    "fid": {
        "frechet_distance": 40.0,
        "floor": 0.5,
        "extractor": "mnist5k classifier",
        "n": 400,
        "n_reference": 300,
        "n_floor": 100,
        "reference_split": "train",
        "seed": 1,
    },
    "anomaly": {"held_out": 4, "chains": 10, "steps": 20, "pooled": PROTOCOL, "tenth": PROTOCOL},
    "recover": {
        "absolute_error": 0.1,
        "squared_error": 0.05,
        "mask": {"kind": "region", "size": 13},
        "n": 400,
    },
}


def collect():
    return {table.name: table for table in collect_tables(PARAMS, METRICS, read_published())}


def test_tables_have_the_promised_columns(tmp_path):
    for table in collect().values():
        write_table(table, tmp_path)
        frame = pd.read_csv(tmp_path / f"{table.name}.csv")
        assert list(frame.columns) == list(COLUMNS)
        assert len(frame) == len(table.rows)
        assert (tmp_path / f"{table.name}.md").read_text().startswith(f"### {table.title}")
    assert COLUMNS == ("dataset", "method", "quantity", "value", "published", "n", "seed", "extractor")


def test_whole_numbers_stay_whole_and_missing_ones_empty(tmp_path):
    rows = [ResultRow("a", "b", "c", 0.5, n=10), ResultRow("a", "b", "d", None, 0.1)]
    write_table(ResultTable("t", "T", "note", rows), tmp_path)
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == ["a,b,c,0.5,,10,,", "a,b,d,,0.1,,,"]


def test_the_two_anomaly_protocols_never_share_a_table():
    tables = collect()
    for protocol in ("pooled", "tenth"):
        other = "tenth" if protocol == "pooled" else "pooled"
        assert other not in " ".join(row.quantity for row in tables[f"anomaly_{protocol}"].rows)
    assert all(row.published is None for row in tables["anomaly_pooled"].rows)


def test_a_distance_in_another_extractor_never_stands_beside_inceptions():
    rows = collect()["generation"].rows
    for row in rows:
        assert row.published is None or row.extractor == "inception"
    metrics = copy.deepcopy(METRICS)
    metrics["fid"]["extractor"] = "inception"
    table = {t.name: t for t in collect_tables(PARAMS, metrics, read_published())}["generation"]
    assert (table.rows[0].value, table.rows[0].published) == (40.0, 14.28)


def test_celebas_recovery_error_never_stands_beside_that_of_digits():
    for row in collect()["recovery"].rows:
        assert row.value is None or row.published is None
    assert [row.published for row in collect()["recovery"].rows if row.dataset == "celeba"] == [0.0029]


def test_suspect_cells_are_printed_as_they_are_and_named():
    table = collect()["reconstruction"]
    assert table.rows[0].published == 0.0008
    assert "Suspect: the paper's 0.0008" in table.note
    assert "0.0008" in render_markdown(table)


def experiment(alpha, seed, distance, **others):
    row = {
        "Experiment": f"e{alpha}{seed}",
        "dataset": "mnist5k",
        "alpha": alpha,
        "s": 0.3,
        "K": "auto",
        "L": "auto",
    }
    row |= {"L2": "auto", "latent_dim": "auto", "sigma": 0.3, "metrics/fid.json:frechet_distance": distance}
    return row | {"extractor": "mnist5k classifier", "mse_train": 0.01, **others}


def test_experiments_that_differ_in_their_seed_share_a_row():
    rows = [experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)]
    rows.append(experiment(0.5, 1, 99.0, dataset="svhn"))
    rows = compare_experiments(rows, read_published(), "mnist5k", 4)
    found = {(row.method, row.quantity): row.value for row in rows}
    assert found[("ABP", "Frechet distance to the training images, mean over 1 seeds")] == 60.0
    assert found[("Ours (alpha=0.5)", "Frechet distance to the training images, mean over 2 seeds")] == 41.0
    assert found[
        ("Ours (alpha=0.5)", "Frechet distance to the training images, std over seeds")
    ] == pytest.approx(2**0.5)


def test_what_varies_between_experiments_is_named():
    rows = [experiment(0.5, 1, 40.0), experiment(0.5, 1, 45.0, K=30)]
    methods = {row.method for row in compare_experiments(rows, read_published(), "mnist5k", 4)}
    assert methods == {"Ours (alpha=0.5), K = 30", "Ours (alpha=0.5), K = auto"}


def test_a_pivot_has_a_line_for_each_method_with_spread_and_published_number():
    rows = [experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)]
    rows = compare_experiments(rows, read_published(), "mnist5k", 4)
    lines = render_pivot(ResultTable("x", "Title", "Note.", rows)).splitlines()
    assert lines[4].startswith("| method | MSE of training images, [0, 1] | Frechet distance")
    assert lines[6] == "| ABP | 0.01 | 60 |"
    assert lines[7] == "| Ours (alpha=0.5) | 0.01 ± 0 (0.0008) | 41 ± 1.4 |"


def test_the_readme_takes_its_results_from_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "TABLES", tmp_path)
    monkeypatch.setattr(readme, "TIMING", tmp_path / "timing")
    for table in collect().values():
        write_table(table, tmp_path)
    (tmp_path / "timing").mkdir()
    for name, seconds in (("fid", 12.3), ("cells-table3-VAE", 10), ("table3", 1), ("cells-tuning-GLO", 9)):
        (tmp_path / "timing" / f"{name}.json").write_text(json.dumps({"seconds": seconds}))
    with open("README.md", encoding="utf-8") as file:
        updated = readme.update_readme(file.read())
    for name in readme.SHOWN:
        assert (tmp_path / f"{name}.md").read_text() in updated
    for line in ("| the pipeline's own run | 12 |", "| table3 | 11 |", "| all | 23 |", "Not run yet."):
        assert line in updated
    assert readme.update_readme(updated) == updated
    with pytest.raises(ValueError, match="found part 'nothing'"):
        readme.update_readme("<!-- begin nothing -->\n<!-- end nothing -->")


FAILED_LOG = """Running stage 'train@complete':
> python -m stages.train complete
train-complete: chains diverged in round 1, pass 1: root mean square of z is inf with s = 5, K = 5; lower s
ERROR: failed to reproduce 'train@complete': failed to run: python -m stages.train complete, exited with 1
"""


def test_a_failed_experiment_is_a_row_that_says_why():
    assert find_reason(FAILED_LOG) == "diverged"
    other = FAILED_LOG.replace("chains diverged in round 1", "No space left on device")
    assert find_reason(other).startswith("failed: train-complete: No space left on device")
    assert find_reason("") == "failed; its log is gone"
    failure = {"dataset": "mnist5k", "alpha": 0.5, "s": 5.0, "seed": 2, "K": "auto", "reason": "diverged"}
    (row,) = describe_failures([failure, {**failure, "dataset": "svhn"}], "mnist5k")
    assert (row.quantity, row.value, row.seed) == ("diverged", None, 2)
    assert row.method.startswith("Ours (alpha=0.5), s = 5.0")


def test_experiments_are_drawn_over_what_varies_among_them(tmp_path):
    experiments = [
        {"alpha": alpha, "s": s, "K": "auto", "mse_train": 0.01, "frechet_distance": 30.0 * alpha}
        for alpha, s in ((0, 0.1), (0.5, 0.3))
    ]
    draw_experiments(tmp_path / "both.png", experiments)
    draw_experiments(tmp_path / "one.png", [{**one, "s": 0.3} for one in experiments])
    both, one = (Image.open(tmp_path / f"{name}.png").width for name in ("both", "one"))
    assert both == 2 * one  # a panel for each varying setting
