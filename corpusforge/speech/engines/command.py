"""Any program that reads text and writes a WAV: piper, espeak-ng, a company's own. Run once a sentence, by no shell."""

from __future__ import annotations

import os
import re
import shutil
import string
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from corpusforge.errors import MissingDependency, RecipeError, nearest
from corpusforge.items import Json
from corpusforge.speech.engine import CannotSpeak, EngineConfig, LocalEngine, Prosody, Speech
from corpusforge.speech.engines.command_process import CommandError, Limits, Runner
from corpusforge.speech.wav import NotAudio, read_clip

PLACEHOLDERS = {
    "text": "the sentence, as one argument",
    "text_file": "a UTF-8 file with the sentence",
    "output": "the file that the program is to write; without it the clip is what it prints",
    "voice": "the voice",
    "lang": "the FLORES code",
    "rate": "how much faster, in percent: 10",
    "pitch": "how much higher, in percent: -5",
    "speed": "the rate as a factor: 1.1",
    "length_scale": "its inverse, as piper and others count: 0.909091",
}
"""What a template may hold in braces; a brace of its own is written twice."""

_RATE, _PITCH = ("rate", "speed", "length_scale"), ("pitch",)
_SECRET = re.compile(r"(?i)key|token|secret|passw|credential|auth")


class CommandConfig(EngineConfig):
    """Settings of the engine `command`.

    Attributes:
        program: The program and its arguments, a list: `[piper, --model, bo.onnx, --output_file, "{output}"]`.
            Placeholders: `{text}`, `{text_file}`, `{output}`, `{voice}`, `{lang}`, `{rate}`, `{pitch}` (percent),
            `{speed}` (1.1 for a rate of 10 %), `{length_scale}` (its inverse). The sentence is on the program's stdin
            unless `{text}` or `{text_file}` takes it; the clip is what it prints unless `{output}` takes it.
        languages: FLORES code to voice: `{bod_Tibt: lhasa}`. The voice is what `{voice}` stands for.
        version: Of the program and its models. It is in the key: change it when they change, because nothing else
            can know.
        license: Licence of the voices, for the manifest.
        time_limit: Seconds for one sentence; then the program is ended, with all that it has started.
        env: Environment variables for the program, besides ours. They are kept with the recipe: no secrets here.
        secrets: Names of environment variables that the program needs although they look like secrets. Those whose
            names hold key, token, secret, password, credential or auth are kept from it otherwise.
    """

    program: tuple[str, ...] = ()
    languages: dict[str, str] = Field(default_factory=dict, json_schema_extra={"semantic": False})
    version: str = ""
    license: str = "unknown"
    time_limit: float = Field(60.0, gt=0, json_schema_extra={"semantic": False})
    env: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = Field((), json_schema_extra={"semantic": False})

    @field_validator("program")
    @classmethod
    def _known_placeholders(cls, program: tuple[str, ...]) -> tuple[str, ...]:
        for number, argument in enumerate(program):
            if "\0" in argument:
                raise ValueError("an argument holds a zero byte, which no program can be given")
            for name in _placeholders(argument):
                if name not in PLACEHOLDERS:
                    raise ValueError(f"unknown placeholder {{{name}}}: {nearest(name, PLACEHOLDERS)}")
                if number == 0:
                    raise ValueError(f"the first entry names the program and cannot hold {{{name}}}")
        if program and not program[0]:
            raise ValueError("the first entry names the program and is empty")
        return program

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, languages: dict[str, str]) -> dict[str, str]:
        for code in languages:
            if not re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", code):
                raise ValueError(f"'{code}' is not a language: use FLORES codes such as bod_Tibt")
        return languages


