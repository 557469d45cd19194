import pytest

from pipeline.settings.params import load_params
from pipeline.studies.grid import read_grid
from pipeline.studies.planning import list_study
from pipeline.studies.workload import count_evaluations
from reports.paper.evaluations import describe_evaluations


def list_all(study, grid=None):
    return list_study(study, load_params(profile="embedded"), grid or read_grid())


def test_the_note_counts_a_networks_evaluations_by_method_and_by_data_set_where_they_differ():
    grid = read_grid()
    of_emoji = grid["scales"]["embedded"]["emoji"]["evaluate"]
    of_emoji["reconstruct_steps"] = 50
    said = describe_evaluations("table2", list_all("table2", grid))
    assert "network for one image's z: VAE 1, ABP 50, Ours 50, PPCA 0;" in said
    of_emoji["reconstruct_steps"] = 30
    said = describe_evaluations("table2", list_all("table2", grid))
    assert "Ours 50 (mnist5k, colour_digits (stand-in for SVHN)) or 30 (emoji (stand-in for CelebA))," in said
    assert "VAE 1," in said  # the same for all
    assert describe_evaluations("figure3", list_all("figure3")) == ""


def test_recovery_goes_on_with_the_training_chain():
    recover = load_params(profile="embedded").profile_settings.evaluate.recover_steps
    assert f"ABP {recover}, Ours {recover}," in describe_evaluations("table8", list_all("table8"))


@pytest.mark.parametrize("method", ["GLO", "LEBM", "RAE", "FA"])
def test_a_descent_counts_as_a_chain_and_an_encoder_once(method):
    (cell, *_) = [cell for cell in list_all("leaderboard") if cell.method == method]
    assert count_evaluations(cell) == {"GLO": 50, "LEBM": 50, "RAE": 1, "FA": 0}[method]
