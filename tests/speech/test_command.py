"""The engine `command` with real programs: scripts of a few lines, and espeak-ng behind one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from corpusforge.errors import RecipeError
from corpusforge.speech.casting import Casting
from corpusforge.speech.config import SynthesizeConfig
from corpusforge.speech.engine import CannotSpeak, Prosody
from corpusforge.speech.engines.command import CommandConfig, CommandEngine
from corpusforge.speech.engines.command_process import _GUARD, CommandError
from tests.patience import until
from tests.servers.marytts import tone, wav

TEXT = "བོད་སྐད་ཤེས་ཀྱི་ཡོད།"
PLAIN = Prosody()
PYTHON = sys.executable
Speaker = Callable[..., CommandEngine]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Speaker]:
    """An engine whose program is Python running a script, with `CLIP`, a WAV of 0.1 s, in scope of it."""
    (tmp_path / "clip.wav").write_bytes(wav(tone(0.1)))
    engines = []

    def made(script: str, *arguments: str, **settings: Any) -> CommandEngine:
        begin = f"import os, sys, time, signal, subprocess\nCLIP = open({str(tmp_path / 'clip.wav')!r}, 'rb').read()\n"
        file = tmp_path / f"program{len(engines)}.py"
        file.write_text(begin + script, encoding="utf-8")
        config = CommandConfig(
            program=(PYTHON, "-S", str(file), *arguments), **{"languages": {"bod_Tibt": "lhasa"}, **settings}
        )
        engine = CommandEngine(config)
        engines.append(engine)
        return engine

    yield made
    for engine in engines:
        engine.close()


def log_of(tmp_path: Path) -> str:
    return f"open({str(tmp_path / 'log')!r}, 'w', encoding='utf-8').write"


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie, whom nobody has asked for yet, has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# How the text goes in and the clip comes out


def test_text_on_stdin_and_clip_on_stdout(program: Speaker, tmp_path: Path) -> None:
    engine = program(f"{log_of(tmp_path)}(repr(sys.stdin.buffer.read()))\nsys.stdout.buffer.write(CLIP)")
    speech = engine.synthesize(TEXT, "bod_Tibt", None, PLAIN)
    assert np.abs(speech.samples - tone(0.1)).max() < 1e-4
    assert (speech.sample_rate, speech.voice, speech.license) == (16000, "lhasa", "unknown")
    assert (tmp_path / "log").read_text() == repr(f"{TEXT}\n".encode())


def test_every_placeholder(program: Speaker, tmp_path: Path) -> None:
    names = ("text", "voice", "lang", "rate", "pitch", "speed", "length_scale")
    script = (
        f"import json\n{log_of(tmp_path)}(json.dumps([sys.argv[1:], open(sys.argv[2], encoding='utf-8').read(), "
        "sys.stdin.read()]))\nopen(sys.argv[1], 'wb').write(CLIP)"
    )
    engine = program(script, "{output}", "{text_file}", *(f"--{name}={{{name}}}" for name in names), "{{}}")
    engine.synthesize(TEXT, "bod_Tibt", "amdo", Prosody(rate=25, pitch=-5))
    [output, file, *rest], written, given = json.loads((tmp_path / "log").read_text())
    assert rest == [
        *(f"--text={TEXT}", "--voice=amdo", "--lang=bod_Tibt", "--rate=25", "--pitch=-5"),
        *("--speed=1.25", "--length_scale=0.8", "{}"),
    ]
    assert (written, given) == (f"{TEXT}\n", "")
    assert (Path(output).name, Path(file).name) == ("speech.wav", "text.txt")
    assert not Path(output).parent.exists()


@pytest.mark.parametrize("text", ["$(touch x) `id` ; rm -rf . && \"'|>*", "a\n\nb\tc\0d", "--help", "-", "{voice} {{"])
def test_a_sentence_is_an_argument_and_nothing_else(program: Speaker, tmp_path: Path, text: str) -> None:
    engine = program(f"{log_of(tmp_path)}(repr(sys.argv[1:]))\nsys.stdout.buffer.write(CLIP)", "{text}")
    engine.synthesize(text, "bod_Tibt", None, PLAIN)
    plain = " ".join(text.replace("\0", " ").split())
    assert (tmp_path / "log").read_text(encoding="utf-8") == repr([f" {plain}" if plain[0] == "-" else plain])


def test_nothing_to_say(program: Speaker) -> None:
    with pytest.raises(CannotSpeak):
        program("raise SystemExit(1)").synthesize(" \n\0", "bod_Tibt", None, PLAIN)


def test_an_answer_larger_than_a_pipe_before_the_text_is_read(program: Speaker) -> None:
    engine = program("sys.stderr.write('x' * 1_000_000)\nsys.stdout.buffer.write(CLIP)\nsys.stdin.read()")
    assert engine.synthesize(TEXT * 20_000, "bod_Tibt", None, PLAIN).sample_rate == 16000


def test_secrets_are_kept_from_it(program: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden-0123456789")
    monkeypatch.setenv("HF_TOKEN", "hf_hidden0123456789")
    monkeypatch.setenv("VENDOR_PASSWORD", "open-sesame")
    script = f"import json\n{log_of(tmp_path)}(json.dumps(dict(os.environ)))\nsys.stdout.buffer.write(CLIP)"
    program(script, env={"MODE": "calm"}, secrets=("VENDOR_PASSWORD",)).synthesize(TEXT, "bod_Tibt", None, PLAIN)
    seen = json.loads((tmp_path / "log").read_text())
    assert (seen["MODE"], seen["VENDOR_PASSWORD"], seen["PATH"]) == ("calm", "open-sesame", os.environ["PATH"])
    assert not {"OPENAI_API_KEY", "HF_TOKEN"} & set(seen)


# What goes wrong


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sys.stderr.write('loading\\nno such  voice\\n\\n')\nsys.exit(3)", ": exit status 3: no such voice"),
        ("sys.exit(1)", ": exit status 1"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", ": ended by SIGSEGV"),
        ("raise ValueError('no\\x1b[31mphonemes')", ": exit status 1: ValueError: no [31mphonemes"),
        ("", ": it printed nothing at all, expected a WAV"),
        ("print('<html><h1>Sorry</h1></html>')", ": it printed a web page and no audio: Sorry"),
        ("print('usage: say FILE')", ": it printed text and no audio: usage: say FILE"),
        ("sys.stdout.buffer.write(CLIP[:-9])", ": it printed a WAV cut off"),
        ("sys.stdout.buffer.write(CLIP[:44])", ": it printed a WAV cut off"),
        ("sys.stderr.write('key sk-abcdefgh12345678'); sys.exit(1)", "exit status 1: key [secret]"),
        ("sys.stderr.write('\\xff' * 5000); sys.exit(1)", "…"),
    ],
)
def test_one_line_says_what_went_wrong(program: Speaker, script: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        program(script).synthesize(TEXT, "bod_Tibt", None, PLAIN)
    assert str(caught.value).startswith(Path(PYTHON).name)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_no_file(program: Speaker) -> None:
    with pytest.raises(CommandError, match=r"it ended well and wrote no file to \{output\}"):
        program("sys.stdout.buffer.write(CLIP)", "{output}").synthesize(TEXT, "bod_Tibt", None, PLAIN)


def test_a_sentence_too_long_for_an_argument(program: Speaker) -> None:
    with pytest.raises(CommandError, match="cannot be started: Argument list too long"):
        program("sys.stdout.buffer.write(CLIP)", "{text}").synthesize("a" * 3_000_000, "bod_Tibt", None, PLAIN)


def test_endless_output_is_cut_off(program: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpusforge.speech.engines import command, command_process

    monkeypatch.setattr(command, "Limits", lambda seconds: command_process.Limits(seconds, size=1_000_000))
    with pytest.raises(CommandError, match="more than 1 MB written"):
        program("while True:\n os.write(1, b'x' * 100_000)\n time.sleep(0.005)").synthesize(
            TEXT, "bod_Tibt", None, PLAIN
        )


# What is left of it afterwards: nothing

FAMILY = """
child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])
with open({log!r}, 'w') as log:
    log.write(f"{{os.getpid()}} {{child.pid}} {{os.path.dirname({output})}}")
