import copy
import dataclasses

import pandas as pd

from pipeline.evaluation.fitted_densities import FITTED_DISTANCES
from pipeline.settings.params import load_params
from reports.paper.published import read_published
from reports.result_table import (
    COLUMNS,
    ResultRow,
    ResultTable,
    render_markdown,
    write_digits,
    write_table,
)
from reports.run.run_page import PICTURES, render_page
from reports.run.run_tables import collect_tables, summarise

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
        "mse_train_point": 0.007,
        "mse_test_point": 0.008,
        "way": "draw",
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
        "frechet_distance_test": 41.0,
        "nearer_training": 0.52,
        "precision": 0.8,
        "recall": 0.3,
        "n_compared": 100,
        "frechet_distance_one_gaussian": 35.0,
        "frechet_distance_ten_gaussians": 20.0,
    },
    "anomaly": {"held_out": 4, "chains": 10, "steps": 20, "pooled": PROTOCOL, "tenth": PROTOCOL},
    "recover": {
        "absolute_error": 0.1,
        "squared_error": 0.05,
        "absolute_error_point": 0.08,
        "squared_error_point": 0.04,
        "way": "draw",
        "mask": {"kind": "region", "side": 13},
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


def test_errors_say_whether_they_are_of_a_draw_or_a_point():
    for name in ("reconstruction", "recovery"):
        rows = [row for row in collect()[name].rows if row.value is not None]
        assert {("of a draw" in row.quantity, "of a point" in row.quantity) for row in rows} == {
            (True, False),
            (False, True),
        }
        assert all(row.published is None for row in rows if "of a point" in row.quantity)
    stages = {name: METRICS[name] | {"way": "point"} for name in ("reconstruct", "recover")}
    tables = {table.name: table for table in collect_tables(PARAMS, METRICS | stages, read_published())}
    for name, values in (("reconstruction", [0.01, 0.04, 0.012, 0.048]), ("recovery", [0.1, 0.05])):
        rows = [
            row for row in tables[name].rows if row.value is not None
        ]  # a chain without noise is the point
        assert [row.value for row in rows] == values and all("of a point" in row.quantity for row in rows)


def test_a_data_set_that_the_paper_does_not_have_is_shown_without_its_numbers():
    params = dataclasses.replace(PARAMS, dataset="folder")
    for table in collect_tables(params, METRICS, read_published()):
        if table.name in ("reconstruction", "generation", "anomaly_tenth"):
            assert all(row.value is not None and row.published is None for row in table.rows)
            assert "Suspect" not in table.note and "Published" not in table.note


REFUSED = "the extractor labels 11% of the test images right, 24% are needed"


def test_a_refused_distance_is_an_empty_cell_with_its_reason(tmp_path):
    none = dict.fromkeys(("frechet_distance", "floor", *FITTED_DISTANCES.values()))
    fid = METRICS["fid"] | none | {"refused": REFUSED}
    tables = collect_tables(PARAMS, METRICS | {"fid": fid}, read_published())
    table = {table.name: table for table in tables}["generation"]
    *refused, _ = table.rows
    assert all(row.value is None and row.quantity.endswith(": refused") for row in refused)
    copies = {table.name: table for table in tables}["copies"]
    assert [row.quantity.endswith(": refused") for row in copies.rows] == [True, False, True, True]
    write_table(table, tmp_path)
    frame = pd.read_csv(tmp_path / "generation.csv")
    assert frame["value"].isna().all() and frame["n"].tolist()[:4] == [400, 400, 400, 100]
    page = render_page(PARAMS, tables)
    assert page.count(REFUSED) == 1 and f"Refused: {REFUSED};" in table.note
    assert not any("refused" in row.quantity for row in collect()["generation"].rows)


def test_the_summary_has_a_number_of_each_stage_that_measures():
    assert summarise(METRICS) == {
        "mse_train": 0.01,
        "mse_test": 0.012,
        "fid": 40.0,
        "auprc": 0.7,
        "auprc10": 0.7,
        "recovery": 0.1,
    }
    assert summarise(METRICS | {"fid": METRICS["fid"] | {"frechet_distance": None}})["fid"] is None


def test_a_spread_is_written_without_a_power_of_ten():
    written = {206.4: "210", 2.06: "2.1", 0.0912: "0.091", 0.000091: "0.000091", 0.0: "0", 30.0: "30"}
    assert {value: write_digits(value) for value in written} == written
    assert write_digits(0.0071, 1) == "0.007"


def test_the_page_of_the_run_has_every_table_and_picture():
    text = render_page(PARAMS, list(collect().values()))
    for table in collect().values():
        assert render_markdown(table) in text
        for picture, _ in PICTURES[table.name]:
            assert f"(figures/{picture}.png)" in text
