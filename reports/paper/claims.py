"""The paper's claims as data: reports/paper/claims.yaml, read and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.settings.yaml_files import ParamError, read_yaml
from reports.paper.layouts import LAYOUTS, name_study

CLAIMS = Path(__file__).parent / "claims.yaml"
CLAIM_KEYS = ("claim", "study", "quantity", "better", "unit", "rule")
BETTER = ("lower", "higher")
UNITS = ("ratio", "difference")
SPACINGS = ("log", "linear")
AMONG = ("inside", "first", "not_first")


@dataclass(frozen=True)
class Beats:
    """``method`` is better than ``rival``, paired by seed, over the places of a study.

    ``rival_quantity``: the rival's number, where it is another than the method's; then ``rival`` may be the
    method itself, before and after. ``where``: values of axes at which cells count, of a method that has the
    axis; ``only``: the same, and where no cell has them the claim is not asked.
    """

    method: str
    rival: str
    rival_quantity: str
    where: dict[str, Any] = field(default_factory=dict)
    only: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trend:
    """The quantity falls or rises along an axis whose values stand at their logarithm or at themselves.

    It is that of ``method``, or of the study's only one. With ``rival`` it is the method's lead over the
    rival in it, paired by seed, that rises. ``where`` as in ``Beats``; ``values``: those of the axis that
    count, all if none is named.
    """

    along: str
    spacing: str
    method: str = ""
    rival: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Best:
    """The best value along an axis is inside, the first, or not the first."""

    along: str
    among: str


@dataclass(frozen=True)
class Claim:
    """A sentence of section 7 and what decides on it.

    ``better``: which side of ``quantity`` is the paper's; ``unit``: ratio for effects that are log ratios,
    difference for plain ones; ``margin``: the smallest effect that matters, in that unit.
    """

    text: str
    study: str
    quantity: str
    better: str
    unit: str
    margin: float
    rule: Beats | Trend | Best

    @property
    def label(self) -> str:
        """The claim after the name of its table or figure."""
        return f"{name_study(self.study)}: {self.text}"


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """Read the claims; raises ParamError naming the entry, what it has and what would be right."""
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != {"margins", "claims"}:
        raise ParamError(f"{path}: expected the keys margins and claims")
    margins = content["margins"]
    if not isinstance(margins, dict) or set(margins) != set(UNITS):
        raise ParamError(f"{path}: margins: found {margins!r}, expected {' and '.join(UNITS)}")
    if not margins["ratio"] > 1 or not margins["difference"] > 0:
        raise ParamError(f"{path}: margins: found {margins}, expected a ratio > 1 and a difference > 0")
    sizes = {"ratio": math.log(margins["ratio"]), "difference": margins["difference"]}
    return [
        parse_claim(entry, sizes, f"{path.name}: claims[{number}]")
        for number, entry in enumerate(content["claims"])
    ]


def parse_claim(entry: Any, margins: dict[str, float], where: str) -> Claim:
    """Check an entry of the file and make a claim of it; raises ParamError that begins with ``where``."""
    if not isinstance(entry, dict) or set(entry) != set(CLAIM_KEYS):
        raise ParamError(f"{where}: found {entry!r}, expected the keys {', '.join(CLAIM_KEYS)}")
    _check(where, "study", entry["study"], LAYOUTS)
    known = [quantity.key for quantity in LAYOUTS[entry["study"]].quantities]
    _check(where, "quantity", entry["quantity"], known)
    _check(where, "better", entry["better"], BETTER)
    _check(where, "unit", entry["unit"], UNITS)
    rule = dict(entry["rule"])
    kind = rule.pop("kind", None)
    try:
        parsed: Beats | Trend | Best
        if kind == "beats":
            given = {"rival": rule.get("method"), "rival_quantity": entry["quantity"], **rule}
            parsed = Beats(**given)
            _check(where, "rule.rival_quantity", parsed.rival_quantity, known)
            if (parsed.rival, parsed.rival_quantity) == (parsed.method, entry["quantity"]):
                raise ParamError(f"{where}: rule: found neither rival nor rival_quantity, expected one")
        elif kind == "trend":
            parsed = Trend(**{**rule, "values": tuple(rule.get("values", ()))})
            _check(where, "rule.spacing", parsed.spacing, SPACINGS)
            if parsed.rival and not parsed.method:
                raise ParamError(f"{where}: rule: found {rule}, expected the method whose lead it is")
        else:
            _check(where, "rule.kind", kind, ("beats", "trend", "best"))
            parsed = Best(**rule)
            _check(where, "rule.among", parsed.among, AMONG)
    except TypeError as error:  # a key too many or too few
        raise ParamError(f"{where}: rule: {error}") from None
    unit = entry["unit"]
    return Claim(
        entry["claim"], entry["study"], entry["quantity"], entry["better"], unit, margins[unit], parsed
    )


def _check(where: str, key: str, value: Any, known: Any) -> None:
    if value not in known:
        raise ParamError(f"{where}: {key}: found {value!r}, expected one of {', '.join(known)}")