"""


def family(tmp_path: Path) -> tuple[list[int], Path]:
    *pids, folder = (tmp_path / "log").read_text().split()
    return [int(pid) for pid in pids], Path(folder)


def test_a_program_that_hangs_is_ended_with_its_children(program: Speaker, tmp_path: Path) -> None:
    script = FAMILY.format(log=str(tmp_path / "log"), output="sys.argv[1]")
    engine = program(
        f"{script}signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)", "{output}", time_limit=5
    )
    with pytest.raises(CommandError, match="no end after 5 s"):
        engine.synthesize(TEXT, "bod_Tibt", None, PLAIN)
    pids, folder = family(tmp_path)
    until(lambda: all(map(gone, pids)))
    assert not folder.exists()


def test_children_that_it_leaves_in_the_background_are_ended(program: Speaker, tmp_path: Path) -> None:
    script = FAMILY.format(log=str(tmp_path / "log"), output="sys.argv[1]")
    engine = program(f"{script}open(sys.argv[1], 'wb').write(CLIP)", "{output}")
    assert engine.synthesize(TEXT, "bod_Tibt", None, PLAIN).sample_rate == 16000
    pids, folder = family(tmp_path)
    until(lambda: all(map(gone, pids)))
    assert not folder.exists()


def test_nothing_is_left_of_a_process_that_is_killed(tmp_path: Path) -> None:
    """kill -9 of the process that runs the engine, in the middle of a sentence."""
    script = FAMILY.format(log=str(tmp_path / "new"), output="sys.argv[1]")
    script += "open(sys.argv[1] + '.part', 'wb').write(b'x')\n"
    script += f"os.rename({str(tmp_path / 'new')!r}, {str(tmp_path / 'log')!r})"
    (tmp_path / "program.py").write_text(f"import os, sys, time, subprocess\n{script}\ntime.sleep(600)")
    ours = f"""
