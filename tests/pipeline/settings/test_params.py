import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settings.params import load_params, parse_params
from pipeline.settings.plan import build_chain
from pipeline.settings.yaml_files import ParamError

with open("params.yaml", encoding="utf-8") as file:
    COMMITTED = yaml.safe_load(file)


def changed(**dotted):
    content = copy.deepcopy(COMMITTED)
    for key, value in dotted.items():
        *path, last = key.split("__")
        part = content
        for name in path:
            part = part[name]
        part[last] = value
    return content


def test_the_committed_file_is_valid_and_resolves():
    params = load_params("params.yaml")
    assert params.profile == "embedded" and params.dataset == "mnist5k"
    flat = params.flat()
    assert flat["K"] == COMMITTED["profiles"]["embedded"]["train"]["K"]
    assert flat["latent_dim"] == 30 and flat["langevin.noise_scale"] == 1.0
    assert "auto" not in [value for key, value in flat.items() if not key.startswith(("engine", "transport"))]


def test_the_paper_profile_holds_the_numbers_of_section_7_1():
    with open("reports/published.yaml", encoding="utf-8") as file:
        paper = yaml.safe_load(file)["settings"]
    train = parse_params(changed(profile="paper", dataset="mnist")).profile_settings.train
    assert (train.K, train.L, train.batch_size) == (paper["K"], paper["L"], paper["batch_size"])
    assert train.rounds.complete in range(paper["epochs"][0], paper["epochs"][1] + 1)
    assert COMMITTED["alpha"] == paper["alpha"]["mnist"] and COMMITTED["s"] == paper["s"]["mnist"]
    assert COMMITTED["sigma"] == paper["sigma"] and COMMITTED["transport"]["epsilon"] == paper["epsilon_ot"]


def test_top_level_symbols_win_over_the_profile():
    train = parse_params(changed(K=7, L=3, L2=2, learning__learning_rate=0.01)).profile_settings.train
    assert (train.K, train.L, train.L2, train.learning_rate) == (7, 3, 2, 0.01)


def test_presets_fill_what_is_left_open():
    svhn = parse_params(changed(langevin__preset="authors-svhn", langevin__noise_scale=0.2, L=50))
    resolved = svhn.resolve_langevin()
    assert (resolved.drift_coefficient, resolved.drift_reduction) == ("linear", "mean")
    assert (resolved.noise_scale, resolved.noise_decay, resolved.batch_norm) == (0.2, 0.01, "batch")
    eq8 = parse_params(COMMITTED).resolve_langevin()
    assert (eq8.drift_coefficient, eq8.drift_reduction, eq8.batch_norm) == ("half_square", "sum", "frozen")


def test_the_svhn_scripts_noise_falls_every_five_rounds_of_fifty_passes():
    params = parse_params(changed(langevin__preset="authors-svhn", s=3.0, profile="paper"))
    chain = build_chain(params, 50)
    assert [chain.noise_std(round_ * 50) / 3.0 for round_ in (0, 4, 5, 9, 10, 49, 50)] == pytest.approx(
        [0.1, 0.1, 0.09, 0.09, 0.08, 0.01, 0.0]
    )