class CommandEngine(LocalEngine):
    """Speaks with a program that the recipe names."""

    name: ClassVar[str] = "command"
    license: ClassVar[str] = "the program's own"
    network: ClassVar[bool] = False
    Config: ClassVar[type[EngineConfig]] = CommandConfig

    def __init__(self, config: CommandConfig) -> None:
        super().__init__(config)
        self._own = config
        self._names = {name for argument in config.program for name in _placeholders(argument)}
        self._runner = Runner()

    def languages(self) -> Mapping[str, str]:
        """As the recipe says."""
        return self._own.languages

    def revision(self, lang: str) -> Mapping[str, Json]:
        """Nothing beside the settings: the template and the version that the user gave are among those.

        The program's own content is not in the key. A hash of it would tell a wrapper script of ten lines from
        another and miss the model of 60 MB that it loads; and a machine without the program could not find what
        another one has made.
        """
        return {}

    def available(self) -> str | None:
        """None if the program is found, else what to set or install."""
        if os.name != "posix":
            return "command needs a POSIX system: use Linux, macOS or WSL"
        if not self._own.program:
            return 'it has no program: set synthesize.engines.command.program, such as [piper, …, "{output}"]'
        if not self._own.languages:
            return "it has no languages: set synthesize.engines.command.languages, such as {bod_Tibt: lhasa}"
        program = self._own.program[0].replace("{{", "{").replace("}}", "}")
        if shutil.which(program) is None:
            where = "is not a program here" if os.sep in program else "is not on the PATH"
            return f"'{program}' {where}: install it, or set synthesize.engines.command.program"
        return None

    def check(self, lang: str, voice: str | None, prosody: Prosody) -> None:
        """Raise `RecipeError` for what the template cannot pass on."""
        for what, value, names in (("rate", prosody.rate, _RATE), ("pitch", prosody.pitch, _PITCH)):
            if value and not self._names.intersection(names):
                shown = " or ".join(f"{{{name}}}" for name in names)
                raise RecipeError(
                    f"synthesize.{what} {value:g} %: the program of engine 'command' is not told; "
                    f"put {shown} into synthesize.engines.command.program"
                )
        if prosody.rate <= -100:
            raise RecipeError(f"synthesize.rate {prosody.rate:g} %: expected more than -100")
        if voice is not None and voice != self._own.languages.get(lang) and "voice" not in self._names:
            raise RecipeError(
                f"synthesize.voice '{voice}': the program of engine 'command' is not told; "
                "put {voice} into synthesize.engines.command.program"
            )

    def synthesize(self, text: str, lang: str, voice: str | None, prosody: Prosody) -> Speech:
        """Run the program for one sentence; see `LocalEngine.synthesize`. Line breaks become spaces.

        An argument that is just `{text}` and would begin with a hyphen gets a space before it: a sentence is no option.

        Raises:
            CannotSpeak: Nothing but white space.
            CommandError: The program failed, took longer than `time_limit`, or gave no audio.
        """
        lacking = self.available()
        if lacking:
            raise MissingDependency(lacking)
        self.check(lang, voice, prosody)
        line = " ".join(text.replace("\0", " ").split())
        if not line:
            raise CannotSpeak("nothing in it can be read aloud")
        spoken_by = voice if voice is not None else self._own.languages.get(lang, "")
        name = os.path.basename(self._own.program[0])
        with self._runner.folder() as folder:
            output, text_file = folder / "speech.wav", folder / "text.txt"
            factor = 1 + prosody.rate / 100
            values = {
                "text": line,
                "text_file": str(text_file),
                "output": str(output),
                "voice": spoken_by,
                "lang": lang,
                "rate": f"{prosody.rate:g}",
                "pitch": f"{prosody.pitch:g}",
                "speed": f"{factor:g}",
                "length_scale": f"{1 / factor:g}",
            }
            command = [_filled(argument, values) for argument in self._own.program]
            content = f"{line}\n".encode("utf-8", "replace")
            if "text_file" in self._names:
                text_file.write_bytes(content)
            given = b"" if self._names & {"text", "text_file"} else content
            printed = self._runner.run(command, given, folder, self._environment(), Limits(self._own.time_limit))
            if "output" in self._names:
                if not output.is_file():
                    raise CommandError(f"{name}: it ended well and wrote no file to {{output}}")
                printed = output.read_bytes()
        try:
            samples, rate = read_clip(printed)
        except NotAudio as error:
            source = "wrote to {output}" if "output" in self._names else "printed"
            raise CommandError(f"{name}: it {source} {error}") from error
        return Speech(samples, rate, spoken_by or name, license=self._own.license)

    def close(self) -> None:
        """End the guard of the programs; they themselves have ended."""
        self._runner.close()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if name in self._own.secrets or not _SECRET.search(name)
        }
        return {**kept, **self._own.env}


def _placeholders(argument: str) -> list[str]:
    """Names in braces, in order.

    Raises:
        ValueError: A brace that is neither doubled nor part of a placeholder.
    """
    try:
        parts = list(string.Formatter().parse(argument))
    except ValueError as error:
        raise ValueError(f"'{argument}': {error}; a brace of its own is written twice, {{{{ or }}}}") from error
    for _, _, format, conversion in parts:
        if format or conversion:
            raise ValueError(f"'{argument}': a placeholder is a name in braces, with nothing after the name")
    return [name for _, name, _, _ in parts if name is not None]


def _filled(argument: str, values: Mapping[str, str]) -> str:
    parts = []
    for literal, name, _, _ in string.Formatter().parse(argument):
        parts.append(literal)
        if name is not None:
            parts.append(values[name])
    filled = "".join(parts)
    return f" {filled}" if argument == "{text}" and filled.startswith("-") else filled
