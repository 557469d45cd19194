"""Which models compare: the champion is the best of those that were measured under the same conditions."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from pipeline.settings.params import load_params
from pipeline.storage import places
from pipeline.storage.files import write_text
from pipeline.tracking.conditions import describe_conditions, hash_conditions
from pipeline.tracking.logged_model_files import fetch_folder
from pipeline.tracking.logged_models import CHOSEN_BY, log_models
from pipeline.tracking.run_record import read_record
from pipeline.tracking.store import Store

COMPLETE, OCCLUDED = "mnist5k-embedded-complete", "mnist5k-embedded-occluded"
WEIGHTS = f"classifier {hashlib.sha256(b'weights').hexdigest()[:8]}"
DEFAULT = f"{WEIGHTS}, 4000 samples, images 0123abcd"


def set_params(text, *sections, **values):
    """Write params.yaml with the values of a section, which its names lead to, changed."""
    content = yaml.safe_load(text)
    inner = content
    for name in sections:
        inner = inner[name]
    inner |= values
    write_text("params.yaml", yaml.safe_dump(content))


def find_aliases(client, name):
    return {alias: int(version) for alias, version in client.get_registered_model(name).aliases.items()}


@pytest.fixture
def leave(project, leave_model, monkeypatch):
    """A function that leaves a model of ``task`` with its number and publishes it; returns the client.

    Its folder holds a word in the place of the exported model, which takes seconds to write.
    """

    def write_folder(folder, model, about):
        write_text(folder / "model", "exported")

    monkeypatch.setattr("pipeline.tracking.logged_models.write_logged_model", write_folder)

    def leave(number, seed=0, task="complete", digest="0123abcd", weights="weights"):
        project.leave_run()
        leave_model(project.folder, task, seed)
        write_text(places.EXTRACTOR, weights)
        meta = {"dataset": load_params().dataset, "digest": digest}
        write_text(places.DATA / task / "meta.json", json.dumps(meta))
        stage, key, _ = CHOSEN_BY.get(task, ("anomaly", "auprc_mean", ""))
        write_text(places.find_metrics(stage), json.dumps({key: number}))
        store = Store(load_params())
        records = [read_record(name) for name in (f"train-{task}", stage)]
        store.publish(records)
        log_models(store, records)
        return store.client

    return leave


def test_an_easier_mask_takes_no_champion(leave, narrow_settings):
    masks = {30: ".12", 15: ".063", 45: ".161"}
    for seed, (side, error) in enumerate(masks.items()):
        set_params(narrow_settings, "mask", side=side)
        client = leave(float(error), seed, "occluded", digest=f"{side}abcdef")
    named = {side: f"mask region, side {side}, 20 steps, images {side}abcdef" for side in masks}
    versions = {int(one.version): one.tags for one in client.search_model_versions(f"name = '{OCCLUDED}'")}
    assert [versions[number]["conditions"] for number in (1, 2, 3)] == list(named.values())
    assert find_aliases(client, OCCLUDED) == {
        "champion": 1,
        f"champion-{hash_conditions(named[30])}": 1,
        f"champion-{hash_conditions(named[15])}": 2,
        f"champion-{hash_conditions(named[45])}": 3,
    }
    assert versions[2]["conditions_digest"] == hash_conditions(named[15])

    set_params(narrow_settings, "mask", side=30)
    leave(0.1, 3, "occluded", digest="30abcdef")
    found = find_aliases(client, OCCLUDED)
    assert found["champion"] == found[f"champion-{hash_conditions(named[30])}"] == 4
    address = f"models:/{OCCLUDED}@champion-{hash_conditions(named[15])}"
    assert (fetch_folder(address) / "model").exists()


def test_a_distance_by_another_ruler_takes_no_champion(leave, narrow_settings):
    write_text("inception.pth", "features")
    leave(30.0, 0)
    leave(1.0, 1, weights="others")
    leave(1.0, 2, digest="ffff0000")
    set_params(narrow_settings, "fid", inception_file="inception.pth")
    leave(1.0, 3)
    set_params(narrow_settings, "profiles", "embedded", "evaluate", n_generated=2000)
    client = leave(1.0, 4)
    found = find_aliases(client, COMPLETE)
    assert found.pop("champion") == 1
    assert sorted(found.values()) == [1, 2, 3, 4, 5]  # each the best of its own conditions
    set_params(narrow_settings)
    leave(20.0, 5)
    found = find_aliases(client, COMPLETE)
    assert (found["champion"], found[f"champion-{hash_conditions(DEFAULT)}"]) == (6, 6)


def test_own_images_that_changed_are_other_conditions(leave, project, narrow_settings):
    from PIL import Image

    for number, digest in enumerate(("0123abcd", "ffff0000")):
        (project.folder / "own_images").mkdir(exist_ok=True)
        Image.new("L", (28, 28)).save(project.folder / f"own_images/{number}.png")
        content = yaml.safe_load(narrow_settings)
        set_params(narrow_settings, dataset="folder", anomaly=content["anomaly"] | {"held_out": 0})
        client = leave(40.0 - number, number, digest=digest)
    found = find_aliases(client, "folder-embedded-complete")
    assert (found["champion"], len(found)) == (1, 3)


def test_one_model_measured_by_two_rulers_is_two_versions_of_one_copy(leave, narrow_settings):
    write_text("inception.pth", "features")
    leave(30.0)
    set_params(narrow_settings, "fid", inception_file="inception.pth")
    client = leave(1.0)
    first, second = sorted(client.search_model_versions(f"name = '{COMPLETE}'"), key=lambda one: one.version)
    assert first.source == second.source
    assert (first.tags["conditions"], first.tags["distance"]) == (DEFAULT, "30.0")
    assert second.tags["conditions"].startswith("Inception ") and second.tags["distance"] == "1.0"
    assert find_aliases(client, COMPLETE)["champion"] == 1


def test_a_version_without_conditions_compares_with_none_until_it_is_published_again(leave):
    client = leave(30.0)
    for key in ("conditions", "conditions_digest"):  # as versions were before there were any
        client.delete_model_version_tag(COMPLETE, "1", key)
    client.delete_registered_model_alias(COMPLETE, f"champion-{hash_conditions(DEFAULT)}")
    leave(40.0, 1)
    assert find_aliases(client, COMPLETE)["champion"] == 2
    leave(30.5)
    first = client.get_model_version(COMPLETE, "1")
    assert (first.tags["conditions"], first.tags["distance"]) == (DEFAULT, "30.5")
    assert find_aliases(client, COMPLETE)["champion"] == 1


def test_a_version_that_is_not_measured_keeps_no_distance_of_an_earlier_measurement(leave):
    client = leave(30.0)
    leave(None)
    assert "distance" not in client.get_model_version(COMPLETE, "1").tags


def test_a_distance_by_an_extractor_that_is_not_here_makes_no_champion(leave, narrow_settings):
    set_params(narrow_settings, "fid", inception_file="nowhere.pth")
    client = leave(30.0)
    (version,) = client.search_model_versions(f"name = '{COMPLETE}'")
    assert version.tags["distance"] == "30.0" and "conditions" not in version.tags
    assert find_aliases(client, COMPLETE) == {}


def test_a_model_of_normal_images_says_what_was_held_out_and_how_it_was_scored(leave):
    client = leave(0.5, task="normal")
    (version,) = client.search_model_versions("name = 'mnist5k-embedded-normal'")
    assert version.tags["conditions"] == (
        "class 4 held out, score joint, mode of 10 chains, 20 steps, images 0123abcd"
    )
    assert "distance" not in version.tags
    assert find_aliases(client, "mnist5k-embedded-normal") == {}


def test_conditions_say_the_share_of_hidden_pixels_and_are_empty_without_images(project, narrow_settings):
    set_params(narrow_settings, "mask", kind="salt_pepper", share=0.7)
    said = describe_conditions(load_params(), "occluded", "0123abcd" * 8)
    assert said == "mask salt_pepper, share 0.7, 20 steps, images 0123abcd"
    assert describe_conditions(load_params(), "occluded", "") == ""
    assert not Path("artifacts/extractor").exists()
    assert describe_conditions(load_params(), "complete", "0123abcd" * 8) == ""
