import copy
from pathlib import Path

import pytest
import yaml

from models.catalogue import METHODS
from pipeline.settings.yaml_files import ParamError
from pipeline.studies.grid import (
    PAPER_STUDIES,
    TASK_NAMES,
    check_axes,
    check_grid,
    check_study,
    choose_dataset,
    describe,
    list_cells,
    list_methods,
    read_grid,
)
from pipeline.studies.memo import fingerprint
from pipeline.studies.tasks import TASKS

ROOT = Path(__file__).parents[3]
CONTENT = yaml.safe_load((ROOT / "params.yaml").read_text())
GRID = read_grid(ROOT / "tables.yaml")


def cells(table, method="Ours", **changes):
    return list_cells(table, method, {**CONTENT, **changes}, GRID)


def test_the_tables_have_the_papers_rows_and_columns():
    assert [cell.params.dataset for cell in cells("table2")] == ["mnist5k", "colour_digits", "emoji"]
    table3 = [(cell.params.anomaly.held_out, cell.params.alpha) for cell in cells("table3")]
    assert table3 == [(digit, alpha) for digit in (1, 4, 5, 7, 9) for alpha in (0.1, 0.3, 0.5)]
    assert len(cells("table3", "VAE")) == 5
    assert [cell.params.resolved_latent_dim for cell in cells("table4")] == [20, 40, 64]
    assert [cell.params.s for cell in cells("table5")] == [0.03, 0.15, 0.3, 0.6]
    assert [cell.params.profile_settings.train.K for cell in cells("table6")] == [30, 50, 100]
    assert [cell.params.profile_settings.train.L2 for cell in cells("table7")] == [1, 2, 3]
    for method in list_methods("table8", GRID):
        masks = [cell.params.mask for cell in cells("table8", method)]
        assert [mask.side for mask in masks[:7]] == [15, 20, 25, 30, 35, 40, 45]
        assert [mask.share for mask in masks[7:]] == [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9]


def test_a_table_about_one_method_has_no_cells_of_the_others():
    assert cells("table5", "VAE") == [] and len(cells("table5")) == 4


@pytest.mark.parametrize("profile", ["smoke", "embedded", "paper"])
def test_every_cell_of_every_profile_has_valid_parameters(profile):
    places = [
        (study, method, cell.place)
        for study in PAPER_STUDIES
        for method in list_methods(study, GRID)
        for cell in cells(study, method, profile=profile)
    ]
    n_tables = 4 * 3 + (3 * 5 + 15) + 2 * 3 + (4 + 3 + 3 + 3) + 4 * 14  # PPCA once beside each sweep
    assert len(places) == len(set(places)) == n_tables + 4 * 2 + 6 + 1  # and figures 3 and 8
    scale = GRID["scales"][profile].get("mnist5k", {}).get("prepare", {}).get("n_train")
    assert cells("table6", profile=profile)[0].params.profile_settings.prepare.n_train == scale


def test_the_paper_profile_trains_on_the_papers_data_sets():
    assert [cell.params.dataset for cell in cells("table2", profile="paper")] == ["mnist", "svhn", "celeba"]
    assert [cell.paper_dataset for cell in cells("table2")] == ["mnist", "svhn", "celeba"]
    incomplete = cells("table8", profile="paper")[0].params
    assert (incomplete.dataset, incomplete.profile_settings.prepare.n_train) == ("celeba", 10_000)


def test_of_several_data_sets_the_first_at_hand_is_taken():
    def choose(is_there):
        return choose_dataset(GRID, "embedded", "fashion_mnist", is_there)

    assert choose(lambda name: False) == "mnist5k"
    assert choose(lambda name: name == "fashion_mnist") == "fashion_mnist"
    with pytest.raises(ParamError, match=r"datasets\.embedded\.cifar: missing"):
        choose_dataset(GRID, "embedded", "cifar")


def test_a_profile_may_have_further_axes_and_other_values():
    recorded = cells("table2", profile="recorded")
    assert [(cell.params.dataset, cell.params.seed) for cell in recorded] == [
        ("mnist5k", seed) for seed in (1, 2, 3, 4, 5)
    ]
    assert [cell.place for cell in recorded][:2] == ["seed 1", "seed 2"]
    dims = {cell.params.resolved_latent_dim for cell in cells("table3", "VAE", profile="recorded")}
    assert dims == {10, 30} and len(cells("table3", profile="recorded")) == 5 * 3 * 2 * 3
    grid = copy.deepcopy(GRID)
    grid["studies"]["table2"]["axes_at"]["recorded"] = {"alpah": [0, 1]}
    with pytest.raises(ParamError, match=r"studies\.table2\.axes_at\.recorded\.alpah: found 'alpah'"):
        check_axes(grid)


