"""Which module of the project imports which, and the room that each lies in."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "pipeline", "stages", "reports", "benchmarks")
ROOMY = ("models", "pipeline", "reports")  # packages whose folders are dependencies as wholes


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


def name_room(path: Path) -> str:
    """A module's room: its folder below models, pipeline or reports, or itself where it lies in none."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2] if parts[0] in ROOMY else parts)


def list_modules(package: str) -> list[Path]:
    """The modules of a package; its `__init__` hold docstrings alone."""
    return [path for path in sorted((ROOT / package).rglob("*.py")) if path.name != "__init__.py"]
