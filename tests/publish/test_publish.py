"""`corpusforge publish` of a corpus, against a Hub on loopback that the real clients talk to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from corpusforge.corpus.read import Corpus
from tests.corpus.conftest import Shop
from tests.publish.conftest import BIBTEX, Publish
from tests.servers.hub import Hub

QUICK = "--no-read-back"
STRANGER = """
import hashlib, json
from datasets import Audio, load_dataset
rows = load_dataset("me/small", "mya_Mymr", revision="v1").cast_column("audio", Audio(decode=False))
print(json.dumps({row["id"]: [split, row["text"], hashlib.sha256(row["audio"]["bytes"]).hexdigest()]
                  for split, part in rows.items() for row in part}))"""


def front(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_corpus_is_published_and_read_back(publish: Publish, hub: Hub, corpus: Path, client: dict[str, str]) -> None:
    done = publish("--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["tag"] == "v1" and hub.repo("me/small").tags == {"v1": report["revision"]}
    assert hub.count("POST", "/commit/") == 1
    assert "read back parallel" in done.stderr and "read back bod_Tibt" in done.stderr
    # Loaded by a program of its own, as a stranger would.
    command = [sys.executable, "-c", STRANGER]
    asked = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **client})
    assert asked.returncode == 0, asked.stderr
    names = {"train": "train", "dev": "validation", "test": "test"}
    ours = {r.id: [names[r.split], r.text, r.sha256] for r in Corpus(corpus) if r.lang == "mya_Mymr"}
    assert json.loads(asked.stdout) == ours


def test_the_cards_snippet_runs(publish: Publish, hub: Hub, client: dict[str, str], tmp_path: Path) -> None:
    assert publish(QUICK).returncode == 0
    [code] = re.findall(r"```python\n(.*?)```", hub.read("me/small", "README.md").decode(), re.DOTALL)
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-c", code + "\nprint(len(samples), rate)"]
    environment = {**os.environ, **client}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    samples, rate = map(int, done.stdout.split())
    assert rate == 16000 and 8000 <= samples <= 20000


def test_publishing_again_sends_nothing_and_commits_nothing(publish: Publish, hub: Hub) -> None:
    assert publish(QUICK).returncode == 0
    sent = hub.sent()
    assert sent > 100_000
    again = publish(QUICK)
    assert again.returncode == 0 and "nothing had changed" in again.stdout
    assert (hub.sent(), hub.count("POST", "/commit/"), len(hub.repo("me/small").tags)) == (sent, 1, 1)


def test_a_card_that_people_edit_is_no_other_version(publish: Publish, hub: Hub) -> None:
    assert publish(QUICK).returncode == 0
    repo = hub.repo("me/small")
    card = hub.read("me/small", "README.md") + b"\nAn afterthought.\n"
    repo.commit("main", {**repo.tree(), "README.md": hub.store(card)}, "by hand", repo.refs["main"])
    assert publish().returncode == 0
    assert list(repo.tags) == ["v1"] and b"An afterthought." in hub.read("me/small", "README.md")


def test_a_changed_sentence_sends_two_shards_and_is_another_version(publish: Publish, hub: Hub, shop: Shop) -> None:
    assert publish(QUICK).returncode == 0
    first, before = hub.sent(), dict(hub.repo("me/small").tree())
    items = shop.corpus(24)
    items[30] = shop.item(items[30].id, items[30].lang, 999, document=items[30].document, label=items[30].label)
    shop.write(shop.root / "corpus", items, "two", citations=[BIBTEX])
    assert publish().returncode == 0
    after = hub.repo("me/small").tree()
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert len([path for path in changed if path.endswith(".parquet")]) == 2
    assert hub.sent() - first < first / 5
    assert sorted(hub.repo("me/small").tags) == ["v1", "v2"]


def test_shards_that_the_corpus_no_longer_has_are_deleted_and_other_files_stay(
    publish: Publish, hub: Hub, shop: Shop
) -> None:
    assert publish(QUICK).returncode == 0
    repo = hub.repo("me/small")
    repo.commit("main", {**repo.tree(), "notes.txt": hub.store(b"mine")}, "by hand", repo.refs["main"])
    shop.write(shop.root / "corpus", shop.corpus(3, ("zho_Hans", "bod_Tibt")), "two")
    assert publish().returncode == 0
    paths = set(repo.tree())
    assert "notes.txt" in paths and not [path for path in paths if "mya_Mymr" in path]


def test_what_people_wrote_on_the_card_stays(publish: Publish, hub: Hub) -> None:
    own = b"---\nlicense: mit\ntags: [mine]\narxiv: 2207.04672\n---\n# My title\n\nMy words.\n"
    hub.make("me/small", files={"README.md": own})
    assert publish(QUICK).returncode == 0
    card = hub.read("me/small", "README.md").decode()
    assert card.index("# My title\n\nMy words.\n") < card.index("<!-- corpusforge:begin summary -->")
    found = front(card)
    assert (found["license"], found["arxiv"]) == ("mit", 2207.04672)
    assert found["tags"][-1] == "mine" and "synthetic" in found["tags"] and len(found["configs"]) == 4


def test_private_gated_branch_and_tag(publish: Publish, hub: Hub) -> None:
    done = publish("--private", "--gated", "manual", "--revision", "next", "--tag", "2026-11")
    assert done.returncode == 0, done.stderr
    repo = hub.repo("me/small")
    assert (repo.private, repo.gated, repo.tags) == (True, "manual", {"2026-11": repo.refs["next"]})
    assert "data/zho_Hans" not in str(repo.tree("main"))
    assert 'revision="2026-11"' in hub.read("me/small", "README.md", "next").decode()


def test_a_pull_request(publish: Publish, hub: Hub) -> None:
    hub.make("me/small")
    done = publish("--create-pr")
    assert done.returncode == 0, done.stderr
    repo = hub.repo("me/small")
    assert "/discussions/1" in done.stdout and not repo.tags
    assert len(repo.tree("refs/pr/1")) > 20 and set(repo.tree("main")) == {".gitattributes"}


def test_a_tag_that_stands_for_other_files_is_not_moved(publish: Publish, hub: Hub, shop: Shop) -> None:
    assert publish(QUICK, "--tag", "one").returncode == 0
    at = dict(hub.repo("me/small").tags)
    shop.write(shop.root / "corpus", shop.corpus(3), "two")
    done = publish(QUICK, "--tag", "one")
    assert done.returncode == 7 and "tags are not moved" in done.stderr and hub.repo("me/small").tags == at
    assert publish(QUICK, "--tag", "two").returncode == 0


def test_dry_run_shows_files_sizes_and_card_and_asks_nobody(publish: Publish, hub: Hub) -> None:
    done = publish("--dry-run", "--croissant", HF_TOKEN="")
    assert done.returncode == 0 and hub.asked == []
    assert all(words in done.stdout for words in ("data/parallel/", "README.md", "croissant.json", "## Licences"))
    plan = json.loads(publish("--dry-run", "--json").stdout)
    assert publish(QUICK).returncode == 0
    actual = {path: file["size"] for path, file in hub.repo("me/small").tree().items() if path != ".gitattributes"}
    planned = {file["path"]: file["size"] for file in plan["files"]}
    assert planned.keys() == actual.keys()
    assert all(actual[path] <= planned[path] for path in actual if path.endswith(".parquet"))


def test_to_a_folder_is_the_same_as_to_the_hub(publish: Publish, hub: Hub, tmp_path: Path) -> None:
    assert publish(QUICK, "--croissant").returncode == 0
    done = publish("--to", tmp_path / "out", "--croissant", HF_TOKEN="")
    assert done.returncode == 0, done.stderr
    ours = {p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert ours.keys() == set(hub.repo("me/small").tree()) - {".gitattributes"}
    for path, file in ours.items():
        assert file.read_bytes() == hub.read("me/small", path), path


def test_no_token_is_in_any_file(publish: Publish, hub: Hub, tmp_path: Path, client: dict[str, str]) -> None:
    assert publish().returncode == 0
    token = client["HF_TOKEN"].encode()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 100 and not [file for file in files if token in file.read_bytes()]
