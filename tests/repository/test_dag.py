"""dvc.yaml and beyond/dvc.yaml promise what the stages do: their imports, their settings, their outputs."""

from __future__ import annotations

import ast
import copy
import functools
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import yaml

from pipeline.storage import places
from pipeline.storage.files import flatten
from pipeline.studies.grid import PAPER_STUDIES, read_grid
from pipeline.studies.pace import OF_SEVERAL_SEEDS
from reports.paper.figures import FIGURES
from reports.paper.layouts import LAYOUTS

ROOT = Path(__file__).parents[2]
OUTPUTS = ("outs", "metrics", "plots")
FILES = ("dvc.yaml", "beyond/dvc.yaml")
SETTINGS = ("params.yaml", "tables.yaml")
PACKAGES = ("models", "pipeline", "stages", "reports", "benchmarks")
ROOMY = ("models", "pipeline", "reports")  # packages whose folders are dependencies as wholes
WITHOUT_NUMBERS = (
    "pipeline/tracking",
    "pipeline/inference",
    "pipeline/use.py",
    "pipeline/stage.py",
    "pipeline/launch.py",
    "pipeline/warm_stages.py",
    "pipeline/stage_forks.py",
)  # as the header of dvc.yaml says
LOADED_BY_NAME = "models/short_run/method.py"  # of the method that every study has
CHECK = "python -m pipeline.studies.check_methods"
ONLY_RECORDED = {"convergence", "alphas"}  # studies of many seeds alone
MODULE_OF = {"extractors": "extractor", "rates": "cells"}  # stages that are not the module of their name
ALLOWED = {  # the direction between packages
    "models": {"models"},
    "pipeline": {"models", "pipeline"},
    "reports": {"models", "pipeline", "reports"},
    "stages": {"models", "pipeline", "reports"},
    "benchmarks": {"models", "pipeline", "benchmarks"},
}
# The direction inside packages, as docs/architecture.md says it: what each room may import of its package.
FOUNDATION = {
    "models/networks",
    "models/descent.py",
    "models/images.py",
    "models/latent_density.py",
    "models/seeds.py",
}
METHOD_TOOLS = FOUNDATION | {"models/langevin", "models/transport", "models/interface.py"}
ROOMS_ALLOWED: dict[str, set[str]] = {
    **{room: set() for room in FOUNDATION},
    "models/catalogue.py": set(),
    "models/interface.py": FOUNDATION,
    "models/langevin": FOUNDATION,
    "models/transport": FOUNDATION,
    "models/short_run": METHOD_TOOLS,
    "models/rivals": METHOD_TOOLS,
    "pipeline/storage": set(),
    "pipeline/settings": {"pipeline/storage"},
    "pipeline/data": {"pipeline/storage"},
    "pipeline/evaluation": {"pipeline/data", "pipeline/settings", "pipeline/storage"},
    "pipeline/studies": {"pipeline/evaluation", "pipeline/data", "pipeline/settings", "pipeline/storage"},
    "pipeline/inference": {"pipeline/evaluation", "pipeline/data", "pipeline/settings", "pipeline/storage"},
    "pipeline/tracking": {"pipeline/inference", "pipeline/settings", "pipeline/storage"},
    "pipeline/use.py": {"pipeline/inference", "pipeline/data", "pipeline/tracking", "pipeline/stage.py"},
    "pipeline/stage.py": {"pipeline/tracking", "pipeline/settings", "pipeline/storage"},
    "pipeline/stage_forks.py": {"pipeline/warm_stages.py"},  # and tracking by name, which it imports late
    "reports/drawing.py": set(),
    "reports/result_table.py": set(),
    "reports/paper": {"reports/drawing.py", "reports/result_table.py"},
    **{
        f"reports/{room}": {"reports/paper", "reports/drawing.py", "reports/result_table.py"}
        for room in ("run", "beyond", "tools")
    },
}

STAGES = {
    f"{file}:{name}": stage
    for file in FILES
    for name, stage in yaml.safe_load((ROOT / file).read_text())["stages"].items()
}


def list_commands(stage: str) -> list[str]:
    """What DVC gives to a shell, in its order."""
    commands = STAGES[stage]["cmd"]
    return commands if isinstance(commands, list) else [commands]


def name_module(stage: str) -> str:
    """The module of stages/ that a stage calls."""
    return list_commands(stage)[-1].split(" ")[2].removeprefix("stages.")


def list_outputs(stage: str) -> list[str]:
    """A stage's outputs of all kinds, as they are written in dvc.yaml."""
    return [path for kind in OUTPUTS for entry in STAGES[stage].get(kind, []) for path in entry]


