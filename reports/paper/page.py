"""The page of section 7 of the paper with our numbers, the published ones in brackets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from models.networks.architectures import ARCHITECTURES
from models.networks.generator import build_generator
from models.networks.lowering import count_flops
from pipeline.settings.params import Params
from pipeline.studies.measured import MeasuredCell
from reports.paper.figures import FIGURES
from reports.paper.layouts import LAYOUTS, OF_PRIOR
from reports.paper.pivot import render_tables
from reports.paper.verdicts import Cells
from reports.paper.yardstick import describe_cells
from reports.result_table import ResultRow, ResultTable

UNSTATED = "The paper does not state its protocol; its numbers for VAE and ABP fit `tenth` alone."
DEVIATIONS = {
    "table2": "Data sets, images and passes are the profile's, far fewer than the paper's 60,000 and 500. "
    f"{OF_PRIOR} Emoji graphics: Twemoji, CC-BY 4.0.",
    "table3": UNSTATED,
    "table4": "The stand-in has as many pixels as SVHN, and other images; the generator has a quarter of the "
    "channels.",
    "table5": "Our s is that of Eq. (8); the paper's row fits a tenth of it.",
    "table6": "All but K, and in the smaller profiles the number of rounds, is as in Table 2.",
    "table7": "All but L2 is as in Table 2.",
    "table8": "Digits instead of faces, so the masks hide other things; sizes are scaled to the image.",
    "figure3": "Digits stand in the second row where Fashion-MNIST's files are not at hand. s is .05: in so "
    "few dimensions the posterior is narrow, and chains with s = .3 leave it.",
    "figure8": "Fewer rounds of fewer passes than the paper's.",
    "convergence": f"The paper has no such study. {OF_PRIOR}",
    "fashion": "The paper has no such study; a few passes, where its schedule has 500.",
    "alphas": "The paper does not say how its alpha was chosen.",
    "table3_all": UNSTATED,
    "authors": "One round of the script's thirty, and a batch of 720 images where it has 2,000; one seed.",
}
CAPTIONS = {
    "figure2": "Figure 2: q(z^K) over rounds",
    "figure3": "Figure 3: aggregated posteriors",
    "figure4": "Figure 4: reconstruction and synthesis",
    "figure6": "Figure 6: inpainting at test time",
    "figure7": "Figure 7: several chains for one occluded image",
    "figure8": "Figure 8: alpha by round",
    "figure9": "Figure 9: recovery of occluded training images, by ours and ABP a draw, by the VAE its mean",
    "figure10": "Figure 10: recovery by round",
    "convergence": "Distance and error by length of training, and what ABP's distance is of that of Ours",
    "fashion": "All of Fashion-MNIST: the longest training's reconstructions and samples",
    "alphas": "Error and distance by alpha, on validation images",
}
READING = (  # the order of section 7
    ("7.2 Latent space", ("figure3",)),
    ("7.3 Generation and reconstruction, 7.4 inpainting", ("table2",)),
    ("7.5 Anomaly detection", ("table3", "table3_all", "authors")),
    ("7.6 Latent dimensions", ("table4",)),
    ("7.7 Ablation", ("figure8", "table5", "table6", "table7")),
    ("7.8 Learning from incomplete data", ("table8",)),
    ("Length of training and number of images", ("convergence", "fashion")),
    ("The share alpha, chosen without test images", ("alphas",)),
)


def tabulate_architectures(published: dict[str, Any]) -> ResultTable:
    """Tabulate Table 1: the generators as built, with parameters and the cost of a Langevin step."""
    rows = []
    for name, architecture in ARCHITECTURES.items():
        generator = build_generator(name, None, torch.Generator())
        n_parameters = sum(parameter.numel() for parameter in generator.parameters())
        printed = published["table1_architectures"][name]
        layers = "; ".join(printed["layers"])
        rows += [
            ResultRow(name, layers, "latent dimension", float(architecture.latent_dim), printed["input"]),
            ResultRow(name, layers, "parameters", float(n_parameters)),
            ResultRow(name, layers, "MFLOP of a Langevin step", count_flops(generator.layers) / 1e6),
        ]
    note = (
        "The layers are the paper's; MFLOP: forward and gradient in z, per sample. Every profile but "
        "paper divides SVHN's channels by 4 and CelebA's by 8 (`channels_divided_by` in params.yaml)."
    )
    return ResultTable("table1", "Table 1: the generators", note, rows)


def render_architectures(table: ResultTable) -> str:
    """Render Table 1 in Markdown, a generator a row; the paper's number in brackets where it prints it."""
    of_generator: dict[tuple[str, str], list[ResultRow]] = defaultdict(list)
    for row in table.rows:
        of_generator[row.dataset, row.method].append(row)
    quantities = list(dict.fromkeys(row.quantity for row in table.rows))
    lines = [f"### {table.title}", "", table.note, ""]
    lines += [f"| generator | layers | {' | '.join(quantities)} |", "|" + "---|" * (2 + len(quantities))]
    for (name, layers), rows in of_generator.items():
        numbers = [_format_count(row) for row in rows]
        lines.append(f"| {name} | {layers.replace('; ', '<br>')} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def _format_count(row: ResultRow) -> str:
    value = math.nan if row.value is None else row.value
    printed = "" if row.published is None else f" ({row.published:,.0f})"
    return f"{value:,.1f}{printed}" if value % 1 else f"{value:,.0f}{printed}"


def render_paper(
    params: Params,
    cells: Cells,
    published: dict[str, Any],
    table1: str,
    claims: str,
    beyond: Sequence[tuple[str, str]] = (),
    remaining: str = "",
    notes: Mapping[str, str] | None = None,
) -> str:
    """Render the page; it holds nothing but the cells' own numbers and the paper's.

    A study without an entry in ``cells`` has no section. ``table1``, ``claims``, ``remaining``: these
    sections in Markdown. ``beyond``: tables of beyond/dvc.yaml in Markdown, each with its figure below the
    exhibits or "". ``notes``: sentences on a study that are not told of its cells alone.
    """
    of_cells = {cell.seed for of_study in cells.values() for cell in of_study if cell.seed is not None}
    seeds = ", ".join(map(str, sorted(of_cells or {params.seed})))
    parts = [
        "# Section 7 of the paper, with our numbers",
        "",
        f"Written by the stage `paper_page`; do not edit. Profile `{params.profile}`, seed {seeds}. "
        "Published numbers stand in brackets, and only where data set, quantity and extractor are the "
        "paper's. All numbers in full: [exhibits/](../exhibits/). To sort and filter, with seeds, intervals "
        "and origins: [report.html](report.html), which any browser opens.",
        "",
        claims,
        *filter(None, [remaining]),
        table1,
    ]
    for title, studies in READING:
        if any(study in cells for study in studies):
            parts += [f"## {title}", ""]
        for study in studies:
            if study in cells:
                parts.append(render_study(study, cells[study], published, (notes or {}).get(study, "")))
    if beyond:
        parts += ["## Every rival, and what decides the AUPRC", "", "Of `dvc --cd beyond repro`.", ""]
    for text, figure in beyond:
        parts += [text, *([f"![{figure}](../exhibits/{figure})", ""] if figure else [])]
    return "\n".join(parts)


def render_study(study: str, cells: Sequence[MeasuredCell], published: dict[str, Any], note: str = "") -> str:
    """Render a study's tables, one for each quantity, methods by places; then its figures."""
    layout = LAYOUTS[study]
    sentences = (layout.note, DEVIATIONS[study], describe_cells(study, cells), note)
    parts = [f"### {layout.title}", "", " ".join(filter(None, sentences)), ""]
    parts.append(render_tables(study, cells, published))
    for name in FIGURES[study]:
        caption = CAPTIONS.get(name, f"{layout.title}, drawn")
        parts += [f"{caption}:", "", f"![{caption}](../exhibits/{study}/{name}.png)", ""]
    return "\n".join(parts)