from corpusforge.speech.engine import Prosody
from corpusforge.speech.engines.command import CommandConfig, CommandEngine
program = ({PYTHON!r}, "-S", {str(tmp_path / "program.py")!r}, "{{output}}")
engine = CommandEngine(CommandConfig(program=program, languages={{"bod_Tibt": "x"}}))
engine.synthesize("a", "bod_Tibt", None, Prosody())
"""
    driver = subprocess.Popen([PYTHON, "-c", ours])
    try:
        log = tmp_path / "log"
        until(lambda: log.exists() and log.stat().st_size)
        pids, folder = family(tmp_path)
        assert folder.is_dir()
        assert not any(map(gone, pids))
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    until(lambda: all(map(gone, pids)))
    until(lambda: not folder.exists())


@pytest.mark.parametrize("name", ["letters", "corpusforge-command-x"])
def test_the_guard_removes_the_engines_folders_and_no_other(tmp_path: Path, name: str) -> None:
    folder, other = tmp_path / "a\nb" / name, tmp_path / "other"
    for each in (folder, other):
        each.mkdir(parents=True)
        (each / "file").write_text("x")
    (folder / "link").symlink_to(other)
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    told = f"+{sleeper.pid} {os.fsencode(folder).hex()}\n+1 {os.fsencode(other).hex()}"  # the last line is cut off
    subprocess.run([PYTHON, "-I", "-S", str(_GUARD)], input=told, text=True, check=True)
    assert sleeper.wait(30) == -signal.SIGKILL
    assert folder.exists() == (name == "letters")
    assert (other / "file").exists()


def test_the_guard_ends_with_the_engine(program: Speaker) -> None:
    engine = program("sys.stdout.buffer.write(CLIP)")
    engine.synthesize(TEXT, "bod_Tibt", None, PLAIN)
    guard = engine._runner._guard
    assert guard is not None
    assert not gone(guard.pid)
    engine.close()
    assert guard.returncode == 0
    assert engine.synthesize(TEXT, "bod_Tibt", None, PLAIN).sample_rate == 16000


def test_a_guard_that_is_killed_is_replaced(program: Speaker) -> None:
    engine = program("sys.stdout.buffer.write(CLIP)")
    for _ in range(3):
        engine.synthesize(TEXT, "bod_Tibt", None, PLAIN)
        guard = engine._runner._guard
        assert guard is not None
        guard.kill()


# What is refused before it starts


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"program": ["piper", "{ouput}"]}, "unknown placeholder {ouput}: did you mean 'output'?"),
        ({"program": ["piper", "{}"]}, "unknown placeholder {}"),
        ({"program": ["piper", "{0}"]}, "unknown placeholder {0}"),
        ({"program": ["piper", "{text"]}, "a brace of its own is written twice"),
        ({"program": ["piper", "{rate:.2f}"]}, "with nothing after the name"),
        ({"program": ["piper", "{text!r}"]}, "with nothing after the name"),
        ({"program": ["{voice}"]}, "the first entry names the program"),
        ({"program": [""]}, "the first entry names the program"),
        ({"program": "piper --model x"}, "program"),
        ({"languages": {"bo": "x"}}, "'bo' is not a language"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CommandConfig(**settings)
    assert words in str(caught.value)


def test_a_wrong_placeholder_has_its_place_in_the_recipe() -> None:
    config = SynthesizeConfig(engine="command", engines={"command": {"program": ["piper", "{voize}"]}})
    with pytest.raises(RecipeError, match=r"synthesize\.engines\.command\.program: .*did you mean 'voice'\?"):
        Casting(config).preflight(frozenset({"bod_Tibt"}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set synthesize.engines.command.program"),
        ({"program": [PYTHON]}, "set synthesize.engines.command.languages"),
        (
            {"program": ["no-such-voice", "{output}"], "languages": {"bod_Tibt": "x"}},
            "'no-such-voice' is not on the PATH",
        ),
        ({"program": ["./no/voice"], "languages": {"bod_Tibt": "x"}}, "'./no/voice' is not a program here"),
    ],
)
def test_what_is_missing(settings: dict[str, Any], words: str) -> None:
    assert words in str(CommandEngine(CommandConfig(**settings)).available())


@pytest.mark.parametrize(
    ("arguments", "voice", "prosody", "words"),
    [
        ((), None, Prosody(rate=10), "put {rate} or {speed} or {length_scale} into"),
        (("{rate}",), None, Prosody(pitch=10), "put {pitch} into"),
        ((), "amdo", PLAIN, "put {voice} into"),
        (("{rate}",), None, Prosody(rate=-100), "expected more than -100"),
    ],
)
def test_what_the_program_is_not_told(
    program: Speaker, arguments: tuple[str, ...], voice: str | None, prosody: Prosody, words: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        program("", *arguments).check("bod_Tibt", voice, prosody)
    assert words in str(caught.value)


def test_what_the_program_is_told(program: Speaker) -> None:
    program("", "{speed}", "{pitch}", "{voice}").check("bod_Tibt", "amdo", Prosody(10, 10))
    program("").check("bod_Tibt", "lhasa", PLAIN)


def test_the_key() -> None:
    def key(lang: str = "bod_Tibt", **settings: Any) -> str:
        base = {"program": ["say", "{voice}"], "languages": {"bod_Tibt": "a", "zho_Hans": "b"}}
        casting = Casting(SynthesizeConfig(engine="command", engines={"command": {**base, **settings}}))
        part = casting.part(lang)
        return json.dumps(casting.settings(part, casting.local(part)), sort_keys=True)

    assert key() == key(time_limit=3) == key(languages={"bod_Tibt": "a"}) == key(secrets=["VENDOR_KEY"])
    others = [key(version="2"), key(languages={"bod_Tibt": "c"}), key(program=["say", "x"]), key(env={"A": "b"})]
    assert len({key(), *others}) == 5


# A real voice


ESPEAK = """
import ctypes, sys, wave, espeakng_loader
voice, rate, output = sys.argv[1:]
library = ctypes.CDLL(espeakng_loader.get_library_path())
hertz = library.espeak_Initialize(1, 0, espeakng_loader.get_data_path().encode(), 0)
samples = bytearray()
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
def take(data, count, events):
    if data and count:
        samples.extend(ctypes.string_at(data, 2 * count))
    return 0
