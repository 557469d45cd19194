"""report.html's claims are those of claims.csv, and its opening words count them."""

import re
from collections import Counter
from html import unescape

import numpy as np
import pandas as pd

from reports.paper.html_claims import render_belief
from reports.paper.html_report import render_report
from reports.paper.published import read_published
from reports.paper.shown_tables import read_exactly
from tests.reports.paper.html_reader import NOTHING


def test_each_claim_has_the_effect_interval_verdict_and_seeds_of_the_csv(shared, page):
    frame = read_exactly(shared[0] / "claims.csv")
    rows = [
        row
        for name in ("claims-ratio", "claims-difference", "places-ratio", "places-difference")
        for row in (page.list_rows(name) if name in page.tables else [])
    ]
    assert len(rows) == len(frame)
    ordered = pd.concat(
        frame[(frame["unit"] == unit) & (frame["place"].isna() == whole)]
        for unit in ("log ratio", "difference")
        for whole in (True, False)
    )
    by_name = {
        (row["claim"]["attributes"]["data-v"], row.get("place", {}).get("text", "")): row for row in rows
    }
    n_intervals = 0
    for record in ordered.to_dict("records"):
        row = by_name[record["claim"], "" if pd.isna(record["place"]) else record["place"]]
        measured = not pd.isna(record["effect"])
        assert row["verdict"]["text"].strip() == (record["verdict"] if measured else "not measured")
        assert row["seeds"]["text"] == f"{record['seeds']:.0f}"
        effect = row["effect"]
        if not measured:
            assert "data-v" not in effect["attributes"]
            continue
        assert float(effect["attributes"]["data-v"]) == record["effect"]
        numbers = [float(word.replace("−", "-")) for word in re.findall(r"[−+\d.e-]+", effect["text"])]
        ends = [record[name] for name in ("effect", "low", "high") if not pd.isna(record[name])]
        if record["unit"] == "log ratio":
            ends = np.exp(ends)
        np.testing.assert_allclose(numbers, ends, rtol=6e-3, atol=6e-4)
        n_intervals += len(ends) == 3
    assert n_intervals > 3


def test_a_marker_lies_inside_its_interval_and_right_of_the_middle_on_the_papers_side(text):
    strips = re.findall(r'<svg class="strip.*?</svg></svg>', text, re.DOTALL)
    assert len(strips) > 5
    for strip in strips:
        interval = re.search(r'class="ci" x1="([\d.]+)%" x2="([\d.]+)%"', strip)
        marker = float(re.findall(r'<svg x="([\d.]+)%"', strip)[-1])
        effect = float(re.search(r"effect ([\d.+−e]+)", strip)[1].replace("−", "-"))
        if abs(effect - 1) > 0.01 and "." in str(effect):
            assert (marker > 50) == (effect > 1)
        if interval:
            assert float(interval[1]) <= marker <= float(interval[2])


def test_the_opening_words_count_the_verdicts_of_the_csv(results):
    folder, below, cells, _ = results
    frame = read_exactly(folder / "claims.csv")
    whole = frame["place"].isna()
    frame.loc[whole, "verdict"] = "reproduces"
    frame.loc[frame["claim"].str.contains("alpha .5") & whole, "verdict"] = "contradicted"
    frame["share_of_paper"] = 1 / 1234
    frame.to_csv(folder / "claims.csv", index=False)
    text = render_report(folder, below, "smoke", cells, read_published(), records=NOTHING)
    words = re.search(r'class="belief">(.*?)</div>', text)[1]
    counts = Counter(frame[whole]["verdict"])
    assert f"{counts['reproduces']} are reproduced and {counts['contradicted']} are contradicted" in words
    assert "none is undecided" in words and "1/1,234" in words
    named = [unescape(item) for item in re.findall("<li>(.*?)</li>", words)]
    assert len(named) == whole.sum()
    for claim in frame[whole]["claim"]:  # each is an item, as verdicts other than undecided are
        assert any(f"{claim[1:]} (" in item for item in named)


def test_the_opening_words_tell_what_was_not_measured_from_what_stays_undecided():
    rows = [(0.1, -0.2, 0.4, 3), (0.1, -0.2, 0.4, 3), (0.1, np.nan, np.nan, 1), (np.nan, np.nan, np.nan, 2)]
    claims = pd.DataFrame(rows, columns=["effect", "low", "high", "seeds"]).assign(
        claim="a sentence", study="table2", place=np.nan, unit="difference", verdict="undecided",
        images=250, updates=10, share_of_paper=[1 / 500, 1 / 500, 1 / 500, np.nan],
    )  # fmt: skip
    words = render_belief(claims, (5, 0))
    assert "the intervals of 2 of the undecided hold effects that matter" in words
    assert "1 of the undecided rest on a single seed" in words
    assert "1 of the undecided could not be measured" in words
    assert "these trainings had 1/500 of its sample-gradients" in words
    claims.loc[0, "share_of_paper"] = 1 / 2000
    assert "had from 1/2,000 to 1/500 of its" in render_belief(claims, (5, 0))