def test_the_mnist_scripts_chain_is_two_thousand_times_too_warm():
    """Drift s^2/2 on the mean of 2,000 energies and noise s: the prior alone would keep variance 2,000."""
    chain = build_chain(parse_params(changed(langevin__preset="authors-mnist")), 50)
    drift, noise = chain.drift(2000), chain.noise_std(499)
    assert noise**2 / (1 - (1 - drift) ** 2) == pytest.approx(2000, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 1.5}, "alpha: found 1.5, expected a number >= 0 and <= 1"),
        ({"alpha": -0.1}, "alpha: found -0.1, expected a number >= 0 and <= 1"),
        ({"alpha": float("nan")}, "alpha: found nan, expected a number >= 0 and <= 1"),
        ({"alpha": "0.5"}, "alpha: found '0.5', expected a number >= 0 and <= 1"),
        ({"alpha": True}, "alpha: found True, expected a number"),
        ({"s": 0}, "s: found 0, expected a number > 0"),
        ({"K": 0}, "K: found 0, expected an integer >= 1 or auto"),
        ({"K": 2.5}, "K: found 2.5, expected an integer >= 1 or auto"),
        ({"seed": 2**32}, "seed: found 4294967296, expected an integer >= 0 and <= 4294967295"),
        ({"beta": 1}, "beta: unknown key, expected one of profile, dataset"),
        ({"langevin__stepsize": 1}, "langevin.stepsize: unknown key, expected one of preset"),
        ({"dataset": "x; rm -rf"}, "dataset: found 'x; rm -rf', expected mnist5k | mnist"),
        ({"profile": "huge"}, "profile: found 'huge', expected smoke | embedded | recorded | paper"),
        ({"langevin": 3}, "langevin: found 3, expected a mapping of keys"),
        ({"anomaly__held_out": 10}, "anomaly.held_out: found 10, expected a class of mnist5k, 0 to 9"),
        ({"mask__side": 65}, "mask.side: found 65, expected 1 to 64"),
        ({"transport__epsilon": 0}, "transport.epsilon: found 0, expected a number > 0 and <= 1"),
        (
            {"profiles__embedded__train__batch_size": 1},
            "profiles.embedded.train.batch_size: found 1, expected",
        ),
        (
            {"profiles__embedded__train__channels_divided_by__svhn": 3},
            "profiles.embedded.train.channels_divided_by.svhn: found 3, expected one of 1, 2, 4, 8, 16",
        ),
        (
            {
                "profiles__paper__train__channels_divided_by__celeba": 32
            },  # a profile that is not the chosen one
            "profiles.paper.train.channels_divided_by.celeba: found 32, expected one of 1, 2, 4, 8, 16",
        ),
        (
            {"profiles__smoke__train__channels_divided_by__mnist": 0},
            "profiles.smoke.train.channels_divided_by.mnist: found 0, expected an integer >= 1",
        ),
        ({"data__download": "yes"}, "data.download: found 'yes', expected true or false"),
    ],
)
def test_a_wrong_value_is_one_line_with_key_value_and_range(change, message):
    with pytest.raises(ParamError) as error:
        parse_params(changed(**change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("profile", "dataset", "architecture"),
    [
        ("smoke", "emoji", "celeba/8"),
        ("embedded", "emoji", "celeba/8"),
        ("embedded", "celeba", "celeba/8"),
        ("embedded", "colour_digits", "svhn/4"),
        ("embedded", "mnist5k", "mnist"),
        ("paper", "celeba", "celeba"),
        ("paper", "svhn", "svhn"),
    ],
)
def test_table_1s_channels_are_divided_as_the_profile_says(profile, dataset, architecture):
    params = parse_params(changed(profile=profile, dataset=dataset, anomaly__held_out=1))
    assert params.architecture == architecture
    assert params.resolved_latent_dim == {"mnist5k": 30}.get(dataset, 64)
    key = f"profiles__{profile}__train__channels_divided_by__celeba"
    other = parse_params(changed(profile=profile, dataset="emoji", **{key: 16}))
    assert other.architecture == "celeba/16" and other.flat() != params.flat()


def test_a_missing_key_and_a_missing_file_are_named(tmp_path):
    content = changed()
    del content["sigma"]
    with pytest.raises(ParamError, match="sigma: missing from params.yaml"):
        parse_params(content)
    with pytest.raises(ParamError, match="none.yaml: not found"):
        load_params(tmp_path / "none.yaml")


@pytest.mark.injects("files that would run code", 1)
def test_yaml_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("alpha: !!python/object/apply:os.system ['touch here']")
    with pytest.raises(ParamError, match="not valid YAML"):
        load_params(path)
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize("text", [f"s: {'9' * 5000}", "[" * 5000, "s: \x80"])
def test_settings_that_yaml_cannot_take_are_one_line_with_the_file(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ParamError, match="params.yaml: not valid YAML") as caught:
        load_params(path)
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(COMMITTED)), value=JSON)
def test_any_value_is_accepted_or_refused_in_one_line(key, value):
    try:
        parse_params(changed(**{key: value}))
    except ParamError as error:
        assert key in str(error) and "\n" not in str(error)
