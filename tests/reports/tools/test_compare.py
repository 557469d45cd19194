import copy
import functools
import operator
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from pipeline.settings.params import parse_params
from pipeline.settings.yaml_files import read_yaml
from reports.paper.published import read_published
from reports.tools import compare
from reports.tools.compare import draw_experiments, render_pivot, tabulate
from reports.tools.experiments import Experiment, find_reason, name_group, read_finished

CONTENT = read_yaml(Path(__file__).parents[3] / "params.yaml")
PAPER = read_published()
FAILED_LOG = """Running stage 'train@complete':
> python -m stages.train complete
train-complete: chains diverged in round 1, pass 1: root mean square of z is inf with s = 5, K = 5; lower s
ERROR: failed to reproduce 'train@complete': failed to run: python -m stages.train complete, exited with 1
"""


def experiment(alpha, seed, distance=None, reason="", **changes):
    params = parse_params({**CONTENT, "alpha": alpha, "seed": seed, **changes})
    numbers = {
        ("fid", "frechet_distance"): distance,
        ("fid", "extractor"): "mnist5k classifier",
        ("reconstruct", "mse_train"): 0.01,
    }
    return Experiment(f"e{alpha}{seed}", params, {} if reason else numbers, reason)


def changed(settings):
    """An experiment with settings changed by dotted name, as ``-S`` changes them."""
    content = copy.deepcopy(CONTENT)
    for name, value in settings.items():
        *sections, key = name.split(".")
        functools.reduce(operator.getitem, sections, content)[key] = value
    return Experiment("e", parse_params(content), {("anomaly", "pooled.auprc_mean"): 0.5})


def list_methods(*experiments):
    return [row.method for row in tabulate(experiments, PAPER)]


def test_experiments_that_differ_in_their_seed_share_a_row():
    rows = tabulate([experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)], PAPER)
    found = {(row.method, row.quantity): row.value for row in rows}
    assert found[("ABP", "Frechet distance to the training images, mean over 1 seeds")] == 60.0
    assert found[("Ours (alpha=0.5)", "Frechet distance to the training images, mean over 2 seeds")] == 41.0
    assert found[
        ("Ours (alpha=0.5)", "Frechet distance to the training images, std over seeds")
    ] == pytest.approx(2**0.5)


def test_what_varies_between_experiments_is_named_with_auto_resolved():
    rows = tabulate([experiment(0.5, 1, 40.0), experiment(0.5, 1, 45.0, K=30)], PAPER)
    assert {row.method for row in rows} == {"Ours (alpha=0.5), K = 30", "Ours (alpha=0.5), K = 5"}
    assert name_group(experiment(0, 1, 40.0), ["mask.side"]) == "ABP, side = 30"


def test_a_value_that_auto_stands_for_is_the_same_experiment():
    rows = tabulate([experiment(0.5, 1, 40.0), experiment(0.5, 2, 44.0, K=5)], PAPER)
    assert {row.method for row in rows} == {"Ours (alpha=0.5)"}


