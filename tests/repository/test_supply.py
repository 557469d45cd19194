"""What is installed: complete, consistent, with licences that are known."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from reports.tools.licences import UNSAID, find_licence, read_locked, render_licences

ROOT = Path(__file__).parents[2]
LOCKED = read_locked((ROOT / "requirements.lock").read_text())


def is_installed(name):
    try:
        return bool(metadata(name))
    except PackageNotFoundError:
        return False


def test_pip_finds_no_conflict():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_pin_has_a_hash_and_none_names_an_index():
    lock = (ROOT / "requirements.lock").read_text()
    assert len(LOCKED) > 100 and lock.count("--hash=sha256:") >= len(LOCKED)
    assert "index-url" not in lock and "://" not in lock


def test_the_licences_of_what_is_installed_are_known():
    installed = [name for name in LOCKED if is_installed(name)]
    unknown = [name for name in installed if find_licence(name) == UNSAID]
    assert len(installed) > 100 and len(unknown) <= 3, unknown
    text = render_licences([*installed, "no-such-distribution"])
    assert "| torch |" in text and "other platforms or Python versions: no-such-distribution." in text
