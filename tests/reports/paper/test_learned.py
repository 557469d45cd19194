from dataclasses import replace

from reports.paper.claims import Beats
from reports.paper.learned import count_behind, describe_convergence, repeat_yardstick
from tests.reports.paper.claim_cases import judge, make_claim


def test_a_cell_behind_the_linear_model_in_everything_is_named(make_cell):
    linear = make_cell("table2", "PPCA", frechet_distance=30.0, mse_test_point=0.02)
    ahead = make_cell("table2", "VAE", frechet_distance=20.0, mse_test_point=0.03)
    behind = make_cell("table2", "ABP", frechet_distance=30.0, mse_test_point=0.03)
    said = describe_convergence("table2", [ahead, behind, linear])
    assert said.startswith("Not converged") and "1 of 2 cells (ABP mnist5k)" in said
    assert describe_convergence("table2", [behind, linear]).startswith("None of the 1 cells has converged")
    assert describe_convergence("table2", [ahead, linear]).startswith("Every cell is ahead of PPCA")


def test_a_cell_is_held_against_the_linear_model_of_its_own_place(make_cell):
    masks = [{"kind": "region", "side": side} for side in (15, 45)]
    cells = [
        make_cell("table8", method, axes={"mask": mask}, absolute_error_point=error, squared_error_point=1.0)
        for mask, errors in zip(masks, [(0.1, 0.2), (0.4, 0.3)], strict=True)
        for method, error in zip(("Ours", "PPCA"), errors, strict=True)
    ]
    said = describe_convergence("table8", cells)
    assert "1 of 2 cells (Ours" in said and "region 45" in said and "region 15" not in said


def test_a_larger_area_is_ahead_of_the_linear_model(make_cell):
    linear = make_cell("table3", "PPCA", axes={"held_out": 1}, tenth_mean=0.2, pooled_mean=0.5)
    ahead = make_cell("table3", "VAE", axes={"held_out": 1}, tenth_mean=0.1, pooled_mean=0.6)
    behind = make_cell("table3", "ABP", axes={"held_out": 1}, tenth_mean=0.1, pooled_mean=0.4)
    said = describe_convergence("table3", [ahead, behind, linear])
    assert said.startswith("Behind PPCA") and "1 of 2 cells (ABP mnist5k held_out = 1)" in said
    assert describe_convergence("table3", [behind, linear]).startswith("Behind PPCA")
    assert describe_convergence("table3", [ahead, linear]).startswith("Every cell is ahead of PPCA")


def test_the_linear_model_stands_at_every_place_of_an_axis_that_it_lacks(make_cell):
    numbers = {"frechet_distance": 30.0, "mse_test_point": 0.02}
    cells = [
        *(make_cell("table5", "PPCA", axes={"seed": seed}, seed=seed, **numbers) for seed in (1, 2)),
        make_cell("table5", "Ours", axes={"s": 0.3, "seed": 1}, seed=1, **numbers),
        make_cell(
            "table5", "Ours", axes={"s": 0.6, "seed": 2}, seed=2, **{**numbers, "mse_test_point": 0.01}
        ),
    ]
    assert "1 of 2 cells (Ours (alpha=0.5) mnist5k s = 0.3" in describe_convergence("table5", cells)
    linear = [cell.axes for cell in repeat_yardstick(cells) if cell.method == "PPCA"]
    assert linear == [{"s": 0.3, "seed": 1}, {"s": 0.6, "seed": 2}]
    ours = make_cell("table3", "Ours", axes={"held_out": 1, "alpha": 0.1})
    rows = [make_cell("table3", "PPCA", axes={"held_out": digit}) for digit in (1, 4)]
    assert repeat_yardstick([ours, *rows]) == [ours, *rows]  # alpha is in the row's name, and no place


def test_nothing_is_said_without_the_linear_model(make_cell):
    assert describe_convergence("table8", [make_cell("table8", absolute_error_point=0.1)]) == ""
    assert describe_convergence("table6", [make_cell("table6", mse_train=0.1)]) == ""
    pair = [make_cell("latents", method, to_prior=1.0) for method in ("VAE", "PPCA")]
    assert describe_convergence("latents", pair) == ""  # which has no quality that would say so


def test_a_place_that_has_not_converged_is_named_once_for_all_its_seeds(make_cell):
    cells = [
        make_cell(
            "convergence", method, axes={"n_train": 250, "rounds": 1}, seed=seed, frechet_distance=distance
        )
        for seed in (1, 2)
        for method, distance in (("Ours", 40.0), ("ABP", 20.0), ("PPCA", 30.0))
    ]
    said = describe_convergence("convergence", cells)
    assert "2 of 4 cells" in said and said.count("n_train = 250, rounds = 1") == 1
    cells[0] = replace(cells[0], numbers=cells[0].numbers | {"frechet_distance": 20.0})
    said = describe_convergence("convergence", cells)
    assert "1 of 4 cells (Ours (alpha=0.5) mnist5k n_train = 250, rounds = 1: 1 of 2 seeds)" in said


def test_a_claim_says_how_many_of_its_cells_are_behind_the_linear_model(make_cell):
    axes = {"dataset": "mnist5k"}
    numbers = {
        method: {"frechet_distance": distance, "mse_test_point": 1.0}
        for method, distance in (("Ours", 20.0), ("ABP", 30.0), ("VAE", 40.0), ("PPCA", 25.0))
    }
    cells = [
        make_cell("table2", method, seed=seed, axes=axes, key=f"{method} {seed}", **of_method)
        for method, of_method in numbers.items()
        for seed in (1, 2, 3)
    ]
    for method, rival, behind in (("Ours", "ABP", 3), ("ABP", "VAE", 6)):
        (one,) = judge(make_claim(Beats(method, rival, "frechet_distance")), cells)
        assert one.note == f"{behind} of 6 cells behind PPCA in everything"
    better = [replace(cell, numbers=cell.numbers | {"mse_test_point": 0.5}) for cell in cells[:9]]
    (one,) = judge(make_claim(), better + cells[9:])
    assert one.note == "" == count_behind("latents", cells, "ABP", cells)
