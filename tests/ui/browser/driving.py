"""What a person does with the page, in few words: open, press, type, drag, read, save."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

PATIENCE = 15.0
"""Seconds to wait for what should come at once: the machine may be busy."""


class Page:
    """The comparator in a browser.

    Args:
        driver: the browser session.
        address: of the page.
        saved: where the browser puts what is saved.
    """

    def __init__(self, driver: Any, address: str, saved: Path) -> None:
        self.driver, self.address, self.saved = driver, address, saved

    def open(self, where: str = "#screen") -> Page:
        """Go to a view, in a page that is loaded when none is there yet."""
        if self.run("return location.href.split('#')[0]") == self.address:
            self.run("document.activeElement.blur(); location.hash = arguments[0]", where)
        else:
            self.driver.get(self.address + where)
        self.until("document.documentElement.dataset.ready !== undefined && !document.querySelector('[aria-busy]')")
        return self

    def load(self, where: str) -> Page:
        """Load the page anew, as one who was given the link does."""
        self.driver.get("about:blank")
        return self.open(where)

    def window(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """Give the window a size, and the colours that the reader's system asks for."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)

    def run(self, script: str, *given: Any) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *given)

    def until(self, condition: str) -> None:
        """Wait until an expression of JavaScript is true."""
        # What does not exist yet makes an expression fail, and that is no more than not yet true.
        asked = f"try {{ return Boolean({condition}) }} catch {{ return false }}"
        end = time.monotonic() + PATIENCE
        while not self.run(asked):
            assert time.monotonic() < end, f"never came true: {condition}"
            time.sleep(0.03)

    def find(self, css: str) -> Any:
        """Return the first element, scrolled to the middle of the window, once it is there."""
        self.until(f"document.querySelector({css!r})")
        element = self.driver.find_element("css selector", css)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def texts(self, css: str) -> list[str]:
        """Return the texts of all elements."""
        return self.run("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", css)

    def text(self, css: str) -> str:
        """Return the text of the first element."""
        return str(self.find(css).get_property("textContent"))

    def click(self, css: str) -> None:
        """Click the first element."""
        self.find(css).click()

    def choose(self, css: str, value: str) -> None:
        """Choose a value of a select, as a click on it does."""
        self.run(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", self.find(css), value
        )

    def type(self, css: str, text: str) -> None:
        """Type into a field and leave it."""
        from selenium.webdriver.common.keys import Keys

        field = self.find(css)
        field.clear()
        field.send_keys(text, Keys.TAB)

    def keys(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def drag(self, css: str, *corners: tuple[float, float]) -> None:
        """Drag through places of an element, as shares of its width and height."""
        from selenium.webdriver import ActionChains

        element = self.find(css)
        width, height = (
            self.run(f"return arguments[0].getBoundingClientRect().{side}", element) for side in ("width", "height")
        )
        chain = ActionChains(self.driver, duration=20)
        for at, (x, y) in enumerate(corners):
            chain.move_to_element_with_offset(element, int((x - 0.5) * width), int((y - 0.5) * height))
            if at == 0:
                chain.click_and_hold()
        chain.release().perform()

    def hash(self) -> str:
        """Return the address's part that restores the view."""
        return str(self.run("return location.hash"))

    def save(self, view: str, kind: str) -> bytes:
        """Press a view's button that saves it, and return the file."""
        for old in self.saved.iterdir():
            old.unlink()
        name = f"{view}.{kind.lower()}"
        self.find(f"#view-{view} .saving button[aria-label$=' as {kind}']").click()
        end = time.monotonic() + PATIENCE
        while not (self.saved / name).exists():
            assert time.monotonic() < end, f"{name} was never saved: {self.text('#announce')}"
            time.sleep(0.03)
        return (self.saved / name).read_bytes()
