"""What code decided a result: a digest of modules with all that they import from this project."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest_code(entries: Iterable[Path], root: Path) -> str:
    """sha256 of modules below ``root`` and of all local modules that they import, directly or not."""
    found, waiting = set(), list(entries)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _list_imports(module, root)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _list_imports(module: Path, root: Path) -> list[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (root.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return [path for path in paths if path.is_file()]
