"""What is left of the time is no less than any schedule takes."""

import pytest

from pipeline.studies.progress import estimate_rest


@pytest.mark.parametrize(
    ("waiting", "running", "n_workers", "seconds"),
    [
        ([10, 10, 10, 10], [], 2, 20),  # an even load
        ([30, 1, 1], [], 2, 30),  # the longest cell
        ([], [12, -5], 2, 12),  # one that takes longer than was estimated is about to end
        ([4], [6], 1, 10),
        ([], [], 3, 0),
    ],
)
def test_the_rest_is_the_load_or_the_longest_cell(waiting, running, n_workers, seconds):
    assert estimate_rest(waiting, running, n_workers) == seconds
