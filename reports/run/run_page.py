"""reports/RUN.md: all tables and pictures of the last ``dvc repro`` on one page."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.settings.params import Params
from reports.result_table import ResultTable, render_markdown

PICTURES = {  # table -> its pictures, with what they show
    "reconstruction": [("reconstruct_images", "Reconstructions of training and test images")],
    "generation": [
        ("fid_samples", "Samples from the prior"),
        ("extractor_errors", "What the embedded extractor gets wrong"),
    ],
    "copies": [
        ("fid_nearest", "The samples nearest to a training image, those images, and the nearest test images")
    ],
    "anomaly_pooled": [("anomaly_scores", "Scores and precision-recall curves under both protocols")],
    "anomaly_tenth": [("holdout_images", "Normal training images and the held-out class")],
    "recovery": [
        ("recover_images", "Original, occluded and recovered images"),
        ("mask_examples", "The masks"),
    ],
    "training": [
        ("prepare_images", "The data"),
        ("train-complete_curves", "Curves over rounds, complete images"),
        ("train-complete_latents", "Aggregated posterior against the prior, complete images"),
        ("train-complete_pairs", "Training images and g(z) of their latents"),
        ("train-normal_curves", "Curves over rounds, without the held-out class"),
        ("train-normal_latents", "Aggregated posterior, without the held-out class"),
        ("train-normal_pairs", "Pairs, without the held-out class"),
        ("train-occluded_curves", "Curves over rounds, occluded images"),
        ("train-occluded_latents", "Aggregated posterior, occluded images"),
        ("train-occluded_pairs", "Occluded images and g(z) of their latents"),
    ],
}


def render_page(params: Params, tables: Sequence[ResultTable]) -> str:
    """Render the page; it holds nothing but the run's own numbers and pictures."""
    settings = ", ".join(
        f"{key} = {value}"
        for key, value in params.flat().items()
        if key in ("dataset", "profile", "seed", "alpha", "s", "K", "L", "L2", "latent_dim", "sigma")
    )
    parts = [
        "# The pipeline's own run",
        "",
        "Written by the stage `report` from `metrics/*.json`; do not edit. Settings of this run: "
        + settings
        + ".",
        "",
    ]
    for table in tables:
        parts.append(render_markdown(table))
        for picture, caption in PICTURES[table.name]:
            parts += [f"{caption}:", "", f"![{caption}](figures/{picture}.png)", ""]
    return "\n".join(parts)
