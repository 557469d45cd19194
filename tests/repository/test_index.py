"""What the documents point at is there: the index of the paper, links, sections that code cites."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("models", "pipeline", "stages", "reports", "benchmarks")
INDEXES = {"README.md": 10, "docs/architecture.md": 40}  # and how many rows each has at least
TRACKED = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
DOCUMENTS = [path for path in TRACKED if re.fullmatch(r"[A-Z]+\.md|docs/.*\.md", path)]


def read_index(document: str) -> list[tuple[str, str]]:
    """The rows `what | where` of a document's tables with that head: what, and the text of where."""
    rows, inside = [], False
    for line in (ROOT / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        inside = line.startswith("|") and (inside or cells == ["what", "where"])
        if inside and len(cells) == 2 and cells != ["what", "where"] and set(line) - set("|-: "):
            rows.append((cells[0], cells[1]))
    return rows


def list_definitions(path: Path) -> set[str]:
    """The functions, classes and `Class.method`s of a module, and its constants."""
    defined = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            defined |= {f"{node.name}.{method}" for method in methods}
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    return defined


@pytest.mark.parametrize("document", INDEXES)
def test_every_row_of_an_index_names_what_is_there(document):
    rows = read_index(document)
    assert len(rows) >= INDEXES[document]
    for what, where in rows:
        places = re.findall(r"`([^`]*)`", where)
        assert places, f"{document}: {what}: nowhere"
        for place in places:
            path, _, name = place.partition(":")
            assert (ROOT / path).is_file(), f"{document}: {what}: no file {path}"
            assert name in list_definitions(ROOT / path), f"{document}: {what}: no {name} in {path}"


def test_the_same_row_says_the_same_in_both_indexes():
    """What the short index calls by the name of an equation or a table is where the whole one has it."""
    whole = read_index("docs/architecture.md")
    for what, where in read_index("README.md"):
        for name in re.findall(r"(?:Eq\. \(\d+\)|Algorithm \d|Table \d)(?=,)", what):
            assert where in {there for row, there in whole if row.startswith(name)}, f"{what}: {where}"


def test_the_whole_index_leaves_nothing_of_the_paper_out():
    text = " ".join(what for what, _ in read_index("docs/architecture.md"))
    assert {int(number) for number in re.findall(r"Eq\. \((\d+)\)", text)} == set(range(5, 20))
    assert {int(number) for number in re.findall(r"Algorithm (\d+)", text)} == {1, 2, 3}
    assert {int(number) for number in re.findall(r"Table (\d+)", text)} == set(range(1, 9))
    assert {int(number) for number in re.findall(r"Figure (\d+)", text)} == set(range(2, 11))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_documents_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"


def test_sections_of_documents_that_code_cites_are_there():
    cited = set()
    for path in TRACKED:
        if path.endswith((".py", ".yaml", ".md")) and (ROOT / path).is_file():
            text = re.sub(r"\s+", " ", (ROOT / path).read_text())
            cited |= set(re.findall(r"\b([a-z_]+), section (\d+)\b", text))
    assert len(cited) >= 4
    for name, number in cited:
        document = (ROOT / "docs" / f"{name}.md").read_text()
        assert re.search(rf"^## {number}\. ", document, flags=re.MULTILINE), f"{name}, section {number}"


def test_documents_that_code_names_are_there():
    for path in TRACKED:
        if path.endswith(".py") and path.split("/")[0] in CODE and (ROOT / path).is_file():
            for name in re.findall(r"\bdocs/[a-z_/]+\.md\b", (ROOT / path).read_text()):
                assert (ROOT / name).is_file(), f"{path}: {name}"


def test_the_readme_is_read_in_one_sitting():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
