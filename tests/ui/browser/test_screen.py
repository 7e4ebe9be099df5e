"""First step: the table is sorted and filtered, ranges are kept to, and two runs are picked."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

from tests.ui.browser.driving import Page
from tests.ui.browser.made_up import HTML

RUN = "#view-runs tbody tr"
CELL = "#view-runs tbody tr td:nth-child(6)"


def test_a_click_on_a_column_sorts_by_it_up_then_down_and_says_so(page: Page) -> None:
    page.open()
    assert len(page.texts(RUN)) == 13
    page.click("[data-sort=forget_accuracy]")
    up = page.texts(CELL)
    assert up[0] == "0 %"
    assert page.run("return document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"
    page.click("[data-sort=forget_accuracy]")
    down = page.texts(CELL)
    assert down[0] == "100 %"
    # What was not measured comes last, either way.
    assert up[-1] == down[-1] == "–"


def test_filters_keep_the_runs_that_fit_and_the_address_restores_them(page: Page) -> None:
    page.open()
    page.find("input[type=search]").send_keys("salun seed 1")
    page.until(f"document.querySelectorAll('{RUN}').length === 2")
    page.load(page.hash())
    assert len(page.texts(RUN)) == 2
    assert page.text("main [role=status]") == "2 of 13 runs"
    page.click("main .controls > button")
    assert len(page.texts(RUN)) == 13


def test_a_range_drawn_on_an_axis_keeps_the_runs_inside(page: Page) -> None:
    page.open()
    # The lower fifth of forget accuracy: gold, and SalUn's two seeds, of both settings.
    page.drag("#view-parallel .grip", (0.5, 0.74), (0.5, 0.99))
    page.until(f"document.querySelectorAll('{RUN}').length === 6")
    assert all(float(text.removesuffix(" %")) <= 25 for text in page.texts(CELL))
    assert "in=forget_accuracy" in page.hash()


def test_a_range_can_be_typed(page: Page) -> None:
    page.open()
    page.click("#view-parallel .ranges summary")
    page.type("[aria-label='Retain accuracy: at least']", "96")
    page.until(f"document.querySelectorAll('{RUN}').length === 4")
    assert {text.split()[0] for text in page.texts(f"{RUN} .run-name")} == {"original", "gold"}


def test_two_runs_are_picked_and_carried_on_to_the_next_step(page: Page) -> None:
    page.open()
    page.click("[aria-label='ssd, seed 0 as A']")
    page.click("[aria-label='gold as B']")
    page.click("#onward")
    page.until("document.querySelector('#view-glance')")
    assert [page.find(f".pick-{key} select").get_property("value") for key in "ab"] == ["ssd/seed-0", "gold-1"]
    assert page.find("[aria-current=page]").text == "2 Contrast"


def test_a_run_that_failed_is_shown_with_its_reason_and_cannot_be_picked(page: Page) -> None:
    page.open("#screen?status=failed")
    assert "works on language models" in page.text(RUN)
    assert not page.find(f"{RUN} input").is_enabled()
    assert "record.json is cut off" in page.text("main > details:not(.columns)")


def test_text_that_looks_like_html_is_shown_as_text(page: Page) -> None:
    page.open()
    assert any(HTML in text for text in page.texts(RUN))
    assert page.run("return document.querySelectorAll('#view-runs img, #view-runs b').length") == 0


def test_columns_are_chosen(page: Page) -> None:
    page.open()
    page.click(".columns summary")
    page.click(".columns label:nth-of-type(2) input")
    page.until("location.hash.includes('columns=')")
    assert "Steps" in page.text("#view-runs thead") or "Retain accuracy" not in page.text("#view-runs thead")


def test_the_table_is_saved_as_csv_and_json_and_the_plot_as_svg_and_png(page: Page) -> None:
    page.open("#screen?find=finetune")
    rows = list(csv.DictReader(io.StringIO(page.save("runs", "CSV").decode())))
    assert [(row["setting"], row["name"], float(row["forget_accuracy"])) for row in rows] == [
        ("digits", "finetune", 0.8),
        ("people", "finetune", 0.8),
    ]
    assert [row["forget_accuracy"] for row in json.loads(page.save("runs", "JSON"))] == [0.8, 0.8]
    drawing = ElementTree.fromstring(page.save("parallel", "SVG"))
    lines = [
        one for one in drawing.iter("{http://www.w3.org/2000/svg}path") if one.get("stroke") == "rgb(11, 122, 111)"
    ]
    assert lines, "the line of A is drawn in its colour, without the page's style sheet"
    assert page.save("parallel", "PNG").startswith(b"\x89PNG")
