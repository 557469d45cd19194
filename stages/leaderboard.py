"""Stage leaderboard: all methods side by side, from what the stage cells left of leaderboard and tuning."""

from __future__ import annotations

from models.catalogue import METHODS
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from pipeline.storage.files import write_folder, write_text
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.measured import read_cells
from pipeline.studies.planning import list_study
from pipeline.studies.workload import count_evaluations
from reports.beyond.leaderboard_table import draw_leaderboard, render, render_methods, tabulate
from reports.beyond.length_curves import draw_length_curves, trace_curves
from reports.beyond.rival_tables import write_rival_tables
from reports.beyond.standings import mark_lengths
from reports.beyond.tuning_table import render_tuning, tabulate_tuning
from reports.paper.all_methods import MIXTURE, OURS, add_mixture, keep_longest
from reports.paper.published import read_published

STUDY, TUNING = "leaderboard", "tuning"


def leaderboard(params: Params, tracker: object) -> None:
    """Write the leaderboard, the methods' rows in Tables 2, 3 and 8, their tuning and sources, the figure."""
    grid = read_grid()
    methods = list_methods(STUDY, grid)
    cells = add_mixture(read_cells(params.profile, STUDY, methods))
    longest = keep_longest(cells)
    frame = tabulate(longest)
    tuning = tabulate_tuning(read_cells(params.profile, TUNING, methods))
    factors = sorted(set(tuning["rate_factor"]))
    evaluations = {cell.method: count_evaluations(cell) for cell in list_study(STUDY, params, grid)}
    if OURS in evaluations:
        evaluations[MIXTURE] = evaluations[OURS]
    with write_folder(places.find_exhibit(params.profile, STUDY)) as folder:
        write_text(folder / "leaderboard.csv", frame.to_csv(index=False))
        write_text(folder / "leaderboard.md", render(cells, params.profile, factors, evaluations=evaluations))
        write_rival_tables(longest, grid["studies"][STUDY]["axes"], read_published(), params.profile, folder)
        write_text(folder / "tuning.csv", tuning.to_csv(index=False))
        write_text(folder / "tuning.md", render_tuning(tuning, params.profile))
        write_text(folder / "methods.md", render_methods({name: METHODS[name] for name in methods}))
        draw_leaderboard(folder / "leaderboard.png", frame)
        if any(len(curve) > 1 for curve in trace_curves(cells).values()):
            draw_length_curves(folder / "lengths.png", cells, mark_lengths(cells))


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("leaderboard", leaderboard)


if __name__ == "__main__":
    main()
