"""The paper's claims as data: well formed, each with a row and a mark in the forest plot."""

import itertools

import pytest

from pipeline.settings.yaml_files import ParamError
from reports.paper.claims import parse_claim, read_claims
from reports.paper.claims_table import count_verdicts, render_claims, tabulate_claims
from reports.paper.forest import build_forest
from reports.paper.verdicts import judge_claims
from tests.reports.paper.claim_cases import BEATS_ABP, DATASETS


def test_the_papers_claims_are_well_formed_and_all_have_a_row(make_pairs):
    claims = read_claims()
    assert len(claims) > 20 and len({one.text for one in claims}) == len(claims)
    verdicts = judge_claims(claims, {"table2": make_pairs(dict.fromkeys(DATASETS, 0.3))})
    frame = tabulate_claims(verdicts, lambda cells: None)
    needed = ["claim", "effect", "low", "high", "verdict", "seeds", "images"]
    assert set(needed) <= set(frame.columns)
    assert list(tabulate_claims([], lambda cells: None).columns) == list(frame.columns)
    unasked = ("With 10 latent dimensions", "By its chain")
    asked = [one for one in claims if not one.text.startswith(unasked)]
    assert list(frame[frame["place"] == ""]["claim"]) == [one.text for one in asked] != claims
    text = render_claims(verdicts, lambda cells: None)
    assert text.count("| | not measured | |") == len(asked) - 1 and "| reproduces | 5 | 100 |" in text
    assert "\n| Table 2: Ours has a lower Frechet distance than ABP | 1.35 [" in text
    counts = count_verdicts(verdicts)
    assert counts["claims"] == len(asked) == sum(counts.values()) - counts["claims"]
    assert counts["reproduces"] == 1


GOOD = {
    "claim": "x",
    "study": "table2",
    "quantity": "frechet_distance",
    "better": "lower",
    "unit": "ratio",
    "rule": {"kind": "beats", "method": "Ours", "rival": "ABP"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "table9"}, "study: found 'table9', expected one of table2"),
        ({"quantity": "speed"}, "quantity: found 'speed', expected one of mse_train"),
        ({"better": "up"}, "better: found 'up', expected one of lower, higher"),
        ({"rule": {"kind": "wins"}}, "rule.kind: found 'wins'"),
        ({"rule": {"kind": "trend", "along": "K"}}, "rule: .*spacing"),
        (
            {"rule": {"kind": "trend", "along": "K", "spacing": "log", "rival": "ABP"}},
            "the method whose lead it is",
        ),
        ({"rule": {"kind": "beats", "method": "Ours"}}, "neither rival nor rival_quantity"),
    ],
)
def test_a_malformed_claim_is_refused_with_its_place(change, message):
    margins = {"ratio": 0.05, "difference": 0.02}
    assert parse_claim(GOOD, margins, "claims[0]").rule == BEATS_ABP
    with pytest.raises(ParamError, match=message):
        parse_claim({**GOOD, **change}, margins, "claims[0]")


def test_labels_of_the_forest_plot_do_not_overlap_and_stay_inside(make_pairs, make_sweep):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    cells = {
        "table2": make_pairs(dict.fromkeys(DATASETS, 0.3)),
        "figure8": make_sweep({0: 40.0, 0.5: 30.0, 1: 20.0}, seeds=1),
    }
    figure = build_forest(judge_claims(read_claims(), cells))
    renderer = FigureCanvasAgg(figure).get_renderer()
    for panel in figure.axes:
        for kind in ("label", "verdict"):
            boxes = [text.get_window_extent(renderer) for text in panel.texts if text.get_gid() == kind]
            assert len(boxes) > 2
            assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))
            assert min(box.x0 for box in boxes) >= 0
            assert max(box.x1 for box in boxes) <= figure.bbox.width
        ticks = [label.get_window_extent(renderer) for label in panel.get_xticklabels()]
        assert not any(one.overlaps(other) for one, other in itertools.pairwise(ticks))
