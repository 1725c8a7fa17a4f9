"""A corpus that shows every kind of row, and a browser to look at its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusforge.report.page import write_corpus_page
from tests.corpus.conftest import LANGUAGES, TEXTS, Shop, encoded
from tests.report.browser import chromium

HOSTILE = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>&amp;\"'\u2028 ${1}"
"""Text that is code to whoever forgets to quote it."""

GROUPS = 230


def spoken(seconds: float, hertz: float, rate: int = 16000) -> np.ndarray:
    """A tone that swells and fades."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(np.pi * time / seconds) * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def make_corpus(root: Path) -> Path:
    """230 groups in 3 languages, one of which lacks one; the last has hostile text and ids; 30 are left out."""
    shop = Shop(root)
    clips = [(shop.blobs.put(encoded(spoken(2 + n / 4, 300 + 40 * n))), round(16000 * (2 + n / 4))) for n in range(8)]
    items = []
    for number in range(GROUPS):
        for place, lang in enumerate(LANGUAGES):
            if number == 1 and lang == "mya_Mymr":
                continue
            audio, samples = clips[(number + place) % 8]
            last = number == GROUPS - 1
            name = f"g-{number:04d}" if not last else f"g-{number:04d}{HOSTILE}"
            text = f"{TEXTS[lang]} {number}" if not last else HOSTILE
            fields = {"text": text, "document": f"doc-{number // 5}", "label": ("news", HOSTILE)[number // 5 % 2]}
            items.append(shop.item(f"{name}.{lang}", lang, **fields, group=name, audio=audio, num_samples=samples))
    recipe = {"name": "small", "description": HOSTILE, "source": {"kind": "flores200"}}
    with shop.writer(root / "corpus", items, name=f"small {HOSTILE}", recipe=recipe) as writer:
        for item in items:
            writer.add(item)
        for number in range(30):
            refused = shop.item(f"left-{number:02d}.zho_Hans", text=HOSTILE)
            writer.refuse(refused, "gates", f"silence: 0.9 {HOSTILE}", "failed" if number % 2 else "rejected")
        writer.commit("one")
    return root / "corpus"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus with its page in `report/`. Copy it before you change it."""
    folder = make_corpus(tmp_path_factory.mktemp("paged"))
    write_corpus_page(folder)
    return folder


@pytest.fixture(scope="session")
def _browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(_browser: Any) -> Any:
    """Chromium with empty logs, a light page and no phone."""
    _browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    _browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    _browser.get("about:blank")
    _browser.get_log("performance")
    _browser.get_log("browser")
    return _browser