def test_images_and_rounds_can_be_axes_of_every_task():
    lengths = cells("convergence", profile="recorded")
    numbers = [cell.params.profile_settings for cell in lengths]
    assert {(one.prepare.n_train, one.train.rounds.complete) for one in numbers} == {
        (n, rounds) for n in (250, 1000, 3000) for rounds in (1, 4, 16)
    }
    assert all(len(set(vars(one.train.rounds).values())) == 1 for one in numbers)
    plain = cells("table2", profile="recorded")[0].params.profile_settings
    assert (plain.prepare.n_train, plain.train.rounds.complete) == (1000, 4)
    assert plain.train in [one.train for one in numbers if one.prepare == plain.prepare]  # a cell of both


def test_the_authors_chain_draws_where_it_scores_and_eq_8s_does_not():
    placed = {cell.axes: cell.params for cell in cells("authors", "ABP", profile="recorded")}
    assert len(placed) == 5 * 2 and {params.alpha for params in placed.values()} == {CONTENT["alpha"]}
    for axes, params in placed.items():
        chain, draws = params.resolve_langevin(), params.anomaly.inference == "draw"
        assert draws == (chain.drift_reduction == "mean") == (("preset", "authors-mnist") in axes)
        train = params.profile_settings.train
        assert (params.resolved_latent_dim, train.K, train.L, train.L2) == (10, 50, 50, 2)
    assert {cell.params.alpha for cell in cells("authors")} == {0.1}


def test_tables_on_many_digits_leave_those_that_tuned_their_rates():
    tuned = cells("rates", profile="recorded")[0].params.profile_settings.prepare.n_train
    for study in (*PAPER_STUDIES, "table3_all"):
        for cell in cells(study, profile="recorded"):
            if cell.params.dataset == "mnist5k" and cell.classes is None:
                assert tuned + cell.params.profile_settings.prepare.n_train <= 4000


def test_a_latent_space_names_data_classes_and_dimension():
    digits, fashion = list_cells("figure3", "Ours", CONTENT, GRID, lambda name: True)
    assert (digits.params.dataset, digits.classes, digits.params.resolved_latent_dim) == (
        "mnist5k",
        (0, 1),
        2,
    )
    assert (fashion.params.dataset, fashion.params.resolved_latent_dim) == ("fashion_mnist", 3)
    assert digits.task == "latent" and digits.params.profile_settings.prepare.n_train == 500


def test_a_study_wins_over_its_data_set_in_the_scales():
    rounds = GRID["studies"]["figure8"]["scale"]["smoke"]["train"]["rounds"]["complete"]
    cell = cells("figure8", profile="smoke")[0]
    assert cell.params.profile_settings.train.rounds.complete == rounds
    assert cells("table6", profile="smoke")[0].params.profile_settings.train.rounds.complete != rounds


@pytest.mark.parametrize("profile", ["smoke", "embedded"])
def test_a_data_sets_own_step_size_stands_unless_an_axis_names_one(profile):
    digits, coloured, emoji = (cell.params for cell in cells("table2", profile=profile, s=0.27))
    own = GRID["scales"][profile]["emoji"]["s"]
    assert (digits.s, coloured.s, emoji.s) == (0.27, 0.27, own) and own != 0.27
    assert (
        emoji.profile_settings.train.K == cells("table2", profile=profile)[2].params.profile_settings.train.K
    )
    grid = copy.deepcopy(GRID)
    grid["studies"]["table5"]["axes"]["dataset"] = "celeba"
    swept = list_cells("table5", "Ours", {**CONTENT, "profile": profile}, grid)
    assert {cell.params.dataset for cell in swept} == {"emoji"}
    assert [cell.params.s for cell in swept] == [0.03, 0.15, 0.3, 0.6]
    grid["scales"][profile]["emoji"]["s"] = -1
    with pytest.raises(ParamError, match="^s: found -1, expected a number > 0"):
        list_cells("table2", "Ours", {**CONTENT, "profile": profile}, grid)


def test_every_table_has_the_rates_that_one_study_chose_for_its_methods():
    rates = GRID["studies"]["rates"]
    assert rates["task"] == "validation" and 1 in rates["axes"]["rate_factor"]
    for study in PAPER_STUDIES:
        assert GRID["studies"][study]["tuned_by"] == "rates"
        assert set(list_methods(study, GRID)) <= set(list_methods("rates", GRID))


def test_whatever_changes_a_cells_numbers_changes_its_fingerprint():
    prints = [
        fingerprint(cell)
        for study in GRID["studies"]
        for method in list_methods(study, GRID)
        for cell in cells(study, method)
    ]
    # The sweeps of s, L2 and alpha pass through table 2's own setting, table 4 with both methods through
    # its latent dimension, alpha by validation through that of the rates: there the training is the same.
    # So it is with Table 2's PPCA beside three of the sweeps; Table 6 has other rounds.
    assert sum(one in prints[:number] for number, one in enumerate(prints)) == 6 + 3
    assert fingerprint(cells("table2")[0]) != fingerprint(cells("table2", seed=2)[0])
    assert fingerprint(cells("table8")[0]) != fingerprint(cells("table8")[1])


