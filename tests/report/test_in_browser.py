"""The page of a corpus in headless Chromium, opened from the file system."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.patience import until
from tests.report.browser import complaints, emulate, requests, shown
from tests.report.conftest import GROUPS, HOSTILE

Image = pytest.importorskip("PIL.Image", reason="looks at pictures with Pillow")

SET = "const box = document.getElementById(arguments[0]); box.value = arguments[1]; box.dispatchEvent(new Event({}))"
TIME = "return document.getElementById('audio').currentTime"


@pytest.fixture
def page(browser: Any, corpus: Path) -> Any:
    browser.get((corpus / "report" / "index.html").as_uri())
    assert shown(browser) == f"1 to 10 of {GROUPS} groups"
    return browser


def texts(page: Any, selector: str) -> list[str]:
    script = "return Array.from(document.querySelectorAll(arguments[0]), (one) => one.textContent)"
    found: list[str] = page.execute_script(script, selector)
    return found


def ask(page: Any, change: str, *values: object) -> str:
    """Change something by script, and wait for the table to follow; what it then says."""
    before = page.execute_script("return document.getElementById('groups').dataset.shown")
    page.execute_script(change, *values)
    script = "return document.getElementById('groups').dataset.shown"
    until(lambda: page.execute_script(script) != before, f"the table follows {change}")
    return str(page.execute_script("return document.getElementById('count').textContent"))


def search(page: Any, words: str) -> str:
    return ask(page, SET.format("'input'"), "search", words)


def choose(page: Any, name: str, value: str) -> str:
    return ask(page, SET.format("'change'"), name, value)


def click(page: Any, selector: str) -> str:
    return ask(page, "document.querySelector(arguments[0]).click()", selector)


def seek(page: Any, seconds: float) -> None:
    script = "const seek = document.querySelector('.player input'); seek.value = arguments[0];"
    page.execute_script(script + "seek.dispatchEvent(new Event('input'))", seconds)


def picture(page: Any) -> np.ndarray:
    data = page.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), dtype=float)


def test_a_clip_plays_and_only_then_is_asked_for(page: Any) -> None:
    assert not [address for address in requests(page) if "/audio/" in address]
    button = page.find_element("css selector", ".player .play")
    button.click()
    until(lambda: page.execute_script(TIME) > 0.2, "the clip plays")
    assert page.execute_script("return document.getElementById('audio').duration") == pytest.approx(2.25, abs=0.01)
    assert button.get_attribute("aria-label").startswith("Pause ")
    assert len({address for address in requests(page) if "/audio/" in address}) == 1
    button.click()
    until(lambda: page.execute_script("return document.getElementById('audio').paused"), "the clip pauses")
    seek(page, 1.5)
    assert page.execute_script(TIME) == pytest.approx(1.5, abs=0.05)


def test_another_clip_silences_the_first(page: Any) -> None:
    first, second = page.find_elements("css selector", ".player .play")[:2]
    first.click()
    until(lambda: first.get_attribute("aria-label").startswith("Pause "), "the first plays")
    second.click()
    until(lambda: second.get_attribute("aria-label").startswith("Pause "), "the second plays")
    assert first.get_attribute("aria-label").startswith("Play ")


def test_a_spectrogram_is_drawn_when_asked_for(page: Any) -> None:
    assert not [address for address in requests(page) if "spectra" in address]
    click_on = page.find_elements("css selector", ".meta .plain")
    [chinese] = [button for button in click_on if button.get_attribute("aria-label").endswith("g-0000.zho_Hans")]
    chinese.click()
    until(lambda: page.execute_script("return document.querySelector('canvas')?.dataset.drawn"), "it is drawn")
    lines = page.execute_script(
        "const canvas = document.querySelector('canvas');"
        "const data = canvas.getContext('2d').getImageData(canvas.width >> 1, 0, 1, canvas.height).data;"
        "return Array.from({ length: canvas.height }, (_, line) => data[4 * line] + data[4 * line + 1])"
    )
    # a tone of 300 Hz: the third of 64 bands from below, each of 125 Hz
    assert int(np.argmax(lines)) == 64 - 1 - 2
    assert complaints(page) == []


def test_search_finds_text_ids_and_documents_on_every_page(page: Any) -> None:
    assert search(page, "ཡག་པོ་འདུག 222") == f"1 to 1 of 1 groups (of {GROUPS})"
    assert texts(page, "#rows .id") == ["g-0222"]
    assert texts(page, "mark") == ["ཡག་པོ་འདུག 222"]
    assert search(page, "DOC-44").startswith("1 to 5 of 5 ")
    assert texts(page, "#rows .id") == [f"g-{number:04d}" for number in range(220, 225)]
    assert search(page, "nothing has this").startswith("No group")
    assert texts(page, "#rows .id") == []
    assert search(page, "") == f"1 to 10 of {GROUPS} groups"


def test_sorting_goes_over_all_pages_and_puts_what_is_missing_last(page: Any) -> None:
    assert click(page, ".groups th:nth-child(3) button") == f"1 to 10 of {GROUPS} groups"
    head = page.find_element("css selector", ".groups th:nth-child(3)")
    assert head.text.startswith("Burmese") and head.get_attribute("aria-sort") == "ascending"
    assert texts(page, "#rows td:nth-child(3) .meta span:first-child") == ["2.0 s"] * 10
    click(page, ".groups th:nth-child(3) button")
    assert head.get_attribute("aria-sort") == "descending"
    choose(page, "page", "23")
    assert texts(page, "#rows .id")[-1] == "g-0001"


def test_pages_turn(page: Any) -> None:
    assert click(page, "#next") == f"11 to 20 of {GROUPS} groups"
    assert texts(page, "#rows .id")[0] == "g-0010"
    assert choose(page, "size", "100") == f"1 to 100 of {GROUPS} groups"
    assert click(page, "#next") == f"101 to 200 of {GROUPS} groups"
    assert texts(page, "#rows .id")[-1] == "g-0199"
    assert page.find_element("id", "previous").is_enabled()


def test_splits_filter(page: Any) -> None:
    name, value = page.execute_script(
        "const one = document.getElementById('split').options[1]; return [one.text, one.value]"
    )
    assert f"(of {GROUPS})" in choose(page, "split", value)
    facts = texts(page, "#rows .facts li:first-child")
    assert facts and all(fact.startswith(f"{name} · ") for fact in facts)


def test_text_is_never_code(page: Any) -> None:
    search(page, f"g-{GROUPS - 1:04d}")
    assert texts(page, "#rows .text") == [HOSTILE] * 3
    assert texts(page, "h1") == [f"small {HOSTILE}"]
    assert texts(page, "#refused-rows tr:first-child td:last-child") == [HOSTILE]
    assert page.execute_script("return window.broken") is None
    assert page.find_elements("css selector", "img") == []
    assert complaints(page) == []


def test_what_was_left_out_is_listed_page_by_page(page: Any) -> None:
    count = page.find_element("id", "refused-count")
    assert count.text == "1 to 25 of 30"
    page.execute_script("document.getElementById('refused-next').click()")
    until(lambda: count.text == "26 to 30 of 30", "the second page")


@pytest.mark.parametrize(
    ("tag", "font", "room"),
    [("bo", "Noto Serif Tibetan", 1.9), ("my", "Noto Sans Myanmar", 1.9), ("zh-Hans", "SC", 1.6)],
)
def test_scripts_have_their_font_and_room(page: Any, tag: str, font: str, room: float) -> None:
    family, height = page.execute_script(
        "const one = getComputedStyle(document.querySelector(`#rows .text[lang=${arguments[0]}]`));"
        "return [one.fontFamily, parseFloat(one.lineHeight) / parseFloat(one.fontSize)]",
        tag,
    )
    assert font in family and height >= room


def test_nothing_is_asked_of_a_network_and_the_console_is_silent(page: Any, corpus: Path) -> None:
    search(page, "2")
    page.find_element("css selector", ".player .play").click()
    until(lambda: page.execute_script(TIME) > 0, "the clip plays")
    asked = requests(page)
    assert asked
    assert [address for address in asked if not address.startswith((corpus.as_uri(), "data:", "blob:"))] == []
    assert complaints(page) == []
    reply = page.execute_async_script(
        "addEventListener('securitypolicyviolation', (event) => arguments[0](event.effectiveDirective));"
        "fetch('https://127.0.0.1:9/').catch(() => null)"
    )
    assert reply == "connect-src"


def test_light_and_dark_by_system_and_by_button(page: Any) -> None:
    emulate(page, scheme="light")
    light = picture(page)
    emulate(page, scheme="dark")
    dark = picture(page)
    assert np.median(light) > 230 and np.median(dark) < 50
    # text: much that is far from the paper, in both
    assert (light < 110).mean() > 0.005 and (dark > 150).mean() > 0.005
    page.find_element("id", "theme").click()
    until(lambda: np.median(picture(page)) > 230, "the button turns the light on")
    page.execute_script("localStorage.clear()")


def test_a_phone_needs_no_sideways_scrolling(page: Any) -> None:
    emulate(page, width=390)
    until(lambda: page.execute_script("return innerWidth") == 390, "nothing is wider than the phone")
    assert page.execute_script("return document.documentElement.scrollWidth") == 390
    labels = page.find_elements("css selector", "#rows .utterance .language")[:3]
    assert [label.text for label in labels] == ["Standard Tibetan", "Burmese", "Chinese (Simplified)"]
    assert min(button.size["height"] for button in page.find_elements("css selector", ".play")[:3]) >= 44


def test_keyboard_and_screen_reader_find_their_way(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    page.find_element("tag name", "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("class") == "skip"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: page.switch_to.active_element.get_attribute("id") == "main", "the content has the focus")
    slider = page.find_element("css selector", ".player input")
    slider.send_keys(Keys.ARROW_RIGHT)
    until(lambda: slider.get_attribute("aria-valuetext") == "0.1 of 2.3 seconds", "the arrow key moves the position")
    nameless = page.execute_script(
        "return Array.from(document.querySelectorAll('button, input, select, svg[role]')).filter((one) =>"
        " !one.hidden && !one.getAttribute('aria-label') && !one.textContent.trim() && !one.closest('label')).length"
    )
    assert nameless == 0
