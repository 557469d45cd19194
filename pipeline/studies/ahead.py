"""All that is missing of several studies, trained at once, so that their stages only assemble."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.settings.params import Params
from pipeline.studies.grid import Grid
from pipeline.studies.making import check_devices, describe_mixture, find_engine
from pipeline.studies.planning import PlannedCell, plan_studies
from pipeline.studies.recall import KeyedCell, is_final
from pipeline.studies.result import CellResult

Train = Callable[[Sequence[KeyedCell]], Iterator[tuple[KeyedCell, CellResult]]]
log = logging.getLogger(__name__)


def train_missing(studies: Sequence[str], params: Params, grid: Grid, train: Train) -> int:
    """Give ``train`` the cells of ``studies`` that are not kept; it keeps them, and yields what came out.

    Cells that others tune follow when those are there. Returns how many are missing all the same, each of
    which has its line in the log. Raises ValueError where kept cells were made on a CPU and the others would
    be made on a GPU, or the reverse.
    """
    failed: set[str] = set()
    told: set[str] = set()
    while True:
        planned = list(plan_studies(studies, params, grid, download=True))
        missing = {one.keyed.key: one.keyed for one in planned if one.keyed and not one.is_kept}
        todo = [keyed for key, keyed in missing.items() if key not in failed]
        if not todo:
            break
        for study in {one.cell.study: None for one in todo if one.cell.study not in told}:
            check_mixture(study, planned, params)
            told.add(study)
        for keyed, result in train(todo):
            if not is_final(result):
                failed.add(keyed.key)
                log.warning("%s: %s", keyed, result.error)
    without_key = [one for one in planned if one.keyed is None]
    for reason in sorted({f"{one.cell.study}: {one.reason}" for one in without_key}):
        log.warning("%s", reason)
    return len(missing) + len(without_key)


def check_mixture(study: str, planned: Iterable[PlannedCell], params: Params) -> None:
    """Compare what a study's kept cells were made with to what the missing ones would be made with here.

    Raises ValueError for a CPU and a GPU; another precision is a line in the log.
    """
    kept = {
        one.keyed.key: one.made for one in planned if one.cell.study == study and one.keyed and one.is_kept
    }
    if not kept:
        return
    engine = find_engine(params.engine)
    check_devices(params.profile, study, kept, engine)
    if mixture := describe_mixture(params.profile, study, kept, engine):
        log.warning("%s", mixture)
