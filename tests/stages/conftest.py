"""A project in which cells are made, with all that costs seconds and is not tested replaced."""

import copy
import functools
from pathlib import Path

import pytest
import torch
import yaml

from models.networks.classifier import build_classifier
from pipeline.evaluation.features import save_classifier
from pipeline.storage import places
from pipeline.storage.code_digest import digest_code
from pipeline.studies import recall
from tests.stages.cell_runs import TABLES

ROOT = Path(__file__).parents[2]
PARSED = {}
parse_yaml = yaml.safe_load


def parse_once(source):
    """``yaml.safe_load``, which takes a tenth of a second for params.yaml, once for each text."""
    text = source if isinstance(source, str) else source.read()
    if text not in PARSED:
        PARSED[text] = parse_yaml(text)
    return copy.deepcopy(PARSED[text])


@functools.cache
def digest_once(entries, root):
    """``digest_code``: the code stays what it is while it is tested."""
    return digest_code(entries, root)


@pytest.fixture
def project(tmp_path, keep_digits, monkeypatch):
    """A folder with the settings files at profile smoke and an extractor, and no data but mnist5k.

    The tables are at their profile's learning rate: a test that wants them tuned writes TABLES back.
    """
    text = (ROOT / "params.yaml").read_text().replace("profile: embedded", "profile: smoke")
    (tmp_path / "params.yaml").write_text(text)
    assert "    tuned_by: rates\n" in TABLES
    (tmp_path / "tables.yaml").write_text(TABLES.replace("    tuned_by: rates\n", ""))
    classifier = build_classifier(1, 10, torch.Generator().manual_seed(0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(yaml, "safe_load", parse_once)
    monkeypatch.setattr(recall, "digest_code", lambda entries, root: digest_once(tuple(entries), root))
    save_classifier(places.find_table_extractor("smoke", "mnist") / places.EXTRACTOR.name, classifier, 1)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path
