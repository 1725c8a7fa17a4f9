"""Headless Chromium, driven by selenium. Both are Debian's: apt-get install chromium chromium-driver."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.patience import until


@contextmanager
def chromium(width: int = 1280, height: int = 1000) -> Iterator[Any]:
    """A browser that may play sound unasked, and keeps a log of its requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install 'corpusforge[test]'")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
        "--force-device-scale-factor=1",
        "--hide-scrollbars",
        f"--window-size={width},{height}",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def shown(browser: Any) -> str:
    """What the page says of the rows that are in the table, once there are some."""
    until(lambda: browser.execute_script("return document.getElementById('groups').dataset.shown"), "rows are drawn")
    return str(browser.execute_script("return document.getElementById('count').textContent"))


def requests(browser: Any) -> list[str]:
    """Addresses of all that pages asked for since the last call; the first one, which is the browser's own, aside."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in sent if not one["documentURL"].startswith("chrome")]


def complaints(browser: Any) -> list[str]:
    """Warnings and errors of the console."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def emulate(browser: Any, *, scheme: str | None = None, width: int | None = None, height: int = 844) -> None:
    """Have the system ask for a light or dark page, or look at it on a phone of a width in CSS pixels."""
    if scheme is not None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    if width is not None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
