"""Everybody can use it: by keyboard alone, with a screen reader, on a phone, in the dark."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.ui.browser.driving import Page

VIEWS = (
    "#screen",
    "#contrast?setting=digits&row=3",
    "#contrast?setting=people&row=3",
    "#attack?setting=digits",
    "#attack?setting=people&against=gold",
)


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of axe-core."""
    pytest.importorskip("axe_core_python", reason="the extra lethe[test] brings axe-core")
    return (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(page: Page, axe: str, view: str) -> None:
    page.open(view)
    if "row=" in view:
        page.until("document.querySelector('.inspector h3')")
    page.run("document.querySelectorAll('details:not(.numbers)').forEach((one) => { one.open = true; })")
    assert violations(page, axe, {}) == {}
    # In the dark only colours differ.
    page.window(1280, scheme="dark")
    assert violations(page, axe, {"runOnly": ["color-contrast"]}) == {}


def test_axe_would_find_a_control_without_a_name(page: Page, axe: str) -> None:
    page.open("#screen")
    page.run("document.querySelector('input[type=search]').parentElement.firstChild.remove()")
    assert "label" in violations(page, axe, {})
    # The next test is to find the page as it was.
    page.load("#screen")


def violations(page: Page, axe: str, options: dict[str, Any]) -> dict[str, list[str]]:
    """Which rules are broken, and by what."""
    page.run(axe)
    run = "const done = arguments[1]; axe.run(document, arguments[0]).then((made) => done(made.violations))"
    made = page.driver.execute_async_script(run, {**options, "resultTypes": ["violations"]})
    return {one["id"]: [node["html"][:200] for node in one["nodes"][:3]] for one in made}


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(page: Page, view: str) -> None:
    page.window(390, 844)
    page.open(view)
    page.until("document.querySelector('.card')")
    # Tables and wide plots scroll within themselves; the page does not.
    assert page.run("return document.documentElement.scrollWidth") <= 390
    small = page.run(
        "return [...document.querySelectorAll('main button, main select, main input, main summary')]"
        ".filter((one) => one.offsetParent && (one.closest('label.tick') ?? one).getBoundingClientRect().height < 18)"
        ".map((one) => one.outerHTML)"
    )
    assert small == []


def test_the_whole_way_by_keyboard(page: Page) -> None:
    """Sort, pick B, go on, choose a class set, inspect an example, go on, move the threshold: no pointer anywhere."""
    page.open("#screen?of=digits&setting=digits&a=finetune/seed-0&b=salun/seed-0")
    page.run("document.body.focus()")
    tab_to(page, "[data-sort=forget_accuracy]")
    page.keys(Keys.ENTER)
    assert page.run("return document.activeElement.dataset.sort") == "forget_accuracy", "the focus stays where it was"
    tab_to(page, "input.radio-b:checked")
    page.keys(Keys.ARROW_DOWN)
    page.until("!location.hash.includes('b=salun%2Fseed-0')")
    assert page.run("return document.activeElement.matches('.radio-b:checked')")
    tab_to(page, "#onward")
    page.keys(Keys.ENTER)
    page.until("document.querySelector('#view-examples .example')")
    tab_to(page, ".example")
    page.keys(Keys.ENTER)
    page.until("document.querySelector('.inspector h3')")
    page.until("document.activeElement.matches('.example[aria-pressed=true]')")
    page.run("document.querySelector('.skip').focus()")
    tab_to(page, "nav a:last-child")
    page.keys(Keys.ENTER)
    page.until("document.querySelector('.handle')")
    tab_to(page, ".handle")
    before = page.text("[data-fact='a-False alarms (FPR)']")
    page.keys(*[Keys.PAGE_DOWN] * 4)
    assert page.text("[data-fact='a-False alarms (FPR)']") != before


def tab_to(page: Page, css: str, most: int = 150) -> None:
    """Press Tab until an element has the focus; every stop on the way must show where the focus is."""
    for _ in range(most):
        page.keys(Keys.TAB)
        if page.run("return document.activeElement.matches(arguments[0])", css):
            return
    raise AssertionError(f"{css} is not reached by Tab")


def test_the_page_asks_no_other_host(page: Page, address: str) -> None:
    for view in VIEWS:
        page.open(view)
    asked = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert asked
    assert all(name.startswith((address, "data:", "blob:")) for name in asked)
