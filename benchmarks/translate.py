"""Requests to a language model: with faults beside the openai client's own retries, and the client's overhead.

Usage: python benchmarks/translate.py [faults|overhead] [--data MMS.jsonl] [--runs 3]

faults: 1,000 different translations, 32 at once; the server takes 200 ms, and answers 5 % with 429 (Retry-After 1 s)
and 1 % with 500, the same faults for everybody. Beside each other, each a process of its own with its start and its
imports: `AsyncOpenAI(max_retries=5)` with a semaphore and gather, our client with its policy and its kept answers, and
the whole program with source, checks and store.

overhead: requests a second at 64 at once from a server that takes no time, the client on a core of its own. Beside our
whole path (kept answers, budget, policy, client) stands the bare openai client with its own transport and with aiohttp.
CPU seconds are the client's: they count where the wall clock is shared with others.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from standin import PROGRAM, Handle, environment, fixed, pinned, reviews, serving, texts

ORIGIN, TARGET = "zho_Hans", "bod_Tibt"
FAULTS = ("--latency", "0.2", "--fault", "429=0.05", "--fault", "500=0.01")
AT_MOST, AT_LEAST = 0.75, 600


class Measured(NamedTuple):
    """One contestant's run: seconds, CPU seconds of the client, requests that arrived, answers it got."""

    wall: float
    cpu: float
    asked: int
    got: int


class Asked(NamedTuple):
    """A request: roles and contents, and the schema of the answer."""

    messages: list[tuple[str, str]]
    schema: str


def requests(data: Path, count: int) -> list[Asked]:
    """What the stage would ask, without exemplars: the same for every contestant."""
    from corpusforge.translate.prompts import answer_schema, load_prompt, messages

    prompt = load_prompt("reviews-1")
    schema = json.dumps(answer_schema([TARGET]), ensure_ascii=False)
    found = []
    for number, text in enumerate(texts(data, count)):
        asked = messages(prompt, f"{text}（{number}）", ORIGIN, (TARGET,), (), output="json")
        found.append(Asked([(one["role"], one["content"]) for one in asked], schema))
    return found


Contestant = Callable[[str, list[Asked], int], Coroutine[Any, Any, int]]


def bare(retries: int, aio: bool = False) -> Contestant:
    """The openai client, a semaphore and gather."""

    async def contestant(url: str, asked: list[Asked], concurrency: int) -> int:
        import openai

        transport = openai.DefaultAioHttpClient() if aio else None
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=retries, http_client=transport)
        slots = asyncio.Semaphore(concurrency)
        forms = [
            {
                "type": "json_schema",
                "json_schema": {"name": "translations", "schema": json.loads(one.schema), "strict": True},
            }
            for one in asked
        ]

        async def one(request: Asked, form: Any) -> str | None:
            async with slots:
                sent: Any = [{"role": role, "content": content} for role, content in request.messages]
                answer = await client.chat.completions.create(
                    model="stand-in", messages=sent, response_format=form, max_tokens=2048
                )
            return answer.choices[0].message.content

        found = await asyncio.gather(*map(one, asked, forms), return_exceptions=True)
        await client.close()
        return sum(isinstance(text, str) for text in found)

    return contestant


async def ours(url: str, asked: list[Asked], concurrency: int) -> int:
    """`Asker`, as the stage uses it: a new workspace, every answer kept before it is returned."""
    from corpusforge.net.policy import Policy
    from corpusforge.store.answers import Answers, Spent
    from corpusforge.translate.asker import Asker, Live
    from corpusforge.translate.budget import Budget, Purse
    from corpusforge.translate.llm import Llm, Request

    wanted = [Request(tuple(one.messages), one.schema, "translations") for one in asked]
    policy = Policy(concurrency=concurrency)
    llm = Llm(url, "stand-in", sampling={"max_tokens": 2048}, policy=policy)
    purse = Purse(Budget(), None, Spent())
    with tempfile.TemporaryDirectory() as folder:
        answers = Answers(Path(folder))
        asker = Asker(llm, Live(llm, purse, 2048), answers, purse, "benchmark")
        # The stage lets this many utterances wait inside.
        inside = asyncio.Semaphore(4 * concurrency + 32)

        async def one(request: Request) -> str:
            async with inside:
                return (await asker.ask(request, "translate")).text

        found = await asyncio.gather(*map(one, wanted), return_exceptions=True)
        await asker.finish()
        await llm.aclose()
        kept = sum(answers.get(llm.key(request)) is not None for request in wanted)
        answers.close()
    return min(kept, sum(isinstance(text, str) for text in found))


CONTESTANTS: dict[str, Contestant] = {
    "AsyncOpenAI(max_retries=5), semaphore, gather": bare(5),
    "openai, its own transport": bare(0),
    "openai, aiohttp": bare(0, aio=True),
    "Asker on Llm": ours,
}
RIVAL, _, _, OURS = CONTESTANTS
STAGE = "build --to translate"


def run(contestant: Contestant, server: Handle, asked: list[Asked], concurrency: int) -> Measured:
    """In this process: without start and imports."""
    before = server.asked()
    cpu, start = time.process_time(), time.perf_counter()
    got = asyncio.run(contestant(server.url, asked, concurrency))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Measured(wall, cpu, server.asked() - before, got)


