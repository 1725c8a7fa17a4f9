"""Prompts: versioned text files, the chat messages that are made of them, and the reading of answers.

A prompt file has sections, each under its name in brackets on a line of its own; lines before the first are for
people. Placeholders are names in braces; other braces are text.

- `[system]`: the system message.
- `[single]`: the user message for one target language; `[joint]`: for several in one call. Both must have {source},
  {examples} and {answer_form}, and may have {tag}, the name of the tags around the source.
- `[examples]`: stands for {examples} where there are exemplars, with {exemplars}; `[exemplar]`: each of them, with
  {source} and {answer}.
- `[json]` and `[text]`: {answer_form}, by the kind of output, with {form}, the answer's bare form.
- `[repair]`: the user message after an answer that was no good, with {complaints} and {answer_form}.

{target_languages} may stand in all that speak of a translation, and {source_language} in all of those but `[repair]`.

Text that others wrote (the text to translate, exemplars) is data. It stands between tags, `<text>` and `</text>`; where
the data has anything that could be taken for one of the prompt's tags, all tags of the message get a number, the first
that occurs nowhere in the data, so that no text can close its own tags. Placeholders in data are left as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from corpusforge.errors import RecipeError, nearest
from corpusforge.items import Json
from corpusforge.text.languages import described
from corpusforge.translate.exemplars import Exemplar, folded

Output: TypeAlias = Literal["json", "text"]
Message: TypeAlias = dict[str, str]
"""A chat message: `role` (system, user, assistant) and `content`."""

_LANGUAGES = frozenset({"source_language", "target_languages"})
_USER = frozenset({"source", "examples", "answer_form"})
# Section: placeholders that must be there, and those that may.
_SECTIONS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "system": (frozenset(), _LANGUAGES),
    "single": (_USER, _LANGUAGES | {"tag"}),
    "joint": (_USER, _LANGUAGES | {"tag"}),
    "examples": (frozenset({"exemplars"}), frozenset()),
    "exemplar": (frozenset({"source", "answer"}), _LANGUAGES),
    "json": (frozenset({"form"}), frozenset()),
    "text": (frozenset({"form"}), frozenset()),
    "repair": (frozenset({"complaints", "answer_form"}), frozenset({"target_languages"})),
}
_HEADING = re.compile(r"\[([^\[\]\s]+)\][ \t]*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SHIPPED = Path(__file__).with_name("prompts")
_WHERE = "translate"
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"```[\w-]*[ \t]*\n\s*")


@dataclass(frozen=True)
class Prompt:
    """A prompt file.

    Attributes:
        name: `reviews-1`; of a user's file its name without the end.
        text: The whole file.
        digest: sha256 of the file's content, for the key.
    """

    name: str
    text: str
    digest: str

    @cached_property
    def sections(self) -> Mapping[str, str]:
        """The text of each section, without blank lines around it."""
        return {name: body for name, _, body in _split(self.text)}


def shipped_prompts() -> tuple[str, ...]:
    """Names of the prompts that come with corpusforge."""
    return tuple(sorted(file.stem for file in _SHIPPED.glob("*.txt")))


def load_prompt(name_or_path: str, folder: Path | None = None) -> Prompt:
    """Read and check a prompt.

    Args:
        name_or_path: A shipped prompt, `translate-1`, or a file of the user's own, which ends in `.txt`.
        folder: Where a relative path is looked for first: the recipe's folder.

    Raises:
        RecipeError: No such prompt; a section or placeholder that is unknown, missing or there twice.
    """
    if not name_or_path.endswith(".txt"):
        if name_or_path not in shipped_prompts():
            raise RecipeError(
                f"translate.prompt: no prompt '{name_or_path}': {nearest(name_or_path, shipped_prompts())} "
                "A file of your own must end in .txt"
            )
        path = _SHIPPED / f"{name_or_path}.txt"
    else:
        path = Path(name_or_path).expanduser()
        if folder is not None and not path.is_absolute() and (folder / path).is_file():
            path = folder / path
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 at byte {error.start + 1}; save the prompt as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); expected a prompt file") from error
    text = text.replace("\r\n", "\n")
    _check(text, str(path))
    return Prompt(path.stem, text, hashlib.sha256(content).hexdigest())


def _split(text: str) -> list[tuple[str, int, str]]:
    """Sections in order: name, line of the heading, body."""
    found: list[tuple[str, int, list[str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        heading = _HEADING.fullmatch(line)
        if heading:
            found.append((heading[1], number, []))
        elif found:
            found[-1][2].append(line)
    return [(name, number, "\n".join(lines).strip("\n")) for name, number, lines in found]


def _check(text: str, where: str) -> None:
    seen: dict[str, int] = {}
    for name, number, body in _split(text):
        at = f"{where}:{number}"
        if name not in _SECTIONS:
            raise RecipeError(f"{at}: no section is called [{name}]: {nearest(name, _SECTIONS)}")
        if name in seen:
            raise RecipeError(f"{at}: a second [{name}]; the first is on line {seen[name]}")
        seen[name] = number
        needed, allowed = _SECTIONS[name]
        used: set[str] = set()
        for offset, line in enumerate(text.split("\n")[number:], start=number + 1):
            if _HEADING.fullmatch(line):
                break
            for placeholder in _PLACEHOLDER.findall(line):
                if placeholder not in needed | allowed:
                    hint = nearest(placeholder, needed | allowed)
                    raise RecipeError(f"{where}:{offset}: no placeholder {{{placeholder}}} in [{name}]: {hint}")
                used.add(placeholder)
        missing = sorted(needed - used)
        if missing:
            raise RecipeError(f"{at}: [{name}] lacks {', '.join(f'{{{lost}}}' for lost in missing)}")
        if not body:
            raise RecipeError(f"{at}: [{name}] is empty")
    lost = [name for name in _SECTIONS if name not in seen]
    if lost:
        raise RecipeError(f"{where}: lacks {', '.join(f'[{name}]' for name in lost)}; see the shipped translate-1")


def messages(
    prompt: Prompt,
    source: str,
    source_lang: str,
    targets: Sequence[str],
    exemplars: Sequence[Exemplar],
    *,
    output: Output,
) -> list[Message]:
    """The chat messages that ask for a translation.

    Args:
        prompt: From `load_prompt`.
        source: The text to translate: data, whatever it says.
        source_lang: Its FLORES code.
        targets: FLORES codes to translate into: with several, `[joint]` is used.
        exemplars: In the order of showing. Those of one source sentence are shown as one, with all its translations;
            repeated ones once.
        output: Whether to ask for JSON (`answer_schema`) or for plain text between tags.

    Raises:
        ValueError: No target, one twice, or an exemplar whose source is the text itself.
    """
    _check_targets(targets)
    own = folded(source)
    if any(own == folded(exemplar.source) for exemplar in exemplars):
        raise ValueError("an exemplar has the text itself as its source: it would hold the answer")
    grouped: dict[tuple[str, str], dict[str, str]] = {}
    for exemplar in exemplars:
        group = grouped.setdefault((exemplar.source_lang, exemplar.source), {})
        group.setdefault(exemplar.target_lang, exemplar.target)
    data = [source, *(text for (_, text), group in grouped.items() for text in (text, *group.values()))]
    codes = {*targets, *(code for group in grouped.values() for code in group)}
    number = _free_number(data, ("text", *codes))
    shown = [
        _fill(
            prompt.sections["exemplar"],
            source_language=described(lang, _WHERE),
            target_languages=_named(tuple(group)),
            source=_fenced("text", text, number),
            answer=_answer(group, output, number),
        )
        for (lang, text), group in grouped.items()
    ]
    named = {"source_language": described(source_lang, _WHERE), "target_languages": _named(targets)}
    request = _fill(
        prompt.sections["single" if len(targets) == 1 else "joint"],
        **named,
        tag=f"text{number}",
        examples=_fill(prompt.sections["examples"], exemplars="\n\n".join(shown)) if shown else "",
        source=_fenced("text", source, number),
        answer_form=_answer_form(prompt, targets, output, number),
    )
    return [
        {"role": "system", "content": _fill(prompt.sections["system"], **named)},
        {"role": "user", "content": request},
    ]


def repair(
    prompt: Prompt,
    previous: Sequence[Message],
    answer: str,
    complaints: Sequence[str],
    targets: Sequence[str],
    *,
    output: Output,
) -> list[Message]:
    """The messages so far, the answer that was no good, and a request to mend what is wrong with it.

    Args:
        prompt: As of the first request.
        previous: What was asked: of `messages`, or of an earlier `repair`.
        answer: What the model said.
        complaints: What was wrong, a line each.
        targets: Languages to translate into again: all, since the answer replaces the last one.
        output: As of the first request.
    """
    _check_targets(targets)
    if not complaints:
        raise ValueError("nothing to mend: no complaints")
    request = _fill(
        prompt.sections["repair"],
        target_languages=_named(targets),
        complaints="\n".join(f"- {' '.join(complaint.split())}" for complaint in complaints),
        answer_form=_answer_form(prompt, targets, output, ""),
    )
    # Some services refuse a message without content.
    said = answer if answer.strip() else "(empty answer)"
    return [*previous, {"role": "assistant", "content": said}, {"role": "user", "content": request}]


def answer_schema(targets: Sequence[str]) -> dict[str, Json]:
    """JSON schema of the answer, strict: `{"translations": {"bod_Tibt": "…"}}`."""
    _check_targets(targets)
    texts = {code: {"type": "string", "description": f"The text in {described(code, _WHERE)}"} for code in targets}
    return _strict({"translations": _strict(texts)})


def _strict(properties: dict[str, Json]) -> dict[str, Json]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse_answer(text: str, targets: Sequence[str], output: Output) -> dict[str, str]:
    """The translations in a model's answer, by language, without blanks around them.

    Read with some patience: a `<think>` part before the answer is left out, a code fence around JSON is taken off, and
    the text alone is taken where one language was asked for as plain text without JSON. Languages that nobody asked for
    are left out.

    Raises:
        ValueError: What is wrong with the answer, in words fit for `repair`.
    """
    _check_targets(targets)
    said = _THOUGHT.sub("", text, count=1) if _THOUGHT.match(text) else text
    said = said.strip().removeprefix("\ufeff")
    if not said:
        raise ValueError("the answer is empty")
    if said.startswith("<think>"):
        raise ValueError("the answer is cut off inside <think>")
    found = _from_json(said, targets) if output == "json" else _from_tags(said, targets)
    for code, translation in found.items():
        if not translation:
            raise ValueError(f"the translation for {code} is empty")
        if any("\ud800" <= character <= "\udfff" for character in translation):
            raise ValueError(f"the translation for {code} is not text: it has half a surrogate pair")
    return found


def _from_json(said: str, targets: Sequence[str]) -> dict[str, str]:
    try:
        answer = _json_in(said)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the answer is not JSON: {_json_error(error)}") from error
    translations = answer.get("translations") if isinstance(answer, dict) else None
    if not isinstance(translations, dict):
        raise ValueError('the answer is not of the form {"translations": {"<language>": "<text>"}}')
    _must_have(translations, targets)
    for code in targets:
        if not isinstance(translations[code], str):
            raise ValueError(f"the translation for {code} is not text but {_json_type(translations[code])}")
    return {code: translations[code].strip() for code in targets}


def _json_in(said: str) -> Json:
    """What an answer says in JSON: all of it, or the first of its code fences.

    Where a fence ends is JSON's to say: a translation may have ``` in it.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    opening = _FENCE.search(said)
    try:
        whole: Json = decoder.decode(said)
    except (json.JSONDecodeError, RecursionError):
        if opening is None:
            raise
    else:
        return whole
    body = said[opening.end() :]
    fenced: Json
    fenced, end = decoder.raw_decode(body)
    if not re.match(r"\s*(?:```|\Z)", body[end:]):
        raise json.JSONDecodeError("Extra data", body, end)
    return fenced


