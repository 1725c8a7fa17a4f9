"""A user's first corpus: `corpusforge new`, a CSV of one's own, `corpusforge build`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from corpusforge.sample import sample_folder
from tests.cli.program import fingerprint, rows, run

LANGUAGES = ("zho_Hans", "bod_Tibt", "mya_Mymr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the recipe that `new` wrote and a CSV beside it, untouched otherwise."""
    done = run("new", "my-corpus", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    columns = [(sample_folder() / "dev" / f"{lang}.dev").read_text("utf8").splitlines()[:4] for lang in LANGUAGES]
    with (tmp_path / "recipes" / "my-corpus.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", *LANGUAGES, "label"])
        table.writerows(
            [f"s{number}", *texts, "odd" if number % 2 else "even"]
            for number, texts in enumerate(zip(*columns, strict=True))
        )
    return tmp_path


def report(folder: Path, *arguments: object) -> dict[str, Any]:
    done = run("build", *arguments, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_recipe_builds_from_ones_own_table(folder: Path) -> None:
    made = report(folder, "my-corpus")
    assert (made["corpus"], made["utterances"], made["built"], made["failed"]) == ("my-corpus", 12, 12, [])
    found = rows(folder / "manifests" / "my-corpus")
    assert {row["id"] for row in found} == {f"s{number}.{lang}" for number in range(4) for lang in LANGUAGES}
    assert {(row["label"], row["source"], row["license"]) for row in found} == {
        ("even", "my-corpus.csv", "unknown"),
        ("odd", "my-corpus.csv", "unknown"),
    }
    assert all((folder / "manifests" / "my-corpus" / row["audio"]).stat().st_size > 1000 for row in found)


def test_a_corpus_that_is_renamed_in_its_recipe_is_written_beside_the_old_one_and_nothing_is_made_again(
    folder: Path,
) -> None:
    report(folder, "my-corpus")
    before = fingerprint(folder / "manifests" / "my-corpus")
    recipe = folder / "recipes" / "my-corpus.yaml"
    assert recipe.read_text("utf8").count("\nname: my-corpus\n") == 1
    recipe.write_text(recipe.read_text("utf8").replace("\nname: my-corpus\n", "\nname: renamed\n"), "utf8")

    again = report(folder, "my-corpus")

    assert (again["corpus"], again["utterances"], again["made"]) == ("renamed", 12, {})
    assert fingerprint(folder / "manifests" / "my-corpus") == before
    after = fingerprint(folder / "manifests" / "renamed")
    assert {name for name in before if before[name] != after[name]} == {"corpus.json"}
    assert json.loads((folder / "manifests" / "renamed" / "corpus.json").read_text("utf8"))["name"] == "renamed"
