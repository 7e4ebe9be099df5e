"""Chromium without a window, and the page it looks at; tests are skipped, visibly, where there is no browser."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lethe.ui.comparison import Unknown
from lethe.ui.server import Server
from tests.ui.browser.driving import Page
from tests.ui.browser.made_up import answers


class MadeUp:
    """Answers as a comparison gives them, from a bundle."""

    def __init__(self, bundle: Any) -> None:
        self.bundle = bundle

    def runs(self) -> Any:
        return self.bundle["overview"]

    def setting(self, setting: str) -> Any:
        return self._at("settings", setting)

    def model(self, setting: str, model: str) -> Any:
        return self._at("models", setting, model)

    def embedding(self, setting: str, model: str, method: str) -> Any:
        return self._at("embeddings", setting, model, method)

    def examples(self, setting: str, rows: list[int]) -> Any:
        return [self._at("examples", setting, str(row)) for row in rows]

    def predictions(self, setting: str, model: str, rows: list[int]) -> Any:
        return [self._at("predictions", setting, model, str(row)) for row in rows]

    def _at(self, *path: str) -> Any:
        found = self.bundle
        for name in path:
            if name not in found:
                raise Unknown(f"there is no {name}")
            found = found[name]
        return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser session for all tests; what it saves lies in `browser.saved`."""
    pytest.importorskip("selenium", reason="the extra lethe[test] brings selenium")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1280,900",
    ):
        options.add_argument(flag)
    saved = tmp_path_factory.mktemp("saved")
    options.add_experimental_option("prefs", {"download.default_directory": str(saved)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.saved = saved
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def bundle() -> Any:
    return answers()


@pytest.fixture(scope="session")
def address(bundle: Any) -> Iterator[str]:
    """Where the page of the made-up answers is."""
    with serving(bundle) as found:
        yield found


class serving:
    """Serves a bundle as long as the block lasts."""

    def __init__(self, bundle: Any) -> None:
        self.server = Server(MadeUp(bundle), 0)  # type: ignore[arg-type]

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.address

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    """The page, in a wide window and in light colours; no test may leave an error in the browser's log."""
    made = Page(browser, address, Path(browser.saved))
    made.window(1280)
    yield made
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
