"""mms from the Hub: the Hub's real client, in a process of its own, and a server on 127.0.0.1."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from corpusforge.errors import SourceError
from corpusforge.sources._mms_hub import cache_folder
from corpusforge.sources.mms import Mms, MmsConfig
from tests.servers.hub_reader import HubReader

TOKEN = "hf_" + "t" * 20
OWN = {
    "README.md": b"---\nlicense: other\n---\n",
    "mms.py": b"raise SystemExit('a loading script that nobody runs')\n",
    "data/zh/zh_hotels.tsv": "1\t很好\t0.9\n-1\t不好\t0.8\n0\t一般\t0.7\n".encode(),
    "data/zh/zh_books.tsv": '1\t"好看，""真的""\n好看"\t\n'.encode(),
    "data/pl/pl_hotels.tsv": b"1\tdobry\t0.9\n" * 100_000,
}
BUILD = """
import json, sys
from corpusforge.errors import CorpusforgeError
from corpusforge.sources.mms import Mms
one = Mms(Mms.Config(**json.loads(sys.argv[1])))
told = []
one.progress = lambda done, total: told.append((done, total))
try:
    one.check()
except CorpusforgeError as error:
    sys.exit(str(error))
assert len(list(one.outline())) == len(list(one.items()))
rows = sorted([item.group, item.label, item.source, item.text] for item in one.items())
loaded = sorted({"datasets", "pyarrow", "huggingface_hub"} & set(sys.modules))
print(json.dumps({"rows": rows, "told": told, "loaded": loaded}))
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's token, cache or proxy; and no way to the real Hub."""
    for name in list(os.environ):
        if name.startswith("HF_") or name.startswith("HUGGING") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(hub: HubReader | None, token: str | None = None, **settings: object) -> subprocess.CompletedProcess[str]:
    """A build's look at the source, in a new process: the client reads its endpoint when it is imported."""
    environment = {**os.environ, **({"HF_ENDPOINT": hub.url} if hub else {}), **({"HF_TOKEN": token} if token else {})}
    return subprocess.run(
        [sys.executable, "-c", BUILD, json.dumps(settings)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )


def made(hub: HubReader | None, token: str | None = None, **settings: object) -> dict[str, Any]:
    done = run(hub, token, **settings)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def complaint(hub: HubReader | None, token: str | None = None, **settings: object) -> str:
    done = run(hub, token, **settings)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert token is None or token not in done.stderr
    assert not [path for path in cache_folder().rglob("*") if path.is_file() and path.name != ".lock"]
    return done.stderr.strip()


def parquet(rows: list[dict[str, Any]], row_group: int = 100) -> bytes:
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out, row_group_size=row_group)
    return out.getvalue()


def rows(language: str, first: int, count: int) -> list[dict[str, Any]]:
    random.seed(first)
    return [
        {
            "_id": n,
            "text": f"{language} {n} {random.getrandbits(800):x}",
            "label": n % 3,
            "original_dataset": f"{language}_reviews",
            "domain": "reviews",
            "language": language,
            "Family": f"{random.getrandbits(800):x}",
        }
        for n in range(first, first + count)
    ]


# What comes


def test_only_the_folder_of_the_language_is_read() -> None:
    with HubReader(OWN) as hub:
        found = made(hub)["rows"]
        assert [row[1:] for row in sorted(found, key=lambda row: row[3])] == [
            ["neutral", "mms:zh_hotels", "一般"],
            ["negative", "mms:zh_hotels", "不好"],
            ["positive", "mms:zh_books", '好看，"真的"\n好看'],
            ["positive", "mms:zh_hotels", "很好"],
        ]
        assert not [request for request in hub.requests if "/data/pl/" in request.path or "mms.py" in request.path]
        assert hub.sent < 1000


def test_a_second_build_asks_for_nothing() -> None:
    with HubReader(OWN) as hub:
        first = made(hub)
        asked = len(hub.requests)
        assert asked > 0
        second = made(hub)
        assert len(hub.requests) == asked
    assert second["rows"] == first["rows"]
    assert second["loaded"] == []
    # Nor does another choice from the same rows, nor a machine that has no network any more.
    assert len(made(None, sample=2)["rows"]) == 2


