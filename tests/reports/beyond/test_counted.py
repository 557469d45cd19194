"""Updates and anomalies that are counted from settings, without a training."""

import pytest
import torch

from models.catalogue import METHODS, Method
from models.interface import FitRequest, FittedMethod
from models.rivals.ladder_vae import LadderVae
from models.short_run.method import count_sample_gradients
from pipeline.settings.params import load_params
from pipeline.settings.plan import build_plan
from pipeline.studies.grid import read_grid
from pipeline.studies.planning import list_here
from reports.beyond.counted import Positives, Updates, ask_method, count_all_updates, find_positives
from reports.beyond.leaderboard_notes import REASONS, list_notes, tell_lacks

NARROW = "mnist/16"  # of Table 1's channels: what is asked does not depend on them, but for three methods


@pytest.fixture
def make_planned(make_cell):
    """A function that makes a cell of the leaderboard's first place with the budget of its settings."""

    def make(method, **given):
        planned = list_here("leaderboard", "Ours", load_params(), read_grid())[0]
        budget = count_sample_gradients(build_plan(planned.params, "complete"), 1000)
        numbers = {"n": 1000, "sample_gradients": float(budget), **given}
        return make_cell("leaderboard", method, axes=dict(planned.axes), **numbers)

    return make


def test_a_method_is_asked_for_its_steps_and_never_trained(monkeypatch):
    updates = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_, **__: updates.append(1))
    for method, cost in {"VAE": 2, "GLO": 1, "MEG": 24}.items():
        assert ask_method(method, NARROW, 4, 40, 960, 20) == Updates(960 // (20 * cost), cost)
    # The duality gap that it measures at the end is paid before its steps.
    assert ask_method("iWGAN", NARROW, 4, 40, 96_000, 20).number < 96_000 // (20 * 25)
    assert not updates


def test_the_steps_are_those_that_a_training_takes(monkeypatch):
    taken = []
    monkeypatch.setattr("models.rivals.wae.take_steps", lambda name, steps, take_step: taken.append(steps))
    request = FitRequest(
        NARROW, 4, torch.zeros(40, 1, 28, 28, dtype=torch.uint8), None, 0.3, 1, 700, 20, 1e-3, torch.float32
    )
    METHODS["WAE-GAN"].load()(request)
    assert taken == [ask_method("WAE-GAN", NARROW, 4, 40, 700, 20).number] == [17]


def test_a_flow_costs_more_beside_a_narrower_generator():
    wide, narrow = (ask_method("GLOW", one, 4, 40, 96_000, 20) for one in ("mnist/2", NARROW))
    assert narrow.cost > wide.cost > 1 and narrow.number < wide.number


def test_a_method_that_learns_before_it_asks_is_not_counted(monkeypatch):
    monkeypatch.setitem(METHODS, "eager", Method(__name__, "nobody", "none", "learn_at_once"))
    assert ask_method("eager", NARROW, 4, 40, 960, 20) is None


def learn_at_once(request: FitRequest) -> FittedMethod:
    request.load(torch.arange(3))
    raise AssertionError("it went on")


def test_a_cell_is_counted_where_its_budget_is_that_of_the_settings(make_planned):
    ours, mixture, linear = (make_planned(name) for name in ("Ours", "Ours-mixture", "PPCA"))
    found = count_all_updates([ours, mixture, linear])
    assert set(found) == {"Ours", "Ours-mixture"} and found["Ours"] == found["Ours-mixture"]
    assert found["Ours"].number > 1 and found["Ours"].cost is None
    assert count_all_updates([make_planned("Ours", sample_gradients=7.0)]) == {}


def test_the_anomalies_are_those_that_give_the_base_rates(make_planned):
    assert find_positives(make_planned("Ours", tenth_base_rate=0.1, pooled_base_rate=0.3)) is None
    # 150 of 1,500 images: 270 of the other 1,350 are tested, with 30 anomalies, or with all.
    cell = make_planned("Ours", tenth_base_rate=30 / 300, pooled_base_rate=150 / 420)
    assert find_positives(cell) == Positives(30, 150)
    notes = "\n".join(list_notes([cell], {}))
    assert "rests on 30 images of the held-out class (tenth) and 150 (pooled)" in notes
    assert "seeds alone" in notes


def test_the_cost_of_an_update_is_said_where_it_is_counted_from_networks():
    notes = list_notes([], {"VAE": Updates(680, 2), "GLOW": Updates(307, 4.42), "Ours": Updates(360)})
    assert len(notes) == 1 and "generator: GLOW 4.42. Their" in notes[0]


def test_the_reasons_that_are_put_right_are_wrong_in_the_cells():
    assert set(REASONS) == {("Ladder-VAE", "draws no posterior")}
    assert LadderVae.draw_posterior is not FittedMethod.draw_posterior  # it has one,
    assert not LadderVae.has_posterior  # and is not asked for it
    assert tell_lacks("Ladder-VAE", {"a": "draws no posterior", "b": "scores no images"}) == {
        "a": "draws a posterior, by which its errors are not measured",
        "b": "scores no images",
    }
