"""What a card says of a corpus, its licence, and its Croissant."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from datasets import Features
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard

from corpusforge.corpus.read import Corpus
from corpusforge.export.parquet import layout
from corpusforge.publish.card import facts
from corpusforge.publish.dataset import Settings, plan_corpus, write_dataset
from corpusforge.publish.hub import Target
from corpusforge.publish.licences import hub_name, strictest
from tests.corpus.conftest import Shop
from tests.publish.conftest import BIBTEX


@pytest.mark.parametrize(
    ("licences", "declared", "name"),
    [
        (["CC0-1.0"], "cc0-1.0", None),
        (["CC-BY-SA-4.0", "GPL-3.0-or-later"], "gpl-3.0", None),
        (["MIT", "CC-BY-4.0"], "mit", None),
        (["CC-BY-NC-4.0", "GPL-3.0-only", "CC-BY-SA-4.0"], "cc-by-nc-4.0", None),
        (["CC-BY-NC-4.0", "CC-BY-NC-ND-4.0"], "cc-by-nc-nd-4.0", None),
        (["CC0-1.0", None, "unknown"], "other", "unknown"),
        (["CC0-1.0", "LicenseRef-mms"], "other", "LicenseRef-mms"),
        (["CC-BY-NC-4.0", "terms of a service"], "other", "terms of a service"),
        ([], "other", "unknown"),
    ],
)
def test_the_strictest_licence_is_declared(licences: list[str | None], declared: str, name: str | None) -> None:
    found = strictest(licences)
    assert (found.license, found.name) == (declared, name)


@pytest.mark.parametrize(
    ("spdx", "hub"), [("GPL-3.0-or-later", "gpl-3.0"), ("GPL-3.0+", "gpl-3.0"), ("ODbL-1.0", "odbl"), ("Foo", None)]
)
def test_spdx_ids_as_the_hub_writes_them(spdx: str, hub: str | None) -> None:
    assert hub_name(spdx) == hub


@pytest.fixture
def mixed(shop: Shop) -> Corpus:
    """Two sources, two voices, one of unknown licence, and texts that a model translated."""
    items = shop.corpus(24)
    made = {"model": "a-model", "prompt": "translate-1", "from": "zho_Hans"}
    elsewhere = {"source": "Elsewhere", "license": "CC-BY-NC-4.0", "translation": made}
    for number, item in enumerate(items):
        kept = {"document": item.document, "label": item.label}
        if number % 6 == 0:
            items[number] = shop.item(item.id, item.lang, 300, voice="other", voice_license=None, **kept)
        if number % 6 == 1:
            items[number] = shop.item(item.id, item.lang, 301, **elsewhere, **kept)
    shop.write(shop.root / "corpus", items, citations=[BIBTEX])
    return Corpus(shop.root / "corpus")


def test_a_card_says_where_everything_is_from(mixed: Corpus) -> None:
    text = plan_corpus(mixed, Target("me/small", "dataset")).card
    found = yaml.safe_load(text.split("---\n")[1])
    assert found["language"] == ["bo", "my", "zh"] and found["license"] == "other"
    assert "| Elsewhere | CC-BY-NC-4.0 | espeak | cmn | GPL-3.0-or-later | 12 |" in text
    assert "| FLORES-200 | CC-BY-SA-4.0 | espeak | other | unknown | 12 |" in text
    assert "| a-model | translate-1 | zho_Hans | 12 |" in text
    assert "12 of 72 texts are synthetic, too" in text and "speech is synthetic" in text
    assert BIBTEX in text and "espeak-ng 1.52" in text and "kind: flores200" in text


def test_dataset_info_is_what_datasets_itself_would_write(mixed: Corpus, tmp_path: Path) -> None:
    shards = write_dataset(mixed, tmp_path / "out", "me/small", Settings(max_shard_size=60_000))
    planned = layout(mixed, 60_000)
    found = DatasetInfosDict.from_dataset_card_data(DatasetCard.load(tmp_path / "out/README.md").data)
    assert set(found) == set(planned.configs)
    for config, info in found.items():
        assert info.features == Features.from_dict(planned.features(config))
        own = [shard for shard in shards if shard.config == config]
        assert info.download_size == sum(shard.size for shard in own)
        for name, split in info.splits.items():
            assert split.num_examples == sum(shard.rows for shard in own if shard.split == name)


def test_the_plot_counts_every_utterance(mixed: Corpus, tmp_path: Path) -> None:
    write_dataset(mixed, tmp_path / "out", "me/small")
    drawn = ElementTree.parse(tmp_path / "out/assets/durations.svg")
    titles = [title.text or "" for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert sum(int(title.rpartition(": ")[2]) for title in titles) == len(mixed) == 72
    assert sum(sum(counts.values()) for counts in facts(mixed).durations.values()) == 72


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_validates_the_croissant(mixed: Corpus, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs mlcroissant: pip install 'corpusforge[test]'")
    write_dataset(mixed, tmp_path / "out", "me/small", Settings(croissant=True))
    read = mlcroissant.Dataset(jsonld=tmp_path / "out/croissant.json")
    assert not read.metadata.ctx.issues.errors
    # A date would make every publication another one.
    assert all("datePublished" in warning for warning in read.metadata.ctx.issues.warnings)
    planned = layout(mixed, 10**9)
    assert [records.name for records in read.metadata.record_sets] == list(planned.configs)
    assert {field.name for field in read.metadata.record_sets[1].fields} == set(planned.columns("bod_Tibt"))
