"""`RESULTS.md`, `results.json` and the figures, written anew from what was collected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from corpusforge.items import Json
from corpusforge.train.paper.differences import differences
from corpusforge.train.paper.figures import FIGURES, draw
from corpusforge.train.paper.printed import LANGUAGES, printed
from corpusforge.train.paper.rows import FLORES, MMS, TITLES
from corpusforge.train.runs import write_json

REPORT, RESULTS = "RESULTS.md", "results.json"
TARGET = printed()["table2_flores200"]["MLCL"]["G"]


def write_report(folder: Path, results: Mapping[str, Json], drawn: dict[str, Json] | None) -> None:
    """Write all of it into the paper's folder, every file whole or not at all.

    Args:
        folder: `runs/paper-<preset>`.
        results: What `Collector.collect` found.
        drawn: What the figures were last drawn of: those that would be the same are left. None leaves all of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RESULTS, results)
    if drawn is not None:
        draw(folder, results, drawn)
    temporary = folder / f"{REPORT}.tmp"
    temporary.write_text(markdown(results), encoding="utf-8")
    temporary.replace(folder / REPORT)


def markdown(results: Mapping[str, Json]) -> str:
    """The report."""
    seeds = [str(seed) for seed in results["seeds"]]
    states = [one["state"] for run in results["runs"].values() for one in run["seeds"].values()]
    drawn = results["bootstrap"]
    parts = [
        f"# The MLCL paper, run again with preset {results['preset']}",
        results["paper"],
        f"{states.count('done')} of {len(states)} runs are done (seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}). "
        "Accuracy is in percent, by language; M is its mean over languages and G its Gini coefficient (Algorithm 1): "
        "a high M and a low G are good. Ours are of the test split: mean ± standard deviation over seeds, and "
        f"{drawn['level']:.0%} intervals of M and G from {drawn['replicates']:,} bootstrap samples of test's "
        "documents. The paper gives one seed and no interval.",
    ]
    for table, title in TITLES.items():
        parts.append(f"## {title}")
        parts.append(_table(table, results))
        if not _some(results["tables"][table], results):
            parts.append("None of ours is run: why is said below.")
        parts += _comparisons(table, results)
        if table == "table2":
            parts += _target(results)
        parts += [f"![{alt}]({name}.png)" for name, (where, _, alt) in FIGURES.items() if where == table]
    parts.append("## What is not run")
    parts.append(_missing(results))
    parts.append("## What differs from the paper")
    parts.append("\n".join(f"- {line}" for line in differences(results)))
    parts.append("## Corpora")
    parts.append(_corpora(results))
    parts.append("## Settings")
    parts.append(_settings(results))
    return "\n\n".join(parts) + "\n"


def _table(table: str, results: Mapping[str, Json]) -> str:
    """Printed and ours, a line each."""
    corpus = MMS if table in ("table3", "figures") else FLORES
    here = [row["language"] for row in results["corpora"][corpus].get("by_language", ())]
    languages = [*LANGUAGES, *(lang for lang in here if lang not in LANGUAGES)]
    lines = []
    rows = results["tables"][table]
    some = _some(rows, results)
    for row in rows:
        if row["printed"] is not None:
            there = row["printed"]
            accuracy = [_percent(there["accuracy"].get(lang)) for lang in languages]
            lines.append([row["row"], "printed", *accuracy, _four(there["M"]), "", _four(there["G"]), "", "1"])
        if not some:
            continue
        run = results["runs"][row["run"]]
        done = sum(one["state"] == "done" for one in run["seeds"].values())
        seeds = f"{done} of {len(run['seeds'])}" if done else "not run"
        cells = _ours(run["metrics"], languages) if run["metrics"] else [""] * (len(languages) + 4)
        lines.append([row["row"], "ours", *cells, seeds])
    return _markdown(("row", "", *languages, "M", "interval", "G", "interval", "seeds"), lines)


def _some(rows: Iterable[Mapping[str, Json]], results: Mapping[str, Json]) -> bool:
    """Whether any of the rows is run."""
    return any(results["runs"][row["run"]]["metrics"] for row in rows)


def _ours(metrics: Mapping[str, Json], languages: Sequence[str]) -> Iterator[str]:
    for lang in languages:
        found = metrics.get(f"accuracy/{lang}")
        yield _spread(found, 100, 2) if found else ""
    for name in ("M", "G"):
        found = metrics[name]
        yield _spread(found, 1, 4)
        yield "" if found["low"] is None else f"{found['low']:.4f} to {found['high']:.4f}"


def _spread(found: Mapping[str, Json], scale: float, digits: int) -> str:
    if found["mean"] is None:
        return "-"
    deviation = "" if found["sd"] is None else f" ± {scale * found['sd']:.{digits}f}"
    return f"{scale * found['mean']:.{digits}f}{deviation}"


def _comparisons(table: str, results: Mapping[str, Json]) -> list[str]:
    """Paired bootstraps, of those that can be made."""
    name_of = {row["slug"]: row["row"] for row in results["tables"][table]}
    lines = []
    for pair in results["compared"].get(table, ()):
        if pair["metrics"] is None:
            continue
        for metric in ("M", "G"):
            found = pair["metrics"][metric]
            if found["low"] is None:
                continue
            interval = f"{found['low']:+.4f} to {found['high']:+.4f}"
            names = f"{name_of[pair['ours']]} less {name_of[pair['theirs']]}"
            lines.append([names, metric, f"{found['difference']:+.4f}", interval, f"{found['p']:.3f}"])
    if not lines:
        return []
    return [
        "Differences, by a paired bootstrap of documents over the seeds that both rows have:",
        _markdown(("rows", "metric", "difference", "interval", "p"), lines),
    ]