def child(command: list[str], environment: dict[str, str]) -> tuple[dict[str, Any], float, float]:
    """What a program of its own prints as JSON, its seconds and its CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[1:3]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return json.loads(done.stdout), wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def client_alone(name: str, server: Handle, asked: Path) -> Measured:
    """A contestant as a program of its own."""
    command = [sys.executable, __file__, "--contestant", name, "--asked", str(asked)]
    found, wall, cpu = child(command, environment(server))
    return Measured(wall, cpu, server.asked(), found["got"])


def whole_stage(server: Handle, data: Path, count: int) -> Measured:
    """`corpusforge build --to translate` of so many reviews into one language."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["build", "mms", "--source", str(data), "--workspace", folder, "--to", "translate", "--json"]
        settings = [f"translate.targets=[{TARGET}]", f"source.sample={count}", "translate.model=stand-in"]
        sets = [part for setting in settings for part in ("--set", setting)]
        report, wall, cpu = child([str(PROGRAM), *arguments, *sets], environment(server))
    # The stand-in knows no numbers in hanzi: what the checks reject is not lost, it has its verdict.
    return Measured(wall, cpu, server.asked(), report["made"].get("translate", 0))


def least(seed: int, count: int, slots: int = 32) -> float:
    """Seconds of a client that costs nothing, keeps all slots busy and waits no longer than it is told."""
    draw, now, done, waiting, busy = random.Random(seed), 0.0, 0, count, 0
    events: list[tuple[float, bool]] = []  # when, and whether an answer comes: else a wait is over
    while done < count:
        while waiting and busy < slots:
            waiting, busy = waiting - 1, busy + 1
            heapq.heappush(events, (now + 0.2, True))
        now, answered = heapq.heappop(events)
        if not answered:
            waiting += 1
            continue
        busy -= 1
        drawn = draw.random()
        if drawn < 0.06:
            heapq.heappush(events, (now + (1.0 if drawn < 0.05 else 0.0), False))
        else:
            done += 1
    return now


def median(runs: list[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(map(of, runs))


def with_faults(data: Path, count: int, runs: int) -> None:
    found: dict[str, list[Measured]] = {RIVAL: [], OURS: [], STAGE: []}
    print(f"{count:,} translations, 200 ms, 32 at once, 5 % 429 (Retry-After 1 s), 1 % 500; {runs} runs")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(requests(data, count), file)
        file.flush()
        for number in range(runs):
            one_run(number, found, data, Path(file.name), count)
    theirs = median(found.pop(RIVAL), lambda one: one.wall)
    print(f"{RIVAL}: median {theirs:.2f} s")
    for name, measurements in found.items():
        wall = median(measurements, lambda one: one.wall)
        print(f"{name}: median {wall:.2f} s, {wall / theirs:.2f} of that (target at most {AT_MOST})")


def one_run(number: int, found: dict[str, list[Measured]], data: Path, asked: Path, count: int) -> None:
    print(f"run {number + 1}: a client that costs nothing takes {least(number, count):.2f} s with these faults")
    for name in found:
        with serving(*FAULTS, "--seed", str(number)) as server:
            measured = whole_stage(server, data, count) if name == STAGE else client_alone(name, server, asked)
            seen = server.look()
        found[name].append(measured)
        counts = seen["counts"]
        faults = sum(value for key, value in counts.items() if key.startswith("fault"))
        beyond = counts["answered"] - seen["seen"]  # asked again for what had been answered
        repairs = f", {more} to have an answer mended" if (more := seen["seen"] - count) else ""
        print(
            f"run {number + 1}: {name}: {measured.wall:.2f} s, {measured.cpu:.2f} s of CPU; {count - measured.got} "
            f"rows lost, {measured.asked:,} requests: {faults} met a fault{repairs}, {beyond} for nothing",
            flush=True,
        )


def overhead(data: Path, count: int, runs: int) -> None:
    asked = requests(data, count)
    contestants = {name: contestant for name, contestant in CONTESTANTS.items() if name != RIVAL}
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    with fixed() as server, pinned(server) as where:
        print(f"{len(asked):,} requests, 64 at once, no latency, {where}; {runs} runs", flush=True)
        for contestant in contestants.values():
            run(contestant, server, asked[:100], 64)  # imports
        for number in range(runs):
            for name, contestant in contestants.items():
                measured = run(contestant, server, asked, 64)
                found[name].append(measured)
                print(
                    f"run {number + 1}: {name}: {measured.got / measured.wall:.0f}/s, "
                    f"{measured.got / measured.cpu:.0f} a CPU second; {len(asked) - measured.got} lost, "
                    f"{measured.asked - len(asked)} requests too many",
                    flush=True,
                )
    for name, measurements in found.items():
        wall = median(measurements, lambda one: one.got / one.wall)
        cpu = median(measurements, lambda one: one.got / one.cpu)
        target = f" (target at least {AT_LEAST})" if name == OURS else ""
        print(f"{name}: median {wall:.0f}/s, {cpu:.0f} a CPU second{target}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["faults", "overhead", "all"], default="all")
    parser.add_argument("--data", type=Path, help="a file with the columns of mms (default: the tests' own)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, help="translations (default: 1,000 with faults, 3,000 without)")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--asked", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        asked = [
            Asked([(role, said) for role, said in sent], form) for sent, form in json.loads(options.asked.read_text())
        ]
        got = asyncio.run(CONTESTANTS[options.contestant](os.environ["OPENAI_BASE_URL"], asked, 32))
        print(json.dumps({"got": got}))
        return
    data = reviews(options.data)
    os.environ.pop("OPENAI_BASE_URL", None)
    if options.what in {"faults", "all"}:
        with_faults(data, options.count or 1000, options.runs)
    if options.what in {"overhead", "all"}:
        overhead(data, options.count or 3000, options.runs)


if __name__ == "__main__":
    main()
