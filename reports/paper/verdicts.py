"""The claims judged on measured cells: effect, interval and verdict of each, and of each place beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.evaluation.effects import judge
from pipeline.studies.measured import MeasuredCell
from reports.paper.claim_axes import measure_axis
from reports.paper.claim_places import measure_beats
from reports.paper.claim_values import Measured, Verdict
from reports.paper.claims import Beats, Claim
from reports.paper.learned import count_behind

Cells = Mapping[str, Sequence[MeasuredCell]]  # study -> its cells


def judge_claims(claims: Sequence[Claim], cells: Cells) -> list[Verdict]:
    """Judge every claim that is asked on its study's cells: each claim, then its places where it has several.

    A cell that is planned and not trained is one with an error (``planned.add_missing``): a claim must know
    what it does not rest on.
    """
    claims = [claim for claim in claims if is_asked(claim, cells.get(claim.study, ()))]
    measured = [measure_claim(claim, cells.get(claim.study, ())) for claim in claims]
    judged: dict[int, Verdict] = {}
    for study in dict.fromkeys(claim.study for claim in claims):
        numbers = [number for number, claim in enumerate(claims) if claim.study == study]
        family = _judge_family([measured[number][0] for number in numbers])
        judged |= dict(zip(numbers, family, strict=True))
    verdicts = []
    for number, (_, *places) in enumerate(measured):
        verdicts += [_note_unlearned(judged[number], cells), *_judge_family(places)]
    return verdicts


def _note_unlearned(verdict: Verdict, cells: Cells) -> Verdict:
    """The verdict with how many of the cells it rests on have learned no more than a linear model."""
    study = verdict.claim.study
    rival = getattr(verdict.claim.rule, "rival", "")
    behind = count_behind(study, verdict.cells, rival, cells.get(study, ()))
    return replace(verdict, note="; ".join(filter(None, (verdict.note, behind))))


def is_asked(claim: Claim, cells: Sequence[MeasuredCell]) -> bool:
    """Whether the study has the places of which alone the claim is."""
    only = claim.rule.only if isinstance(claim.rule, Beats) else {}
    return not only or any(only.items() <= cell.axes.items() for cell in cells)


def _judge_family(family: Sequence[Measured]) -> list[Verdict]:
    """The family's verdicts; what was not measured is undecided and counts for nothing."""
    estimates = [one.estimate for one in family if one.estimate is not None]
    margins = [one.verdict.claim.margin for one in family if one.estimate is not None]
    outcomes = iter(judge(estimates, margins))
    verdicts = []
    for one in family:
        if one.estimate is None:
            verdicts.append(one.verdict)
            continue
        word, p = next(outcomes)
        low, high = (None if np.isnan(end) else float(end) for end in one.estimate.bound())
        effect = float(one.estimate.effect)
        verdicts.append(replace(one.verdict, effect=effect, low=low, high=high, verdict=word, p=p))
    return verdicts


def measure_claim(claim: Claim, cells: Sequence[MeasuredCell]) -> list[Measured]:
    """The claim's estimate, and those of its places where it has several."""
    if isinstance(claim.rule, Beats):
        return measure_beats(claim, claim.rule, cells)
    return measure_axis(claim, claim.rule, cells)