@pytest.mark.parametrize(
    ("setting", "first", "second", "named"),
    [
        ("anomaly.held_out", 1, 4, "held_out"),
        ("anomaly.score", "joint", "laplace", "score"),
        ("anomaly.inference", "draw", "mode", "inference"),
        ("anomaly.chains", 10, 5, "chains"),
        ("learning.learning_rate", 0.001, 0.002, "learning_rate"),
        ("langevin.preset", "authors-svhn", "eq8", "preset"),  # and not what it stands for
        ("langevin.noise_scale", 0, 0.5, "noise_scale"),
        ("L", 8, 9, "L"),  # and not after how many passes the noise falls, which is five times that
        ("transport.epsilon", 0.01, 0.05, "epsilon"),
        ("fid.inception_file", None, "inception.pth", "inception_file"),
        ("engine.chunk", 100, 200, "chunk"),
        ("profiles.embedded.prepare.n_train", 1000, None, "n_train"),
        ("profiles.embedded.train.K", 3, 5, "K"),
        ("profiles.embedded.train.rounds.complete", 2, 4, "rounds.complete"),
        ("profiles.embedded.train.channels_divided_by.mnist", 1, 2, "channels_divided_by"),
        ("profiles.embedded.evaluate.n_generated", 2000, 4000, "n_generated"),
    ],
)
def test_experiments_that_differ_in_any_setting_share_no_row(tmp_path, setting, first, second, named):
    both = [changed({setting: value}) for value in (first, second)]
    both[0].numbers["anomaly", "pooled.auprc_mean"] = 0.1
    rows = tabulate(both, PAPER)
    assert [(row.method, row.value) for row in rows] == [
        (f"Ours (alpha=0.5), {named} = {first}", 0.1),
        (f"Ours (alpha=0.5), {named} = {second}", 0.5),
    ]
    draw_experiments(tmp_path / "one_panel_wide.png", both)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data.folder", "/mnt/data"),
        ("data.download", False),
        ("data.images", "holiday"),  # of the data set ``folder`` alone
        ("profiles.smoke.train.L2", 7),
        ("profiles.embedded.train.channels_divided_by.svhn", 16),  # no generator of mnist5k
        ("langevin.noise_decay", 0.0),  # what auto stands for
    ],
)
def test_what_changes_no_number_of_them_parts_no_experiments(setting, value):
    first, second = changed({}), changed({setting: value, "seed": 2})
    assert {row.quantity for row in tabulate([first, second], PAPER)} == {
        "AUPRC, pooled, mean over 2 seeds",
        "AUPRC, pooled, std over seeds",
    }


def test_experiments_with_own_images_of_different_folders_share_no_row(tmp_path):
    for name, size in (("large", 64), ("small", 32)):  # of CelebA's generator, and of SVHN's
        (tmp_path / name).mkdir()
        Image.new("RGB", (size, size)).save(tmp_path / name / "image.png")
    folders = [str(tmp_path / name) for name in ("large", "small")]
    own = [changed({"dataset": "folder", "data.images": folder, "anomaly.held_out": 0}) for folder in folders]
    assert list_methods(*own) == [
        f"Ours (alpha=0.5), images = {folders[0]}, channels_divided_by = 8",
        f"Ours (alpha=0.5), images = {folders[1]}, channels_divided_by = 4",
    ]


def test_two_settings_that_vary_together_are_both_named():
    first, second = changed({"anomaly.held_out": 1, "K": 5}), changed({"anomaly.held_out": 4, "K": 10})
    assert list_methods(first, second) == [
        "Ours (alpha=0.5), K = 10, held_out = 4",
        "Ours (alpha=0.5), K = 5, held_out = 1",
    ]


def test_a_pivot_has_a_line_for_each_method_with_spread_and_published_number():
    rows = [experiment(0, 1, 60.0), experiment(0.5, 1, 40.0), experiment(0.5, 2, 42.0)]
    lines = render_pivot(rows, PAPER, "Title", "Note.").splitlines()
    assert lines[:3] == ["### Title", "", "Note."]
    assert lines[4].startswith("| method | seeds | MSE of training images, a draw, [0, 1] | Frechet distance")
    assert lines[6] == "| ABP | 1 | 0.01 | 60 |"
    assert lines[7] == "| Ours (alpha=0.5) | 2 | 0.01 ± 0 | 41 ± 1.4 |"
    full = [experiment(0.5, seed, 40.0, profile="paper", dataset="mnist") for seed in (1, 2)]
    assert "| Ours (alpha=0.5) | 2 | 0.01 ± 0 (0.0008) | 40 ± 0 |" in render_pivot(full, PAPER, "T", "N")


def test_the_papers_number_stands_beside_the_paper_profile_alone():
    for profile, printed in (("embedded", None), ("smoke", None), ("paper", 0.0008)):
        row = tabulate([experiment(0.5, 1, 40.0, profile=profile)], PAPER)[0]
        assert (row.value, row.published) == (0.01, printed)


def test_a_failed_experiment_is_a_row_that_says_why():
    assert find_reason(FAILED_LOG) == "diverged"
    other = FAILED_LOG.replace("chains diverged in round 1", "No space left on device")
    assert find_reason(other).startswith("failed: train-complete: No space left on device")
    assert find_reason("") == "failed; its log is gone"
    both = [experiment(0.5, 1, 40.0), experiment(0.5, 2, s=5.0, reason="diverged")]
    *_, row = tabulate(both, PAPER)
    assert (row.quantity, row.value, row.seed) == ("diverged", None, 2)
    assert row.method == "Ours (alpha=0.5), s = 5"
    assert render_pivot(both, PAPER, "T", "N").endswith("- Ours (alpha=0.5), s = 5, seed 2: diverged\n")


