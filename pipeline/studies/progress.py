"""How far a set of cells is: one bar over all of them, and what is left of the time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tqdm import tqdm

from pipeline.studies.grid import Cell
from pipeline.studies.workload import estimate_seconds

FORMAT = "{desc} {percentage:3.0f}% |{bar}| {elapsed}{postfix}"


class Progress:
    """A bar on a terminal, as long as the cells' estimated seconds; nothing elsewhere."""

    def __init__(self, cells: Iterable[Cell]):
        self.waiting = [estimate_seconds(cell) for cell in cells]
        self.n_cells, self.n_done = len(self.waiting), 0
        self.done, self.spent = 0.0, 0.0  # estimated and true seconds of what has ended
        self.bar = tqdm(total=sum(self.waiting), desc="cells", bar_format=FORMAT, disable=None)

    def start(self, cell: Cell) -> None:
        """A cell no longer waits."""
        self.waiting.remove(estimate_seconds(cell))

    def end(self, cell: Cell, seconds: float) -> None:
        """A cell has ended after ``seconds``."""
        self.n_done += 1
        self.done, self.spent = self.done + estimate_seconds(cell), self.spent + seconds

    def put_back(self, cell: Cell) -> None:
        """A cell that was started waits again."""
        self.waiting.append(estimate_seconds(cell))

    def show(self, running: Sequence[tuple[Cell, float]], n_workers: int) -> None:
        """Draw the bar; ``running``: cells and when they were started, by time.monotonic()."""
        if self.bar.disable:
            return
        now, pace = time.monotonic(), self.spent / self.done if self.done else 1.0
        begun = [(estimate_seconds(cell), now - started) for cell, started in running]
        left = estimate_rest(
            [pace * one for one in self.waiting], [pace * e - s for e, s in begun], n_workers
        )
        self.bar.n = self.done + sum(min(estimated, seconds / pace) for estimated, seconds in begun)
        said = f"{self.n_done} of {self.n_cells} cells, {len(running)} running"
        self.bar.set_postfix_str(f"{said}, about {tqdm.format_interval(left)} left")

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()


def estimate_rest(waiting: Sequence[float], running: Sequence[float], n_workers: int) -> float:
    """Estimate the seconds until all is done, from those of waiting cells and those left of running ones.

    No schedule is shorter than the mean load of a worker or than the longest cell.
    """
    left = [max(seconds, 0.0) for seconds in running]
    load = (sum(waiting) + sum(left)) / max(1, n_workers)
    return max([load, *waiting, *left])
