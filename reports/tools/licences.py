"""Licences of what requirements.lock installs, as a page: ``python -m reports.tools.licences``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path

from pipeline.storage import places
from pipeline.storage.files import write_text

LOCK = Path("requirements.lock")
PAGE = places.RESULTS / "licences.md"
UNSAID = "not said in its metadata"
KNOWN = ("MIT License", "Apache License", "Mozilla Public License", "BSD 3-Clause")
FIRST_CHARACTERS = 600  # of a licence file, where it says which licence it is
LONGEST = 60  # a longer ``License`` field is the licence's text


def read_locked(lock: str) -> list[str]:
    """Read which distributions a lock file pins, in its order."""
    return re.findall(r"^([A-Za-z0-9._-]+)==", lock, flags=re.MULTILINE)


def find_licence(name: str) -> str:
    """A distribution's licence by its own metadata: expression, short field, or trove classifiers."""
    fields = metadata(name)
    expression, field = (
        fields[key].strip() if key in fields else "" for key in ("License-Expression", "License")
    )
    if expression:
        return expression
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in fields.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith(":: OSI Approved")
    ]
    if classifiers:
        return ", ".join(dict.fromkeys(classifiers))
    first_line = field.splitlines()[0] if field else ""
    return first_line[:LONGEST] or _recognise_licence(name) or UNSAID


def _recognise_licence(name: str) -> str:
    """The licence that a distribution's own licence file begins with, "" where none is known."""
    for path in files(name) or []:
        if path.name.upper().startswith("LICEN") and ".dist-info" in str(path):
            beginning = path.read_text()[:FIRST_CHARACTERS]
            for known in KNOWN:
                if known in beginning:
                    return f"{known} (its licence file)"
    return ""


def render_licences(names: Iterable[str]) -> str:
    """Render a line a distribution that is installed, and which are for other platforms."""
    lines = ["# Licences of the dependencies", "", "Written by `python -m reports.tools.licences`.", ""]
    lines += ["| distribution | version | licence |", "|---|---|---|"]
    elsewhere = []
    for name in names:
        try:
            lines.append(f"| {name} | {metadata(name)['Version']} | {find_licence(name)} |")
        except PackageNotFoundError:
            elsewhere.append(name)
    if elsewhere:
        lines += ["", f"Pinned for other platforms or Python versions: {', '.join(elsewhere)}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    write_text(PAGE, render_licences(read_locked(LOCK.read_text())))


if __name__ == "__main__":
    main()
