"""Files and licences."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from corpusforge import Corpus
from corpusforge.lint import lint
from tests.lint.conftest import Rows, change, of, only

quick = pytest.mark.parametrize("quick", [False, True], ids=["hashed", "quick"])


@quick
def test_a_missing_clip(corpus: Path, quick: bool) -> None:
    first = Corpus(corpus)[0]
    first.path.unlink()
    found = only(corpus, quick=quick)
    assert (found.check, found.severity, found.rows) == ("files", "error", (first.id,))
    assert "without an audio file" in found.message


@quick
def test_a_clip_in_the_place_of_another(corpus: Path, quick: bool) -> None:
    first, second = Corpus(corpus)[0], Corpus(corpus)[1]
    content = second.path.read_bytes()
    first.path.unlink()
    first.path.write_bytes(content)
    found = only(corpus, quick=quick)
    assert (found.check, found.severity, found.rows) == ("files", "error", (first.id,))


@quick
def test_an_empty_clip(corpus: Path, quick: bool) -> None:
    first = Corpus(corpus)[0]
    first.path.unlink()
    first.path.touch()
    assert only(corpus, quick=quick).rows == (first.id,)


def test_a_damaged_byte_is_seen_by_its_hash_alone(corpus: Path) -> None:
    first = Corpus(corpus)[0]
    content = bytearray(first.path.read_bytes())
    content[len(content) // 2] ^= 1
    first.path.unlink()
    first.path.write_bytes(content)
    assert only(corpus).rows == (first.id,)
    assert lint(corpus, checks=["files"], quick=True) == []


def test_a_clip_at_another_rate_is_seen_quickly(corpus: Path) -> None:
    first = Corpus(corpus)[0]
    samples, _ = first.load()
    first.path.unlink()
    soundfile.write(first.path, samples, 8000, format="FLAC", subtype="PCM_16")
    assert only(corpus, quick=True).rows == (first.id,)


def test_a_row_edited_in_a_list(corpus: Path) -> None:
    path = corpus / "train.jsonl"
    content = path.read_text("utf8")
    path.write_text(content.replace("travel", "trovel", 1).replace("espeak", "espaek", 1), "utf8")
    found = only(corpus)
    assert (found.check, found.severity, found.counts) == ("files", "error", {"train.jsonl": 1})


@quick
def test_a_list_that_was_cut_short(corpus: Path, quick: bool) -> None:
    path = corpus / "test.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    found = only(corpus, quick=quick)
    assert (found.check, found.counts) == ("files", {"test.jsonl": 1})


def test_audio_outside_the_folder(corpus: Path) -> None:
    def point_out(found: Rows) -> None:
        found[0]["audio"] = f"../corpus/{found[0]['audio']}"

    change(corpus, point_out)
    found = only(corpus)
    assert (found.check, found.severity, len(found.rows)) == ("files", "error", 1)
    assert "leads out" in found.message


@pytest.mark.parametrize("license", ["", "unknown"])
def test_text_without_a_licence(corpus: Path, license: str) -> None:
    def forget(found: Rows) -> None:
        for one in of(found, group="dev-0002"):
            one["license"] = license

    change(corpus, forget)
    found = only(corpus)
    assert (found.check, found.severity, len(found.rows)) == ("licenses", "warning", 3)
    assert found.counts == {"corpusforge sample": 3}


def test_a_voice_without_a_licence(corpus: Path) -> None:
    def forget(found: Rows) -> None:
        for one in of(found, lang="bod_Tibt"):
            one["voice_license"] = None

    change(corpus, forget)
    found = only(corpus)
    assert (found.check, found.severity, len(found.rows)) == ("licenses", "warning", 45)
    assert found.counts == {"espeak cmn": 45}
