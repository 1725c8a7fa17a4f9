"""`corpusforge prompt`: what a model would be sent, without sending it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.program import run

SETTINGS = ("--set", "translate.base_url=http://127.0.0.1:9/v1")


def test_the_messages_of_an_utterance(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mms_zh" / "mms_zh.jsonl"
    first = json.loads(source.read_text("utf-8").splitlines()[0])
    shown = run("prompt", "mms", "--source", source, "--item", "mms-6014593.bod_Tibt", *SETTINGS, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("== mms-6014593.bod_Tibt\n-- system\n")
    assert f"<text>{first['text']}</text>" in shown.stdout
    assert "Standard Tibetan (Tibetan script)" in shown.stdout
    assert not any(tmp_path.iterdir())  # nothing is sent, and nothing is made


def test_a_group_has_the_messages_of_every_target_language(shared_data: Path, tmp_path: Path) -> None:
    arguments = ("--source", shared_data / "mms_zh" / "mms_zh.jsonl", "--item", "mms-6014593", "--json", *SETTINGS)
    found = json.loads(run("prompt", "mms", *arguments, cwd=tmp_path).stdout)
    assert list(found) == ["mms-6014593.bod_Tibt", "mms-6014593.mya_Mymr"]
    assert [message["role"] for message in found["mms-6014593.bod_Tibt"]] == ["system", "user"]


def test_exemplars_of_a_parallel_corpus_are_in_it(shared_data: Path, tmp_path: Path) -> None:
    exemplars = f"translate.exemplars={{strategy: fewshot, k: 2, path: '{shared_data / 'flores200'}'}}"
    arguments = ("--source", shared_data / "mms_zh" / "mms_zh.jsonl", "--set", exemplars, *SETTINGS)
    shown = run("prompt", "mms", *arguments, "--item", "mms-6014593.bod_Tibt", cwd=tmp_path).stdout
    tibetan = (shared_data / "flores200" / "dev" / "bod_Tibt.dev").read_text("utf-8").splitlines()
    assert sum(json.dumps(line.strip(), ensure_ascii=False) in shown for line in tibetan) == 2


def test_the_sources_own_text_has_none(shared_data: Path, tmp_path: Path) -> None:
    arguments = ("--source", shared_data / "mms_zh" / "mms_zh.jsonl", "--item", "mms-6014593.zho_Hans", *SETTINGS)
    shown = run("prompt", "mms", *arguments, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (
        *(0, "mms-6014593.zho_Hans: no model is asked about it; it is the source's own text\n"),
    )


def test_what_cannot_be_shown(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mms_zh" / "mms_zh.jsonl"
    wrong = run("prompt", "mms", "--source", source, "--item", "mms-601459", *SETTINGS, cwd=tmp_path)
    assert wrong.returncode == 3 and "did you mean 'mms-6014593'" in wrong.stderr
    none = run("prompt", "flores200", "--sample", cwd=tmp_path)
    assert none.returncode == 2 and "it has no stage that translates" in none.stderr
    prompt = run("prompt", "mms", "--source", source, "--set", "translate.prompt=reviews-2", cwd=tmp_path)
    assert prompt.returncode == 2 and "did you mean 'reviews-1'" in prompt.stderr
