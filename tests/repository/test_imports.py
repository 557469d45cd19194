"""Imports follow the direction that docs/architecture.md says, between packages and between their rooms."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.repository.local_imports import PACKAGES, ROOMY, ROOT, find_imports, list_modules, name_room

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


def test_an_init_imports_no_module_so_that_rooms_are_what_modules_say():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            assert not find_imports(path), path


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