def _target(results: Mapping[str, Json]) -> list[str]:
    """Whether MLCL is above n-grams in M, and as balanced as in print."""
    slugs = ("mlcl", "ngram", "majority")
    mlcl, ngram, majority = (results["runs"][f"{FLORES}-{slug}"]["metrics"] for slug in slugs)
    if not (mlcl and ngram and majority) or None in (mlcl["M"]["mean"], ngram["M"]["mean"], majority["M"]["mean"]):
        return []
    mean, other, balance = mlcl["M"]["mean"], ngram["M"]["mean"], mlcl["G"]["mean"]
    above = "above" if mean > other else "not above"
    within = "at or below" if balance <= TARGET else "above"
    return [
        f"MLCL is {above} the n-grams in M ({mean:.4f} and {other:.4f}), and its G of {balance:.4f} is {within} the "
        f"printed {TARGET:.4f}. G alone says little: always guessing the most frequent class gives "
        f"{majority['G']['mean']:.4f}, at an M of {majority['M']['mean']:.4f}."
    ]


def _missing(results: Mapping[str, Json]) -> str:
    """Runs that are not done, by reason."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for slug, run in results["runs"].items():
        for seed, one in run["seeds"].items():
            if one["state"] == "done":
                continue
            why = one["why"] or {"begun": "begun and stopped: goes on at the next call"}.get(
                one["state"], "not yet run"
            )
            words = f"failed: {why}" if one["state"] == "failed" else why
            reasons.setdefault(words, {}).setdefault(slug, []).append(seed)
    if not reasons:
        return "Nothing: every row is run with every seed."
    lines = []
    for why, missing in reasons.items():
        names = [
            slug if len(seeds) == len(results["runs"][slug]["seeds"]) else f"{slug} (seed {', '.join(seeds)})"
            for slug, seeds in missing.items()
        ]
        lines.append(f"- {why.rstrip('.')}. Not run: {', '.join(names)}.")
    return "\n".join(lines)


def _corpora(results: Mapping[str, Json]) -> str:
    lines = []
    for name, there in printed()["datasets"].items():
        lines.append([name, "printed", there["texts"], there["average_words"], f"{there['speech_hours']:.2f}", ""])
        here = results["corpora"][name]
        if "problem" in here:
            lines.append([name, "ours", "not here", "", "", ""])
        else:
            hours = (f"{here['hours']:.2f}", f"{here['train_hours']:.2f}")
            lines.append([f"{name} ({here['name']})", "ours", here["groups"], "", *hours])
    return _markdown(("corpus", "", "texts a language", "words a text", "hours of speech", "of them train"), lines)


def _settings(results: Mapping[str, Json]) -> str:
    there, ours = printed()["settings"], results["settings"]
    pgd, grid = there["pgd"], there["tau_grid"]
    rate = f"{ours['learning_rate']:g}" + (f", {ours['head_rate']:g} for what is new" if ours["head_rate"] else "")
    tuned = ", ".join(f"{name} {ours[name]:g}" for name in ("alpha", "beta", "tau"))
    lines = [
        ["text encoder", there["text_encoder"], ours["text"]],
        ["speech encoder", there["speech_encoder"], ours["speech"]],
        ["seed", there["seed"], ", ".join(map(str, results["seeds"]))],
        ["batch size", there["batch_size"], f"{ours['groups'] * ours['accumulate']} parallel groups"],
        ["dimension of the features", there["feature_dim"], "the encoders' own"],
        ["epochs", there["epochs"], ours["epochs"]],
        ["tokens at most", there["max_length"], ours["max_length"]],
        ["optimizer", there["optimizer"], f"AdamW, weight decay {ours['weight_decay']:g}, warm-up {ours['warmup']:g}"],
        ["learning rate", f"{there['learning_rate']:g}", rate],
        ["PGD", f"ε {pgd['epsilon']}, α {pgd['alpha']}, {pgd['steps']} steps", _pgd(ours)],
        ["FGM", f"ε {there['fgm']['epsilon']}", f"ε {ours['epsilon'] or 0.03:g}, {ours['norm']}"],
        ["α, β, τ", f"{there['search']}; τ of {', '.join(map(str, grid))}", tuned],
        ["speech", ", ".join(f"{lang}: {engine}" for lang, engine in there["tts"].items()), _speech(results)],
        ["translator", there["translator"], "as the corpus's recipe says"],
        ["machine", there["gpu"], "environment.json of every run"],
    ]
    return _markdown(("setting", "printed", "ours"), lines)


def _pgd(ours: Mapping[str, Json]) -> str:
    return f"ε {ours['epsilon'] or 0.01:g}, α {ours['step']:g}, {ours['steps']} steps, {ours['norm']}"


def _speech(results: Mapping[str, Json]) -> str:
    found = [
        f"{lang}: {row['engine']}"
        for corpus in results["corpora"].values()
        for row in corpus.get("engines", ())
        for lang in row["languages"]
    ]
    return ", ".join(dict.fromkeys(found)) or "no corpus is here"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _four(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
