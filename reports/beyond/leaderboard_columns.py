"""What the leaderboard shows of a method, and by which of it methods are ranked."""

from __future__ import annotations

COLUMNS = {
    "mse_test_point": "MSE, test, point",
    "mse_test_draw": "MSE, test, draw",
    "frechet_distance": "Frechet distance",
    "tenth_mean": "AUPRC, tenth",
    "pooled_mean": "AUPRC, pooled",
    "absolute_error_point": "recovery error, point",
    "absolute_error_draw": "recovery error, draw",
    "parameters": "parameters",
    "training_seconds": "training, s of one thread",
    "sample_gradients": "budget, sample-gradients",
    "updates": "updates of the generator's weights",  # counted from the settings, in no cell
    "score_seconds": "scoring 1,000 images, s",
}
QUALITIES = {  # with the better side
    "mse_test_point": "lower",
    "frechet_distance": "lower",
    "pooled_mean": "higher",
    "absolute_error_point": "lower",
}
