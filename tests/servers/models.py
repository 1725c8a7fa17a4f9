"""A stand-in for a language model behind the OpenAI API, in a process of its own: it answers in the target's script.

It knows no language. What it says has the script, the length, the numbers and the Latin names of a translation, so that
everything around a model can be tested; faults are scripted, and every request is counted on its own side.

    python -m tests.servers.models --port 0 [--latency 0.2] [--fault 429=0.05 …] [--seed 0]

prints its port. `GET /counts` gives what it has seen, `POST /script` sets what it does next.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SYLLABLES = {
    "Tibt": re.findall(r"\S+", "བོད་ ཡིན་ རེད་ ཀྱི་ གི་ ལ་ ནས་ དང་ མི་ ང་ ཁྱོད་ འདི་ དེ་ བཟང་ ཆེན་ ཡག་ པོ་ མོ་ ཚོ་ བྱེད་"),
    "Mymr": re.findall(r"\S+", "မြန် မာ သည် ကို နှင့် တွင် မှ များ ဖြစ် ပါ တယ် ကောင်း သော အ လွန် နေ ရာ လူ စာ အုပ်"),
    "Hans": re.findall(r"\S+", "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要 他"),
    "Latn": re.findall(r"\S+", "the a of and to in is you that it he was for on are as with his they at"),
}
PER_HANZI = {"Tibt": 1.0, "Mymr": 1.4, "Hans": 1.0, "Latn": 0.8}
SPACE = {"Latn": " "}
STOP = {"Tibt": "།", "Mymr": "။", "Hans": "。", "Latn": "."}
NO_FORMAT = "no 'response_format' of type json_schema"


def translated(source: str, lang: str) -> str:
    """A text in the script of `lang`, always the same for a source, with the source's numbers and Latin words."""
    script = lang.rpartition("_")[2]
    known = SYLLABLES[script]
    seed = int.from_bytes(hashlib.sha256(f"{lang}{source}".encode("utf-8", "surrogatepass")).digest()[:8])
    draw = random.Random(seed)
    out: list[str] = []
    owed = 0.0
    for piece in re.findall(r"[A-Za-z0-9.,:/%_@+-]+|.", source):
        if piece[0].isascii() and piece[0].isalnum():
            out.append(f" {piece.rstrip('.,:')} ")
            continue
        if piece.isalpha():
            owed += PER_HANZI[script]
        while owed >= 1:
            out.append(draw.choice(known) + SPACE.get(script, ""))
            owed -= 1
    return ("".join(out).strip() or draw.choice(known)) + STOP[script]


def _format(body: Mapping[str, Any]) -> dict[str, Any]:
    """The structured output that a request demands; empty where it demands none."""
    chat = (body.get("response_format") or {}).get("json_schema")
    return chat or (body.get("text") or {}).get("format") or {}


