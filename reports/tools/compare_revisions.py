"""Which results of a small run are bit-equal to those of another revision: ``make compare BASE=<revision>``.

Runs the pipeline's own run and a few cells of every kind at profile smoke in checkouts of both revisions, in
turn, and compares what they leave: tensors and arrays element by element, JSON key by key without seconds,
tables text by text, pictures byte by byte. Ends with status 1 where a result differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reports.tools.revision_results import Results, find_known, find_renamed, read_results
from reports.tools.revision_runs import (
    RIVALS,
    Checkout,
    check_out,
    copy_working_tree,
    make_ready,
    open_checkout,
    run_both,
)

EQUAL, CHANGED, DIFFERS = "equal", "renamed", "DIFFERS"
BASE, PRESENT = "base", "present"
ONLY_BASE, ONLY_PRESENT = "only in the base", "only in the present revision"
SHOWN = 60  # letters of a value in a line
MISSING = object()


@dataclass(frozen=True)
class Comparison:
    """How a result of one revision compares with the other's.

    ``values``: how many were compared; ``known``: changes made on purpose, a line each; ``differences``:
    the others; ``failed``: how many of its cells have an error for a result, which may be equal, too.
    """

    name: str
    values: int
    known: tuple[str, ...] = field(default=())
    differences: tuple[str, ...] = field(default=())
    failed: int = 0

    @property
    def verdict(self) -> str:
        """One of EQUAL, CHANGED and DIFFERS."""
        return DIFFERS if self.differences else CHANGED if self.known else EQUAL


def compare_results(base: Results, present: Results, known: bool) -> list[Comparison]:
    """Compare all results of two revisions, by name; ``known`` lets changes of KNOWN pass."""
    names = sorted(set(base) | set(present))
    return [compare_values(name, base.get(name), present.get(name), known) for name in names]


def compare_values(
    name: str, base: Mapping[str, Any] | None, present: Mapping[str, Any] | None, known: bool
) -> Comparison:
    """Compare one result's values by key; a result that one revision lacks is a difference."""
    changes, differences = [], []
    old, new = dict(base or {}), dict(present or {})
    for key, (renamed, cause) in (find_renamed(name) if known else {}).items():
        if key in old:
            old[renamed] = old.pop(key)
            changes.append(f"{name}/{key} -> {name}/{renamed} ({cause})")
    keys = sorted(set(old) | set(new))
    for key in keys:
        before, after = old.get(key, MISSING), new.get(key, MISSING)
        if is_same(before, after):
            continue
        place = f"{name}/{key}" if key else name
        said = f"{place}: {describe_difference(before, after)}"
        change = find_known(place, key in old, key in new, (before, after)) if known else None
        if change is None:
            differences.append(said)
        else:
            changes.append(f"{said} ({change.cause})")
    if differences and (base is None or present is None):
        differences = [f"{name}: {ONLY_PRESENT if base is None else ONLY_BASE}"]
    failed = sum(bool(value) for key, value in new.items() if key.endswith("/error"))
    return Comparison(name, len(keys), tuple(changes), tuple(differences), failed)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal bit by bit: type, shape and content; NaN equals NaN, 0 is not -0."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()
    if type(one) is not type(other):
        return False
    return one == other if isinstance(one, bytes | str) or one is MISSING else repr(one) == repr(other)


def describe_difference(before: Any, after: Any) -> str:
    """Two values that differ, in words: both, or for arrays how many elements differ and by how much."""
    if before is MISSING or after is MISSING:
        return ONLY_PRESENT if before is MISSING else ONLY_BASE
    if isinstance(before, np.ndarray) and isinstance(after, np.ndarray):
        if (before.dtype, before.shape) != (after.dtype, after.shape):
            return f"{before.dtype} {before.shape} -> {after.dtype} {after.shape}"
        n_apart = sum(
            one.tobytes() != other.tobytes() for one, other in zip(before.flat, after.flat, strict=True)
        )
        largest = np.abs(before.astype(float) - after.astype(float)).max()
        return f"{n_apart} of {before.size} elements differ, by up to {largest:.3g}"
    if isinstance(before, bytes) and isinstance(after, bytes):
        return _describe_bytes(before, after)
    return f"{_shorten(before)} -> {_shorten(after)}"


def _describe_bytes(before: bytes, after: bytes) -> str:
    try:
        lines = [content.decode().splitlines() for content in (before, after)]
    except UnicodeDecodeError:
        return f"{len(before)} bytes -> {len(after)} bytes"
    pairs = zip(*lines, strict=False)
    number, pair = next(
        ((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]), (0, None)
    )
    if pair is None:
        return f"{len(lines[0])} lines -> {len(lines[1])} lines"
    return f"line {number}: {_shorten(pair[0])} -> {_shorten(pair[1])}"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def render_comparisons(comparisons: Sequence[Comparison]) -> str:
    """A line a result with its verdict, below it what differs; the last line counts them."""
    lines = []
    for one in comparisons:
        failed = f", {one.failed} failed cells" if one.failed else ""
        lines.append(f"{one.verdict:8} {one.name} ({one.values} value{'s' * (one.values != 1)}{failed})")
        lines += [f"           {line}" for line in (*one.differences, *one.known)]
    counts = Counter(one.verdict for one in comparisons)
    lines.append(f"{counts[CHANGED]} results have changes that are known and bit-equal values otherwise")
    lines.append(f"{counts[EQUAL]} results equal, {counts[DIFFERS]} differ")
    return "\n".join(lines)


def compare_checkouts(base: Checkout, present: Checkout) -> list[Comparison]:
    """Compare the results that lie in two checkouts; raises ValueError where there are none."""
    before, after = (read_results(one.folder, one.layout) for one in (base, present))
    for checkout, results in ((base, before), (present, after)):
        if not results:
            raise ValueError(f"{checkout.revision}: no results in {checkout.folder}")
    return compare_results(before, after, known=base.layout is not present.layout)


def run_revisions(arguments: argparse.Namespace, root: Path) -> tuple[Checkout, Checkout]:
    """Check out both revisions into ``root`` and run both; raises ValueError where one cannot."""
    base = check_out(arguments.base, root / BASE)
    if arguments.dirty:
        present = copy_working_tree(root / PRESENT)
    else:
        present = check_out("HEAD", root / PRESENT)
    for checkout in (base, present):
        make_ready(checkout, arguments.rivals)
    run_both((base, present), arguments.rivals, arguments.jobs)
    return base, present


def main() -> None:
    """Check out, run, compare, say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", help="the revision to compare with")
    parser.add_argument("--dirty", action="store_true", help="compare the working tree, not its HEAD")
    parser.add_argument("--rivals", nargs="+", default=RIVALS, help="methods run on the leaderboard")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=1, help="2 runs both side by side")
    parser.add_argument("--keep", type=Path, help="a new folder where the two checkouts stay")
    parser.add_argument("--again", type=Path, help="run nothing, compare what --keep left in a folder")
    arguments = parser.parse_args()
    if (arguments.base is None) == (arguments.again is None):
        parser.error("expected --base REVISION or --again FOLDER (make compare BASE=<revision>)")
    with ExitStack() as stack:
        try:
            if arguments.again:
                base, present = (open_checkout(name, arguments.again / name) for name in (BASE, PRESENT))
            else:
                root = arguments.keep or Path(
                    stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-"))
                )
                base, present = run_revisions(arguments, root)
            comparisons = compare_checkouts(base, present)
        except (ValueError, OSError) as error:
            sys.exit(f"compare: {error}")
    print(render_comparisons(comparisons))
    sys.exit(any(one.differences for one in comparisons))


if __name__ == "__main__":
    main()