def _from_tags(said: str, targets: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in re.finditer(r"<([a-z]{3}_[A-Z][a-z]{3})((?:-\d+)?)>(.*?)</\1\2>", said, re.DOTALL):
        if match[1] in found:
            raise ValueError(f"the translation for {match[1]} is there twice")
        found[match[1]] = match[3].strip()
    if not found and len(targets) == 1:
        if re.search(rf"</?{targets[0]}(-\d+)?>", said):
            raise ValueError(f"the tags <{targets[0]}> and </{targets[0]}> do not match: the answer may be cut off")
        return {targets[0]: said}
    _must_have(found, targets)
    return {code: found[code] for code in targets}


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


def _json_error(error: json.JSONDecodeError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"{error.msg} at character {error.pos + 1} of {len(error.doc)}"


def _json_type(value: Json) -> str:
    names = {"NoneType": "null", "dict": "an object", "list": "a list", "bool": "true or false"}
    return names.get(type(value).__name__, "a number")


def _must_have(found: Mapping[str, Json], targets: Sequence[str]) -> None:
    missing = [code for code in targets if code not in found]
    if missing:
        there = ", ".join(str(code)[:20] for code in list(found)[:8]) or "none"
        raise ValueError(f"no translation for {', '.join(missing)}; languages in the answer: {there}")


def _check_targets(targets: Sequence[str]) -> None:
    if isinstance(targets, str) or not targets or len(set(targets)) < len(targets):
        raise ValueError(f"expected at least one target language, each once; found {targets!r}")


def _named(codes: Sequence[str]) -> str:
    *first, last = [described(code, _WHERE) for code in codes]
    return f"{', '.join(first)} and {last}" if first else last


def _answer(translations: Mapping[str, str], output: Output, number: str) -> str:
    """An answer as it should be, for exemplars."""
    if output == "json":
        return json.dumps({"translations": dict(translations)}, ensure_ascii=False)
    return "\n".join(_fenced(code, text, number) for code, text in translations.items())


def _answer_form(prompt: Prompt, targets: Sequence[str], output: Output, number: str) -> str:
    return _fill(prompt.sections[output], form=_answer(dict.fromkeys(targets, "…"), output, number))


def _fenced(tag: str, text: str, number: str) -> str:
    return f"<{tag}{number}>\n{text}\n</{tag}{number}>" if "\n" in text else f"<{tag}{number}>{text}</{tag}{number}>"


def _free_number(data: Sequence[str], tags: Sequence[str]) -> str:
    """What makes the tags ones that the data does not have: nothing, or `-1`, `-2`, …"""
    # Looked for without regard to case, width, blanks and what is unseen: a model takes `< / TEXT >` for the same.
    joined = "\n".join(
        "".join(part for part in unicodedata.normalize("NFKC", text).casefold() if part.isprintable() and part != " ")
        for text in data
    )
    names = [tag.casefold() for tag in tags]
    taken = {mark for _, mark in re.findall(rf"</?({'|'.join(map(re.escape, names))})(-\d+)?(?!\w)", joined)}
    number = 0
    while (mark := f"-{number}" if number else "") in taken:
        number += 1
    return mark


def _fill(template: str, **values: str) -> str:
    """The template with its placeholders filled, in one pass: what is filled in is not looked at again."""
    # An empty value on a line of its own takes the line and the blank lines after it along.
    for name, value in values.items():
        if not value:
            template = re.sub(rf"^\{{{name}\}}\n+", "", template, flags=re.MULTILINE)
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template).strip("\n")
