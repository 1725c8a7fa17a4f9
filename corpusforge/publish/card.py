"""The card of a published corpus: what is in it, how it was made, under which licences, and where its limits are.

Everything is read from `corpus.json` and the manifest's rows; nothing is claimed that they do not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from corpusforge.corpus.read import Corpus
from corpusforge.export.parquet import PARALLEL, Layout, Shard, configurations, splits_of
from corpusforge.items import Json
from corpusforge.net.secrets import redact
from corpusforge.publish.licences import Declared, strictest
from corpusforge.publish.markers import merged, table
from corpusforge.text.languages import LANGUAGES

PLOT = "assets/durations.svg"
_STEP = 2.0
"""Seconds of a bar of the plot."""
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


@dataclass(frozen=True, slots=True)
class Facts:
    """What only the rows say.

    Attributes:
        durations: Utterances by language and bar of the plot.
        translations: Utterances by model, prompt and language translated from.
        licences: Utterances by text source, its licence, engine, voice and the voice's licence.
    """

    durations: Mapping[str, Counter[int]]
    translations: Mapping[tuple[str, str, str], int]
    licences: Mapping[tuple[str, str, str, str, str | None], int]


def facts(corpus: Corpus) -> Facts:
    """One look at every row."""
    durations: dict[str, Counter[int]] = {lang: Counter() for lang in corpus.languages}
    translations: Counter[tuple[str, str, str]] = Counter()
    licences: Counter[tuple[str, str, str, str, str | None]] = Counter()
    for record in corpus:
        durations[record.lang][int(record.duration / _STEP)] += 1
        licences[record.source, record.license, record.engine, record.voice, record.voice_license] += 1
        if record.translation is not None:
            made = record.translation
            translations[str(made["model"]), str(made["prompt"]), str(made["from"])] += 1
    return Facts(durations, translations, licences)


def declared(found: Facts) -> Declared:
    """The licence of the whole: the strictest of all texts' and voices'."""
    return strictest(licence for key in found.licences for licence in (key[1], key[4]))


def iso(lang: str) -> str:
    """The ISO 639 code of a FLORES-200 code: two letters where there are such."""
    known = LANGUAGES.get(lang)
    return known.bcp47.partition("-")[0] if known else lang.partition("_")[0]


def card(
    existing: str | None,
    corpus: Corpus,
    found: Facts,
    layout: Layout,
    shards: Sequence[Shard],
    *,
    repo: str,
    tag: str | None,
    revision: str,
) -> str:
    """The card, with what people wrote in the one that is there kept.

    Args:
        existing: `README.md` as it is, None if there is none.
        corpus: What is published.
        found: From `facts`.
        layout: Columns and configurations.
        shards: As they were written; sizes go into `dataset_info`.
        repo: `owner/name`, for the loading snippet.
        tag: For the snippet; None loads the newest.
        revision: This package's version, with its commit if that is known.

    Raises:
        CardError: The existing card cannot be read.
    """
    licence = declared(found)
    info = corpus.info
    parallel = ["parallel"] if PARALLEL in layout.configs else []
    proposed: dict[str, Json] = {
        "pretty_name": info["name"],
        "license": licence.license,
        "license_name": "per-source-and-voice" if licence.name else None,
        "license_link": "README.md#licences" if licence.name else None,
        "task_categories": _tasks(layout),
        "tags": ["audio", "synthetic", "text-to-speech", "corpusforge", *parallel],
    }
    fixed: dict[str, Json] = {
        "language": sorted({iso(lang) for lang in layout.languages}),
        "size_categories": [next((name for most, name in _SIZES if len(corpus) < most), "10M<n<100M")],
        "configs": configurations(layout.shards),
        "dataset_info": _dataset_info(layout, shards),
    }
    blocks = {
        "summary": _summary(info, layout),
        "loading": _loading(repo, tag, layout),
        "statistics": _statistics(info),
        "making": _making(info, found, revision),
        "licences": _licences(found, licence),
        "limits": _limits(info, found),
        "citation": _citation(info),
    }
    proposed = {name: value for name, value in proposed.items() if value is not None}
    return merged(existing, title=str(info["name"]), facts=fixed, proposed=proposed, blocks=blocks)


def snippet(repo: str, tag: str | None, lang: str) -> str:
    """Python that loads a language and decodes its first clip, without torch."""
    at = f', revision="{tag}"' if tag else ""
    return f'''from io import BytesIO

import soundfile
from datasets import Audio, load_dataset

rows = load_dataset("{repo}", "{lang}"{at}).cast_column("audio", Audio(decode=False))
first = next(iter(rows.values()))[0]
samples, rate = soundfile.read(BytesIO(first["audio"]["bytes"]))'''


def _name(lang: str) -> str:
    known = LANGUAGES.get(lang)
    return known.name if known else lang


def _tasks(layout: Layout) -> list[str]:
    tasks = ["automatic-speech-recognition", "text-to-speech"]
    if layout.labels:
        tasks += ["text-classification", "audio-classification"]
    return [*tasks, "translation"] if PARALLEL in layout.configs else tasks


def _dataset_info(layout: Layout, shards: Sequence[Shard]) -> list[Json]:
    found = []
    for config in layout.configs:
        own = [shard for shard in shards if shard.config == config]
        splits = [
            {
                "name": split,
                "num_bytes": sum(shard.num_bytes for shard in own if shard.split == split),
                "num_examples": sum(shard.rows for shard in own if shard.split == split),
            }
            for split in splits_of(layout.shards, config)
        ]
        features = [{"name": name, "dtype": _dtype(kind, layout)} for name, kind in layout.columns(config).items()]
        sizes = {
            "download_size": sum(shard.size for shard in own),
            "dataset_size": sum(shard.num_bytes for shard in own),
        }
        found.append({"config_name": config, "features": features, "splits": splits, **sizes})
    return found


def _dtype(kind: str, layout: Layout) -> Json:
    if kind == "audio":
        return {"audio": {"sampling_rate": layout.sampling_rate}} if layout.sampling_rate else "audio"
    if kind == "label":
        return {"class_label": {"names": {str(number): label for number, label in enumerate(layout.labels)}}}
    return kind


def _summary(info: Mapping[str, Json], layout: Layout) -> str:
    names = ", ".join(f"{_name(lang)} (`{lang}`)" for lang in layout.languages)
    described = info["recipe"].get("description")
    lines = [f"{described}.\n"] if described else []
    lines += [
        f"{info['utterances']:,} utterances, {info['hours']:.2f} hours, in {len(layout.languages)} languages: {names}. "
        f"{info['groups']:,} sentences from {info['documents']:,} documents.",
        "",
        "**The speech is synthetic**: every clip was made by a speech engine, nobody was recorded.",
    ]
    return "\n".join(lines)


def _loading(repo: str, tag: str | None, layout: Layout) -> str:
    configs = [
        [f"`{lang}`", f"{_name(lang)}: a row an utterance, with text, audio and label"] for lang in layout.languages
    ]
    if PARALLEL in layout.configs:
        configs.append([f"`{PARALLEL}`", "a row a sentence: `text_LANGUAGE` and `audio_LANGUAGE` side by side"])
    return (
        f"## Loading\n\n{table(['configuration', 'what it holds'], configs)}\n\n"
        f"```python\n{snippet(repo, tag, layout.languages[0])}\n```\n\n"
        "With torch and torchcodec installed, `datasets` decodes the audio itself: leave out `cast_column`. A document "
        "and a sentence are never in two splits."
    )


def _statistics(info: Mapping[str, Json]) -> str:
    parts = ["## Numbers"]
    for title in ("language", "split", "label"):
        rows = [
            [row[title], row["utterances"], f"{row['hours']:.2f}", f"{row['mean_duration']:.2f}"]
            for row in info[f"by_{title}"]
        ]
        parts.append(table([title, "utterances", "hours", "mean seconds"], rows))
    parts.append(f"![Utterances by duration, in bars of {_STEP:g} s, for every language]({PLOT})")
    return "\n\n".join(parts)


def plot(found: Facts) -> bytes:
    """A small histogram of durations, a row a language, as SVG; the same rows give the same bytes."""
    wide, high, left = 14, 60, 130
    bars = 1 + max((bar for counts in found.durations.values() for bar in counts), default=0)
    width, height = left + wide * bars + 20, (high + 26) * len(found.durations) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for row, (lang, counts) in enumerate(sorted(found.durations.items())):
        base = (high + 26) * row + high + 14
        most = max(counts.values(), default=1)
        parts.append(f'<text x="8" y="{base - high // 2}" fill="#222">{escape(lang)}</text>')
        for bar, count in sorted(counts.items()):
            tall = max(1, round(high * count / most))
            parts.append(
                f'<rect x="{left + wide * bar}" y="{base - tall}" width="{wide - 2}" height="{tall}" fill="#4a7ebb">'
                f"<title>{bar * _STEP:g}–{(bar + 1) * _STEP:g} s: {count:,}</title></rect>"
            )
        for bar in range(0, bars + 1, 5):
            parts.append(f'<text x="{left + wide * bar}" y="{base + 12}" fill="#666">{bar * _STEP:g}</text>')
    parts.append(f'<text x="{left}" y="{height - 6}" fill="#666">seconds</text></svg>\n')
    return "\n".join(parts).encode()


def _making(info: Mapping[str, Json], found: Facts, revision: str) -> str:
    import yaml

    versions = info["versions"]
    engines = [[row["engine"], row["voice"], ", ".join(row["languages"]), row["utterances"]] for row in info["engines"]]
    parts = [
        "## How it was made",
        f"Built by corpusforge {versions.get('corpusforge', '')} and published by {revision} from the recipe "
        f"`{info['recipe'].get('name', info['name'])}`; the corpus's fingerprint is `{info['fingerprint']}`.",
        table(["engine", "voice", "languages", "utterances"], engines),
    ]
    if found.translations:
        rows = [[*key, count] for key, count in sorted(found.translations.items())]
        parts += ["Translated by:", table(["model", "prompt", "from", "utterances"], rows)]
    stages = [
        [stage, about.get("version"), lang, _plain(revisions)]
        for stage, about in sorted((versions.get("stages") or {}).items())
        for lang, revisions in sorted((about.get("revision") or {"all": {}}).items())
    ]
    if stages:
        parts.append(table(["stage", "version", "language", "engines, models and rules"], stages))
    others = {name: value for name, value in versions.items() if name not in ("corpusforge", "format", "stages")}
    if others:
        parts.append(f"With {_plain(others)}.")
    recipe = redact(yaml.safe_dump(dict(info["recipe"]), allow_unicode=True, sort_keys=False))
    parts.append(f"<details><summary>The whole recipe</summary>\n\n```yaml\n{recipe.strip()}\n```\n\n</details>")
    return "\n\n".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items()) or "–"
    return redact(str(value))


def _licences(found: Facts, whole: Declared) -> str:
    rows = [[*(value or "unknown" for value in key), count] for key, count in sorted(found.licences.items(), key=str)]
    heads = ["text from", "licence of the text", "engine", "voice", "licence of the voice", "utterances"]
    named = f"`{whole.license}`" if whole.name is None else f"`other`, because of: {whole.name}"
    return (
        f"## Licences\n\n{table(heads, rows)}\n\nTexts and voices keep their own licences. Declared for the whole is "
        f"the strictest of them: {named}. Whoever uses a part has to keep to the licences of that part."
    )


def _limits(info: Mapping[str, Json], found: Facts) -> str:
    voices = {(row["engine"], row["voice"]) for row in info["engines"]}
    points = [
        "The speech is synthetic. It has none of the variety of people, rooms and microphones, and what is measured on "
        "it does not carry over to recorded speech as it stands."
    ]
    if len(voices) == 1:
        engine, voice = next(iter(voices))
        points.append(f"There is one voice (`{engine}`, `{voice}`).")
    for (engine, voice), rows in groupby(sorted(info["engines"], key=_voice), key=_voice):
        langs = sorted({lang for row in rows for lang in row["languages"]})
        if len(langs) > 1:
            spoken = ", ".join(langs)
            points.append(f"The voice `{voice}` of `{engine}` speaks {spoken}: native to one of them at most.")
    translated = sum(found.translations.values())
    points.append(
        f"{translated:,} of {info['utterances']:,} texts are synthetic, too: translated by a model, with its errors."
        if translated
        else "No text was translated by a model."
    )
    for row in info["metrics"]:
        if row.get("unreadable"):
            lost = f"{row['unreadable']:,} of {row['syllables']:,} syllables could not be read"
            points.append(f"{row['language']}: {lost}.")
    refused = info["refused"]
    for kind in ("rejected", "failed"):
        if refused[kind]:
            points.append(f"{refused[kind]:,} utterances are missing because they were {kind} in the build.")
    incomplete = info["groups"] - info["complete_groups"]
    if incomplete:
        points.append(f"{incomplete:,} of {info['groups']:,} sentences lack a language.")
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points)


def _voice(row: Mapping[str, Json]) -> tuple[str, str]:
    return str(row["engine"]), str(row["voice"])


def _citation(info: Mapping[str, Json]) -> str:
    entries: Iterable[str] = info.get("citations") or ()
    shown = "\n\n".join(f"```bibtex\n{entry.strip()}\n```" for entry in entries)
    sources = ", ".join(sorted({str(row["source"]) for row in info["licenses"]["texts"]}))
    return f"## Citation\n\nThe texts are from: {sources}." + (f" Please cite:\n\n{shown}" if shown else "")
