"""Bad input and bad days: one readable message, nothing lost, nothing outside the workspace."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.program import build, edit, fingerprint, none_left, rows, run, source, start
from tests.patience import until


def complaint(folder: Path, *arguments: object) -> tuple[int, str]:
    done = run("build", "flores200", "--source", "text", *arguments, cwd=folder)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: edit(text, "bod_Tibt", 1, None), "bod_Tibt.dev: 5 lines, expected 6"),
        (lambda text: edit(text, "bod_Tibt", 1, "ཀ\nཁ"), "bod_Tibt.dev: 7 lines, expected 6"),
        (lambda text: edit(text, "bod_Tibt", 1, ""), "bod_Tibt.dev:2: empty sentence"),
        (lambda text: (text / "dev/bod_Tibt.dev").write_bytes(b"\xff\xfe\n" * 6), "bod_Tibt.dev:1: "),
        (lambda text: (text / "dev/bod_Tibt.dev").unlink(), "bod_Tibt.dev is missing; dev has these languages:"),
        (
            lambda text: (text / "metadata_dev.tsv").write_text("URL\n", "utf8"),
            "metadata_dev.tsv:1: no column 'domain'",
        ),
    ],
)
def test_damaged_text_is_named_by_file_and_line(tmp_path: Path, damage: object, words: str) -> None:
    damage(source(tmp_path / "text"))  # type: ignore[operator]
    code, message = complaint(tmp_path)
    assert (code, words in message) == (3, True), message


def test_bom_crlf_quotes_and_repeated_sentences_are_taken(tmp_path: Path) -> None:
    text = source(tmp_path / "text", groups=3)
    path = text / "dev" / "zho_Hans.dev"
    lines = ['"""他说：“你好。”"""', "重复的句子。", "重复的句子。"]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode())
    report = build("--source", "text", cwd=tmp_path)
    assert (report["utterances"], report["made"]["synthesize"]) == (18, 17)
    assert [row["text"] for row in rows(tmp_path / "manifests/flores200") if row["lang"] == "zho_Hans"][:3] == lines


def test_a_very_long_text_and_one_of_only_punctuation(tmp_path: Path) -> None:
    text = source(tmp_path / "text", groups=3)
    edit(text, "bod_Tibt", 0, "ང་ཚོས་སྐད་ཡིག་སྦྱོང་གི་ཡོད། " * 740)
    edit(text, "mya_Mymr", 1, "။ ၊ … !")
    report = build("--source", "text", cwd=tmp_path)
    assert (report["utterances"], report["rejected"]) == (16, 2)
    reasons = {row["id"]: row["reason"] for row in rows(tmp_path / "manifests/flores200", "rejected.jsonl")}
    assert reasons["dev-0001.bod_Tibt"].startswith("too long: ")
    assert "dev-0002.mya_Mymr" in reasons


@pytest.mark.parametrize("languages", ["../../etc/passwd", "zho_Hans,../bod_Tibt"])
def test_language_codes_cannot_leave_the_folder(tmp_path: Path, languages: str) -> None:
    source(tmp_path / "text")
    code, message = complaint(tmp_path, "--languages", languages)
    assert code in (2, 3)
    assert "FLORES" in message


def test_ids_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    rows_in = [{"id": "../../../evil", "eng_Latn": "one"}, {"id": "/etc/x", "eng_Latn": "two"}]
    (tmp_path / "work" / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_in), "utf8")
    recipe = "name: t\nsource: {type: table, path: t.jsonl}\nstages: [{stage: synthesize}, {stage: measure}]\n"
    (tmp_path / "work" / "t.yaml").write_text(recipe, "utf8")
    assert run("build", "t.yaml", cwd=tmp_path / "work").returncode == 0
    found = rows(tmp_path / "work" / "manifests" / "t")
    assert {row["group"] for row in found} == {"../../../evil", "/etc/x"}
    inside = tmp_path / "work" / "manifests" / "t" / "audio"
    assert all(
        (inside / "eng_Latn").resolve() == (tmp_path / "work/manifests/t" / row["audio"]).resolve().parent
        for row in found
    )
    assert os.listdir(tmp_path) == ["work"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".corpusforge").write_text("a file in the way: tests may run as root, who writes anywhere")
    done = run("build", "flores200", "--sample", cwd=tmp_path)
    assert (done.returncode, "cannot write the workspace" in done.stderr) == (4, True)


def test_a_full_disk(small_disk: Path) -> None:
    done = run("build", "flores200", "--sample", "--workspace", small_disk, cwd=small_disk.parent)
    assert done.returncode == 4, done.stderr
    assert "No space left on device" in done.stderr
    assert "what is done is kept" in done.stderr


def test_damaged_blobs_are_found_and_made_again(workspace: Path) -> None:
    before = fingerprint(workspace / "manifests/flores200")
    blobs = sorted(path for path in (workspace / ".corpusforge/blobs").rglob("*") if path.is_file())
    for path in blobs[:2]:
        path.chmod(0o644)
    blobs[0].write_bytes(blobs[0].read_bytes()[:100])
    content = bytearray(blobs[1].read_bytes())
    content[500] ^= 0xFF
    blobs[1].write_bytes(bytes(content))
    found = json.loads(run("verify", "--json", cwd=workspace).stdout)
    assert sorted(found["damaged"]) == sorted(path.name for path in blobs[:2])
    assert build("--source", "text", cwd=workspace)["made"]["synthesize"] == 2
    assert json.loads(run("verify", "--json", cwd=workspace).stdout)["damaged"] == []
    after = fingerprint(workspace / "manifests/flores200")
    assert after == before


@pytest.mark.parametrize("damage", ["garbage", "deleted", "half"])
def test_a_damaged_index_is_rebuilt_and_nothing_made_again(workspace: Path, damage: str) -> None:
    path = workspace / ".corpusforge" / "index.sqlite"
    content = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"garbage" * 999 if damage == "garbage" else content[: len(content) // 2])
    done = run("build", "flores200", "--source", "text", "--json", cwd=workspace)
    assert done.returncode == 0
    assert json.loads(done.stdout)["made"] == {}
    assert "rebuilt from the journal" in done.stderr


def test_a_second_build_says_who_holds_the_workspace_or_waits(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=20)
    first = start(tmp_path)
    lock = tmp_path / ".corpusforge" / "lock"
    until(lambda: lock.exists() and lock.stat().st_size)
    first.send_signal(signal.SIGSTOP)  # so that it is not done before the others come
    code, message = complaint(tmp_path)
    assert (code, f"process {first.pid}" in message, "build flores200" in message) == (4, True, True)
    second = start(tmp_path, "--wait", "60")
    assert second.stderr is not None
    lines = iter(second.stderr.readline, "")
    assert any(f"waiting for process {first.pid}" in line for line in lines)
    first.send_signal(signal.SIGCONT)
    out, _ = second.communicate(timeout=60)
    assert (first.wait(), second.returncode) == (0, 0)
    assert "cached 120" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path, number: int, code: int) -> None:
    source(tmp_path / "text", groups=21)
    process = start(tmp_path, "--jobs", "1")
    journal = tmp_path / ".corpusforge" / "results.jsonl"
    until(lambda: journal.exists() and journal.read_text().count("synthesize") > 5)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (code, False), err
    assert "Stopped after" in out
    assert "the same command goes on" in out
    report = build("--source", "text", cwd=tmp_path)
    assert report["cached"] > 0
    assert report["utterances"] == 126


def test_kill_9_at_20_moments_ends_in_the_same_bytes(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=12)
    (tmp_path / "calm").mkdir()
    source(tmp_path / "calm" / "text", groups=12)
    began = time.monotonic()
    build("--source", "text", "--jobs", "1", cwd=tmp_path / "calm")
    length = time.monotonic() - began
    draw = random.Random(20)
    killed = 0
    while killed < 20:
        process = start(tmp_path, "--jobs", "1")
        time.sleep(draw.uniform(0.1, 0.8 * length))
        too_late = process.poll() is not None
        process.kill()
        process.communicate()
        none_left(process.pid)
        killed += not too_late
        # Begin anew now and then, or the later kills would find everything cached.
        if too_late or draw.random() < 0.3:
            subprocess.run(["rm", "-rf", tmp_path / ".corpusforge", tmp_path / "manifests"], check=True)
    build("--source", "text", cwd=tmp_path)
    assert fingerprint(tmp_path / "manifests") == fingerprint(tmp_path / "calm" / "manifests")


def test_a_failing_item_is_reported_and_the_exit_status_says_so(tmp_path: Path) -> None:
    source(tmp_path / "text", groups=3)
    arguments = ["--set", "synthesize.engines={espeak: {time_limit: 0.0001}}"]
    done = run("build", "flores200", "--source", "text", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "18 of 18 items failed (synthesize), --max-failures is 0" in done.stderr
    accepted = run("build", "flores200", "--source", "text", *arguments, "--max-failures", "18", cwd=tmp_path)
    assert accepted.returncode == 0
    status = run("status", cwd=tmp_path).stdout
    assert "failed (2 times)  dev-0001.bod_Tibt at synthesize" in status
    assert build("--source", "text", cwd=tmp_path)["utterances"] == 18
    assert "failed" not in run("status", cwd=tmp_path).stdout
