"""What the benchmarks of translation share: the stand-in model, the real reviews, and processes with one core each.

Run by itself it is the quickest server that a client can be measured with: every request gets the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).parent / "corpusforge"
sys.path.append(str(ROOT))  # the server lies among the tests

from tests.servers.models import Handle, serving  # noqa: E402

__all__ = ["PROGRAM", "ROOT", "Handle", "environment", "fixed", "pinned", "reviews", "serving", "texts"]


def reviews(given: Path | None) -> Path:
    """The file with reviews: the given one, or that of the tests."""
    folder = Path(os.environ.get("CORPUSFORGE_TEST_DATA") or ROOT.parent / "shared" / "data")
    path = given or folder / "mms_zh" / "mms_zh.jsonl"
    if not path.is_file():
        sys.exit(f"no file {path}: --data PATH, a file with the columns of the dataset mms")
    return path


def environment(server: Handle) -> dict[str, str]:
    """The environment of a program that is to ask the stand-in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CORPUSFORGE_", "OPENAI_"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "OPENAI_BASE_URL": server.url}


@contextlib.contextmanager
def pinned(server: Handle | None) -> Iterator[str]:
    """This process on one core, the server on the others; yields a description."""
    if not hasattr(os, "sched_setaffinity") or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        yield "client and server share their cores"
        return
    if server is not None:
        os.sched_setaffinity(server.process.pid, cores[1:])
    os.sched_setaffinity(0, cores[:1])
    try:
        yield f"client on core {cores[0]}, server on the others"
    finally:
        os.sched_setaffinity(0, cores)


def texts(path: Path, count: int) -> list[str]:
    """The first reviews."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line, _ in zip(lines, range(count), strict=False)]


@contextlib.contextmanager
def fixed() -> Iterator[Handle]:
    """The quickest server, in a process of its own."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Handle(int(process.stdout.readline()), process)
        finally:
            process.kill()


class Fixed(asyncio.Protocol):
    """Looks for the end of a request, and no further. Says how many there were at `GET /counts`."""

    answered = 0
    says = json.dumps(
        {"translations": {"bod_Tibt": "བོད་ཡིན་རེད་ཀྱི་གི་ལ་ནས་དང་མི་ང་ཁྱོད་འདི་དེ་བཟང་ཆེན་ཡག་པོ།"}}, ensure_ascii=False
    )
    body = json.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fixed",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": says}}],
            "usage": {"prompt_tokens": 700, "completion_tokens": 60, "total_tokens": 760},
        }
    ).encode()  # fmt: skip
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, bytearray()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"content-length: *(\d+)", self.buffer[:end], re.I)
            if length is None:
                counts = json.dumps({"counts": {"asked": Fixed.answered, "answered": Fixed.answered}}).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(counts), counts))
            elif len(self.buffer) < end + 4 + int(length[1]):
                return
            else:
                Fixed.answered += 1
                self.transport.write(self.answer)
            del self.buffer[: end + 4 + int(length[1] if length else 0)]


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Fixed, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