def list_code_deps(stage: str) -> set[str]:
    """What a stage depends on that is code: modules, and folders of them."""
    return {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py") or list((ROOT / dep).glob("**/*.py"))}


@functools.cache
def find_imports(path: Path, with_typing: bool = True) -> frozenset[Path]:
    """The local modules that a module imports itself, ``with_typing`` those for type checkers alone too."""
    tree = ast.parse(path.read_text())
    if not with_typing:
        tree.body = [
            node
            for node in tree.body
            if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    candidates = {ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    return frozenset(candidate for candidate in candidates if candidate.exists())


def find_all_imports(*paths: Path) -> set[Path]:
    """The local modules that run when modules run, themselves included."""
    reached: set[Path] = set()
    waiting = list(paths)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += find_imports(module)
    return reached


def name_room(path: Path) -> str:
    """A module's room: its folder below models, pipeline or reports, or itself where it lies in none."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2] if parts[0] in ROOMY else parts)


def list_modules(package: str) -> list[Path]:
    """The modules of a package; its `__init__` hold docstrings alone."""
    return [path for path in sorted((ROOT / package).rglob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_rooms_of_its_imports(stage):
    entries = [ROOT / "stages" / f"{name_module(stage)}.py"]
    if entries[0].name == "cells.py":  # methods are loaded by name, and imported by nothing
        entries += list_modules("models") + list_modules("pipeline")
    rooms = {name_room(path) for path in find_all_imports(*entries)} - set(WITHOUT_NUMBERS)
    if entries[0].name == "cells.py":
        rooms = {room for room in rooms if not room.startswith("models/")} | {"models"}
    assert list_code_deps(stage) == rooms


def test_an_init_imports_no_module_so_that_rooms_are_what_modules_say():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            assert not find_imports(path), path


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


def list_choices(stage: str, axis: str) -> list[str]:
    """The values of a stage's matrix, from tables.yaml where they are a line-up's."""
    choices = STAGES[stage]["matrix"][axis]
    if isinstance(choices, str):
        section, name = choices.removeprefix("${").removesuffix("}").split(".")
        return read_grid(ROOT / "tables.yaml")[section][name]
    return choices


def list_studies_of(stage: str) -> set[str]:
    """The studies that a stage trains."""
    study = list_commands(stage)[-1].split(" ")[3]
    return set(list_choices(stage, "study") if study == "${item.study}" else [study])


def is_recorded(stage: str) -> bool:
    """Whether a stage runs at the profile `recorded` whatever params.yaml says."""
    recorded = stage.startswith("beyond/dvc.yaml:recorded_")
    assert list_commands(stage)[-1].endswith(" --profile recorded") == recorded
    assert ("${profile}" in yaml.safe_dump(STAGES[stage])) <= (not recorded)
    return recorded


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


def fill(key: str, stage: str, profile: str) -> list[str]:
    """A templated key of a stage with the profile and each value of its matrix put in."""
    keys = [key.replace("${profile}", profile)]
    for axis in STAGES[stage].get("matrix", {}):
        place = f"${{item.{axis}}}"
        if place in key:
            keys = [one.replace(place, choice) for one in keys for choice in list_choices(stage, axis)]
    return keys


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


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_direction_between_packages(package):
    for path in list_modules(package):
        for imported in find_imports(path):
            assert imported.relative_to(ROOT).parts[0] in ALLOWED[package], f"{path} imports {imported}"


@pytest.mark.parametrize("package", ROOMY)
def test_imports_follow_the_direction_between_rooms(package):
    for path in list_modules(package):
        room = name_room(path)
        for imported in find_imports(path, with_typing=False):
            other = name_room(imported)
            if other != room and other.startswith(f"{package}/"):
                assert other in ROOMS_ALLOWED[room], f"{path} imports {imported}"


def test_tracking_alone_imports_mlflow():
    for package in PACKAGES:
        for path in list_modules(package):
            if re.search(r"^\s*(import|from) mlflow\b", path.read_text(), flags=re.MULTILINE):
                assert name_room(path) == "pipeline/tracking", path


def test_a_name_says_where_to_look():
    modules = [path for package in PACKAGES for path in list_modules(package)]
    named = Counter(path.stem for path in modules)
    assert {name for name, times in named.items() if times > 1} == set()
    folders = {path.parent.name for path in modules} | set(PACKAGES)
    assert set(named) & folders == set()


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


def list_param_keys(stage: str) -> list[str]:
    """The keys that a stage names of params.yaml, and the files that it names whole."""
    entries = STAGES[stage].get("params", [])
    return [key for entry in entries for key in ([entry] if isinstance(entry, str) else entry)]


def name_in_file(addressing: str) -> str:
    """`train@complete` as the key of STAGES that it comes from."""
    file, _, name = addressing.rpartition(":")
    return f"{file or 'dvc.yaml'}:{name.partition('@')[0]}"


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
