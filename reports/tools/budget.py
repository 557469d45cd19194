"""How much arithmetic each study takes: ``python -m reports.tools.budget --profile paper --tflops 300``.

Counted from the plans as ``pipeline.studies.workload`` does, not measured.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable

from pipeline.settings.yaml_files import read_yaml
from pipeline.studies.grid import PAPER_STUDIES, list_cells, list_methods, read_grid
from pipeline.studies.workload import count_cell

RATES = "rates"  # the study that tunes the paper's


def count_studies(profile: str, is_there: Callable[[str], bool] = lambda name: False) -> dict[str, float]:
    """Count the floating-point operations of each study at ``profile``."""
    params_content = read_yaml("params.yaml") | {"profile": profile}
    grid = read_grid()
    flops_of: dict[str, float] = defaultdict(float)
    for study in (RATES, *PAPER_STUDIES):
        for method in list_methods(study, grid):
            for cell in list_cells(study, method, params_content, grid, is_there):
                flops_of[study] += count_cell(cell)
    return dict(flops_of)


def render_budget(profile: str, tflops: float) -> str:
    """Render a line a study: its arithmetic, and the hours that takes at ``tflops`` TFLOP/s."""
    lines = [f"| study | TFLOP | hours at {tflops:g} TFLOP/s |", "|---|---|---|"]
    flops_of = count_studies(profile)
    for study, flops in [*flops_of.items(), ("all", sum(flops_of.values()))]:
        lines.append(f"| {study} | {flops / 1e12:,.0f} | {flops / tflops / 1e12 / 3600:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="paper", choices=["smoke", "embedded", "paper"])
    parser.add_argument("--tflops", type=float, default=300.0, help="what the machine reaches, all told")
    arguments = parser.parse_args()
    print(render_budget(arguments.profile, arguments.tflops))


if __name__ == "__main__":
    main()
