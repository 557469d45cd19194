"""report.html says what its CSV files say, loads nothing, and is whole."""

import re
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from reports.paper.html_figures import inline_svg
from reports.paper.html_parts import write_number
from reports.paper.html_report import render_report, write_report
from reports.paper.html_tables import PUBLISHED_OF, list_printed
from reports.paper.published import read_published
from reports.paper.shown_tables import Number, read_exactly, read_shown, split_quantity
from tests.reports.paper.html_reader import NOTHING, read_facts

LOADING = ("src", "srcset", "href", "xlink:href", "data", "action", "poster")


@pytest.mark.parametrize("study", ["table2", "figure8"])
def test_each_number_is_that_of_its_csv(shared, page, text, study):
    frame = read_exactly(shared[1] / f"exhibits/{study}/{study}.csv")
    means = frame[~frame["quantity"].str.contains(", std over")]
    facts = read_facts(text)["numbers"]
    shown = {}
    for row in page.list_rows(study):
        labels = tuple(row[key]["text"] if key in row else "" for key in ("dataset", "method", "place"))
        for key, cell in row.items():
            if cell["button"]:
                fact = facts[int(cell["button"]["data-d"])]
                assert cell["text"].split(" ±")[0] == write_number(float(fact["value"]))
                assert cell["attributes"]["data-v"] == fact["value"]
                paper = row.get(f"{key}-paper")
                shown[*labels, fact["name"].partition("; ")[0]] = (
                    float(fact["value"]),
                    float(paper["attributes"].get("data-v", "nan")) if paper else np.nan,
                )
    expected = {}
    for row in means.to_dict("records"):
        place, title, _, _ = split_quantity(row["quantity"])
        expected[row["dataset"], row["method"], place, title] = row["value"], row["published"]
    assert shown.keys() == expected.keys() and len(shown) > 8
    for key, pair in expected.items():
        np.testing.assert_array_equal(shown[key], pair)


def test_the_page_loads_nothing_and_is_well_formed(text, page):
    assert page.open == []
    for name, attributes in page.elements:
        for key in LOADING:
            assert not re.match(r"\s*(https?:|//|file:)", attributes.get(key) or ""), (name, attributes)
        assert name not in ("iframe", "object", "embed", "base") and not any(
            k.startswith("on") for k in attributes
        )
    assert not re.search(r"@import|url\(\s*['\"]?(https?:|//)|\bfetch\(|XMLHttpRequest|import\(", text)
    policy = next(a["content"] for n, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "http" not in policy
    assert len(text.encode()) < 10e6
    assert "{{" not in text.replace("${", "")


def test_pictures_have_words_and_names_are_unique(page):
    images = [attributes for name, attributes in page.elements if name == "img" and "src" in attributes]
    assert len(images) >= 6 and all(len(one["alt"]) > 10 for one in images)
    drawings = [
        attributes for name, attributes in page.elements if name == "svg" and attributes.get("viewbox")
    ]
    assert drawings and all(len(one["aria-label"]) > 10 for one in drawings)
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert not [name for name, count in ids.items() if count > 1]
    for _, attributes in page.elements:
        href = attributes.get("href") or attributes.get("xlink:href") or ""
        assert not href.startswith("#") or href[1:] in ids, href


def test_what_failed_is_said_and_cannot_be_taken_for_code(text):
    assert "&lt;chains&gt; diverged" in text and "<chains>" not in text


def test_the_interval_of_a_mean_is_students(shared):
    values = np.array([3.0, 4.5, 4.0, 7.0])
    number = Number(values.mean(), seeds=4, spread=values.std(ddof=1))
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    np.testing.assert_allclose(number.bound(), expected)
    assert Number(1.0, seeds=1).bound() is None
    shown = read_shown(shared[1] / "exhibits/table2/table2.csv", "table2", "")
    assert all(one.bound() is not None for row in shown.rows for one in row.numbers.values())


@pytest.mark.parametrize("study", PUBLISHED_OF)
def test_every_printed_number_of_the_paper_is_shown(page, study):
    def list_leaves(value):
        if isinstance(value, dict):
            return [leaf for key, one in value.items() if key != "suspect" for leaf in list_leaves(one)]
        return [leaf for one in value for leaf in list_leaves(one)] if isinstance(value, list) else [value]

    content = {k: v for k, v in read_published()[PUBLISHED_OF[study]].items() if k != "suspect"}
    columns, rows = list_printed(content)
    assert all(len(row) == len(columns) for row in rows)
    printed = sorted(leaf for leaf in list_leaves(content) if isinstance(leaf, float))
    cells = [cell for row in page.list_rows(f"{study}-paper") for cell in row.values()]
    shown = {cell["attributes"].get("data-v") for cell in cells}
    labels = " ".join(cell["text"] for cell in cells)
    assert printed
    for value in printed:
        assert repr(value) in shown or f"{value:g}" in labels, value


def test_equal_files_give_equal_bytes_and_a_whole_file(results):
    folder, below, cells, verdicts = results
    first = render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    assert first == render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    path = write_report(folder, below, "smoke", cells, read_published(), verdicts)
    assert path == folder / "report.html" and path.read_text().rstrip().endswith("</html>")
    assert not [one for one in folder.iterdir() if one.name.startswith(".")]


def test_a_damaged_table_is_named(results):
    folder, below, cells, _ = results
    path = below / "exhibits/table2/table2.csv"
    path.write_text('dataset,method\n"a')
    with pytest.raises(ValueError, match="table2.csv: not a CSV table"):
        render_report(folder, below, "smoke", cells, read_published(), records=NOTHING)


def test_several_drawings_on_a_page_share_no_names():
    svg = (
        '<?xml?><svg width="9pt" height="9pt"><!-- c --><metadata>x</metadata><path id="a" d="M0.123456 1"/>'
    )
    svg += '<g clip-path="url(#a)"><use xlink:href="#a"/><text>0.015</text></g></svg>'
    out = inline_svg(svg, "table2-x", 'a "caption"')
    assert out.startswith('<svg role="img" aria-label="a &quot;caption&quot;">')
    assert out.count("table2-x-a") == 3 and "metadata" not in out and "M0.12 1" in out and ">0.015<" in out
