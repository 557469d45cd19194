"""A settings file's content against the dataclasses that describe it."""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from dataclasses import field
from typing import Any, Literal

from pipeline.settings.yaml_files import ParamError


def bounded(low: float = -math.inf, high: float = math.inf, open_low: bool = False, **kwargs: Any) -> Any:
    """Declare the range of a numeric field: [low, high], or (low, high] with ``open_low``."""
    return field(metadata={"low": low, "high": high, "open_low": open_low}, **kwargs)


def parse_dataclass(cls: type, content: Any, prefix: str) -> Any:
    """Validate ``content`` as a ``cls``, whose keys begin with ``prefix``; raises ParamError."""
    where = prefix.rstrip(".") or "params.yaml"
    if not isinstance(content, dict):
        raise ParamError(f"{where}: found {content!r}, expected a mapping of keys")
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for key in content:
        if key not in fields:
            shown = str(key).encode("unicode_escape").decode()  # one line, whatever stands in the key
            raise ParamError(f"{prefix}{shown}: unknown key, expected one of {', '.join(fields)}")
    for key in fields:
        if key not in content:
            raise ParamError(f"{prefix}{key}: missing from params.yaml")
    hints = typing.get_type_hints(cls)
    return cls(
        **{key: _parse_value(hints[key], content[key], prefix + key, fields[key].metadata) for key in fields}
    )


def _parse_value(hint: Any, value: Any, key: str, limits: typing.Mapping[str, Any]) -> Any:
    if dataclasses.is_dataclass(hint):
        return parse_dataclass(typing.cast(type, hint), value, key + ".")
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        if typing.get_origin(option) is Literal:
            if isinstance(value, str) and value in typing.get_args(option):
                return value
        elif option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            # An integer may be larger than any float.
            if abs(value) <= sys.float_info.max and _is_within(value, limits):
                return float(value)
        elif option is int and isinstance(value, int) and not isinstance(value, bool):
            if _is_within(value, limits):
                return value
        elif option in (bool, str, type(None)) and isinstance(value, option):
            return value
    raise ParamError(f"{key}: found {value!r}, expected {_describe(options, limits)}")


def _is_within(value: float, limits: typing.Mapping[str, Any]) -> bool:
    low, high = limits.get("low", -math.inf), limits.get("high", math.inf)
    return (value > low if limits.get("open_low") else value >= low) and value <= high


def _describe(options: tuple[Any, ...], limits: typing.Mapping[str, Any]) -> str:
    """Say in words what would be right: types, range, allowed names."""
    words = []
    for option in options:
        if typing.get_origin(option) is Literal:
            words.append(" | ".join(typing.get_args(option)))
        elif option in (int, float):
            low, high = limits.get("low", -math.inf), limits.get("high", math.inf)
            noun = "an integer" if option is int else "a number"
            relation = ">" if limits.get("open_low") else ">="
            bounds = [f"{relation} {low:g}"] if low > -math.inf else []
            bounds += [f"<= {high:.10g}"] if high < math.inf else []
            words.append(" ".join([noun, " and ".join(bounds)]).strip())
        else:
            words.append({bool: "true or false", str: "a string", type(None): "null"}[option])
    return " or ".join(words)
