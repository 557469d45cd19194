"""dvc.yaml and beyond/dvc.yaml promise what the stages do: their code, their settings, their outputs."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from pipeline.storage import code_digest, places
from pipeline.studies.grid import PAPER_STUDIES, read_grid
from pipeline.studies.pace import OF_SEVERAL_SEEDS
from reports.paper.figures import FIGURES
from reports.paper.layouts import LAYOUTS
from tests.repository.dvc_stages import (
    FILES,
    OUTPUTS,
    ROOT,
    SETTINGS,
    STAGES,
    fill,
    is_recorded,
    list_choices,
    list_commands,
    list_outputs,
    list_param_keys,
    list_studies_of,
    name_in_file,
    name_module,
)
from tests.repository.local_imports import list_modules, name_room

WITHOUT_NUMBERS = (
    "pipeline/tracking",
    "pipeline/inference",
    "pipeline/use.py",
    "pipeline/stage.py",
    "pipeline/launch.py",
    "pipeline/warm_stages.py",
    "pipeline/stage_forks.py",
)  # as the header of dvc.yaml says
CHECK = "python -m pipeline.studies.check_methods"
# Studies of the page of several seeds alone.
ONLY_RECORDED = {"convergence", "alphas", "table3_all", "authors"}
MODULE_OF = {"extractors": "extractor", "rates": "cells"}  # stages that are not the module of their name


def list_code_deps(stage: str) -> set[str]:
    """What a stage depends on that is code: modules, and folders of them."""
    return {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py") or list((ROOT / dep).glob("**/*.py"))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_rooms_of_its_imports(stage):
    entries = [ROOT / "stages" / f"{name_module(stage)}.py"]
    if entries[0].name == "cells.py":  # methods are loaded by name, and imported by nothing
        entries += list_modules("models") + list_modules("pipeline")
    rooms = {name_room(path) for path in code_digest.list_modules(entries, ROOT)} - set(WITHOUT_NUMBERS)
    if entries[0].name == "cells.py":
        rooms = {room for room in rooms if not room.startswith("models/")} | {"models"}
    assert list_code_deps(stage) == rooms


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_the_module_of_its_name(stage):
    name = stage.partition(":")[2].removeprefix("recorded_")
    command = list_commands(stage)[-1].split(" ")
    assert command[:2] == ["python", "-m"] and command[2].startswith("stages.")
    expected = "cells" if name.endswith("cells") else MODULE_OF.get(name, name)
    assert name_module(stage) == expected


def test_every_module_of_stages_is_a_stage():
    assert {path.stem for path in list_modules("stages")} == {name_module(stage) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_name_that_users_choose_is_checked_before_a_shell_sees_it(stage):
    """What stands in a command is a literal of dvc.yaml, or a method that models.catalogue knows."""
    matrix = STAGES[stage].get("matrix", {})
    *checks, command = list_commands(stage)
    assert "${" not in " ".join(checks)
    for name in re.findall(r"\$\{([^}]*)\}", command):
        choices = matrix[name.removeprefix("item.")]
        assert isinstance(choices, list) or checks == [CHECK], f"{stage}: {name}"
        if isinstance(choices, list):
            assert all(re.fullmatch(r"[a-z_0-9]+", choice) for choice in choices), f"{stage}: {name}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_output_stays_until_its_stage_has_the_next_one(stage):
    for kind in OUTPUTS:
        for entry in STAGES[stage].get(kind, []):
            ((path, options),) = entry.items()
            assert options.get("persist") is True, path


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_waits_until_the_settings_are_valid(stage):
    if stage == "dvc.yaml:validate":
        assert list_outputs(stage) == ["artifacts/valid"] and list_param_keys(stage) == ["params.yaml"]
        assert "tables.yaml" in STAGES[stage]["deps"]
    else:  # beyond/ is a project of its own, whose stages look themselves: none waits for another project's
        assert ("artifacts/valid" in STAGES[stage]["deps"]) == stage.startswith("dvc.yaml:")


def test_the_pipeline_neither_lists_nor_reads_what_lies_beyond():
    """`dvc status` names no training of beyond/, and an experiment parses none."""
    from dvc.repo import Repo

    for folder, file in ((ROOT, "dvc.yaml"), (ROOT / "beyond", "beyond/dvc.yaml")):
        with Repo(str(folder)) as repo:
            names = {name_in_file(stage.name).removeprefix("dvc.yaml:") for stage in repo.index.stages}
            assert {Path(stage.path_in_repo).as_posix() for stage in repo.index.stages} == {"dvc.yaml"}
        assert names == {name.partition(":")[2] for name in STAGES if name.startswith(f"{file}:")}


def test_every_study_has_its_cells_once_and_its_exhibit():
    grid = read_grid(ROOT / "tables.yaml")
    trained: dict[bool, list[str]] = {True: [], False: []}
    for stage in STAGES:
        if name_module(stage) == "cells":
            trained[is_recorded(stage)] += list_studies_of(stage)
    assert sorted(trained[False]) == sorted(set(grid["studies"]) - ONLY_RECORDED)
    recorded = {*PAPER_STUDIES, *OF_SEVERAL_SEEDS}
    assert set(OF_SEVERAL_SEEDS) >= ONLY_RECORDED
    assert sorted(trained[True]) == sorted(recorded | {"rates"})
    assert set(list_choices("beyond/dvc.yaml:recorded_exhibit", "study")) == recorded
    shown = {file: set(list_choices(f"{file}:exhibit", "study")) for file in FILES}
    assert shown["dvc.yaml"] == set(PAPER_STUDIES)
    # The stage `leaderboard` shows its own and `tuning`; `rates` is in every table that it tunes.
    unshown = {"leaderboard", "tuning", "rates"} | ONLY_RECORDED
    assert shown["beyond/dvc.yaml"] == set(grid["studies"]) - set(PAPER_STUDIES) - unshown
    for study in PAPER_STUDIES:
        assert LAYOUTS[study].split(study) or FIGURES[study]
        assert f"reports/results/${{profile}}/cells/{study}" in STAGES["dvc.yaml:paper_page"]["deps"]
        assert f"reports/results/${{profile}}/exhibits/{study}" in STAGES["dvc.yaml:publish"]["deps"]


@pytest.mark.parametrize("profile", ["smoke", "embedded", "recorded", "paper"])
def test_every_listed_parameter_exists(profile):
    contents = {name: yaml.safe_load((ROOT / name).read_text()) for name in SETTINGS}
    for stage in STAGES:
        for entry in STAGES[stage].get("params", []):
            file, keys = ("params.yaml", [entry]) if isinstance(entry, str) else next(iter(entry.items()))
            for key in [filled for template in keys or [] for filled in fill(template, stage, profile)]:
                part = contents[file]
                for name in key.split("."):
                    assert name in part, f"{stage}: {key}"
                    part = part[name]


def test_only_trainings_and_what_shows_alpha_depend_on_alpha():
    dependent = {stage for stage in STAGES if "alpha" in STAGES[stage].get("params", [])}
    trainings = {stage for stage in STAGES if name_module(stage) in ("train", "cells")}
    assert dependent == trainings | {"dvc.yaml:anomaly", "dvc.yaml:report"}


def test_no_output_is_a_folder_with_code_and_none_has_two_owners():
    owners = Counter(
        filled
        for stage in STAGES
        for output in list_outputs(stage)
        for filled in fill(output, stage, "embedded")
    )
    assert set(owners.values()) == {1}
    for output in owners:
        assert not list((ROOT / output).glob("**/*.py")), output
        assert not [other for other in owners if other.startswith(f"{output}/")], output


def test_stages_write_tables_where_dvc_looks_for_them():
    """The folders below reports/results that dvc.yaml names are those of pipeline.storage.places."""
    written = {places.find_paper("embedded"), places.find_paper("recorded")}
    for stage in STAGES:
        module, profile = name_module(stage), "recorded" if is_recorded(stage) else "embedded"
        if module == "cells":
            written |= {places.find_cells(profile, study, "") for study in list_studies_of(stage)}
        elif module == "exhibit":
            written |= {places.find_exhibit(profile, study) for study in list_choices(stage, "study")}
        elif module in ("leaderboard", "anomaly_study"):
            written.add(places.find_exhibit(profile, module))
            if module == "anomaly_study":  # which trains as well
                written.add(places.find_cells(profile, module, ""))
        elif stage.endswith("extractors"):
            names = list_choices(stage, "dataset")
            written |= {places.find_table_extractor(profile, name) for name in names}
    named = {
        path
        for stage in STAGES
        for output in list_outputs(stage)
        for path in fill(output, stage, "embedded")
        if path.startswith("reports/")
    }
    assert named == {str(path) for path in written}


def test_the_second_dag_makes_nothing_that_the_first_waits_for():
    """DVC would run a stage beyond the paper whose output lies in a folder that a table depends on."""
    made = {
        filled
        for stage in STAGES
        if stage.startswith("beyond/")
        for output in list_outputs(stage)
        for filled in fill(output, stage, "embedded")
    }
    for stage in STAGES:
        if not stage.startswith("beyond/"):
            for dep in [
                path for template in STAGES[stage]["deps"] for path in fill(template, stage, "embedded")
            ]:
                assert not [out for out in made if f"{out}/".startswith(f"{dep}/")], f"{stage}: {dep}"


def test_what_people_read_stays_short():
    assert all(len((ROOT / file).read_text().splitlines()) < 500 for file in FILES)
    locks = [ROOT / file.replace(".yaml", ".lock") for file in FILES]
    assert sum(lock.stat().st_size for lock in locks if lock.exists()) < 350_000
    written = {
        output.split("/")[1]
        for stage in STAGES
        for output in list_outputs(stage)
        if output.startswith("metrics/")
    }
    tracked = subprocess.check_output(["git", "ls-files", "metrics"], cwd=ROOT, text=True).split()
    assert len(written | {path.split("/")[1] for path in tracked}) < 20
