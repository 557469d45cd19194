"""report.html of the committed results in headless Chromium: order, contrast, widths, requests, paper."""

import asyncio
import base64
import functools
import os
from pathlib import Path

import pytest

from pipeline.storage.files import write_text
from pipeline.studies.grid import list_methods, read_grid
from pipeline.studies.measured import read_cells
from reports.paper.html_parts import write_number
from reports.paper.html_report import read_exhibit, render_report
from reports.paper.page import READING
from reports.paper.published import read_published
from tests.reports.paper.browser import CHROMIUM, Browser

ROOT = Path(__file__).parents[3]
RESULTS = Path("reports/results/embedded")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: `apt install chromium` brings it"),
]
THEMES = ("light", "dark")
CONTRASTS = """(() => {
  const parse = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const lum = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (one) => {
    for (let up = one; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour[3] > .99) return colour;
    }
    throw new Error("nothing behind");
  };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    if (one.matches("script, style, title") || !one.getClientRects().length) continue;
    const style = getComputedStyle(one);
    const colour = parse(one instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [lum(colour), lum(behind(one))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), one.tagName, one.textContent.trim().slice(0, 40), String(colour)]);
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of the committed results, and the tables that it was made of."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        grid = read_grid()
        listed = [study for _, of_section in READING for study in of_section]
        studies = [study for study in listed if (RESULTS / "cells" / study).exists()]
        cells = {study: read_cells(RESULTS.name, study, list_methods(study, grid)) for study in studies}
        text = render_report(RESULTS / "paper", RESULTS, RESULTS.name, cells, read_published())
        tables = {
            table.name: table
            for study in studies
            for table in read_exhibit(RESULTS / "exhibits", study, RESULTS)
        }
    finally:
        os.chdir(before)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_text(path, text)
    return path, tables


def in_browser(test):
    """Run an asynchronous test with a browser of its own."""

    @functools.wraps(test)
    def run(report, tmp_path):
        async def main():
            async with Browser(tmp_path / "profile") as browser:
                await test(browser, *report)

        asyncio.run(asyncio.wait_for(main(), 300))

    del run.__wrapped__  # pytest would ask for the browser as a fixture
    return run


def sort_values(values, descending):
    present = sorted((value for value in values if value), key=float, reverse=descending)
    return present + [""] * (len(values) - len(present))


@in_browser
async def test_lines_are_in_order_by_click_and_by_address(browser, path, tables):
    key = "mse-of-training-images-0-1-paper"  # which some lines lack
    await browser.open(path)
    original = await browser.list_column("table2", key)
    assert "" in original and len(original) == len(tables["table2"].rows)
    for descending in (False, True):
        await browser.run(f"document.querySelector('#table2 th[data-key={key}] button').click()")
        assert await browser.list_column("table2", key) == sort_values(original, descending)
    assert (await browser.run("location.hash")) == f"#table2?sort={key}&order=desc"
    head = f"document.querySelector('#table2 th[data-key={key}]')"
    assert await browser.run(f"{head}.getAttribute('aria-sort')") == "descending"
    await browser.run(f"{head}.querySelector('button').click()")
    assert await browser.list_column("table2", key) == original
    numbers = "frechet-distance"
    await browser.open(path, f"#table2?sort={numbers}&order=desc&hide=method&filter=mnist5k")
    shown = await browser.list_column("table2", numbers)
    expected = [
        repr(row.numbers["Frechet distance"].value)
        for row in tables["table2"].rows
        if row.labels["dataset"] == "mnist5k" and "Frechet distance" in row.numbers
    ]
    assert shown == sort_values(expected, True) and 1 < len(shown) < len(original)
    assert await browser.run("document.querySelectorAll('#table2 [data-label=method]:not(.off)').length") == 0


@in_browser
async def test_each_shown_number_is_that_of_its_csv(browser, path, tables):
    await browser.open(path)
    for name, table in tables.items():
        shown = await browser.run(
            f"""[...document.querySelectorAll('#{name} tbody tr')]
              .map((row) => [...row.querySelectorAll("button.n")]
              .map((one) => [one.textContent, one.parentElement.dataset.v]))"""
        )
        expected = [
            [
                [write_number(row.numbers[one].value), repr(row.numbers[one].value)]
                for one in table.quantities
                if one in row.numbers
            ]
            for row in table.rows
        ]
        assert shown == expected and expected, name


@in_browser
async def test_nothing_is_asked_of_a_network_and_nothing_fails(browser, path, tables):
    await browser.open(path, "#table2?sort=method")
    await browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
    await browser.run("for (const one of document.querySelectorAll('button.sort')) one.click()")
    await browser.run("document.getElementById('theme').click()")
    bad = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert [one for one in browser.events if one["method"] in bad] == []
    asked = [
        one["params"]["request"]["url"]
        for one in browser.events
        if one["method"] == "Network.requestWillBeSent"
    ]
    others = {url[:40] for url in asked if not url.startswith(("data:", "about:"))}
    assert others == {path.as_uri()[:40]}


@in_browser
async def test_all_text_has_the_contrast_of_wcag_aa_in_both_themes(browser, path, tables):
    for theme in THEMES:
        await browser.set_theme(theme)
        await browser.open(path)
        await browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
        await browser.run("document.querySelector('#table2 button.n').focus()")
        found = await browser.run(CONTRASTS)
        assert len(found) > 1000
        assert min(found)[0] >= 4.5, (theme, sorted(found)[:5])


@in_browser
async def test_the_theme_button_wins_over_the_system(browser, path, tables):
    await browser.set_theme("dark")
    await browser.open(path)
    back = "getComputedStyle(document.body).backgroundColor"
    dark = await browser.run(back)
    await browser.run("document.getElementById('theme').click()")
    light = await browser.run(back)
    assert dark != light == "rgb(255, 255, 255)"
    await browser.set_theme("light")
    await browser.run("document.getElementById('theme').click()")
    assert await browser.run(back) == dark


@in_browser
async def test_no_width_makes_the_page_scroll_sideways(browser, path, tables):
    for width in (360, 414, 600, 719, 721, 900, 1100, 1440):
        await browser.open(path, width=width)
        await browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
        wide = await browser.run(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1] <= width


@in_browser
async def test_numbers_are_reached_by_keys_and_say_where_they_come_from(browser, path, tables):
    await browser.open(path)
    stops = await browser.run("document.querySelectorAll('#table2 button.n[tabindex=\"0\"]').length")
    assert stops == 1
    await browser.run("document.querySelector('#table2 button.n').focus()")
    first = await browser.run("document.getElementById('panel').textContent")
    row = tables["table2"].rows[0]
    assert repr(row.numbers[tables["table2"].quantities[0]].value) in first
    for word in ("seeds", "95 % interval", "cell", "commit", "run", "exhibits/table2/table2.csv"):
        assert word in first
    await browser.press("ArrowDown")
    below = await browser.run("document.getElementById('panel').textContent")
    second = tables["table2"].rows[1].numbers[tables["table2"].quantities[0]].value
    assert repr(second) in below
    await browser.press("Escape")
    assert await browser.run("document.getElementById('panel').hidden")


@in_browser
async def test_a_grid_opens_large_with_whole_pixels(browser, path, tables):
    await browser.open(path)
    opener = "document.querySelector('#f-figure4 button.open')"
    small = await browser.run(f"[{opener}.querySelector('img').naturalWidth, {opener}.offsetWidth]")
    await browser.run(f"{opener}.click()")
    large = await browser.run(
        """(async () => { const image = document.querySelector("dialog[open] img"); await image.decode();
          return [image.offsetWidth, getComputedStyle(image).imageRendering, image.alt]; })()"""
    )
    assert large[0] % small[0] == 0 and large[0] > small[1] and large[1] == "pixelated" and len(large[2]) > 10
    await browser.press("Escape")


@in_browser
async def test_on_paper_all_is_shown_and_no_control(browser, path, tables):
    await browser.open(path, "#table2?hide=method&filter=vae")
    await browser.call("Emulation.setEmulatedMedia", media="print")
    await browser.run("dispatchEvent(new Event('beforeprint'))")
    assert await browser.run("document.querySelectorAll('details:not([open])').length") == 0
    seen = "[...document.querySelectorAll({})].filter((one) => one.getClientRects().length).length"
    for control in ("'.tools'", "'#theme'", "'nav'", "'#panel'"):
        assert await browser.run(seen.format(control)) == 0, control
    assert await browser.run(seen.format("'#table2 tbody tr'")) == len(tables["table2"].rows)
    assert await browser.run(seen.format("'#table2 tbody [data-label=method]'")) == len(tables["table2"].rows)
    pdf = base64.b64decode((await browser.call("Page.printToPDF"))["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 100_000
