"""dvc.yaml promises what the stages do: their imports, their parameters, their outputs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "pipeline", "stages", "reports")
ALLOWED = {  # the direction of dependency
    "models": {"models"},
    "pipeline": {"models", "pipeline"},
    "reports": {"models", "pipeline", "reports"},
    "stages": {"models", "pipeline", "reports"},
}


def read_dag():
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())


DAG = read_dag()
STAGES = sorted(DAG["stages"])


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


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_local_modules_it_imports(stage):
    listed = {dep for dep in DAG["stages"][stage]["deps"] if dep.endswith(".py")}
    imported = {str(path.relative_to(ROOT)) for path in find_all_imports(ROOT / "stages" / f"{stage}.py")}
    assert listed == imported


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_the_module_of_its_name(stage):
    assert DAG["stages"][stage]["cmd"].split(" ")[:3] == ["python", "-m", f"stages.{stage}"]
    assert (ROOT / "stages" / f"{stage}.py").is_file()


def test_every_stage_module_is_in_the_dag():
    modules = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"}
    assert modules == set(STAGES)


def test_every_listed_parameter_exists():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for stage in STAGES:
        for key in DAG["stages"][stage].get("params", []):
            part = params
            for name in (
                key.replace("${profile}", params["profile"]).replace("${item.task}", "normal").split(".")
            ):
                assert name in part, f"{stage}: {key}"
                part = part[name]


def test_only_trainings_and_what_needs_them_depend_on_alpha():
    dependent = {stage for stage in STAGES if "alpha" in DAG["stages"][stage].get("params", [])}
    assert dependent == {"train", "anomaly", "report"}  # anomaly and report print it


def list_outputs(stage: str) -> list[str]:
    outputs = []
    for kind in ("outs", "metrics", "plots"):
        for entry in DAG["stages"][stage].get(kind, []):
            outputs.append(entry if isinstance(entry, str) else next(iter(entry)))
    return outputs


def test_no_output_is_a_folder_with_code_and_none_has_two_owners():
    outputs = [output for stage in STAGES for output in list_outputs(stage)]
    assert len(outputs) == len(set(outputs))
    for output in outputs:
        assert not (ROOT / output / "__init__.py").exists()
        assert output not in PACKAGES


def test_every_stage_but_publish_leaves_numbers_and_all_but_report_a_picture():
    for stage in set(STAGES) - {"publish"}:
        outputs = list_outputs(stage)
        assert any(output.startswith("metrics/") for output in outputs), stage
        assert stage == "report" or any(output.endswith(".png") for output in outputs), stage


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
                assert path == ROOT / "pipeline" / "tracking.py"
