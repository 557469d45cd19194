"""report.html says what its CSV files say, loads nothing, and names where each number comes from."""

import json
import re
import subprocess
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.storage.files import write_text
from pipeline.studies.measured import write_cells
from reports.paper.claims import read_claims
from reports.paper.claims_table import write_claims
from reports.paper.html_claims import render_belief
from reports.paper.html_figures import inline_svg
from reports.paper.html_parts import write_number
from reports.paper.html_report import render_report, write_report
from reports.paper.html_tables import PUBLISHED_OF, list_printed
from reports.paper.layouts import LAYOUTS
from reports.paper.page import READING
from reports.paper.pivot import write_tables
from reports.paper.provenance import NOT_RECORDED, CellIndex, Records, read_digests, read_records
from reports.paper.published import read_published
from reports.paper.rows import build_rows
from reports.paper.shown_tables import Number, read_exactly, read_shown, split_quantity
from reports.paper.verdicts import judge_claims
from reports.result_table import ResultTable

VOID = {"meta", "link", "img", "input", "br", "circle", "rect", "path", "line", "use"}
LOADING = ("src", "srcset", "href", "xlink:href", "data", "action", "poster")
NOTHING = Records({}, {})


class Page(HTMLParser):
    """The page's tables by id, as rows of cells (attributes, text, button), and all elements."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.tables, self.texts = [], [], {}, Counter()
        self.table = self.cell = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables[attributes["id"]] = {"heads": [], "rows": []}
        elif tag == "tr" and "thead" not in self.open:
            self.table["rows"].append([])
        elif tag in ("td", "th"):
            self.cell = {"attributes": attributes, "text": "", "button": None}
            rows = self.table["heads"] if "thead" in self.open else self.table["rows"][-1]
            rows.append(self.cell)
        elif tag == "button" and self.cell is not None and attributes.get("class") == "n":
            self.cell["button"] = attributes

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, text):
        if self.cell is not None and "svg" not in self.open:
            self.cell["text"] += text

    def list_rows(self, table):
        """The rows as text by column key."""
        keys = [head["attributes"]["data-key"] for head in self.tables[table]["heads"]]
        return [dict(zip(keys, row, strict=True)) for row in self.tables[table]["rows"]]


@pytest.fixture(scope="session")
def make_results(make_cell):
    """A function that leaves the exhibits and claims of measured cells below a folder as the stages do."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 255, (16, 1, 28, 28)).astype(np.uint8)
    curves = {"ot_cost": [3.0, 2.0], "mse_after": [0.2, 0.1], "frechet_distance": [40.0, 30.5]}

    def make(results, seeds=(1, 2, 3)):
        cells = {study: [] for _, studies in READING for study in studies}
        for seed in seeds:
            for method in ("VAE", "ABP", "Ours"):
                for dataset in ("mnist5k", "emoji"):
                    numbers = {
                        "mse_train": rng.random() / 50, "mse_train_point": rng.random() / 60,
                        "mse_test_draw": rng.random(), "frechet_distance": 20 + rng.random(),
                    }  # fmt: skip
                    cells["table2"].append(
                        make_cell(
                            method=method, dataset=dataset, seed=seed, axes={"dataset": dataset},
                            key=f"{method}-{dataset}-{seed}", arrays={"images": images[:2], "samples": images,
                            "reconstructions": images[:2]}, **numbers,
                        )
                    )  # fmt: skip
            for alpha in (0, 0.5, 1):
                cells["figure8"].append(
                    make_cell(
                        "figure8", seed=seed, alpha=alpha, axes={"alpha": alpha}, key=f"f8-{alpha}-{seed}",
                        curves=curves, mse_train=rng.random(), ot_cost=9.5,
                        frechet_distance=1e5 * rng.random(),
                    )
                )  # fmt: skip
        cells["table6"].append(
            make_cell("table6", axes={"K": 30}, error="DivergenceError: <chains> diverged")
        )
        for study, of_study in cells.items():
            if not of_study:
                continue
            folder = results / "exhibits" / study
            folder.mkdir(parents=True, exist_ok=True)
            for name, quantities in LAYOUTS[study].split(study).items():
                rows = build_rows(study, of_study, read_published(), quantities)
                table = ResultTable(name, LAYOUTS[study].title, "", rows)
                write_tables(study, table, of_study, read_published(), quantities, folder)
        verdicts = judge_claims(read_claims(), cells)
        folder = results / "paper"
        folder.mkdir(parents=True, exist_ok=True)
        write_claims(verdicts, lambda cells: None, folder)
        return folder, results, cells, verdicts

    return make