def test_the_cache_knows_dataset_revision_and_language() -> None:
    with HubReader(OWN) as hub:
        made(hub)
        assert [row[3] for row in made(hub, language="pl")["rows"]] == ["dobry"]
        made(hub, revision="5" * 40)
    files = sorted(str(path.relative_to(cache_folder())) for path in cache_folder().rglob("*.jsonl"))
    assert files == [
        "Brand24--mms/" + "5" * 40 + "/zh.jsonl",
        "Brand24--mms/main/pl.jsonl",
        "Brand24--mms/main/zh.jsonl",
    ]
    assert not list(cache_folder().rglob("*.tmp"))


def test_builds_at_once_download_once() -> None:
    with HubReader(OWN) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url}
        builds = [
            subprocess.Popen([sys.executable, "-c", BUILD, "{}"], stdout=subprocess.PIPE, env=environment)
            for _ in range(3)
        ]
        said = {build.communicate(timeout=120)[0] and build.returncode for build in builds}
        looks = [
            request for request in hub.requests if request.path.startswith("/api/datasets/Brand24/mms/revision/main")
        ]
        assert said == {0}
        assert len(looks) == 1


def test_what_a_killed_download_left_is_removed() -> None:
    folder = cache_folder() / "Brand24--mms" / "main"
    folder.mkdir(parents=True)
    (folder / ".zh.jsonl.1.tmp").write_text('{"_id": 1, "te')
    with HubReader(OWN) as hub:
        assert len(made(hub)["rows"]) == 4
    assert sorted(path.suffix for path in folder.iterdir() if path.name != ".lock") == [".jsonl", ".sqlite"]


def test_of_parquet_other_languages_stay_unread() -> None:
    files = {"data/train-0.parquet": parquet(rows("pl", 0, 20_000) + rows("zh", 20_000, 300), row_group=500)}
    with HubReader(files) as hub:
        found = made(hub, sample=30)["rows"]
        assert hub.sent < len(files["data/train-0.parquet"]) / 4
    assert len(found) == 30 and all(int(row[0].removeprefix("mms-")) >= 20_000 for row in found)
    assert {row[1] for row in found} == {"negative", "neutral", "positive"}


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_other_formats_are_streamed(format: str) -> None:
    table = rows("pl", 0, 50) + rows("zh", 50, 30)
    if format == "jsonl":
        content = "".join(json.dumps(cells) + "\n" for cells in table)
    else:
        content = "\n".join([",".join(table[0]), *(",".join(map(str, cells.values())) for cells in table)]) + "\n"
    with HubReader({f"train.{format}": content.encode()}) as hub:
        found = made(hub)["rows"]
    assert [row[0] for row in found] == [f"mms-{n}" for n in range(50, 80)]


