import pytest
import torch

from models.networks.classifier import build_classifier
from pipeline.evaluation.features import ABOVE_CHANCE, measure_accuracy, refuse_untrained, turn


@pytest.mark.parametrize("classes", [2, 8, 10])
def test_a_classifier_near_chance_measures_no_distance(classes):
    needed = 1 / classes + ABOVE_CHANCE * (1 - 1 / classes)
    assert refuse_untrained({"test_accuracy": needed + 1e-9, "classes": classes}) == ""
    assert refuse_untrained({"test_accuracy": 1.0, "classes": classes}) == ""
    for accuracy in (0.0, 1 / classes, needed - 1e-9):
        refused = refuse_untrained({"test_accuracy": accuracy, "classes": classes})
        assert refused.startswith(f"the extractor labels {accuracy:.0%} of the test images right")


def test_the_refusal_says_what_is_needed():
    refused = refuse_untrained({"test_accuracy": 0.114, "classes": 4})  # 1/4 + 0.15 * 3/4 = 0.3625
    assert refused == "the extractor labels 11% of the test images right, 36% are needed"


def test_a_quarter_turn_moves_the_upper_right_corner_to_the_upper_left():
    image = torch.zeros(2, 1, 4, 4)
    image[0, 0, 0, 3] = 1.0
    turned, quarters = turn(image)
    assert turned.shape == (8, 1, 4, 4) and quarters.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    corners = [tuple(turned[2 * quarter, 0].nonzero()[0].tolist()) for quarter in range(4)]
    assert corners == [(0, 3), (0, 0), (3, 0), (3, 3)]


def test_counting_right_labels_keeps_no_gradients():
    classifier, kept = build_classifier(1, 10, torch.Generator().manual_seed(0)), []
    classifier.register_forward_hook(lambda module, given, out: kept.append(out.requires_grad))
    measure_accuracy(classifier, torch.zeros(4, 1, 28, 28), torch.arange(4))
    assert kept == [False]
