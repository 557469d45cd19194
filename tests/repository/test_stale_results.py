"""A changed setting is another run, for DVC, of exactly the stages that name it."""

from __future__ import annotations

import copy
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from pipeline.storage.files import flatten
from tests.repository.dvc_stages import (
    FILES,
    ROOT,
    SETTINGS,
    STAGES,
    list_param_keys,
    name_in_file,
    name_module,
)


class Settings:
    """A scratch copy of the settings, and what DVC keeps of each stage for them; nothing is run."""

    def __init__(self, folder: Path):
        from dvc.repo import Repo

        self.folder = folder
        for name in (*FILES, *SETTINGS):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        Repo.init(str(folder), no_scm=True).close()
        self.contents = {name: yaml.safe_load((folder / name).read_text()) for name in SETTINGS}
        self.stages = self._load()

    def _load(self) -> dict:
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo:
            return {stage.addressing: stage for stage in repo.index.stages}

    def replace(self, name: str, content: dict) -> None:
        """Change a settings file, and let DVC read the stages anew."""
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
        self.contents[name] = content
        self.stages = self._load()

    def read_params(self) -> dict[str, dict]:
        """What DVC records of each stage's settings, by stage: {file: {key: value}}."""
        return {name: self._lock(stage).get("params", {}) for name, stage in self.stages.items()}

    def hash_stages(self) -> dict[str, str]:
        """DVC's key of the run of each stage."""
        from dvc.stage.cache import _get_cache_hash

        return {name: _get_cache_hash(self._lock(stage), key=True) for name, stage in self.stages.items()}

    def _lock(self, stage) -> dict:
        from dvc.stage.serialize import to_single_stage_lockfile

        for dep in stage.params:
            content = self.contents[Path(dep.fs_path).name]
            # Instead of `dep.get_hash()`, which parses the file for each stage.
            dep.fill_values({key: look_up(content, key) for key in dep.params} if dep.params else content)
        return to_single_stage_lockfile(stage)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # DVC names stages as seen from the working folder
    return Settings(tmp_path)


def look_up(content: dict, dotted: str):
    """The part of nested settings that a dotted key names."""
    for name in dotted.split("."):
        content = content[name]
    return content


def change(content: dict, dotted: str) -> dict:
    """A copy with another value of the kind that its leaf ``dotted`` has."""
    changed = copy.deepcopy(content)
    *path, last = dotted.split(".")
    part = changed
    for name in path:
        part = part[name]
    value = part[last]
    if isinstance(value, bool) or value is None:
        part[last] = not value
    else:
        part[last] = f"{value}_changed" if isinstance(value, str) else value + 1
    return changed


def test_no_parameter_leaves_a_stale_result(settings):
    """DVC's key of a run changes with every leaf of params.yaml for exactly the stages that name it."""
    content = settings.contents["params.yaml"]
    before = settings.hash_stages()
    names = {
        name: [dep.params for dep in stage.params if dep.def_path.endswith("params.yaml")]
        for name, stage in settings.stages.items()
    }
    reached = defaultdict(set)
    for leaf, _ in flatten(content):
        if leaf == "profile":  # it names stages' files; see below
            continue
        settings.contents["params.yaml"] = change(content, leaf)
        after = settings.hash_stages()
        naming = {
            name
            for name, deps in names.items()
            for keys in deps
            if not keys or any(f"{leaf}.".startswith(f"{key}.") for key in keys)
        }
        assert {name for name in before if before[name] != after[name]} == naming, leaf
        reached[len(naming) > 1].add(leaf)
    # Whatever is no other profile's decides something besides the check of all settings.
    assert {leaf.split(".")[1] for leaf in reached[False]} == {"smoke", "paper"}


def test_another_profile_is_another_run_of_each_stage_that_names_it(settings):
    before = settings.hash_stages()
    settings.replace("params.yaml", settings.contents["params.yaml"] | {"profile": "smoke"})
    after = settings.hash_stages()
    assert set(before) == set(after)
    texts = {stage: yaml.safe_dump(STAGES[stage]) for stage in STAGES}
    naming = {
        stage
        for stage in STAGES
        if "${profile}" in texts[stage] or {"profile", "params.yaml"} & set(list_param_keys(stage))
    }
    changed = {name for name in before if before[name] != after[name]}
    assert {name_in_file(name) for name in changed} == naming
    assert changed == {name for name in before if name_in_file(name) in naming}


def test_another_scale_of_one_study_is_another_run_of_that_study_alone(settings):
    before = settings.read_params()
    grid = copy.deepcopy(settings.contents["tables.yaml"])
    grid["studies"]["table3"]["scale"]["embedded"]["prepare"]["n_train"] += 1
    settings.replace("tables.yaml", grid)
    after = settings.read_params()
    assert {name for name in before | after if before.get(name) != after.get(name)} == {
        *("cells@table3", "exhibit@table3"),
        *(f"beyond/dvc.yaml:recorded_{kind}@table3" for kind in ("cells", "exhibit")),  # all seeds kept
        "beyond/dvc.yaml:anomaly_study",  # which varies Table 3's trainings
    }
    # The pages depend on the whole file.
    pages = {name for name in STAGES if name_module(name) == "paper_page"}
    assert len(pages) == 2 and all("tables.yaml" in STAGES[name]["deps"] for name in pages)


def test_a_further_method_is_another_run_of_what_has_a_line_up_and_of_no_own_training(settings):
    """Stages that look again recall all cells but the new one's (tests/stages/test_cells.py)."""
    before = settings.read_params()
    grid = copy.deepcopy(settings.contents["tables.yaml"])
    grid["line_ups"]["all"].append("Plain")
    settings.replace("tables.yaml", grid)
    after = settings.read_params()
    assert set(before) == set(after)
    changed = {name_in_file(name) for name in before if before[name] != after[name]}
    shows = {"cells", "leaderboard"}  # no exhibit is of all methods; the pages depend on the file
    assert {name_module(name) for name in changed} == shows
