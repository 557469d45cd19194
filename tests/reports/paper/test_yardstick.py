from reports.paper.yardstick import (
    describe_floors,
    describe_last_round,
    describe_rates,
    describe_spreads,
    list_tried,
)


def test_tuned_rates_are_said_of_each_method_that_has_one(make_cell):
    cells = [
        make_cell("table2", "VAE", rate_factor=3.0),
        make_cell("table2", "Ours", rate_factor=1.0),
        make_cell("table2", "PPCA"),
    ]
    assert describe_rates(cells).endswith("in units of the profile's: VAE 3, Ours 1.")
    assert describe_rates(cells[1:]) == ""
    absent = make_cell("table2", "ABP", error="not measured")
    assert "ABP" not in describe_rates([*cells, absent])


def test_the_data_sets_of_a_rate_are_named_where_a_method_has_several_rates(make_cell):
    cells = [
        make_cell("table2", method, axes={"dataset": name}, dataset=name, rate_factor=factor)
        for method, factors in {"VAE": (3, 3, 3), "Ours": (10, 1, 1)}.items()
        for name, factor in zip(("mnist5k", "colour_digits", "emoji"), factors, strict=True)
    ]
    assert describe_rates(cells).endswith("VAE 3; Ours 10 (mnist5k), 1 (colour_digits, emoji).")


def test_a_rate_at_the_edge_of_those_tried_has_a_mark(make_cell):
    tried = list_tried("table2")
    assert tried == tuple(sorted(tried)) and len(tried) > 3
    cells = [
        make_cell("table2", "VAE", rate_factor=tried[-1]),
        make_cell("table2", "Ours", rate_factor=tried[1]),
    ]
    assert f"VAE {tried[-1]:g}*, Ours {tried[1]:g}; * the last" in describe_rates(cells, tried)
    assert "*" not in describe_rates(cells[1:], tried) and "*" not in describe_rates(cells)
    assert list_tried("rates") == ()


def test_the_distance_of_test_images_themselves_is_said_by_data_set(make_cell):
    cells = [
        make_cell("table2", "Ours", dataset=dataset, seed=seed, frechet_distance=40.0, floor=floor)
        for dataset, seed, floor in (("mnist5k", 1, 0.5), ("mnist5k", 2, 0.61), ("emoji", 1, 1.1))
    ]
    said = describe_floors(cells)
    assert said.endswith("training images: 0.5 to 0.61 (mnist5k), 1.1 (emoji (stand-in for CelebA)).")
    assert describe_floors([make_cell("figure3", "VAE", floor=0.1)]) == ""


def test_what_stands_after_a_plus_minus_is_said(make_cell):
    seeds = [make_cell("table2", seed=seed, mse_train=0.1) for seed in (1, 3)]
    assert describe_spreads(seeds) == "± is the standard deviation over seeds 1, 3."
    half_run = [*seeds, make_cell("table2", "VAE", seed=1, mse_train=0.1)]
    assert describe_spreads(half_run).endswith("over seeds 1, 3, at 1 of 2 places over 1 of them.")
    assert describe_spreads([make_cell("table3", tenth_mean=0.1, tenth_std=0.01)]).endswith("test chains.")
    assert describe_spreads([make_cell("table2", mse_train=0.1, latent_std=1.0)]) == ""


def test_figure_2s_last_cloud_is_said_in_units_of_the_floor_over_seeds(make_cell):
    space = {"dataset": "mnist", "classes": [0, 1], "latent_dim": 2}
    cells = [
        make_cell(
            "figure3", method, axes={"space": space}, seed=seed, floor=0.1, curves={"to_prior": [0.9, last]}
        )
        for seed, last in ((1, 0.15), (2, 0.25))
        for method in ("Ours", "ABP")
    ]
    assert "in units of the floor, 2 (mnist5k 0 1, d = 2):" in describe_last_round(cells)
    assert describe_last_round([make_cell("figure3", "VAE", floor=0.1)]) == ""
