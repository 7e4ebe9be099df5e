"""Fifty thousand examples: the planes draw, zoom and pick them all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ui.browser.conftest import serving
from tests.ui.browser.driving import Page
from tests.ui.browser.made_up import answers

pytestmark = pytest.mark.slow
SHOWN = 50_000


def test_fifty_thousand_points_are_drawn_zoomed_and_picked(browser: Any) -> None:
    with serving(answers(SHOWN)) as address:
        page = Page(browser, address, Path(browser.saved))
        page.window(1280)
        page.open("#contrast?setting=digits&a=finetune/seed-0&b=salun/seed-0&drag=select")
        page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('coordinates')")
        whole = painted(page)
        assert whole > 0.05, "the points cover some of the plane"
        page.run("arguments[0].focus()", page.find("#view-embedding .plane"))
        page.keys("+", "+", "+")
        page.until("location.hash.includes('za=')")
        assert abs(painted(page) - whole) > 0.01, "nearer, other points are seen"
        page.keys("0")
        page.until("!location.hash.includes('za=')")
        page.drag("#view-embedding .plane", (0.01, 0.01), (0.99, 0.99))
        page.until("document.querySelector('#view-embedding [role=status]').textContent.includes('are picked')")
        picked = int(page.text("#view-embedding [role=status]").split()[0])
        assert 0.99 * SHOWN < picked <= SHOWN
        assert len(json.loads(page.save("examples", "JSON"))) == picked


def painted(page: Page) -> float:
    """Share of the plane's pixels that are not its ground."""
    return float(
        page.run(
            "const canvas = document.querySelector('.plane canvas'), pen = canvas.getContext('2d');"
            "const pixels = new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer);"
            "return pixels.filter((one) => one !== 0xffffffff).length / pixels.length"
        )
    )
