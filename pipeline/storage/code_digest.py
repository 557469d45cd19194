"""What code decided a result: a digest of modules with all that they import from this project.

Comments, docstrings and layout are left out: words can be polished without training anything again.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest_code(entries: Iterable[Path], root: Path) -> str:
    """Return the sha256 (hex) of modules below ``root`` and of all local ones that they import."""
    digest = hashlib.sha256()
    for path in sorted(list_modules(entries, root)):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(_dump_meaning(path.read_text(encoding="utf-8")).encode() + b"\0")
    return digest.hexdigest()


def list_modules(entries: Iterable[Path], root: Path) -> set[Path]:
    """List the modules given and all local ones that they import, directly or not."""
    reached: set[Path] = set()
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += _list_imports(module, root)
    return reached


@functools.cache  # a table's methods share nearly all modules
def _dump_meaning(source: str) -> str:
    """The syntax tree without docstrings and without places."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
    return ast.dump(tree, include_attributes=False)


def _list_imports(module: Path, root: Path) -> list[Path]:
    names = _read_imports(module.read_text(encoding="utf-8"))
    paths = (root.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return [path for path in paths if path.is_file()]


@functools.cache
def _read_imports(source: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)