library.espeak_SetSynthCallback(take)
if library.espeak_SetVoiceByName(voice.encode()):
    sys.exit(f"no voice {voice}")
library.espeak_SetParameter(1, int(175 * float(rate)), 0)
text = sys.stdin.buffer.read()
library.espeak_Synth(text, len(text) + 1, 0, 1, 0, 1, None, None)
library.espeak_Synchronize()
with wave.open(output, "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(hertz)
    file.writeframes(samples)
"""


def test_a_real_voice(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    (tmp_path / "say.py").write_text(ESPEAK)
    program = (PYTHON, str(tmp_path / "say.py"), "{voice}", "{speed}", "{output}")
    engine = CommandEngine(CommandConfig(program=program, languages={"zho_Hans": "cmn"}, license="GPL-3.0-or-later"))
    try:
        plain = engine.synthesize("你好，世界。今天天气很好。", "zho_Hans", None, PLAIN)
        fast = engine.synthesize("你好，世界。今天天气很好。", "zho_Hans", None, Prosody(rate=50))
        assert (plain.sample_rate, plain.voice, plain.license) == (22050, "cmn", "GPL-3.0-or-later")
        assert 1 < len(plain.samples) / plain.sample_rate < 6
        assert np.abs(plain.samples).max() > 0.05
        assert 0.55 < len(fast.samples) / len(plain.samples) < 0.85
        with pytest.raises(CommandError, match="exit status 1: no voice klingon-2"):
            engine.synthesize("你好", "zho_Hans", "klingon-2", PLAIN)
    finally:
        engine.close()
