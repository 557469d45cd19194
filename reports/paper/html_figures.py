"""The report's pictures: curves as SVG in the page, image grids pixel by pixel, the rest as on disk."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.studies.measured import MeasuredCell
from reports.drawing import tile_images
from reports.paper.figures import CLOUDS, FIGURES, GRIDS, list_drawn
from reports.paper.html_parts import embed_png, join_sentences, slug, tag
from reports.paper.image_figures import Grid
from reports.paper.names import describe_facts

ID_USES = re.compile(r'\b(id="|xlink:href="#|url\(#)([A-Za-z][\w-]*)')

if TYPE_CHECKING:
    from torch import Tensor


def render_figures(
    study: str, cells: Sequence[MeasuredCell], exhibits: Path, captions: dict[str, str]
) -> str:
    """All figures of a study, each drawn from its cells, or shown as the exhibit has it where they lack it.

    ``exhibits``: the folder of the study's PNG files; ``captions``: words by the figure's name.
    """
    parts = []
    for name in FIGURES[study]:
        drawn = list_drawn(name, cells)
        caption = join_sentences(captions[name], describe_facts(drawn))
        parts.append(_render_figure(study, name, drawn, exhibits, caption))
    return "".join(parts)


def _render_figure(study: str, name: str, cells: Sequence[MeasuredCell], exhibits: Path, caption: str) -> str:
    content = ""
    try:
        if name in GRIDS and cells:
            content = render_grid(GRIDS[name](cells), caption)
        elif name not in CLOUDS and cells:
            content = draw_svg(study, name, cells, caption)
    except (KeyError, StopIteration, IndexError):  # cells that were kept for their numbers alone
        content = ""
    return wrap_figure(name, content, caption) if content else render_png(exhibits / f"{name}.png", caption)


def draw_svg(study: str, name: str, cells: Sequence[MeasuredCell], caption: str) -> str:
    """Draw a figure of curves as SVG whose text is text, to stand inside the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.svg"
        FIGURES[study][name](path, cells)
        return inline_svg(path.read_text(encoding="utf-8"), f"{study}-{name}", caption)


def inline_svg(text: str, prefix: str, caption: str) -> str:
    """Make an SVG file a part of a page: names of its own, the page's colours for black on white, a title."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = ID_USES.sub(rf"\g<1>{prefix}-\g<2>", text)
    text = re.sub(r"(fill|stroke): ?#000000", r"\1: currentColor", text)
    text = re.sub(r"fill: ?#ffffff", "fill: none", text)
    text = re.sub(r"(font: [\d.]+px )[^;\"]*", r"\1system-ui, sans-serif", text)
    text = re.sub(r" (width|height)=\"[\d.]+pt\"", "", text, count=2)
    text = re.sub(r' d="[^"]*"', _round_path, text)
    head, _, rest = text.partition(">")
    return f'{head} role="img" aria-label="{escape(caption)}">{rest}'


def _round_path(path: re.Match[str]) -> str:
    """A hundredth of a point is enough."""
    return re.sub(r"(\.\d{2})\d+", r"\1", path[0])


def render_grid(grid: Grid, caption: str) -> str:
    """Rows of images, one picture a row at its own pixels with its title as text above it."""
    most = max(grid.columns or len(images) for _, images in grid.rows)
    parts = []
    for title, images in grid.rows:
        columns = grid.columns or len(images)
        strip = encode_strip(images, columns)
        words = f"{title}: {len(images)} images of {images.shape[-1]} by {images.shape[-2]} pixels"
        share = f"width:{100 * columns / most:.4g}%"
        image = tag(
            "img", src=embed_png(strip[0]), alt=words, width=strip[1], height=strip[2], class_="pixel"
        )
        opener = tag(
            "button", image, type="button", class_="open", style=share, aria_label=f"Enlarge: {words}"
        )
        parts.append(tag("div", tag("p", escape(title), class_="strip-title") + opener))
    return tag("div", "".join(parts), class_="grid", role="group", aria_label=caption)


def encode_strip(images: Tensor | np.ndarray, columns: int) -> tuple[bytes, int, int]:
    """Images (B, C, H, W) in [0, 1] side by side as a PNG file's bytes, its width and height in pixels."""
    tiled = np.rint(255 * tile_images(images, columns)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(tiled).save(buffer, "PNG", optimize=True)
    return buffer.getvalue(), tiled.shape[1], tiled.shape[0]


def render_png(path: Path, caption: str) -> str:
    """A picture as it lies on disk, which opens large; a sentence in its place where it is not there."""
    name = path.stem
    if not path.exists():
        return wrap_figure(name, tag("p", "Not drawn yet: its exhibit has no such picture."), caption)
    data = path.read_bytes()
    with Image.open(path) as picture:
        width, height = picture.size
    image = tag("img", src=embed_png(data), alt=caption, width=width, height=height)
    opener = tag("button", image, type="button", class_="open", aria_label=f"Enlarge: {caption}")
    return wrap_figure(name, opener, caption)


def wrap_figure(name: str, content: str, caption: str) -> str:
    """A figure with its words below it; what is wider than the page scrolls inside the figure."""
    inside = tag("div", content, class_="picture", tabindex=0, role="group", aria_label=caption)
    return tag("figure", inside + tag("figcaption", escape(caption)), id=f"f-{slug(name)}")
