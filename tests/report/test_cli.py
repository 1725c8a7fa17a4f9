"""The verbs report and serve, as programs."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.cli.program import PROGRAM, run
from tests.report.test_page import copied
from tests.report.trained import train


def test_report_prints_where_the_page_is(corpus: Path, tmp_path: Path) -> None:
    own = copied(corpus, tmp_path / "own")
    done = run("report", own, "--no-spectrograms", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert made == {"index": str(own / "report" / "index.html"), "unreadable_audio": []}
    assert Path(made["index"]).is_file()


def test_report_of_a_built_corpus_knows_the_work(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="needs the extra espeak: pip install 'corpusforge[espeak]'")
    built = run("build", "flores200", "--sample", "--limit", "3", "--quiet", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert run("report", "manifests/flores200-sample", cwd=tmp_path).returncode == 0
    page = (tmp_path / "manifests" / "flores200-sample" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Work by stage" in page and '<th scope="row">synthesize</th><td>9</td>' in page


def test_errors_are_one_line(tmp_path: Path) -> None:
    for arguments in (("report", "nowhere"), ("serve", "nowhere")):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert "error: nowhere is no folder, let alone a corpus" in done.stderr


def test_serve_makes_the_page_if_it_is_missing_or_old(tmp_path: Path) -> None:
    folder = train(tmp_path / "mlcl", measured=False)
    for said in ("were not measured", "has not ended"):
        server = subprocess.Popen([PROGRAM, "serve", str(folder)], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[0]
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert said in answer.read().decode()
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        for path in folder.glob("predictions-*"):
            path.unlink()
