import re
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from reports import drawing
from reports.drawing import (
    PALETTE,
    list_looks,
    save_anomaly_scores,
    save_figure,
    save_grid,
    save_latent_marginal,
    save_training_curves,
    shorten_lines,
)


def test_a_grid_shows_every_image_and_is_reproducible(tmp_path):
    images = torch.zeros(5, 1, 8, 8)
    images[3] = 1
    save_grid(tmp_path / "a.png", [("one", images), ("two", images[:2])], columns=3)
    save_grid(tmp_path / "b.png", [("one", images), ("two", images[:2])], columns=3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = matplotlib.image.imread(tmp_path / "a.png")[..., 0]
    _height, width = picture.shape
    assert width == 1320  # 12 inches at 110 dots
    # Row one has two lines of three: the white image is the first of the second line, dark ones around it.
    tile = width / 3
    title = 0.26 * 110
    assert picture[int(title + 1.5 * tile), int(0.5 * tile)] > 0.95
    assert picture[int(title + 1.5 * tile), int(1.5 * tile)] < 0.05
    assert picture[int(title + 0.5 * tile), int(0.5 * tile)] < 0.05
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]  # nothing half written


def test_captions_stand_above_their_images_and_make_room(tmp_path):
    dark = [("one", torch.zeros(4, 1, 8, 8)), ("two", torch.zeros(4, 1, 8, 8))]
    save_grid(tmp_path / "bare.png", dark)
    save_grid(tmp_path / "said.png", dark, captions=[["4", "", "a\nb", ""], ()])
    bare, said = (matplotlib.image.imread(tmp_path / f"{name}.png")[..., 0] for name in ("bare", "said"))
    space = said.shape[0] - bare.shape[0]
    assert space == pytest.approx(2 * 0.15 * 110, abs=2)  # of two lines
    title = int(0.26 * 110)
    above = said[title : title + space - 4]
    inked = [(above[:, column : column + 330] < 0.5).any() for column in range(0, 1320, 330)]
    assert inked == [True, False, True, False]
    np.testing.assert_array_equal(said[-bare.shape[0] // 3 :], bare[-bare.shape[0] // 3 :])


def test_a_caption_is_cut_to_the_width_of_its_image():
    assert shorten_lines("birds\n→ cats", 0.75) == "birds\n→ cats"
    cut = shorten_lines("a_very_long_name_of_a_folder", 0.75)
    assert cut.endswith("…") and len(cut) < 14 and "a_very_long".startswith(cut[:5])


def test_curves_have_room_labels_and_hide_nothing(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path: drawn.append(figure))
    names = ("mse_before", "mse_after", "ot_cost", "matched_share")
    latents = ("latent_std_before", "latent_std_after", "latent_mean_after")
    curves = {"round": [1.0, 2.0], **{name: [1.0, 1.0] for name in (*names, *latents)}}
    save_training_curves(tmp_path / "c.png", curves, "equal throughout")
    axes = drawn[0].axes
    assert {"matched share", "mean |z - T(z)|²"} <= {one.get_ylabel() for one in axes}
    assert all(one.get_ylim() == pytest.approx((0, 1.1)) for one in axes)
    before, after = axes[0].lines
    assert before.get_zorder() > after.get_zorder() and before.get_fillstyle() == "none"


@pytest.mark.parametrize(("count", "most"), [(30, 8), (1400, 25), (10**5, 50)])
def test_a_histogram_has_as_many_bins_as_its_counts_fill(tmp_path, monkeypatch, count, most):
    drawn = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, path: drawn.append(figure))
    scores = np.random.default_rng(0).standard_normal(count)
    curve = {"tenth": (np.ones(1), np.ones(1))}
    save_anomaly_scores(tmp_path / "s.png", {"tenth": scores}, {"tenth": scores > 1}, curve, "scores")
    histogram = drawn[0].axes[0]
    assert most / 2 < len(histogram.patches) / 2 <= most and histogram.get_ylabel() == "density"


def test_colour_images_keep_their_colour(tmp_path):
    images = torch.zeros(1, 3, 8, 8)
    images[:, 0] = 1
    save_grid(tmp_path / "a.png", [("red", images)])
    picture = matplotlib.image.imread(tmp_path / "a.png")
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 2, :3]
    np.testing.assert_allclose(middle, [1, 0, 0], atol=0.01)


def test_plots_are_drawn_for_edge_cases(tmp_path):
    save_latent_marginal(tmp_path / "one.png", torch.zeros(4, 1), "one coordinate, all equal")
    labels = np.array([True, False, False])
    curve = {"tenth": (np.ones(1), np.full(1, 1 / 3))}
    save_anomaly_scores(
        tmp_path / "s.png", {"tenth": np.ones(3)}, {"tenth": labels}, curve, "constant scores"
    )
    for name in ("one.png", "s.png"):
        assert matplotlib.image.imread(tmp_path / name).std() > 0.01


def test_an_svg_keeps_its_text_and_equal_numbers_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4], "o-", label="a line & a name")
        figure.legend()
        save_figure(figure, tmp_path / name / "x.svg")
    first, second = ((tmp_path / name / "x.svg").read_bytes() for name in ("a", "b"))
    assert first == second
    words = [
        element.text for element in ElementTree.fromstring(first).iter() if element.tag.endswith("}text")
    ]
    assert "a line & a name" in words
    assert not re.search(rb"\d{4}-\d\d-\d\d", first)  # no date


def test_curves_are_told_apart_without_colour():
    looks = list_looks(2 * len(PALETTE))
    shapes = [(look["marker"], look["linestyle"], look.get("fillstyle", "full")) for look in looks]
    assert len(set(shapes)) == len(looks)
    assert len({look["color"] for look in PALETTE}) == len(PALETTE)
    assert list_looks(40)[2 * len(PALETTE)] == looks[0]  # more than there are begin again
