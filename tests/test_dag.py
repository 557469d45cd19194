"""dvc.yaml promises what the stages do: their imports, their parameters, their outputs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from pipeline.studies.grid import PAPER_STUDIES
from reports.paper.figures import FIGURES
from reports.paper.layouts import LAYOUTS

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "pipeline", "stages", "reports")
ALLOWED = {  # the direction of dependency
    "models": {"models"},
    "pipeline": {"models", "pipeline"},
    "reports": {"models", "pipeline", "reports"},
    "stages": {"models", "pipeline", "reports"},
}


def read_stages(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text())["stages"]


DAG = read_stages("dvc.yaml")
BENCHMARKS = read_stages("benchmarks/dvc.yaml")
STAGES = sorted(DAG)
ALL = {**DAG, **{f"benchmarks/{name}": stage for name, stage in BENCHMARKS.items()}}
STUDIES = [name for name in STAGES if name.startswith(("table", "figure"))]


def name_module(stage: str) -> str:
    """The module that a stage calls: most stages are one of their own."""
    return list_commands(stage)[-1].split(" ")[2].removeprefix("stages.")


def list_commands(stage: str) -> list[str]:
    """What DVC gives to a shell, in its order."""
    found = ALL[stage]["cmd"]
    return found if isinstance(found, list) else [found]


def find_imports(path: Path) -> set[Path]:
    """The local modules that a module imports itself."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    candidates = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    return {candidate for candidate in candidates if candidate.exists()}


def find_all_imports(path: Path) -> set[Path]:
    """The local modules that run when a module runs, itself included."""
    found, waiting = set(), [path]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += find_imports(module)
    return found


@pytest.mark.parametrize("stage", sorted(ALL))
def test_a_stage_depends_on_exactly_the_local_modules_it_imports(stage):
    deps = ALL[stage]["deps"]
    listed = {dep for dep in deps if dep.endswith(".py")}
    entry = ROOT / "stages" / f"{name_module(stage)}.py"
    imported = {str(path.relative_to(ROOT)) for path in find_all_imports(entry)}
    if "pipeline" in deps:  # whole folders: methods are loaded by name, and cells are kept by their own code
        assert "models" in deps and "stages/cells.py" in imported
        imported = {path for path in imported if path.split("/")[0] not in deps}
    assert listed == imported


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_the_module_of_its_name_or_an_argument_of_one(stage):
    command = list_commands(stage)[-1].split(" ")
    assert command[:2] == ["python", "-m"]
    module = {"extractors": "extractor", "sweep": "cells"}.get(stage)
    module = module or ("exhibit" if stage in STUDIES else stage)
    assert name_module(stage) == module
    assert stage not in STUDIES or command[3:] == [stage]


@pytest.mark.parametrize("stage", sorted(ALL))
def test_a_name_that_users_choose_is_checked_before_a_shell_sees_it(stage):
    """What stands in a command is a literal of dvc.yaml, or a method that models.catalogue knows."""
    matrix = ALL[stage].get("matrix", {})
    *checks, command = list_commands(stage)
    for name in re.findall(r"\$\{([^}]*)\}", " ".join([*checks, command])):
        key = name.removeprefix("item.")
        assert key in matrix, f"{stage}: {name} is no matrix's"
        checked = checks == ["python -m pipeline.studies.check_methods"]
        assert isinstance(matrix[key], list) or checked, f"{stage}: {name}"
    assert not re.search(r"\$\{", " ".join(checks))


def test_every_stage_module_is_in_the_dag():
    modules = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert modules == {name_module(stage) for stage in ALL}


def test_every_study_of_the_grid_has_its_cells_and_its_exhibit():
    grid = yaml.safe_load((ROOT / "tables.yaml").read_text())
    with_all_methods, of_ours = (DAG[name]["matrix"]["study"] for name in ("cells", "sweep"))
    assert sorted(with_all_methods + of_ours) == STUDIES == sorted(PAPER_STUDIES)
    for study in STUDIES:
        assert (study in of_ours) == (grid["studies"][study].get("only") == "Ours")
        assert f"artifacts/cells/{study}" in DAG[study]["deps"]
        assert f"artifacts/cells/{study}" in DAG["paper"]["deps"]
        tables = {
            f"reports/tables/{name}.{end}" for name in LAYOUTS[study].split(study) for end in ("csv", "md")
        }
        figures = {f"reports/figures/{name}.png" for name in FIGURES[study]}
        assert tables | figures <= set(list_outputs(study))
        assert f"metrics/{study}.json" in DAG["publish"]["deps"]


def test_every_listed_parameter_exists():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    grid = yaml.safe_load((ROOT / "tables.yaml").read_text())
    for stage in ALL:
        for entry in ALL[stage].get("params", []):
            content, keys = (params, [entry]) if isinstance(entry, str) else (grid, entry["tables.yaml"])
            for key in keys:
                part = content
                filled = key.replace("${profile}", params["profile"]).replace("${item.task}", "normal")
                for name in filled.replace("${item.study}", "table2").split("."):
                    assert name in part, f"{stage}: {key}"
                    part = part[name]


def test_only_trainings_and_what_needs_them_depend_on_alpha():
    dependent = {stage for stage in STAGES if "alpha" in DAG[stage].get("params", [])}
    assert dependent == {"train", "anomaly", "report", "cells", "sweep"}  # anomaly and report print it


def list_outputs(stage: str) -> list[str]:
    outputs = []
    for kind in ("outs", "metrics", "plots"):
        for entry in ALL[stage].get(kind, []):
            outputs.append(entry if isinstance(entry, str) else next(iter(entry)))
    return outputs


def test_no_output_is_a_folder_with_code_and_none_has_two_owners():
    outputs = [output for stage in ALL for output in list_outputs(stage)]
    assert len(outputs) == len(set(outputs))
    for output in outputs:
        assert not (ROOT / output / "__init__.py").exists()
        assert output not in PACKAGES


def test_nothing_of_the_tables_waits_for_a_benchmark():
    """DVC would run a benchmark's stage whose output lies in a folder that a table depends on."""
    outputs = [output for stage in BENCHMARKS for output in list_outputs(f"benchmarks/{stage}")]
    for stage in DAG:
        for dep in DAG[stage]["deps"]:
            assert not [out for out in outputs if f"{out}/".startswith(f"{dep}/")], f"{stage}: {dep}"


def test_every_stage_but_publish_leaves_numbers_and_all_that_show_something_a_picture():
    without = {"report", "paper", "cells", "sweep"}  # pages, and cells, whose pictures their study draws
    for stage in set(STAGES) - {"publish"}:
        outputs = list_outputs(stage)
        assert any(output.startswith("metrics/") for output in outputs), stage
        assert stage in without or any(output.endswith(".png") for output in outputs), stage


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_direction_of_dependency(package):
    for path in (ROOT / package).rglob("*.py"):
        for imported in find_imports(path):
            assert imported.relative_to(ROOT).parts[0] in ALLOWED[package], f"{path} imports {imported}"


def test_tracking_alone_imports_mlflow():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "mlflow" in {
                name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
            }:
                assert path == ROOT / "pipeline" / "tracking" / "store.py"
