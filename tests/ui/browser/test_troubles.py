"""What goes wrong is said in one line; and a static file shows the same page without a server."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from lethe.ui.page import write_static
from tests.ui.browser.conftest import serving
from tests.ui.browser.driving import Page


def test_an_unknown_model_in_the_address_gives_way_to_one_that_is_there(page: Page) -> None:
    page.open("#contrast?setting=digits&a=nobody&b=gold-1")
    assert page.find(".pick-a select").get_property("value") == "finetune/seed-0"


def test_answers_of_another_version_are_refused(browser: Any, bundle: Any) -> None:
    other = copy.copy(bundle)
    other["overview"] = {**bundle["overview"], "version": 99}
    with serving(other) as address:
        said = Page(browser, address, Path(browser.saved)).open().text("[role=alert]")
    assert "version 99" in said


def test_a_folder_where_nothing_can_be_shown_says_so(browser: Any, bundle: Any) -> None:
    other = copy.copy(bundle)
    runs = [{**run, "viewable": False, "reason": "half-written"} for run in bundle["overview"]["runs"]]
    other["overview"] = {**bundle["overview"], "runs": runs}
    with serving(other) as address:
        page = Page(browser, address, Path(browser.saved))
        assert "half-written" in page.open().text("#view-runs tbody")
        assert "No model here can be shown" in page.open("#contrast").text("[role=alert]")


def test_an_error_of_the_server_is_shown(browser: Any, bundle: Any) -> None:
    other = {**bundle, "models": {"digits": {}, "people": {}}}
    with serving(other) as address:
        said = Page(browser, address, Path(browser.saved)).open("#attack").text("[role=alert]")
    assert said.startswith("there is no ")
    browser.get_log("browser")


def test_a_static_file_needs_no_server(browser: Any, bundle: Any, tmp_path: Path) -> None:
    few = copy.copy(bundle)
    few["settings"] = {**bundle["settings"], "digits": {**bundle["settings"]["digits"], "inspectable": [0, 1, 2]}}
    write_static(few, tmp_path / "comparison.html")
    page = Page(browser, (tmp_path / "comparison.html").as_uri(), Path(browser.saved))
    page.window(1280)
    page.open("#contrast?setting=digits&row=1&embed=tsne")
    page.until("document.querySelector('.inspector h3')")
    assert page.text(".inspector h3").startswith("digit-1")
    page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('mean nothing')")
    page.open("#contrast?setting=digits&row=5")
    page.until("document.querySelector('.inspector').textContent.includes('not part of this file')")
    page.open("#attack?setting=people")
    assert page.find("#view-threshold .handle")
    assert (
        page.run("return performance.getEntriesByType('resource').filter((one) => one.name.startsWith('http')).length")
        == 0
    )
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
