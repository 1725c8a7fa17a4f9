"""Whole builds with `marytts` and `command`, by the program itself."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

from tests.cli.program import fingerprint, run
from tests.servers.marytts import LHASA, STOCK, Fault, MaryServer, tone, wav

ENGINE = "synthesize.engine={bod_Tibt: marytts, default: espeak}"
BUILD = ("build", "flores200", "--sample", "--limit", "3", "--json")


def rows(folder: Path) -> list[dict[str, object]]:
    manifest = next(folder.glob("manifests/*/manifest.jsonl"))
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def test_a_service_is_asked_once_a_sentence(tmp_path: Path) -> None:
    login = base64.b64encode(b"ann:open-sesame").decode()
    with MaryServer(voices=[*STOCK, LHASA], login=f"Basic {login}", faults=[Fault(status=503)]) as server:
        address = {"MARYTTS_URL": server.url.replace("://", "://ann:open-sesame@")}

        def spoken() -> int:
            return sum(request.path == "/process" for request in server.requests)

        first = run(*BUILD, "--set", ENGINE, cwd=tmp_path, **address)
        assert first.returncode == 0, first.stderr
        assert spoken() == 4  # one of them twice
        tibetan = [row for row in rows(tmp_path) if row["lang"] == "bod_Tibt"]
        assert [(row["engine"], row["voice"]) for row in tibetan] == [("marytts", "default of bo")] * 3

        again = run(*BUILD, "--set", ENGINE, cwd=tmp_path, **address)
        other = run(*BUILD, "--set", ENGINE, "--set", "synthesize.audio.sample_rate=8000", cwd=tmp_path, **address)
        assert (again.returncode, other.returncode, spoken()) == (0, 0, 4)
        assert {row["sample_rate"] for row in rows(tmp_path)} == {8000}

        doctor = run("doctor", cwd=tmp_path, **address)
        assert f"Mary TTS server 5.2 (impl. 5.2) at {server.url}, 5 voices, 10 locales" in doctor.stdout
        voice = "synthesize.voice={bod_Tibt: lasha}"
        wrong = run(*BUILD, "--set", ENGINE, "--set", voice, cwd=tmp_path, **address)
        assert wrong.returncode == 2
        assert "did you mean 'lhasa'?" in wrong.stderr
        down = {"MARYTTS_URL": address["MARYTTS_URL"].rpartition(":")[0] + ":1"}
        gone = run(*BUILD, "--set", ENGINE, cwd=tmp_path, **down)
        assert gone.returncode == 5
        assert "Connection refused" in gone.stderr
    told = "".join(done.stdout + done.stderr for done in (first, again, other, doctor, wrong, gone))
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for hidden in ("sesame", login):
        assert hidden not in told
        assert hidden.encode() not in kept


def test_another_engine_speaks_what_the_server_cannot(tmp_path: Path) -> None:
    with MaryServer(voices=[LHASA], unreadable="ཟ") as server:
        engine = "synthesize.engine={bod_Tibt: [marytts, espeak], default: espeak}"
        settings = f"synthesize.engines={{marytts: {{url: '{server.url}'}}}}"
        done = run(*BUILD, "--set", engine, "--set", settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tibetan = [row for row in rows(tmp_path) if row["lang"] == "bod_Tibt"]
    assert {row["engine"] for row in tibetan} == {"marytts", "espeak"}
    assert all((row["engine"] == "espeak") == ("ཟ" in str(row["text"])) for row in tibetan)


def test_a_program_speaks_and_two_builds_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(wav(tone(1.0)))
    (tmp_path / "say.py").write_text(
        "import os, sys\ntext = sys.stdin.read()\nassert text.endswith('\\n'), text\n"
        "os.link(os.path.join(os.path.dirname(sys.argv[0]), 'clip.wav'), sys.argv[1])\n"
    )
    program = [sys.executable, "-S", str(tmp_path / "say.py"), "{output}"]
    settings = {"program": program, "languages": {"bod_Tibt": "lhasa"}, "license": "CC0-1.0"}
    made = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        sets = ("--set", "synthesize.engine={bod_Tibt: command, default: espeak}")
        done = run(*BUILD, *sets, "--set", f"synthesize.engines={json.dumps({'command': settings})}", cwd=folder)
        assert done.returncode == 0, done.stderr
        made.append(fingerprint(folder / "manifests"))
        tibetan = [row for row in rows(folder) if row["lang"] == "bod_Tibt"]
        assert [(row["engine"], row["voice"], row["duration"]) for row in tibetan] == [("command", "lhasa", 1.0)] * 3
    assert made[0] == made[1]
