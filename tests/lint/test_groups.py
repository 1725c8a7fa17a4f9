"""Labels and languages."""

from __future__ import annotations

from pathlib import Path

from corpusforge.lint import lint
from tests.cli.program import rows
from tests.lint.conftest import Rows, change, of, only, row


def test_a_group_with_two_labels(corpus: Path) -> None:
    def relabel(found: Rows) -> None:
        one = row(found, "dev-0001.zho_Hans")
        one["label"] = "wikivoyage" if one["label"] != "wikivoyage" else "wikinews"

    change(corpus, relabel)
    found = only(corpus)
    assert (found.check, found.severity, found.rows) == ("labels", "error", ("dev-0001.zho_Hans",))


def test_rows_without_a_label(corpus: Path) -> None:
    def strip(found: Rows) -> None:
        for one in of(found, group="dev-0001"):
            one["label"] = None

    change(corpus, strip)
    found = only(corpus, checks=["labels"])
    assert (found.severity, len(found.rows)) == ("warning", 3)
    assert "3 rows of 135 without a label" in found.message


def test_a_corpus_without_labels_is_no_mistake(corpus: Path) -> None:
    def strip(found: Rows) -> None:
        for one in found:
            one["label"] = None

    change(corpus, strip)
    assert lint(corpus, checks=["labels"]) == []


def test_a_label_that_dev_lacks(corpus: Path) -> None:
    def move(found: Rows) -> None:
        for one in of(found, label="wikinews", split="dev"):
            one["split"] = "train"

    change(corpus, move)
    found = only(corpus, checks=["labels"])
    assert (found.severity, found.message) == ("warning", "dev has no row of 1 label: 'wikinews'")
    assert found.rows == tuple(one["id"] for one in of(rows(corpus), label="wikinews"))
    assert found.counts == {"wikinews": len(found.rows)}


def test_a_label_that_train_lacks(corpus: Path) -> None:
    def move(found: Rows) -> None:
        for one in of(found, label="wikinews", split="train"):
            one["split"] = "test"

    change(corpus, move)
    found = only(corpus, checks=["labels"])
    assert (found.severity, found.message) == ("error", "train has no row of 1 label: 'wikinews'")
    assert "refuses" in found.why


def test_a_label_in_train_alone(corpus: Path) -> None:
    def move(found: Rows) -> None:
        for one in of(found, label="wikinews"):
            one["split"] = "train"

    change(corpus, move)
    found = lint(corpus, checks=["labels"])
    assert [(one.severity, one.message.partition(" has")[0]) for one in found] == [("error", "dev"), ("error", "test")]


def test_labels_out_of_balance(corpus: Path) -> None:
    def drop(found: Rows) -> Rows:
        rare = of(found, label="wikinews", split="train")[0]["group"]
        for one in of(found, label="wikivoyage"):
            one["label"] = "wikibooks"
        return [one for one in found if (one["label"], one["split"]) != ("wikinews", "train") or one["group"] == rare]

    change(corpus, drop)
    found = only(corpus, checks=["labels"])
    assert found.severity == "warning"
    assert "label 'wikibooks' has" in found.message
    assert "times as many groups in train as 'wikinews'" in found.message
    assert found.counts["wikinews"] == 1


def test_a_group_without_one_language(corpus: Path) -> None:
    change(corpus, lambda found: [one for one in found if one["id"] != "dev-0002.mya_Mymr"])
    found = only(corpus)
    assert (found.check, found.severity) == ("languages", "warning")
    assert found.rows == ("dev-0002.bod_Tibt", "dev-0002.zho_Hans")
    assert found.counts == {"mya_Mymr": 1}
    assert "1 parallel group of 45" in found.message


def test_a_language_twice_in_a_group(corpus: Path) -> None:
    def move(found: Rows) -> None:
        one, other = of(found, split="train", lang="bod_Tibt")[:2]
        other.update({name: one[name] for name in ("group", "label", "document")})

    change(corpus, move)
    found = lint(corpus, checks=["languages"])
    assert [one.severity for one in found] == ["error", "warning"]
    assert "that the parallel group already has" in found[0].message
    assert len(found[0].rows) == 1