def test_what_does_not_reach_a_cell_leaves_its_fingerprint_alone():
    vae, ours = (cells("table2", method)[0] for method in ("VAE", "Ours"))
    vae_at_another_alpha, ours_at_another_alpha = (
        cells("table2", method, alpha=0.2)[0] for method in ("VAE", "Ours")
    )
    ignores = METHODS["VAE"].ignores
    assert fingerprint(vae, ignores) == fingerprint(vae_at_another_alpha, ignores)
    assert fingerprint(vae, ignores) != fingerprint(cells("table2", "VAE", sigma=0.2)[0], ignores)
    assert fingerprint(ours, METHODS["Ours"].ignores) != fingerprint(ours_at_another_alpha)
    masked = {**CONTENT["mask"], "side": 20}
    assert fingerprint(ours) == fingerprint(cells("table2", mask=masked)[0])


def test_values_in_words():
    assert describe({"kind": "region", "side": 15}) == "region 15"
    assert describe(0.3) == "0.3" and describe(4) == "4"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda grid: grid.pop("scales"), "expected the keys line_ups, datasets, scales, studies"),
        (lambda grid: grid["studies"]["table4"].update(only="Ours"), r"studies\.table4\.only: found 'only'"),
        (
            lambda grid: grid["studies"]["table4"].update(methods="x"),
            r"studies\.table4\.methods: found 'x', expected a",
        ),
        (lambda grid: grid["studies"]["table4"].pop("methods"), r"studies\.table4\.methods: found None"),
        (
            lambda grid: grid["studies"]["table6"]["axes"].update(k=[1]),
            r"studies\.table6\.axes\.k: found 'k'",
        ),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, change, message):
    grid = copy.deepcopy(GRID)
    change(grid)
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump(grid))
    with pytest.raises(ParamError, match=message) as error:
        read_grid(tmp_path / "tables.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda grid: grid["line_ups"]["all"].append("GUN"),
            r"line_ups\.all: found 'GUN', expected one of VAE, ",
        ),
        (lambda grid: grid["studies"]["latents"].update(tuned_by="x"), r"latents\.tuned_by: found 'x'"),
        (lambda grid: grid["studies"]["table4"].update(task="x"), r"studies\.table4\.task: found 'x'"),
        (lambda grid: grid["studies"]["table3"].update(task="normal"), "expected one of complete, anomaly, "),
        (
            lambda grid: grid["scales"]["embedded"]["mnist5k"].update(train={"minibatch": 0}),
            r"^tables\.yaml: study rates, VAE: .*minibatch: found 0, expected an integer >= 2",
        ),
    ],
)
def test_what_tables_yaml_cannot_mean_is_refused_by_name(change, message):
    check_grid(GRID, METHODS, CONTENT)
    grid = copy.deepcopy(GRID)
    change(grid)
    with pytest.raises(ParamError, match=message):
        check_grid(grid, METHODS, CONTENT)


def test_every_task_is_known_by_name_before_torch_is_imported():
    assert tuple(TASKS) == TASK_NAMES


def test_a_study_has_the_methods_of_its_line_up():
    of_tables = ["VAE", "ABP", "Ours", "PPCA"]
    assert list_methods("table5", GRID) == ["Ours", "PPCA"] and list_methods("table2", GRID) == of_tables
    assert [len(cells("table5", method)) for method in ("Ours", "PPCA")] == [4, 1]
    # One is another way to sample from the trainings of Ours, the others learn less at these lengths.
    left_out = {"Ours-mixture", "SRI-learned", "SRI-L5"}
    assert list_methods("leaderboard", GRID) == [name for name in METHODS if name not in left_out]
    assert list_methods("fashion", GRID) == of_tables
    assert [len(cells("fashion", method)) for method in ("VAE", "Ours")] == [1, 1]
    assert len(cells("fashion", "Ours", profile="recorded")) == 2 * 3  # lengths and seeds
    with pytest.raises(ParamError, match="no study 'table9', expected one of rates, table2, "):
        check_study(GRID, "table9")


def test_a_wrong_value_on_an_axis_names_its_key():
    grid = copy.deepcopy(GRID)
    grid["studies"]["table3"]["axes"]["held_out"] = [12]
    with pytest.raises(ParamError, match=r"anomaly\.held_out: found 12"):
        list_cells("table3", "Ours", CONTENT, grid)


def list_keys(content):
    """All keys of nested mappings and lists."""
    if isinstance(content, dict):
        return [*content, *(key for value in content.values() for key in list_keys(value))]
    return [key for value in content for key in list_keys(value)] if isinstance(content, list) else []


@pytest.mark.parametrize("content", [CONTENT, GRID])
def test_no_setting_has_a_name_that_dvc_leaves_out_of_what_it_compares(content):
    keys = list_keys(content)
    assert "side" in keys and not {"size", "nfiles"} & set(keys)
