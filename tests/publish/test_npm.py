"""Another client that we did not write: npm's `@huggingface/hub` lists, downloads and commits beside us."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.publish.conftest import Publish
from tests.servers.hub import TOKEN, Hub

PROGRAM = """
import { createHash } from "node:crypto";
import { commit, downloadFile, listFiles } from "@huggingface/hub";
const [hubUrl, accessToken] = process.argv.slice(2);
const repo = { type: "dataset", name: "me/small" };
const found = {};
for await (const file of listFiles({ repo, recursive: true, revision: "v1", hubUrl, accessToken })) {
  if (file.type !== "file") continue;
  const blob = await downloadFile({ repo, path: file.path, revision: "v1", hubUrl, accessToken, xet: false });
  const bytes = Buffer.from(await blob.arrayBuffer());
  found[file.path] = [file.size, file.lfs?.oid ?? null, createHash("sha256").update(bytes).digest("hex")];
}
await commit({ repo, hubUrl, accessToken, title: "by npm", useXet: false, operations: [
  { operation: "addOrUpdate", path: "notes.txt", content: new Blob(["from npm"]) },
  { operation: "addOrUpdate", path: "more.parquet", content: new Blob(["PAR1"]) }] });
console.log(JSON.stringify(found));
"""


@pytest.fixture
def modules() -> Path:
    folder = Path(os.environ.get("CORPUSFORGE_NPM_HUB") or "/nowhere") / "node_modules"
    if not (folder / "@huggingface/hub").is_dir() or shutil.which("node") is None:
        pytest.skip("no @huggingface/hub: npm install --prefix DIR @huggingface/hub, and set CORPUSFORGE_NPM_HUB=DIR")
    return folder


def test_npms_client_reads_and_writes_beside_us(publish: Publish, hub: Hub, modules: Path, tmp_path: Path) -> None:
    assert publish("--no-read-back").returncode == 0
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "client.mjs").write_text(PROGRAM)
    command = ["node", str(tmp_path / "client.mjs"), hub.url, TOKEN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    tree = hub.repo("me/small").tree("v1")
    assert found.keys() == tree.keys()
    for path, (size, lfs, digest) in found.items():
        content = hub.read("me/small", path, "v1")
        assert (size, lfs, digest) == (len(content), tree[path].get("lfs"), hashlib.sha256(content).hexdigest())
    assert hub.read("me/small", "notes.txt") == b"from npm" and hub.read("me/small", "more.parquet") == b"PAR1"
    again = publish("--no-read-back")  # what others put there stays
    assert again.returncode == 0, again.stderr
    assert hub.read("me/small", "notes.txt") == b"from npm"
