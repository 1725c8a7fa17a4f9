"""The journal: what was written is there, whatever happened to the write before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from corpusforge.store.index import DONE, Result
from corpusforge.store.journal import CorpusLine, Journal

SETTINGS = '{"settings":{},"stage":"speak","version":1}'


def rows(count: int) -> list[tuple[bytes, Result]]:
    result = Result(DONE, '{"blobs":{},"fields":{}}', SETTINGS, "{}", 0.01)
    return [(f"k{number}".encode().ljust(32, b"."), result) for number in range(count)]


def test_a_torn_append_takes_no_row_of_the_next_one_with_it(tmp_path: Path) -> None:
    """In a process of its own: the limit on a file's size is a process's."""
    code = """
import resource, signal, sys
from pathlib import Path
from corpusforge.store.journal import CorpusLine, Journal
from tests.store.test_journal import rows
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]))
journal.append(rows(1))
most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 100, most[1]))
try:
    journal.append(rows(5)[1:])
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, most)
journal.append(rows(5)[1:])
journal.append_corpus(CorpusLine("toy", "toy"))
"""
    path = tmp_path / "results.jsonl"
    wrote = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert wrote.stdout == "File too large\n"
    assert list(Journal(path).read()) == [*rows(5), CorpusLine("toy", "toy")]
