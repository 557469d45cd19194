"""How a method looks: the same colour, marker and line in every figure, and shades of it for its variants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from reports.drawing import OURS, PALETTE, REFERENCE, THIRD, Look

METHODS: dict[str, Look] = {
    method: {"color": colour, "marker": marker, "linestyle": style, "markersize": 5}
    for method, colour, marker, style in (
        ("Ours", OURS, "o", "-"),
        ("ABP", REFERENCE, "D", "-."),
        ("VAE", THIRD, "s", "--"),
        ("PPCA", "0.45", "^", ":"),
    )
}
OTHERS = PALETTE[3:]  # of methods without a look of their own
LIGHTEST, DARKEST = 0.55, 0.45  # how much of white or of black the ends of a row of shades have


def choose_looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each row's name: its method's; of several rows of a method shades, from light to dark.

    ``names``: a method, or a method with what is its own in brackets, as ``name_row`` has them.
    """
    of_method: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        of_method.setdefault(name.partition(" (")[0], []).append(name)
    others = cycle(OTHERS)
    looks: dict[str, Look] = {}
    for method, rows in of_method.items():
        shaded = shade(METHODS[method] if method in METHODS else next(others), len(rows))
        looks |= dict(zip(rows, shaded, strict=True))
    return looks


def shade(look: Look, count: int) -> list[Look]:
    """``count`` looks of one colour, from light to dark, each with a marker of its own."""
    if count == 1:
        return [look]
    markers = [look["marker"], *(one["marker"] for one in PALETTE if one["marker"] != look["marker"])]
    return [
        look | {"color": _mix(look["color"], 2 * place - 1), "marker": marker}
        for place, marker in zip(np.linspace(0, 1, count), cycle(markers), strict=False)
    ]


def choose_alpha_looks(alphas: Sequence[float]) -> list[Look]:
    """Looks for values of alpha, in order: ABP's for 0, which it is, and shades of Ours for the others."""
    shaded = iter(shade(METHODS["Ours"], sum(alpha != 0 for alpha in alphas) or 1))
    return [next(shaded) if alpha else METHODS["ABP"] for alpha in alphas]


def _mix(colour: str, darkness: float) -> str:
    """Mix a colour with white for a ``darkness`` down to -1, with black for one up to 1."""
    end, share = (0.0, DARKEST * darkness) if darkness > 0 else (1.0, -LIGHTEST * darkness)
    red, green, blue = ((1 - share) * one + share * end for one in to_rgb(colour))
    return to_hex((red, green, blue))
