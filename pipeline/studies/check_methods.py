"""Check the methods of tables.yaml: ``python -m pipeline.studies.check_methods``."""

from __future__ import annotations

import sys

from models.catalogue import METHODS
from pipeline.settings.yaml_files import ParamError
from pipeline.studies.grid import check_methods, read_grid


def main() -> None:
    """Check the methods of tables.yaml, before DVC writes their names into a command line."""
    try:
        check_methods(read_grid(), METHODS)
    except ParamError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