def test_damaged_rows_of_the_hub_are_left_out_and_told_of() -> None:
    lines = [b"1\tfine\t0.9", b"label\ttext\t0", b"2\tno sign of mms\t", b"", b"1\t\t0.1", b"-1\t\xff\t0", b"0\tso\t0"]
    program = BUILD.replace("import json, sys", "import json, logging, sys; logging.basicConfig(level='WARNING')", 1)
    with HubReader({"data/zh/zh_hotels.tsv": b"\n".join(lines)}) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url}
        command = [sys.executable, "-c", program, "{}"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert sorted(row[3] for row in json.loads(done.stdout)["rows"]) == ["fine", "so"]
    assert "4 damaged rows left out" in done.stderr
    assert "data/zh/zh_hotels.tsv:2: 'label'" in done.stderr
    assert "data/zh/zh_hotels.tsv:5: 'text': empty" in done.stderr


def test_progress_is_told_in_bytes() -> None:
    with HubReader(OWN) as hub:
        told = made(hub, language="pl")["told"]
    size = len(OWN["data/pl/pl_hotels.tsv"])
    assert told[-1] == [size, size]


def test_a_damaged_selection_names_its_file() -> None:
    with HubReader(OWN) as hub:
        made(hub)
    (kept,) = cache_folder().rglob("*.sqlite")
    kept.write_bytes(b"not a database")
    with pytest.raises(SourceError, match=f"{kept}: damaged; remove it"):
        Mms(MmsConfig()).check()


# What does not


def test_gated_and_no_token() -> None:
    with HubReader(OWN, members={TOKEN}) as hub:
        said = complaint(hub)
    assert said.startswith(
        "Brand24/mms is gated, and HF_TOKEN is not set: log in at https://huggingface.co/datasets/Brand24/mms"
    )
    assert "export HF_TOKEN=" in said and "or set source.path to a JSONL" in said


def test_gated_and_an_account_without_access() -> None:
    with HubReader(OWN, members={"hf_else"}, known=frozenset({TOKEN})) as hub:
        said = complaint(hub, TOKEN)
    assert (
        "the account of HF_TOKEN has no access to it: ask for it at https://huggingface.co/datasets/Brand24/mms" in said
    )


def test_gated_and_a_member() -> None:
    with HubReader(OWN, members={TOKEN}) as hub:
        assert len(made(hub, TOKEN)["rows"]) == 4
        assert {request.token for request in hub.requests} == {TOKEN}
    kept = b"".join(path.read_bytes() for path in cache_folder().rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept


def test_gated_parquet_is_no_different() -> None:
    files = {"train.parquet": parquet(rows("zh", 0, 10))}
    with HubReader(files, members={TOKEN}) as hub:
        assert "is gated, and HF_TOKEN is not set" in complaint(hub)
        assert len(made(hub, TOKEN)["rows"]) == 10


def test_a_token_that_is_none() -> None:
    with HubReader(OWN, members={"hf_else"}) as hub:
        said = complaint(hub, TOKEN)
    assert "the Hub does not accept HF_TOKEN (HTTP 401)" in said
    assert "https://huggingface.co/settings/tokens" in said


def test_a_plain_403() -> None:
    with HubReader(OWN, status=403, reason="Forbidden") as hub:
        assert "the Hub refuses HF_TOKEN (HTTP 403)" in complaint(hub, TOKEN)


def test_a_hub_in_trouble() -> None:
    with HubReader(OWN, status=500) as hub:
        assert "the Hub answered HTTP 500: try again later" in complaint(hub)


def test_no_such_dataset_and_no_such_revision() -> None:
    with HubReader(OWN) as hub:
        assert "the Hub has no dataset 'Brand24/mmm' (source.dataset)" in complaint(hub, dataset="Brand24/mmm")
        assert "Brand24/mms has no revision 'v9' (source.revision)" in complaint(hub, revision="v9")


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
    said = complaint(None)
    assert "Brand24/mms is not on this machine, and the Hub cannot be reached (Connection refused)" in said


def test_offline_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE forbids to download it" in complaint(None)


def test_a_language_that_the_repository_lacks() -> None:
    with HubReader(OWN) as hub:
        assert "no 'de' (source.language); it has ['pl', 'zh']" in complaint(hub, language="de")
    with HubReader({"train.parquet": parquet(rows("zh", 0, 10))}) as hub:
        assert "no row in 'de' (source.language)" in complaint(hub, language="de")


def test_a_repository_of_another_kind() -> None:
    with HubReader({"README.md": b""}) as hub:
        assert "no data found: expected data/<language>/<dataset>.tsv" in complaint(hub)
    with HubReader({"train.csv": b"text,stars\ngood,5\n"}) as hub:
        assert "no column 'label'; expected mms's columns" in complaint(hub)


def test_half_a_download_is_none() -> None:
    with HubReader(OWN, lost=frozenset({"data/zh/zh_hotels.tsv"})) as hub:
        said = complaint(hub)  # which also sees that nothing is left in the cache
        assert [
            request for request in hub.requests if request.path.endswith("zh_books.tsv") and request.method == "GET"
        ]
    assert "HTTP 404" in said
