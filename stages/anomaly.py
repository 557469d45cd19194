"""Stage anomaly: AUPRC of the held-out class under both protocols (Table 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models.short_run.scores import score_images
from pipeline.data.image_folder import read_images
from pipeline.evaluation.auprc import compute_auprc, compute_minimum_auprc
from pipeline.evaluation.trained import load_engine
from pipeline.settings.params import Params
from pipeline.settings.plan import build_scoring
from pipeline.stage import run_stage
from reports.drawing import save_anomaly_scores

INPUT = "artifacts/data/normal"
FIGURE = "reports/figures/anomaly_scores.png"


def anomaly(params: Params, tracker: object) -> dict[str, Any]:
    """Score the test images of both protocols by independent chains, picture one, return the AUPRCs."""
    stored = read_images(INPUT)
    images = torch.from_numpy(stored["test_images"].copy())
    is_anomaly = np.array(stored["test_is_anomaly"])
    is_tenth = np.array(stored["test_is_tenth"])
    steps, chains = params.profile_settings.evaluate.anomaly_steps, params.anomaly.chains
    model, engine = load_engine(params, "normal", len(images) * steps * chains)
    scoring = build_scoring(params, steps)
    latent_dim = model.latents.shape[1]
    images = images.to(model.latents.device)
    scores = [
        score_images(engine, images, latent_dim, scoring, params.seed, draw).double().cpu().numpy()
        for draw in range(chains)
    ]
    metrics: dict[str, Any] = {"held_out": params.anomaly.held_out, "chains": chains, "steps": steps}
    rows = {"pooled": np.ones_like(is_tenth), "tenth": is_tenth}
    for protocol, chosen in rows.items():
        labels = is_anomaly[chosen]
        auprc = [compute_auprc(chain[chosen], labels) for chain in scores]
        metrics[protocol] = {
            "auprc_mean": float(np.mean(auprc)),
            "auprc_std": float(np.std(auprc)),
            "base_rate": float(labels.mean()),
            "minimum": compute_minimum_auprc(float(labels.mean())),
            "n": len(labels),
        }
    title = f"{stored.meta['dataset']}, held-out class {params.anomaly.held_out}, alpha = {params.alpha:g}"
    save_anomaly_scores(
        FIGURE,
        {protocol: scores[0][chosen] for protocol, chosen in rows.items()},
        {protocol: is_anomaly[chosen] for protocol, chosen in rows.items()},
        title,
    )
    return metrics


def main() -> None:
    """Run the stage."""
    run_stage("anomaly", anomaly)


if __name__ == "__main__":
    main()
