"""The whole program, from Chinese reviews to a corpus with translations, by the server's own count of requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import PROGRAM, fingerprint, rows, run
from tests.patience import until
from tests.servers import models
from tests.servers.models import Handle

KEY = "wholly-secret-key-4711"
RECIPE = """
name: reviews
source: {{type: mms, path: {path}, language: zh, sample: {sample}, min_length: 5, max_length: 60}}
stages:
  - stage: translate
    source: zho_Hans
    targets: [bod_Tibt, mya_Mymr]
    model: stand-in
    prompt: reviews-1
    checks: {{length_ratio: null}}
    network: {{concurrency: 4, retries: 2, backoff: 0.05}}
  - stage: synthesize
    engine: espeak
    audio: {{sample_rate: 16000}}
  - stage: measure
"""
ROWS = 8


@pytest.fixture
def model() -> Iterator[Handle]:
    with models.serving() as handle:
        yield handle


class Home:
    """A folder with a recipe, whose model is the server."""

    def __init__(self, folder: Path, model: Handle) -> None:
        self.folder, self.model = folder, model
        self.environment = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": KEY}

    def run(self, *arguments: object, **environment: str) -> Any:
        return run(*arguments, cwd=self.folder, **{**self.environment, **environment})

    def build(self, *arguments: object) -> dict[str, Any]:
        done = self.run("build", "reviews.yaml", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PROGRAM, "build", "reviews.yaml", *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )

    @property
    def corpus(self) -> Path:
        return self.folder / "manifests" / "reviews"


@pytest.fixture
def home(tmp_path: Path, model: Handle, shared_data: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    recipe = RECIPE.format(path=shared_data / "mms_zh" / "mms_zh.jsonl", sample=ROWS)
    (folder / "reviews.yaml").write_text(recipe, "utf8")
    return Home(folder, model)


def test_a_corpus_in_three_languages_and_a_second_run_that_asks_nothing(home: Home) -> None:
    report = home.build()
    made = rows(home.corpus)
    rejected = rows(home.corpus, "rejected.jsonl")
    assert len(made) + len(rejected) == report["items"] == 3 * ROWS
    assert len(made) >= 2 * ROWS
    by_group: dict[str, set[str]] = {}
    for row in made:
        by_group.setdefault(row["group"], set()).add(row["lang"])
        assert (row["translation"] is None) == (row["lang"] == "zho_Hans")
        assert row["duration"] > 0
        assert (home.corpus / row["audio"]).is_file()
    assert {"zho_Hans", "bod_Tibt", "mya_Mymr"} in by_group.values()
    for row in made:
        if row["translation"]:
            assert row["translation"]["model"] == "stand-in"
            assert row["translation"]["tokens"]["in"] > 0
    for row in rejected:
        if row["stage"] == "translate":
            assert row["details"]["answers"]
    asked = home.model.asked()
    assert asked >= 2 * ROWS
    before = fingerprint(home.corpus)
    again = home.build()
    assert home.model.asked() == asked
    assert (again["built"], again["made"], again["written"]) == (0, {}, False)
    assert fingerprint(home.corpus) == before


def test_one_more_row_asks_for_that_row_only(home: Home) -> None:
    table = home.folder / "text.jsonl"
    lines = [json.dumps({"id": f"r{n}", "zho_Hans": text}, ensure_ascii=False) for n, text in enumerate(SENTENCES)]
    recipe = (home.folder / "reviews.yaml").read_text("utf8").splitlines()
    recipe[2] = "source: {type: table, path: text.jsonl}"
    (home.folder / "reviews.yaml").write_text("\n".join(recipe), "utf8")
    table.write_text("\n".join(lines[:-1]) + "\n", "utf8")
    assert home.build()["failed"] == []
    asked = home.model.asked()
    assert asked == 2 * (len(lines) - 1)
    table.write_text("\n".join(lines) + "\n", "utf8")
    report = home.build()
    assert home.model.asked() - asked == 2
    assert report["made"]["translate"] == 2


SENTENCES = (
    "今天天气很好，我们去公园散步。",
    "这本书非常有意思，我很喜欢。",
    "服务态度太差，再也不来了。",
    "味道不错。",
)


def test_a_limit_asks_for_its_groups_only_and_the_rest_goes_on_from_there(home: Home) -> None:
    home.build("--limit", "3", "--to", "translate")
    first = home.model.look()["seen"]
    assert first >= 6
    home.build("--to", "translate")
    look = home.model.look()
    assert look["most"] == 1  # nothing was asked twice
    assert look["seen"] >= 2 * ROWS


def test_a_changed_check_asks_nothing_that_is_kept(home: Home) -> None:
    home.build("--to", "translate")
    asked = home.model.asked()
    report = home.build("--to", "translate", "--set", "translate.checks.script_share=0.5")
    assert report["made"]["translate"] == 2 * ROWS  # every answer is judged again
    assert home.model.asked() == asked


def test_the_plan_says_what_it_would_cost_and_by_what_rule(home: Home) -> None:
    prices = ("--set", "translate.prices={input: 2, output: 8, as_of: '2026-11-21'}")
    done = home.run("build", "reviews.yaml", "--dry-run", *prices)
    assert done.returncode == 0, done.stderr
    assert f"{2 * ROWS} requests" in done.stdout
    assert "USD" in done.stdout
    assert "prices as of 2026-11-21" in done.stdout
    assert "by rule: 1 for 4 Latin letters" in done.stdout
    assert "No request" not in done.stdout
    assert not (home.folder / ".corpusforge" / "answers.sqlite").exists()
    without = home.run("build", "reviews.yaml", "--dry-run")
    assert "no price is given, so no cost is shown" in without.stdout
    assert "USD" not in without.stdout.replace("translate.prices", "")
    asked_for = home.run("build", "reviews.yaml", "--dry-run", "--json", *prices)
    (stage,) = [stage for stage in json.loads(asked_for.stdout)["stages"] if stage["stage"] == "translate"]
    amounts = stage["amounts"]
    assert amounts["requests"] == 2 * ROWS
    assert amounts["USD"] == pytest.approx((amounts["tokens in"] * 2 + amounts["tokens out"] * 8) / 1e6)
    assert home.model.asked() == 0
    home.build("--to", "translate")
    (stage,) = [
        stage
        for stage in json.loads(home.run("build", "reviews.yaml", "--dry-run", "--json").stdout)["stages"]
        if stage["stage"] == "translate"
    ]
    assert stage["amounts"] == {}
    assert stage["states"]["cached"] + stage["states"].get("rejected", 0) == 2 * ROWS


def ends(process: subprocess.Popen[str], number: int) -> str:
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors, errors
    return errors


def until_asked(home: Home, process: subprocess.Popen[str], wanted: int) -> None:
    until(lambda: home.model.asked() >= wanted, process=process)


@pytest.mark.parametrize("moment", [1, 7, 14])
def test_after_kill_9_at_most_what_was_on_the_wire_is_asked_twice(home: Home, moment: int) -> None:
    home.model.does(latency=0.15)
    process = home.start("--to", "translate")
    until_asked(home, process, moment)
    ends(process, signal.SIGKILL)
    home.model.does(latency=0)
    home.build("--to", "translate")
    look = home.model.look()
    assert look["counts"]["asked"] - look["seen"] <= 4  # the recipe's concurrency
    asked = home.model.asked()
    home.build("--to", "translate")
    assert home.model.asked() == asked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", [1, 9])
def test_after_a_polite_stop_nothing_is_asked_twice(home: Home, number: int, moment: int) -> None:
    home.model.does(latency=0.15)
    process = home.start("--to", "translate")
    until_asked(home, process, moment)
    ends(process, number)
    assert process.returncode == 128 + number
    stopped = home.model.asked()
    assert stopped < 2 * ROWS
    home.model.does(latency=0)
    home.build("--to", "translate")
    look = home.model.look()
    assert look["counts"]["asked"] == look["seen"]
    assert look["most"] == 1


def test_a_budget_is_a_hard_stop_that_keeps_what_was_paid_for(home: Home) -> None:
    done = home.run("build", "reviews.yaml", "--set", "translate.budget.requests=5")
    assert done.returncode == 7
    assert "translate.budget.requests: 5 of 5 requests are spent" in done.stderr
    assert "Raise the budget" in done.stderr
    assert home.model.asked() == 5
    done = home.run("build", "reviews.yaml", "--set", "translate.budget.requests=5")
    assert done.returncode == 7
    assert home.model.asked() == 5
    home.build("--set", "translate.budget.requests=1000")
    look = home.model.look()
    assert look["counts"]["asked"] == look["seen"]
    assert look["most"] == 1


def test_a_budget_of_dollars_holds_by_the_servers_own_count(home: Home) -> None:
    prices = "translate.prices={input: 1000, output: 1000}"
    budget = ("--set", prices, "--set", "translate.max_tokens=200", "--set", "translate.budget.usd=9")
    done = home.run("build", "reviews.yaml", "--to", "translate", *budget)
    assert done.returncode == 7, done.stderr
    assert "translate.budget.usd: " in done.stderr
    done = home.run("build", "reviews.yaml", "--to", "translate", *budget, "--set", "translate.budget.usd=1000000")
    assert done.returncode == 0, done.stderr
    assert home.model.look()["most"] == 1


def test_a_dead_endpoint_stops_the_build_with_words(home: Home) -> None:
    network = "translate.network={patience: 0.3, retries: 50, backoff: 0.02, concurrency: 4}"
    done = home.run("build", "reviews.yaml", "--set", network, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 7
    assert "the model at http://127.0.0.1:9/v1: not one answer in" in done.stderr
    assert "Run the same command again" in done.stderr


def test_a_service_that_wants_a_long_wait_stops_the_build(home: Home) -> None:
    home.model.does(script=[429], retry_after="7200")
    done = home.run("build", "reviews.yaml", "--set", "translate.network.concurrency=1")
    assert done.returncode == 7
    assert "asks to wait 7,200 s" in done.stderr
    assert home.model.asked() == 1


def test_a_missing_key_is_said_before_anything_is_done(home: Home) -> None:
    done = home.run("build", "reviews.yaml", OPENAI_BASE_URL="", OPENAI_API_KEY="")
    assert done.returncode == 5
    assert "no API key for https://api.openai.com/v1: export OPENAI_API_KEY=" in done.stderr


def test_no_secret_is_anywhere(home: Home) -> None:
    password = "hunter-2000-secret"
    told = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY} for http://me:{password}@host"}})
    home.model.does(script=[told] * 12)
    url = home.model.url.replace("http://", f"http://me:{password}@")
    once = ("--set", "translate.network.retries=0", "--max-failures", "100")
    failed = home.run("build", "reviews.yaml", *once, OPENAI_BASE_URL=url)
    assert failed.returncode == 0, failed.stderr
    assert "Incorrect API key" in failed.stdout + failed.stderr
    recipe = home.folder / "reviews.yaml"
    whole = recipe.read_text("utf8")
    recipe.write_text(whole.replace("model: stand-in", f"model: stand-in\n    base_url: {url}"), "utf8")
    shown = [failed, home.run("build", "reviews.yaml"), home.run("status"), home.run("build", "reviews.yaml", "--json")]
    recipe.write_text(whole, "utf8")
    for done in shown:
        assert KEY not in done.stdout + done.stderr
        assert password not in done.stdout + done.stderr
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert any(path.name == "answers.sqlite" for path in files)
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert password.encode() not in content, path


def test_faults_on_the_way_change_nothing_of_the_corpus(home: Home, tmp_path: Path) -> None:
    home.build("--to", "translate")
    clean = home.model.look()["seen"]
    other = Home(tmp_path / "other", home.model)
    other.folder.mkdir()
    (other.folder / "reviews.yaml").write_text((home.folder / "reviews.yaml").read_text("utf8"), "utf8")
    home.model.does(faults={"429": 0.1, "500": 0.1}, retry_after="0.05")
    report = other.build("--to", "translate", "--set", "translate.network.retries=20")
    assert report["failed"] == []
    assert home.model.look()["seen"] == clean  # the same requests, whatever happened to them
