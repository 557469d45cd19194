"""Stage extractor: train the embedded feature extractor on a data set's own labels.

Without an argument for the prepared data; with one of the paper's data sets for what stands for it in the
tables.
"""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.images import to_unit
from pipeline.data.image_folder import read_images
from pipeline.data.load import load_dataset
from pipeline.data.published_files import is_there
from pipeline.evaluation.features import (
    measure_accuracy,
    refuse_untrained,
    save_classifier,
    train_classifier,
    turn,
)
from pipeline.settings.params import Params
from pipeline.stage import add_profile, run_stage
from pipeline.storage import places
from pipeline.storage.files import project_root, write_folder, write_json
from pipeline.studies.grid import choose_dataset, read_grid
from reports.drawing import name_class, save_grid

INPUT = places.DATA / "complete"
N_SHOWN = 16
TURNS = ("0°", "90°", "180°", "270°")  # the classes of images that have none
log = logging.getLogger(__name__)


def extractor(params: Params, tracker: object) -> dict[str, Any]:
    """Train the extractor of the prepared data."""
    stored, figure = read_images(INPUT), places.FIGURES / "extractor_errors.png"
    accuracies = fit(params, stored.arrays, places.EXTRACTOR, figure, stored.meta.get("classes", []))
    if refused := refuse_untrained(accuracies):
        log.warning("a Frechet distance in its features will be refused: %s", refused)
    return accuracies


def extractor_for_tables(params: Params, tracker: object, paper_dataset: str) -> None:
    """Train the extractor of what stands for ``paper_dataset``, on as many images as the profile prepares.

    Data sets smaller than that give all they have.
    """
    folder = project_root() / params.data.folder
    dataset = choose_dataset(read_grid(), params.profile, paper_dataset, lambda name: is_there(name, folder))
    numbers = params.profile_settings.prepare
    images = load_dataset(
        dataset,
        folder,
        n_train=numbers.n_train,
        n_test=numbers.n_test,
        at_most=True,
        seed=params.seed,
        download=params.data.download,
    )
    with write_folder(places.find_table_extractor(params.profile, paper_dataset)) as output:
        classifier, figure = output / places.EXTRACTOR.name, output / "errors.png"
        accuracies = fit(params, images.arrays, classifier, figure)
        write_json(output / "extractor.json", {"dataset": dataset} | accuracies)


def fit(params: Params, arrays: Any, output: Path, figure: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Train and store the classifier, picture test images it gets wrong, return its accuracies.

    ``names``: of the classes, where they have any.
    """
    train_images, train_labels, test_images, test_labels = (
        torch.from_numpy(np.array(arrays[name]))
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    )
    if len(train_labels.unique()) < 2:  # own images without class folders
        train_images, train_labels = turn(train_images)
        test_images, test_labels = turn(test_images)
        names = TURNS
    rng = torch.Generator().manual_seed(params.seed)
    epochs = params.profile_settings.extractor.epochs
    classifier = train_classifier(train_images, train_labels, epochs, rng)
    save_classifier(output, classifier, train_images.shape[1])
    with torch.no_grad():
        guesses = classifier(to_unit(test_images[:2000])).argmax(1)
    wrong = (guesses != test_labels[:2000]).nonzero()[:N_SHOWN, 0]
    shown = wrong if len(wrong) else torch.arange(min(N_SHOWN, len(test_images)))
    right = " rightly, by class" if not len(wrong) else " wrongly: their class → what they are taken for"
    captions = [name_class(label, names) for label in test_labels[shown].tolist()]
    if len(wrong):
        guessed = [name_class(guess, names) for guess in guesses[shown].tolist()]
        captions = [f"{label}\n→ {guess}" for label, guess in zip(captions, guessed, strict=True)]
    title = f"test images that the extractor labels{right}"
    save_grid(figure, [(title, to_unit(test_images[shown]))], captions=[captions])
    return {
        "train_accuracy": measure_accuracy(classifier, train_images, train_labels),
        "test_accuracy": measure_accuracy(classifier, test_images, test_labels),
        "n_train": len(train_images),
        "epochs": epochs,
        "classes": int(train_labels.max()) + 1,
    }


def main() -> None:
    """Run the stage, for the data set named on the command line if there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", help="one of tables.yaml's `datasets`")
    add_profile(parser)
    arguments = parser.parse_args()
    dataset = arguments.dataset
    if dataset is None:
        run_stage("extractor", extractor, profile=arguments.profile)
    else:
        stage = functools.partial(extractor_for_tables, paper_dataset=dataset)
        run_stage(f"extractor-{dataset}", stage, profile=arguments.profile)


if __name__ == "__main__":
    main()
