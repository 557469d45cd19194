"""A digest of code changes with what the code does, and with nothing else."""

from pathlib import Path

import pytest

from models.catalogue import METHODS
from pipeline.storage.code_digest import digest_code

ROOT = Path(__file__).parents[3]
SOURCE = '''"""What it is."""

import math


class Rate:
    """A rate."""

    def double(self, x):
        """Twice x."""
        return 2 * x + math.pi
'''


@pytest.fixture
def digest(tmp_path):
    """A function that digests a module of the text given."""

    def of(text):
        (tmp_path / "a.py").write_text(text)
        return digest_code([tmp_path / "a.py"], tmp_path)

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Twice x."""', '"""The double of x, as a number."""'),
        ('        """Twice x."""\n', ""),
        ('"""A rate."""', "'''A rate.'''"),
        ('"""What it is."""', '"""What it was."""'),
        ("import math\n", "import math  # for pi\n"),
        ("import math\n", "# for pi\n\n\nimport math\n\n"),
        ("2 * x + math.pi", "(2 * x\n                + math.pi)"),
    ],
)
def test_words_and_layout_leave_the_digest(digest, old, new):
    assert old in SOURCE and digest(SOURCE.replace(old, new)) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2 * x", "3 * x"),
        ("2 * x", "2.0 * x"),
        ("2 * x", "2 / x"),
        ("+ math.pi", "- math.pi"),
        ("math.pi", "math.e"),
        ("double", "twice"),
        ("self, x", "self, x=1"),
    ],
)
def test_another_number_operator_or_name_is_another_digest(digest, old, new):
    assert old in SOURCE and digest(SOURCE.replace(old, new)) != digest(SOURCE)


def test_a_text_that_is_no_docstring_counts(digest):
    assert digest("x = 'a'\n") != digest("x = 'b'\n")
    assert digest("def f():\n    return 'a'\n") != digest("def f():\n    return 'b'\n")


def test_changed_code_is_another_digest_and_code_that_is_not_imported_is_not(tmp_path):
    (tmp_path / "models").mkdir()
    entry, imported, other = (tmp_path / "models" / f"{name}.py" for name in "abc")
    entry.write_text("from models import b")
    imported.write_text("x = 1")
    other.write_text("y = 1")
    before = digest_code([entry], tmp_path)
    other.write_text("y = 2")
    assert digest_code([entry], tmp_path) == before
    imported.write_text("x = 2")
    assert digest_code([entry], tmp_path) != before


def test_a_method_that_another_imports_is_no_part_of_its_code():
    entry = ROOT / "pipeline" / "studies" / "measure.py"
    files = {METHODS[method].find_file(ROOT) for method in ("VAE", "Ours")}
    assert all(file.is_file() for file in files)
    digests = {digest_code([entry], ROOT), *(digest_code([entry, file], ROOT) for file in files)}
    assert len(digests) == 2  # the short run's code is part of every cell's, the VAE's of its own alone
