"""What running statistics are, once they are measured anew, and how measurements are kept."""

import json

import torch

from models.images import to_unit
from models.interface import FitRequest, make_rng
from models.rivals.bases.autoencoder import Autoencoder, build_autoencoder
from reports.tools.batch_norm_lag import add_row, measure_statistics_anew
from reports.tools.benchmark_tables import NOT_RUN, render_lag


def test_statistics_anew_are_those_of_the_images_and_the_old_ones_stay():
    images = torch.randint(256, (40, 1, 28, 28), generator=make_rng(0), dtype=torch.uint8)
    request = FitRequest("mnist/16", 5, images, None, 0.3, 1, 800, 20, 1e-3, torch.float32)
    encoder, generator = build_autoencoder(request, make_rng(1))
    fitted = Autoencoder(encoder, generator, request)
    norm = next(layer for layer in encoder.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    before = norm.running_mean.clone()
    anew = measure_statistics_anew(fitted, images)
    seen = []
    place = list(encoder.layers).index(norm)
    hook = encoder.layers[place].register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    encoder(to_unit(images), None)
    hook.remove()
    expected = seen[0].mean((0, 2, 3))
    torch.testing.assert_close(anew.encoder.layers[place].running_mean, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(norm.running_mean, before) and not torch.equal(before, expected)
    assert not anew.encoder.training and not anew.generator.training


def test_a_training_is_kept_once(tmp_path):
    path = tmp_path / "lag.json"
    assert render_lag(path) == NOT_RUN
    numbers = {f"{key}_{way}": 0.5 for key in ("mse_test", "frechet_distance") for way in ("as_is", "anew")}
    for seed, value in ((2, 0.1), (1, 0.2), (2, 0.3)):
        row = {"method": "RAE", "rounds": 1, "seed": seed, **numbers, "mse_test_anew": value}
        add_row(row, path)
    assert [row["mse_test_anew"] for row in json.loads(path.read_text())["rows"]] == [0.2, 0.3]
    assert "| RAE | 1 | 2 | 0.5 | 0.3 | 0.5 | 0.5 |" in render_lag(path)
