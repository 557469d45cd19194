import pytest

from pipeline.evaluation.features import ABOVE_CHANCE, refuse_untrained


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
