from pathlib import Path

from benchmarks.repro_anew import STEPS, sum_cells
from reports.tools.benchmark_tables import render_repro

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def test_what_is_timed_is_what_make_repro_runs():
    _, _, recipe = MAKEFILE.read_text().partition("\nrepro:")
    lines = recipe.split("\n\n")[0].splitlines()[1:]
    commands = [line.split("||")[0].replace("$(IN_VENV)", "").strip() for line in lines]
    assert [*STEPS.values()] == [one for one in commands if not one.startswith("@echo")]


def test_a_cell_of_several_tables_counts_for_the_first():
    made = {"rates": {"a": {"seconds": 1.5}}, "table2": {"a": {"seconds": 1.5}, "b": {"seconds": 4}}}
    cells = sum_cells(made)
    assert cells == {"rates": {"cells": 1, "seconds": 1.5}, "table2": {"cells": 1, "seconds": 4.0}}
    measured = {
        "machine": {"cpu": "a chip, 2 cores", "torch": "2.15.0"},
        "profile": "embedded",
        "cores": 2,
        "seconds": {"learning rates": 90.0, "cells": 150.0},
        "cells": cells,
    }
    text = render_repro(measured)
    assert "everything trained: 4 minutes on 2 cores." in text
    assert text.endswith("| table2 | 1 | 4 |\n| all | 2 | 6 |")
