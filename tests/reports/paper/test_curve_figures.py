"""Curves over several seeds are their means with bars, panels are equally wide, and labels do not overlap."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports.drawing import PALETTE
from reports.paper import curve_figures
from reports.paper.curve_figures import (
    draw_alpha_curves,
    draw_auprc,
    draw_recovery_curves,
    draw_recovery_errors,
    draw_sweep,
    plot_means,
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures in place of files, in the order in which they are drawn."""
    figures = []
    monkeypatch.setattr(curve_figures, "save_figure", lambda figure, path: figures.append(figure))
    return figures


@pytest.fixture
def draw_all(make_cell, tmp_path):
    """A function that draws the curves of cells of some seeds."""

    def draw(seeds):
        sweep = [
            make_cell("table6", seed=seed, axes={"K": k}, mse_train=k * seed, frechet_distance=50.0 + seed)
            for seed in seeds
            for k in (30, 50, 100)
        ]
        curves = {"ot_cost": [3.0, 2.0], "mse_after": [0.2, 0.1], "frechet_distance": [40.0, 30.5]}
        alphas = [
            make_cell("figure8", seed=seed, alpha=alpha, axes={"alpha": alpha}, curves=curves)
            for seed in seeds
            for alpha in (0, 0.1, 0.3, 0.5, 0.7, 1)
        ]
        keys = [f"{one}_{part}" for one in ("tenth", "pooled") for part in ("mean", "std", "base_rate")]
        auprcs = [
            make_cell("table3", method, seed=seed, axes={"held_out": digit}, **dict.fromkeys(keys, 0.3))
            for seed in seeds
            for method in ("VAE", "ABP", "Ours")
            for digit in (1, 4, 5, 7, 9)
        ]
        draw_sweep(tmp_path, sweep, "K")
        draw_alpha_curves(tmp_path, alphas)
        draw_auprc(tmp_path, auprcs)

    return draw


def test_a_curve_is_the_mean_of_its_seeds_with_one_standard_deviation(make_cell):
    cells = [
        make_cell("table6", seed=seed, axes={"K": k}, mse_train=k * seed)
        for seed in (1, 2, 6)
        for k in (50, 30)
    ]
    axis = Figure().subplots()
    plot_means(axis, cells, lambda cell: cell.axes["K"], "mse_train", PALETTE[0], "Ours")
    (bars,) = axis.containers
    line, _, (segments,) = bars
    np.testing.assert_allclose(line.get_xydata(), [[30, 90], [50, 150]])
    spread = np.std([1, 2, 6], ddof=1)
    np.testing.assert_allclose(segments.get_segments()[0][:, 1], [90 - 30 * spread, 90 + 30 * spread])


def test_data_sets_and_dimensions_have_curves_and_bars_of_their_own(drawn, make_cell, tmp_path):
    numbers = {"mnist5k": 10.0, "colour_digits": 90.0}
    sweep = [
        make_cell("table4", dataset=name, seed=seed, axes={"dataset": name, "latent_dim": d, "seed": seed},
                  mse_train=value, frechet_distance=value)
        for name, value in numbers.items() for d in (20, 40) for seed in (1, 2)
    ]  # fmt: skip
    draw_sweep(tmp_path, sweep, "latent_dim")
    linear = [replace(one, method="PPCA", numbers=dict.fromkeys(one.numbers, 30.0)) for one in sweep[:4]]
    draw_sweep(tmp_path, sweep[:4] + linear, "latent_dim")
    keys = [f"{one}_{part}" for one in ("tenth", "pooled") for part in ("mean", "std", "base_rate")]
    bars = [
        make_cell("table3", "VAE", seed=seed, axes={"held_out": 4, "latent_dim": d, "seed": seed},
                  **dict.fromkeys(keys, d / 100))
        for d in (10, 30) for seed in (1, 2)
    ]  # fmt: skip
    draw_auprc(tmp_path, bars)
    curves, beside, areas = (figure.axes[0] for figure in drawn)
    heights = {one.get_label(): one[0].get_ydata().tolist() for one in curves.containers}
    assert sorted(map(tuple, heights.values())) == [(10, 10), (90, 90)]
    assert {one.get_label(): one[0].get_ydata().tolist() for one in beside.containers} == {
        "Ours": [10, 10], "PPCA": [30, 30],
    }  # fmt: skip
    assert [one.get_label() for one in areas.containers if one.get_label()[0] != "_"] == [
        "VAE, latent_dim = 10", "VAE, latent_dim = 30",
    ]  # fmt: skip
    assert [bar.get_height() for bar in areas.patches] == [0.1, 0.3]
    assert [bar.get_hatch() or "" for bar in areas.patches] == ["", "///"]
    assert len({bar.get_facecolor() for bar in areas.patches}) == 1  # one method, one colour


