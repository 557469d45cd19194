"""Claims for tests to judge."""

import numpy as np

from reports.paper.claims import Beats, Claim
from reports.paper.verdicts import judge_claims

MARGIN = np.log(1.05)
BEATS_ABP = Beats("Ours", "ABP", "frechet_distance")
DATASETS = ("mnist5k", "colour_digits", "emoji")


def make_claim(rule=BEATS_ABP, study="table2", quantity="frechet_distance", better="lower", unit="ratio"):
    """A claim: by default, that Ours has a lower Frechet distance than ABP."""
    return Claim("it is so", study, quantity, better, unit, MARGIN if unit == "ratio" else 0.02, rule)


def judge(one, cells):
    """Judge one claim by cells: its verdict over all places, then at each."""
    return judge_claims([one], {one.study: cells})
