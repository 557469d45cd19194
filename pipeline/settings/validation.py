"""A settings file's content against the dataclasses that describe it."""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from pipeline.settings.yaml_files import ParamError


class Settings(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Parsed = TypeVar("Parsed", bound=Settings)


@dataclass(frozen=True)
class Bounds:
    """The range of a number, as its hint's annotation: [low, high], or (low, high] with ``open_low``."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False

    def __contains__(self, value: float) -> bool:
        return (value > self.low if self.open_low else value >= self.low) and value <= self.high

    def describe(self, noun: str) -> str:
        """``noun`` and the range in words: a number > 0 and <= 1."""
        relation = ">" if self.open_low else ">="
        ends = [f"{relation} {self.low:g}"] if self.low > -math.inf else []
        ends += [f"<= {self.high:.10g}"] if self.high < math.inf else []
        return " ".join([noun, " and ".join(ends)]).strip()


def parse_dataclass(cls: type[Parsed], content: Any, prefix: str) -> Parsed:
    """Validate ``content`` as a ``cls``, whose keys begin with ``prefix``; raises ParamError."""
    where = prefix.rstrip(".") or "params.yaml"
    if not isinstance(content, dict):
        raise ParamError(f"{where}: found {content!r}, expected a mapping of keys")
    fields = [item.name for item in dataclasses.fields(cls)]
    for key in content:
        if key not in fields:
            shown = str(key).encode("unicode_escape").decode()  # one line, whatever stands in the key
            raise ParamError(f"{prefix}{shown}: unknown key, expected one of {', '.join(fields)}")
    for key in fields:
        if key not in content:
            raise ParamError(f"{prefix}{key}: missing from params.yaml")
    hints = _read_hints(cls)
    return cls(**{key: _parse_value(hints[key], content[key], prefix + key) for key in fields})


@functools.cache  # tables.yaml has hundreds of cells
def _read_hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _parse_value(hint: Any, value: Any, key: str) -> Any:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return parse_dataclass(hint, value, key + ".")
    bounds = Bounds()
    if typing.get_origin(hint) is Annotated:
        hint, bounds = typing.get_args(hint)
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        if typing.get_origin(option) is Literal:
            if isinstance(value, str) and value in typing.get_args(option):
                return value
        elif option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            # An integer may be larger than any float.
            if abs(value) <= sys.float_info.max and value in bounds:
                return float(value)
        elif option is int and isinstance(value, int) and not isinstance(value, bool):
            if value in bounds:
                return value
        elif option in (bool, str, type(None)) and isinstance(value, option):
            return value
    raise ParamError(f"{key}: found {value!r}, expected {_describe(options, bounds)}")


def _describe(options: tuple[Any, ...], bounds: Bounds) -> str:
    """Say in words what would be right: types, range, allowed names."""
    words = []
    for option in options:
        if typing.get_origin(option) is Literal:
            words.append(" | ".join(typing.get_args(option)))
        elif option in (int, float):
            words.append(bounds.describe("an integer" if option is int else "a number"))
        else:
            words.append({bool: "true or false", str: "a string", type(None): "null"}[option])
    return " or ".join(words)
