"""Settings files as they stand on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class ParamError(ValueError):
    """A settings file that cannot be read, or a key of it that is unknown or has a wrong value."""


def read_yaml(path: str | Path) -> Any:
    """Read a settings file of the repository; raises ParamError in one line that names it."""
    try:
        with open(path, encoding="utf-8") as file:
            return yaml.safe_load(file)
    except FileNotFoundError:
        raise ParamError(f"{path}: not found; run from the repository's root") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # not text, a number of thousands of digits
        raise ParamError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
