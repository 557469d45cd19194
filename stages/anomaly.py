"""Stage anomaly: AUPRC of the held-out class under both protocols (Table 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.data.image_folder import read_images
from pipeline.evaluation.auprc import judge_scores, score_chains, trace_curve
from pipeline.evaluation.trained import load_trained
from pipeline.settings.params import Params
from pipeline.stage import parse_nothing, run_stage
from pipeline.storage import places
from reports.drawing import save_anomaly_scores

INPUT = places.DATA / "normal"
FIGURE = places.FIGURES / "anomaly_scores.png"


def anomaly(params: Params, tracker: object) -> dict[str, Any]:
    """Score the test images of both protocols by independent chains, picture one, return the AUPRCs."""
    stored = read_images(INPUT)
    images = torch.from_numpy(stored["test_images"].copy())
    is_anomaly = np.array(stored["test_is_anomaly"])
    is_tenth = np.array(stored["test_is_tenth"])
    steps, chains = params.profile_settings.evaluate.anomaly_steps, params.anomaly.chains
    fitted = load_trained(params, "normal", len(images) * steps * chains)
    scores = score_chains(fitted, images.to(fitted.latents.device), steps, chains)
    protocols = {"pooled": np.ones_like(is_tenth), "tenth": is_tenth}
    metrics: dict[str, Any] = {"held_out": params.anomaly.held_out, "chains": chains, "steps": steps}
    for protocol, judged in judge_scores(scores, is_anomaly, protocols).items():
        metrics[protocol] = {
            "auprc_mean": judged.mean,
            "auprc_std": judged.std,
            "base_rate": judged.base_rate,
            "minimum": judged.minimum,
            "n": judged.n,
        }
    held_out = stored.meta.get("held_out_name", params.anomaly.held_out)
    title = f"{stored.meta['dataset']}, held-out class {held_out}, alpha = {params.alpha:g}"
    shown = {protocol: scores[0][chosen] for protocol, chosen in protocols.items()}
    labels = {protocol: is_anomaly[chosen] for protocol, chosen in protocols.items()}
    curves = {protocol: trace_curve(shown[protocol], labels[protocol]) for protocol in protocols}
    save_anomaly_scores(FIGURE, shown, labels, curves, title)
    return metrics


def main() -> None:
    """Run the stage."""
    parse_nothing(__doc__)
    run_stage("anomaly", anomaly)


if __name__ == "__main__":
    main()
