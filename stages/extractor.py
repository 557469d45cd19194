"""Stage extractor: train the embedded feature extractor on the data set's own labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pipeline.checkpoints import save_tensors
from pipeline.extractor import measure_accuracy, train_classifier
from pipeline.image_store import read_images
from pipeline.params import Params
from pipeline.stage import run_stage
from reports.figures import save_grid

INPUT = "artifacts/data/complete"
OUTPUT = Path("artifacts/extractor/classifier.pt")
FIGURE = "reports/figures/extractor_errors.png"
N_SHOWN = 16


def extractor(params: Params, tracker: object) -> dict[str, Any]:
    """Train and store the classifier, picture test images it gets wrong, return its accuracies."""
    stored = read_images(INPUT)
    train_images, train_labels, test_images, test_labels = (
        torch.from_numpy(stored[name].copy())
        for name in ("train_images", "train_labels", "test_images", "test_labels")
    )
    rng = torch.Generator().manual_seed(params.seed)
    epochs = params.profile_settings.extractor.epochs
    classifier = train_classifier(train_images, train_labels, epochs, rng)
    save_tensors(
        OUTPUT,
        {
            "channels": train_images.shape[1],
            "n_classes": classifier.head.out_features,
            "weights": classifier.state_dict(),
        },
    )
    with torch.no_grad():
        guesses = classifier(test_images[:2000].float() / 255).argmax(1)
    wrong = (guesses != test_labels[:2000]).nonzero()[:N_SHOWN, 0]
    shown = wrong if len(wrong) else torch.arange(min(N_SHOWN, len(test_images)))
    said = " ".join(str(int(guess)) for guess in guesses[shown])
    save_grid(FIGURE, [(f"test images the extractor takes for {said}", test_images[shown].float() / 255)])
    return {
        "train_accuracy": measure_accuracy(classifier, train_images, train_labels),
        "test_accuracy": measure_accuracy(classifier, test_images, test_labels),
        "n_train": len(train_images),
        "epochs": epochs,
    }


def main() -> None:
    """Run the stage."""
    run_stage("extractor", extractor)


if __name__ == "__main__":
    main()
