"""Stage anomaly_study: what decides the AUPRC, on one held-out class; one table and one figure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from models.langevin.engine import choose_engine
from pipeline.data.anomaly_split import split_anomaly
from pipeline.data.load import load_dataset
from pipeline.settings.params import Params
from pipeline.settings.plan import build_plan
from pipeline.stage import run_stage
from pipeline.storage.files import project_root, write_text
from pipeline.studies.auprc_factors import StudyRow, choose_best, list_settings, study_setting
from reports.beyond.factors_table import draw_study, render_study, to_frame

TABLES = Path("reports/tables")
FIGURE = Path("reports/figures/anomaly_study.png")
N_IMAGES = {"smoke": (200, 100), "embedded": (2000, 1000), "paper": (None, None)}


def anomaly_study(params: Params, tracker: object) -> dict[str, Any]:
    """Train all settings, score in all ways, write the table, its summary and the figure."""
    n_train, n_test = N_IMAGES[params.profile]
    images = load_dataset(
        params.dataset,
        project_root() / params.data.folder,
        n_train=n_train,
        n_test=n_test,
        seed=params.seed,
        download=params.data.download,
    )
    pooled = torch.from_numpy(np.concatenate([images.train_images, images.test_images]))
    labels = np.concatenate([images.train_labels, images.test_labels])
    held_out = params.anomaly.held_out
    split = split_anomaly(labels, held_out)
    engine = choose_engine(**dataclasses.asdict(params.engine))
    settings = list(list_settings(build_plan(params, "normal"), params.resolved_latent_dim))
    rows: list[StudyRow] = []
    for setting in tqdm(settings, unit="training", disable=None):
        rows += study_setting(setting, params.architecture, pooled, labels == held_out, split, engine)
    frame = to_frame(rows)
    write_text(TABLES / "anomaly_study.csv", frame.to_csv(index=False))
    about = (
        f"{images.name}, held-out class {held_out}, {len(split.train)} training images, profile "
        f"{params.profile}, seed {params.seed}"
    )
    write_text(TABLES / "anomaly_study.md", render_study(rows, about))
    draw_study(FIGURE, rows, about)
    metrics: dict[str, Any] = {"held_out": held_out, "n_train": len(split.train), "trainings": len(settings)}
    for protocol in ("pooled", "tenth"):
        validation, test = choose_best(rows, protocol)
        metrics[protocol] = {"validation": validation.auprc, "test": test.auprc, "chosen": describe(test)}
    return metrics


def describe(row: StudyRow) -> str:
    """A way of scoring in words."""
    return f"alpha {row.alpha:g}, {row.variation}, {row.inference} of {row.steps} steps, {row.score}"


def main() -> None:
    """Run the stage."""
    run_stage("anomaly_study", anomaly_study)


if __name__ == "__main__":
    main()