def test_experiments_are_drawn_over_what_varies_among_them(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(compare, "save_figure", lambda figure, path: drawn.append(figure))
    draw_experiments(tmp_path / "both.png", [experiment(0, 1, 0.0, s=0.1), experiment(0.5, 1, 15.0, s=0.3)])
    one = [experiment(0, 1, 0.0), experiment(0.5, 1, 15.0)]
    one[1].numbers["reconstruct", "mse_test"] = 0.02
    draw_experiments(tmp_path / "one.png", [*one, experiment(0.9, 1, reason="diverged")])
    (both, arranged), shapes = drawn, [figure.axes[0].get_gridspec().get_geometry() for figure in drawn]
    assert shapes == [
        (2, 2),
        (1, 3),
    ]  # a row a quantity, a column a setting; those of one setting side by side
    assert [axis.get_xlabel() for axis in both.axes] == ["alpha", "s"] * 2
    assert arranged.get_suptitle() == "2 experiments"  # and not the one that diverged


def test_what_no_experiment_measured_has_no_panel_and_the_others_have_the_tables_titles(
    tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(compare, "save_figure", lambda figure, path: drawn.append(figure))
    both = [experiment(0, 1), experiment(0.5, 1)]  # no Frechet distance
    both[1].numbers["reconstruct", "mse_test"] = 0.02
    draw_experiments(tmp_path / "two.png", both)
    (figure,) = drawn
    labels = [axis.get_ylabel().replace("\n", " ") for axis in figure.axes]
    assert labels == ["MSE of training images, a draw, [0, 1]", "MSE of test images, a draw, [0, 1]"]
    assert [len(axis.lines[0].get_xdata()) for axis in figure.axes] == [2, 1]
    (tmp_path / "none.png").write_bytes(b"of earlier experiments")
    draw_experiments(tmp_path / "none.png", [experiment(0, 1, reason="diverged")])
    assert len(drawn) == 1 and not (tmp_path / "none.png").exists()


def test_experiments_of_an_earlier_commit_are_named_with_the_option_that_reads_them(tmp_path, monkeypatch):
    def git(*words):
        name = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        return subprocess.run(
            ["git", *name, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "before")
    base = git("rev-parse", "HEAD")
    git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/grid-1", base)
    git("commit", "-q", "--allow-empty", "-m", "results")
    monkeypatch.setattr(compare, "read_experiments", lambda count, pattern: [])
    for pattern, commits, said in (
        ("grid-*", 1, "of this commit is named 'grid-*'; on an earlier one there is: --commits 2"),
        ("other", 1, "queue some"),
        ("grid-*", 2, "queue some"),  # which that had looked at already
    ):
        monkeypatch.setattr("sys.argv", ["compare", "--experiments", pattern, "--commits", str(commits)])
        with pytest.raises(SystemExit, match=re.escape(said)):
            compare.main()


def test_stale_metrics_are_left_out(monkeypatch):
    def lock(alpha):
        stages = {
            "train@complete": {
                "params": {"params.yaml": {"alpha": alpha}},
                "outs": [{"path": "artifacts/models/complete", "md5": "m1"}],
            },
            "fid": {
                "deps": [{"path": "artifacts/models/complete", "md5": "m1"}],
                "outs": [{"path": "metrics/fid.json", "md5": "f"}],
            },
        }
        return {"stages": stages}

    locks = {"stale": lock(0.3), "current": lock(0.5)}
    measured = {
        "metrics/fid.json": {"frechet_distance": 3.0},
        "metrics/train/complete.json": {"ot_cost": 35.0},
    }
    monkeypatch.setattr(
        "reports.tools.experiments.read_revision",
        lambda revision, path: {"dvc.lock": locks[revision], "params.yaml": CONTENT, **measured}[path],
    )
    assert read_finished("x", "stale").numbers == {}
    found = read_finished("x", "current")  # no stage recover in this lock
    assert found.numbers == {("fid", "frechet_distance"): 3.0, ("train-complete", "ot_cost"): 35.0}
    assert found.settings["alpha"] == 0.5