@pytest.fixture
def results(make_results, tmp_path):
    """Files that a test may change."""
    return make_results(tmp_path / "results")


@pytest.fixture(scope="module")
def shared(make_results, tmp_path_factory):
    """Files that no test changes, and the report of them."""
    folder, below, cells, verdicts = make_results(tmp_path_factory.mktemp("shared") / "results")
    text = render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    return folder, below, text


@pytest.fixture(scope="module")
def text(shared):
    return shared[2]


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def read_facts(text):
    return json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])


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
    words = re.search(r'class="belief">(.*?)</p>', text)[1]
    counts = Counter(frame[whole]["verdict"])
    assert f"{counts['reproduces']} are reproduced and {counts['contradicted']} are contradicted" in words
    assert "none is undecided" in words and "1/1,234" in words
    for claim in frame[whole]["claim"]:
        assert claim[1:] in unescape(words)  # each is named, as verdicts other than undecided are


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


def test_a_number_names_its_cells_and_one_that_no_cell_has_names_none(results):
    folder, below, cells, verdicts = results
    path = below / "exhibits/table2/table2.csv"
    frame = read_exactly(path)
    changed = frame["quantity"].str.startswith("Frechet distance, mean") & (frame["method"] == "VAE")
    frame.loc[changed, "value"] += 1
    frame.to_csv(path, index=False)
    stale = render_report(folder, below, "smoke", cells, read_published(), verdicts, NOTHING)
    facts = read_facts(stale)
    named = {
        fact["name"]: (fact, facts["origins"][fact["origin"]])
        for fact in facts["numbers"]
        if "figure8" not in fact["source"]  # whose alpha 0 is an ABP, too
    }
    number, origin = named["Frechet distance; mnist5k, ABP"]
    assert origin["keys"] == ["ABP-mnist5k-1", "ABP-mnist5k-2", "ABP-mnist5k-3"]
    assert origin["seeds"] == [1, 2, 3] and number["seeds"] == "1, 2, 3"
    assert named["Frechet distance; mnist5k, VAE"][1]["keys"] == []
    assert named["Frechet distance; mnist5k, VAE"][1]["commit"] == NOT_RECORDED
    claim = named["Ours has a lower Frechet distance than ABP, mnist5k"][1]
    assert claim["keys"] == [f"Ours-mnist5k-{seed}" for seed in (1, 2, 3)]


def test_the_commit_of_cells_is_told_until_they_change(results, tmp_path, monkeypatch):
    _, below, cells, _ = results
    monkeypatch.chdir(tmp_path)
    folder = (below / "cells/table2/VAE").relative_to(tmp_path)
    write_cells(folder, cells["table2"][:1])
    write_text("dvc.lock", "stages: {cells@table2: {outs: [{path: results/cells/table2, md5: abc.dir}]}}")
    run = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-m", "cells")):
        subprocess.run([*run, *command], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    records = read_records(folder.parents[1])
    (commit,) = records.commits.values()
    assert head.startswith(commit.split()[0]) and list(records.commits) == [f"{folder}/cells.json"]
    assert "abc.dir" in records.digests["results/cells/table2"]
    write_cells(folder, cells["table2"][:2])
    assert read_records(folder.parents[1]).commits == {}
    assert read_digests(tmp_path / "none.lock") == {}


def test_how_cells_were_made_is_told_with_its_seconds(results):
    _, _, cells, _ = results
    makings = {
        cell.key: {"machine": "A CPU", "cpu_seconds": 10.0 * (cell.seed or 0)} for cell in cells["table2"]
    }
    index = CellIndex(cells, Path("cells"), Records({}, {}, makings))
    three = [cell for cell in cells["table2"] if cell.method == "ABP" and cell.seed in (1, 2, 3)]
    assert index.describe("table2", three).made == "A CPU, 10 to 30 processor seconds a cell"
    assert index.describe("table2", three[:1]).made == "A CPU, 10 processor seconds a cell"
    assert CellIndex(cells, Path("cells"), NOTHING).describe("table2", three).made == NOT_RECORDED


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