def test_the_linear_model_is_a_level_line_named_though_one_panel_alone_has_it(drawn, make_cell, tmp_path):
    keys = ("mse_after", "mse_before", "frechet_before", "frechet_distance")
    cells = [make_cell("table5", axes={"s": s}, **dict.fromkeys(keys, 9.0)) for s in (0.03, 0.6)]
    draw_sweep(tmp_path, [*cells, make_cell("table5", "PPCA", axes={}, frechet_distance=7.0)], "s")
    (figure,) = drawn
    (level,) = [one for one in figure.axes[1].containers if one.get_label() == "PPCA"]
    np.testing.assert_array_equal(level[0].get_xydata(), [[0.03, 7], [0.6, 7]])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()][-1] == "PPCA"


def test_a_sweep_shows_the_error_of_test_images_between_the_two_where_it_was_measured(
    drawn, make_cell, tmp_path
):
    numbers = {"mse_after": 3.0, "mse_before": 4.0, "frechet_before": 9.0, "frechet_distance": 8.0}
    cells = [make_cell("table5", axes={"s": s}, **numbers, mse_test_point=s) for s in (0.03, 0.6)]
    draw_sweep(tmp_path, cells, "s")
    (figure,) = drawn
    assert [one.get_title() for one in figure.axes][1] == "test images, a chain's mode"
    (line,) = figure.axes[1].containers  # what a correction changes is not measured there
    np.testing.assert_array_equal(line[0].get_xydata(), [[0.03, 0.03], [0.6, 0.6]])


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_panels_are_equally_wide_and_texts_apart(drawn, draw_all, seeds):
    draw_all(seeds)
    assert len(drawn) == 3
    for figure in drawn:
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        widths = [axes.get_window_extent(renderer).width for axes in figure.axes]
        assert max(widths) - min(widths) < 0.02 * max(widths)
        for axes in figure.axes:
            assert axes.get_xlabel() and axes.get_ylabel()
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                boxes = [one.get_window_extent(renderer) for one in labels if one.get_text()]
                assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
        names = [axes.yaxis.label.get_window_extent(renderer) for axes in figure.axes]
        others = [axes.get_window_extent(renderer) for axes in figure.axes]
        others += [legend.get_window_extent(renderer) for legend in figure.legends]
        assert not any(name.overlaps(other) for name in names for other in others)
        assert all(0 <= box.y0 and box.y1 <= figure.bbox.height for box in names)
        title = figure.get_suptitle()
        assert (
            "n = 100 training images" in title and ("seeds 1, 2, 3" if len(seeds) > 1 else "seed 1") in title
        )


def test_no_curve_leaves_a_panel_that_shares_its_scale_with_a_lower_one(drawn, make_cell, tmp_path):
    masks = {0.3: {"kind": "region", "side": 45}, 0.1: {"kind": "salt_pepper", "share": 0.5}}
    cells = [
        make_cell("table8", axes={"mask": mask}, absolute_error_point=error) for error, mask in masks.items()
    ]
    draw_recovery_errors(tmp_path, cells)
    assert [panel.get_ylim() for panel in drawn[0].axes] == [(0, pytest.approx(1.08 * 0.3))] * 2


def test_figure_10_takes_the_next_larger_square_where_there_is_none_of_20(make_cell, drawn, tmp_path):
    def make(side):
        curves = {"ot_cost": [3.0, 2.0], "mse_after": [0.2, 0.1]}
        return make_cell("table8", axes={"mask": {"kind": "region", "side": side}}, curves=curves)

    draw_recovery_curves(tmp_path / "10.png", [make(15), make(30), make(45)])
    draw_recovery_curves(tmp_path / "10.png", [make(15), make(20), make(25)])
    assert [figure.get_suptitle()[:39] for figure in drawn] == [
        f"Recovery under one mask of {side} x {side} (of " for side in (30, 20)
    ]
    assert all(len(figure.axes[0].lines) == 1 for figure in drawn)
    with pytest.raises(KeyError, match="square of 20"):
        draw_recovery_curves(tmp_path / "10.png", [make(15)])