class Model:
    """What the server knows and has seen."""

    def __init__(self, latency: float = 0.0, faults: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self.latency = latency
        self.faults = dict(faults or {})
        self.retry_after = "1"
        self.script: list[Any] = []
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.lines: Counter[str] = Counter()
        self.hold = False  # batches stay in progress
        self.free = 0  # but not the first ones
        self.stall: list[str] = []  # calls of the Batch API, as counted, that are carried out but not answered yet
        self.plain = False  # requests and lines of batches that demand structured output are refused
        self.awaited = 0  # but not before so many such requests are here
        self.draw = random.Random(seed)

    def answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A chat completion, or a response of the Responses API."""
        messages = body.get("messages") or body.get("input") or []
        user = next(m["content"] for m in messages if m["role"] == "user")
        found = re.findall(r"<(text(?:-\d+)?)>\n?(.*?)\n?</\1>", user, re.S)
        source = found[-1][1] if found else user
        schema = _format(body).get("schema")
        if schema:
            targets = list(schema["properties"]["translations"]["properties"])
            text = json.dumps(
                {"translations": {lang: translated(source, lang) for lang in targets}}, ensure_ascii=False
            )
        else:
            targets = re.findall(r"<([a-z]{3}_[A-Z][a-z]{3})>", messages[-1]["content"]) or ["bod_Tibt"]
            text = "\n".join(f"<{lang}>{translated(source, lang)}</{lang}>" for lang in dict.fromkeys(targets))
        of_batch = bool(self.script) and isinstance(self.script[0], dict) and "batch" in self.script[0]
        step = self.script.pop(0) if self.script and not of_batch else None
        finish = "stop"
        if isinstance(step, dict):
            text, finish = step.get("text", text), step.get("finish_reason", finish)
        sent, out = len(json.dumps(messages)) // 3, len(text)
        if "input" in body:
            return {
                "id": "resp_1", "object": "response", "model": body["model"], "status": "completed",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
                "usage": {"input_tokens": sent, "output_tokens": out, "total_tokens": sent + out},
            }  # fmt: skip
        return {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": sent, "completion_tokens": out, "total_tokens": sent + out,
                      "prompt_tokens_details": {"cached_tokens": sent // 2}},
        }  # fmt: skip

    async def handle(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        if path == "/counts":
            return 200, {}, {"counts": self.counts, "seen": len(self.seen), "most": max(self.seen.values(), default=0),
                             "lines": sum(self.lines.values()), "most_lines": max(self.lines.values(), default=0),
                             "batches": len(self.batches)}  # fmt: skip
        if path == "/script":
            for name, value in json.loads(body).items():
                setattr(self, name, value)
            return 200, {}, {}
        if path.startswith(("/v1/files", "/v1/batches")):
            answered = self.batch_api(method, path, body)
            while self.call(method, path) in self.stall:
                await asyncio.sleep(0.01)
            return answered
        self.counts["asked"] += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self.fault()
        if fault is not None:
            self.counts[f"fault {fault}"] += 1
            wait = {"retry-after": self.retry_after} if fault == 429 else {}
            return fault, wait, {"error": {"message": f"scripted {fault}", "type": "server_error", "code": None}}
        parsed = json.loads(body)
        if self.plain and _format(parsed):
            self.awaited -= 1
            while self.awaited > 0:
                await asyncio.sleep(0.005)
            return 400, {}, {"error": {"message": NO_FORMAT}}
        if self.script and isinstance(self.script[0], str):
            return 200, {}, self.script.pop(0)
        self.seen[hashlib.sha256(body).hexdigest()] += 1
        self.counts["answered"] += 1
        return 200, {}, self.answer(parsed)

    def fault(self) -> int | None:
        if self.script and isinstance(self.script[0], int):
            return int(self.script.pop(0))
        drawn = self.draw.random()
        for status, share in self.faults.items():
            drawn -= share
            if drawn < 0:
                return int(status)
        return None

    def call(self, method: str, path: str) -> str:
        return f"{method} {re.sub(r'(file|batch)-[0-9]+', '…', path.partition('?')[0])}"

    def batch_api(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        self.counts[self.call(method, path)] += 1
        if path == "/v1/files" and method == "POST":
            boundary = body.split(b"\r\n", 1)[0]
            parts = [part.split(b"\r\n\r\n", 1) for part in body.split(boundary) if b"\r\n\r\n" in part]
            content = next(part[1].removesuffix(b"\r\n") for part in parts if b'filename="' in part[0])
            return self.file(content)
        if match := re.fullmatch(r"/v1/files/(file-\d+)/content", path):
            return 200, {"content-type": "application/octet-stream"}, self.files[match[1]]
        if path == "/v1/batches" and method == "POST":
            wanted = json.loads(body)
            id = f"batch-{len(self.batches) + 1}"
            for line in self.files[wanted["input_file_id"]].splitlines():
                self.lines[json.loads(line)["custom_id"]] += 1
            self.batches[id] = {
                "id": id, "object": "batch", "endpoint": wanted["endpoint"], "status": "in_progress",
                "created_at": 2_000_000_000 + len(self.batches), "metadata": wanted.get("metadata"),
                "input_file_id": wanted["input_file_id"], "completion_window": wanted["completion_window"],
            }  # fmt: skip
            if self.script and isinstance(self.script[0], int):  # refused
                self.batches.pop(id)
                return self.script.pop(0), {}, {"error": {"message": "scripted"}}
            if self.script and self.script[0] == "lose the answer":  # it arrived, but the client does not hear of it
                self.script.pop(0)
                return 500, {}, {"error": {"message": "lost"}}
            return 200, {}, self.batches[id]
        if path.startswith("/v1/batches?") or path == "/v1/batches":
            newest = sorted(self.batches.values(), key=lambda batch: -batch["created_at"])
            return 200, {}, {"object": "list", "data": newest, "has_more": False}
        if match := re.fullmatch(r"/v1/batches/(batch-\d+)", path):
            batch = self.batches.get(match[1])
            if batch is None:
                return 404, {}, {"error": {"message": f"no batch {match[1]}"}}
            first = int(match[1].partition("-")[2]) <= self.free
            if batch["status"] == "in_progress" and (first or not self.hold):
                self.finish(batch)
            return 200, {}, batch
        return 404, {}, {"error": {"message": f"no {path}"}}

    def file(self, content: bytes) -> tuple[int, dict[str, str], Any]:
        id = f"file-{len(self.files) + 1}"
        self.files[id] = content
        return 200, {}, {"id": id, "object": "file", "bytes": len(content), "created_at": 1, "filename": "x.jsonl",
                         "purpose": "batch", "status": "processed"}  # fmt: skip

    def finish(self, batch: dict[str, Any]) -> None:
        """End a batch: with everything, or as a script says.

        {"batch": "expired", "answered": 3, "failed": 1} leaves all but the first 3 and fails the first; {"batch":
        "failed", "answered": 0, "errors": […]} refuses it. Lines that expired stand in the error file, as at OpenAI.
        """
        script = (
            self.script.pop(0) if self.script and isinstance(self.script[0], dict) and "batch" in self.script[0] else {}
        )
        done, failed = [], []
        for number, line in enumerate(self.files[batch["input_file_id"]].splitlines()):
            row = json.loads(line)
            if number >= script.get("answered", 10**9):
                if script["batch"] == "expired":
                    error = {"code": "batch_expired", "message": "not executed before the window expired"}
                    failed.append({"custom_id": row["custom_id"], "response": None, "error": error})
                continue
            if self.plain and _format(row["body"]):
                error = {"status_code": 400, "body": {"error": {"message": NO_FORMAT}}}
                failed.append({"custom_id": row["custom_id"], "response": error, "error": None})
                continue
            if number < script.get("failed", 0):
                error = {"status_code": 500, "body": {"error": {"message": "scripted"}}}
                failed.append({"custom_id": row["custom_id"], "response": error, "error": None})
                continue
            self.counts["batch answers"] += 1
            response = {"status_code": 200, "body": self.answer(row["body"])}
            done.append({"custom_id": row["custom_id"], "response": response, "error": None})
        for name, rows in (("output_file_id", done), ("error_file_id", failed)):
            if rows:
                batch[name] = self.file("\n".join(map(json.dumps, rows)).encode())[2]["id"]
        batch["status"] = script.get("batch", "completed")
        if "errors" in script:
            batch["errors"] = {"object": "list", "data": script["errors"]}


class Connection(asyncio.Protocol):
    """As little HTTP/1.1 as a client needs, because benchmarks measure clients."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.buffer = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            size = int(headers.get("content-length", 0))
            if headers.get("transfer-encoding") == "chunked":
                if (last := self.buffer.find(b"0\r\n\r\n", end)) < 0:
                    return
                raw, self.buffer = self.buffer[end + 4 : last], self.buffer[last + 5 :]
                body = b""
                while raw:
                    length, _, rest = raw.partition(b"\r\n")
                    body, raw = body + rest[: int(length, 16)], rest[int(length, 16) + 2 :]
            elif len(self.buffer) < end + 4 + size:
                return
            else:
                body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            method, path, _ = head.split(" ")
            task = asyncio.ensure_future(self.reply(method, path, body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def reply(self, method: str, path: str, body: bytes) -> None:
        status, extra, found = await self.model.handle(method, path, body)
        if found == "disconnect":
            self.transport.abort()
            return
        content = (
            found
            if isinstance(found, bytes)
            else found.encode()
            if isinstance(found, str)
            else json.dumps(found).encode()
        )
        cut = content[: len(content) // 2] if found == "cut" else content
        fields = {"content-type": "application/json", "content-length": str(len(content)), **extra}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + cut)


class Handle:
    """A running server, from outside."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self._root = f"http://127.0.0.1:{port}"
        self.process = process

    def look(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._root}/counts") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def asked(self) -> int:
        return int(self.look()["counts"].get("asked", 0))

    def does(self, **what: Any) -> None:
        """Set attributes of `Model` by name: `script`, `faults`, `latency`, `plain`, …"""
        request = urllib.request.Request(f"{self._root}/script", json.dumps(what).encode(), method="POST")
        urllib.request.urlopen(request).close()


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Handle]:
    """Run the server in a process of its own."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.servers.models", "--port", "0", *arguments]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Handle(int(process.stdout.readline()), process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def serve(model: Model, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(model), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--fault", action="append", default=[], metavar="STATUS=SHARE")
    parser.add_argument("--seed", type=int, default=0, help="of the faults: the same seed, the same faults")
    given = parser.parse_args()
    shares = {status: float(share) for status, _, share in (fault.partition("=") for fault in given.fault)}
    asyncio.run(serve(Model(given.latency, shares, given.seed), given.port))
