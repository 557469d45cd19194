"""Where stages leave their files: the one list of paths that stages, reports and tracking share.

The pipeline's own run writes below artifacts/run and metrics, which belong to whoever runs it. What the
paper's tables are made of is kept by profile below reports/results, so that a smoke run never touches the
committed tables.
"""

from __future__ import annotations

from pathlib import Path

ARTIFACTS = Path("artifacts")
VALID = ARTIFACTS / "valid"  # left by the stage ``validate``, on which all others wait
DATA = ARTIFACTS / "data"
MODELS = ARTIFACTS / "models"
EXTRACTOR = ARTIFACTS / "extractor" / "classifier.pt"
RUN = ARTIFACTS / "run"
FIGURES, TABLES, RUN_PAGE = RUN / "figures", RUN / "tables", RUN / "RUN.md"
SECONDS = ARTIFACTS / "seconds"  # how long stages took here: no outputs, for they differ each time
METRICS = Path("metrics")
SUMMARY = METRICS / "summary.json"
RESULTS = Path("reports/results")
OWN_RUN = RESULTS / "own_run"  # its pictures and tables as ``make record`` copied them


def find_metrics(stage: str) -> Path:
    """Find the numbers of one of the own run's stages: metrics/fid.json, metrics/train/complete.json."""
    kind, _, task = stage.partition("-")
    return METRICS / "train" / f"{task}.json" if kind == "train" else METRICS / f"{stage}.json"


def find_curves(task: str) -> Path:
    """Find the curves over rounds of a training."""
    return METRICS / "train" / f"{task}.csv"


def find_corrections(task: str) -> Path:
    """Find how each correction of a training ended, and its seconds, which differ each time."""
    return SECONDS / f"corrections-{task}.csv"


def find_cells(profile: str, study: str, method: str) -> Path:
    """Find the folder of a study's cells of one method."""
    return RESULTS / profile / "cells" / study / method


def find_provenance(profile: str, study: str) -> Path:
    """Find how a study's cells were made: no output of a stage, for seconds differ each time."""
    return RESULTS / profile / "provenance" / f"{study}.json"


def find_exhibit(profile: str, study: str) -> Path:
    """Find the folder of a study's tables and figures."""
    return RESULTS / profile / "exhibits" / study


def find_table_extractor(profile: str, paper_dataset: str) -> Path:
    """Find the folder of the feature extractor for one of the paper's data sets."""
    return RESULTS / profile / "extractors" / paper_dataset


def find_paper(profile: str) -> Path:
    """Find the folder of the page that sets the paper's section 7 beside ours, with its claims."""
    return RESULTS / profile / "paper"
