"""The stage: what is asked, what is made of the answers, what is in its keys, and what is not."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from corpusforge.errors import MissingDependency, RecipeError, SourceError
from corpusforge.items import Done, Outcome, Rejected, Utterance
from corpusforge.stage import Place
from corpusforge.store.answers import Answers
from corpusforge.store.keys import StageKeys
from corpusforge.translate.config import TranslateConfig
from corpusforge.translate.stage import Translate
from tests.servers import models
from tests.servers.models import Handle, translated

SOURCE = "今天天气很好，我们去公园散步，看到了很多花。"
QUICK = {"retries": 3, "backoff": 0.01, "timeout": 10}


@pytest.fixture(scope="module")
def running() -> Iterator[Handle]:
    with models.serving() as handle:
        yield handle


@pytest.fixture
def model(running: Handle) -> Handle:
    running.does(script=[], faults={}, latency=0)
    return running


def item(lang: str = "bod_Tibt", source: str = SOURCE) -> Utterance:
    fields = {"source_text": source, "source_lang": "zho_Hans"}
    return Utterance(f"g1.{lang}", "g1", "d", lang, "", None, "here", "CC0-1.0", fields)


def settings(server: Handle | None = None, /, **more: Any) -> dict[str, Any]:
    url = server.url if server else "http://127.0.0.1:8000/v1"
    own = {"source": "zho_Hans", "targets": ["bod_Tibt"], "model": "m", "base_url": url, "network": QUICK}
    return {**own, **more}


def stage(server: Handle | None = None, /, **more: Any) -> Translate:
    return Translate(TranslateConfig.model_validate(settings(server, **more)))


def outcomes(made: Translate, folder: Path, items: Sequence[Utterance]) -> list[Outcome]:
    """As a build would: all at once, then the end."""

    async def walk() -> list[Outcome]:
        made.preflight(frozenset({"zho_Hans", *made.translates()[1]}))
        made.open(Place(folder, "c", lambda words: None))
        try:
            return await asyncio.gather(*(made.run(one, lambda sha256: b"") for one in items))
        finally:
            await made.finish()
            made.close()

    return asyncio.run(walk())


def outcome(made: Translate, folder: Path) -> Outcome:
    return outcomes(made, folder, [item()])[0]


def said(text: str, lang: str = "bod_Tibt") -> dict[str, str]:
    return {"text": json.dumps({"translations": {lang: text}}, ensure_ascii=False)}


def kept(folder: Path) -> int:
    return Answers(folder, reading=True).spent("c").requests


# Asking


def test_a_translation_says_where_it_comes_from_and_what_it_took(model: Handle, tmp_path: Path) -> None:
    prices = {"input": 2.0, "output": 8.0, "cached": 0.5}
    done = outcome(stage(model, prices=prices), tmp_path)
    assert isinstance(done, Done), done
    assert done.fields["text"] == translated(SOURCE, "bod_Tibt")
    translation = done.fields["translation"]
    assert (translation["model"], translation["from"], translation["strategy"]) == ("m", "zho_Hans", "plain")
    assert re.fullmatch(r"translate-1@[0-9a-f]{8}", translation["prompt"])
    tokens = translation["tokens"]
    assert 0 < tokens["cached"] < tokens["in"]
    assert tokens["out"] > 0
    usd = ((tokens["in"] - tokens["cached"]) * 2 + tokens["cached"] * 0.5 + tokens["out"] * 8) / 1e6
    assert translation["usd"] == pytest.approx(usd, abs=1e-8)
    assert (translation["requests"], translation["repaired"]) == (1, 0)


def test_without_prices_there_is_no_cost(model: Handle, tmp_path: Path) -> None:
    done = outcome(stage(model), tmp_path)
    assert isinstance(done, Done)
    assert "usd" not in done.fields["translation"]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("output", ["auto", "json", "text"])
def test_both_interfaces_with_and_without_structured_output(
    model: Handle, tmp_path: Path, api: str, output: str
) -> None:
    done = outcome(stage(model, api=api, output=output), tmp_path)
    assert isinstance(done, Done), done
    assert done.fields["text"] == translated(SOURCE, "bod_Tibt")


def test_each_language_has_its_own_request_or_all_share_one(model: Handle, tmp_path: Path) -> None:
    targets = ["bod_Tibt", "mya_Mymr", "eng_Latn"]
    items = [item(lang) for lang in targets]
    for together, requests in ((False, 3), (True, 1)):
        before = model.asked()
        folder = tmp_path / str(together)
        folder.mkdir()
        made = outcomes(stage(model, targets=targets, together=together), folder, items)
        assert model.asked() - before == requests
        for lang, done in zip(targets, made, strict=True):
            assert isinstance(done, Done), done
            assert done.fields["text"] == translated(SOURCE, lang)
        spent = Answers(folder, reading=True).spent("c")
        tokens = [done.fields["translation"]["tokens"] for done in made if isinstance(done, Done)]
        assert sum(token["in"] for token in tokens) == pytest.approx(spent.tokens_in, abs=len(targets))
        assert sum(token["out"] for token in tokens) == pytest.approx(spent.tokens_out, abs=len(targets))


def test_a_bad_answer_is_mended_by_one_request_that_shows_what_was_wrong(model: Handle, tmp_path: Path) -> None:
    model.does(script=[said("Here is the translation: " + SOURCE)])
    made = stage(model)
    done = outcome(made, tmp_path)
    assert isinstance(done, Done), done
    assert done.fields["translation"]["repaired"] == 1
    assert done.fields["translation"]["requests"] == kept(tmp_path) == 2


def test_the_repair_shows_the_answer_and_the_complaints(tmp_path: Path) -> None:
    testing = pytest.importorskip("llmock.testing", reason="needs llmock: pip install 'corpusforge[servers]'")
    from llmock.scenarios import Reply

    bad = said(SOURCE)["text"]
    with testing.LLMockServer() as server:
        server.state.scenarios.add(Reply(text=bad))
        outcome(stage(base_url=server.base_url()), tmp_path)
        first, again = (record.body["messages"] for record in server.state.journal.records(wait=5))
    assert again[: len(first)] == first
    shown, asks = again[len(first) :]
    assert shown == {"role": "assistant", "content": bad}
    assert asks["role"] == "user"
    assert "copied from the source" in asks["content"]
    assert "in the script of" in asks["content"]


@pytest.mark.parametrize("repair", [0, 1, 2])
def test_an_answer_that_stays_bad_is_rejected_with_all_raw_answers(model: Handle, tmp_path: Path, repair: int) -> None:
    bad = [said(SOURCE), said("I am sorry, I cannot translate this."), said(SOURCE[::-1])]
    model.does(script=bad)
    rejected = outcome(stage(model, repair=repair), tmp_path)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith(("script_share: ", "refusal: ", "copied: "))
    assert rejected.details["answers"] == [answer["text"] for answer in bad[: repair + 1]]
    assert rejected.details["requests"] == repair + 1
    assert rejected.details["tokens"]["in"] > 0


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({"text": "no JSON at all"}, "form"),
        ({"text": '{"translations": {"bod'}, "form"),
        ({"text": '{"translations": {"bod_Tibt": "བོད', "finish_reason": "length"}, "truncated"),
        ({"text": '{"translations": {"mya_Mymr": "မြန်မာ"}}'}, "form"),
        ({"text": ""}, "empty"),
        ({"text": "", "finish_reason": "content_filter"}, "refusal"),
        (said(SOURCE), "script_share"),
    ],
)
def test_the_reason_of_a_rejection_names_the_check(
    model: Handle, tmp_path: Path, answer: dict[str, str], name: str
) -> None:
    model.does(script=[answer])
    rejected = outcome(stage(model, repair=0), tmp_path)
    assert isinstance(rejected, Rejected)
    assert name in [part.partition(":")[0] for part in rejected.reason.split("; ")]
    assert rejected.details["answers"] == [answer["text"]]


def test_quotation_marks_of_the_source_stay(model: Handle, tmp_path: Path) -> None:
    whole = "“" + translated("今天天气很好", "bod_Tibt") + "”"
    for source, expected in (("“今天天气很好”", whole), ("今天天气很好", whole[1:-1])):
        folder = tmp_path / source
        folder.mkdir()
        model.does(script=[said(whole)])
        made = stage(model, checks={"length_ratio": None})
        (done,) = outcomes(made, folder, [item(source=source)])
        assert isinstance(done, Done), done
        assert done.fields["text"] == expected


def test_a_service_that_fails_fails_the_item_and_not_the_others(model: Handle, tmp_path: Path) -> None:
    from corpusforge.net.service import ServiceError

    model.does(script=[400])
    made = stage(model, output="json", network={**QUICK, "concurrency": 1})

    async def walk() -> list[Outcome | BaseException]:
        made.open(Place(tmp_path, "c", lambda words: None))
        one, other = item(), item(source=SOURCE * 2)
        found = await asyncio.gather(*(made.run(it, lambda _: b"") for it in (one, other)), return_exceptions=True)
        await made.finish()
        made.close()
        return found

    first, second = asyncio.run(walk())
    assert isinstance(first, ServiceError)
    assert isinstance(second, Done)


# Back-translation


def test_a_translation_back_is_scored(model: Handle, tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    model.does(script=[{}, said(SOURCE, "zho_Hans")])
    done = outcome(stage(model, back_translation={"least": 90}), tmp_path)
    assert isinstance(done, Done), done
    assert done.fields["translation"]["chrf"] == 100.0
    assert done.fields["translation"]["requests"] == kept(tmp_path) == 2


@pytest.mark.parametrize("back", [said("完全不同", "zho_Hans"), {"text": "no JSON"}])
def test_a_translation_back_that_is_too_unlike_rejects_with_both_answers(
    model: Handle, tmp_path: Path, back: dict[str, str]
) -> None:
    pytest.importorskip("sacrebleu")
    model.does(script=[said(translated(SOURCE, "bod_Tibt")), back])
    rejected = outcome(stage(model, back_translation={"least": 50}), tmp_path)
    assert isinstance(rejected, Rejected)
    assert re.match(r"back_translation: chrF \d+\.\d\d, expected at least 50", rejected.reason)
    there, again = rejected.details["answers"]
    assert translated(SOURCE, "bod_Tibt") in there
    assert back["text"] in again


# Exemplars


def test_fewshot_shows_the_nearest_sentences_of_flores(model: Handle, tmp_path: Path, shared_data: Path) -> None:
    flores = shared_data / "flores200"
    made = stage(model, exemplars={"strategy": "fewshot", "path": str(flores), "k": 3}, checks={"numbers": False})
    chinese = (flores / "dev" / "zho_Hans.dev").read_text("utf8").splitlines()
    tibetan = (flores / "dev" / "bod_Tibt.dev").read_text("utf8").splitlines()
    near = chinese[100][:-6] + "。"  # nearly the sentence itself
    shown = made.shown(item(source=near))
    assert shown is not None
    user = shown[-1]["content"]
    assert chinese[100] in user
    assert tibetan[100] in user
    assert len(re.findall(r"From Chinese", user)) == 3
    (done,) = outcomes(made, tmp_path, [item(source=near)])
    assert isinstance(done, Done), done
    assert done.fields["translation"]["strategy"] == "fewshot"


def test_the_sentence_itself_is_never_its_own_exemplar(shared_data: Path) -> None:
    flores = shared_data / "flores200"
    made = stage(exemplars={"strategy": "fewshot", "path": str(flores), "k": 5})
    sentence = (flores / "dev" / "zho_Hans.dev").read_text("utf8").splitlines()[7]
    answer = (flores / "dev" / "bod_Tibt.dev").read_text("utf8").splitlines()[7]
    shown = made.shown(item(source=sentence))
    assert shown is not None
    assert answer not in shown[-1]["content"]


def test_mined_exemplars_are_made_once_and_kept(model: Handle, tmp_path: Path, shared_data: Path) -> None:
    pytest.importorskip("sacrebleu")
    mined = {
        "strategy": "mined",
        "path": str(shared_data / "flores200"),
        "bootstrap": "plain",
        "candidates": 12,
        "kept": 4,
        "k": 2,
        "least_score": 0,
    }
    checks = {"length_ratio": None, "numbers": False, "names": False, "brackets": False}
    items = [item(), item(source=SOURCE * 2)]
    before = model.asked()
    made = outcomes(stage(model, exemplars=mined, checks=checks), tmp_path, items)
    assert all(isinstance(done, Done) for done in made), made
    asked = model.asked() - before
    assert 12 + 2 <= asked <= 24 + 2  # there, back, and the items themselves
    before = model.asked()
    assert outcomes(stage(model, exemplars=mined, checks=checks), tmp_path, items) == made
    assert model.asked() == before


# Keys


def key(made: Translate) -> bytes:
    return StageKeys(made).key(item())


@pytest.mark.parametrize(
    "change",
    [
        {"model": "another"},
        {"base_url": "http://127.0.0.1:8001/v1"},
        {"api": "responses"},
        {"output": "text"},
        {"temperature": 0.3},
        {"top_p": 0.9},
        {"seed": 1},
        {"max_tokens": 100},
        {"parameters": {"reasoning_effort": "low"}},
        {"prompt": "reviews-1"},
        {"checks": {"numbers": False}},
        {"checks": {"script_share": 0.7}},
        {"repair": 2},
        {"back_translation": {}},
    ],
)
def test_what_changes_a_translation_changes_its_key(change: dict[str, Any]) -> None:
    assert key(stage(**change)) != key(stage())


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"requests": 5, "tokens": 7}},
        {"prices": {"input": 1, "output": 2}},
        {"network": {"concurrency": 3, "timeout": 7}},
        {"base_url": "http://someone:password@127.0.0.1:8000/v1/"},
        {"key_variable": "ANOTHER"},
        {"mode": "batch"},
        {"batch": {"size": 5}},
        {"targets": ["bod_Tibt", "mya_Mymr"]},  # each language by itself
    ],
)
def test_what_does_not_change_a_translation_is_not_in_its_key(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(stage())
    monkeypatch.setenv("OPENAI_API_KEY", "another-key-than-before")
    assert key(stage(**change)) == before
    assert "password" not in json.dumps(dict(stage(**change).settings("bod_Tibt")))


def test_the_other_languages_are_in_the_key_of_a_joint_request_in_any_order() -> None:
    both = {"targets": ["bod_Tibt", "mya_Mymr"], "together": True}
    turned = {"targets": ["mya_Mymr", "bod_Tibt"], "together": True}
    alone = key(stage(together=True))
    assert key(stage(**both)) != alone
    assert key(stage(**both)) == key(stage(**turned))
    assert stage(**both).shown(item()) == stage(**turned).shown(item())


def test_a_prompt_of_ones_own_is_in_the_key_by_its_text(tmp_path: Path) -> None:
    shipped = Path(models.__file__).parents[2] / "corpusforge" / "translate" / "prompts" / "translate-1.txt"
    here, there = tmp_path / "here" / "own.txt", tmp_path / "there" / "own.txt"
    for path in (here, there):
        path.parent.mkdir()
        shutil.copy(shipped, path)
    before = key(stage(prompt=str(here)))
    assert key(stage(prompt=str(there))) == before
    there.write_text(there.read_text("utf8").replace("faithfully", "freely"), "utf8")
    assert key(stage(prompt=str(there))) != before


def table(path: Path, *rows: tuple[str, str]) -> str:
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps({"zho_Hans": chinese, "bod_Tibt": tibetan}, ensure_ascii=False) for chinese, tibetan in rows]
    path.write_text("\n".join(lines) + "\n", "utf8")
    return str(path)


def test_a_pool_of_exemplars_is_in_the_key_by_its_sentences_and_not_by_its_path(tmp_path: Path) -> None:
    rows = (("你好", "བདེ་མོ།"), ("再见", "ག་ལེར་ཕེབས།"))

    def with_pool(path: str, **more: Any) -> bytes:
        return key(stage(exemplars={"strategy": "fewshot", "path": path, **more}))

    before = with_pool(table(tmp_path / "a" / "pool.jsonl", *rows))
    assert with_pool(table(tmp_path / "b" / "pool.jsonl", *rows)) == before
    assert with_pool(table(tmp_path / "b" / "pool.jsonl", rows[0], ("再见！", rows[1][1]))) != before
    assert with_pool(table(tmp_path / "a" / "pool.jsonl", *rows), k=1) != before
    assert key(stage()) != before


def test_the_endpoint_of_the_environment_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings()
    del made["base_url"]

    def from_environment(url: str) -> bytes:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        return key(Translate(TranslateConfig.model_validate(made)))

    assert from_environment("http://127.0.0.1:8000/v1") == key(stage())
    assert from_environment("http://127.0.0.1:8001/v1") != key(stage())


# Settings and what is missing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": ["zho_Hans"]}, "zho_Hans is the source language"),
        ({"targets": []}, "at least one language"),
        ({"targets": ["bod_Tib"]}, "did you mean 'bod_Tibt'"),
        ({"prompt": "translate"}, "no prompt 'translate'"),
        ({"base_url": "127.0.0.1:8000"}, "expected an address such as"),
        ({"base_url": "http://h:0x/v1"}, "expected an address such as"),
        ({"budget": {"usd": 1}}, r"budget\.usd needs prices"),
        ({"parameters": {"max_completion_tokens": 9}}, "give max_tokens, which bounds costs"),
        ({"parameters": {"stream": True}}, "one whole answer is asked for"),
        ({"parameters": {"messages": []}}, "they come from the prompt"),
        ({"prices": {"input": -1, "output": 1}}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        stage(**change)


def test_a_missing_key_is_said_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingDependency, match="export OPENAI_API_KEY"):
        stage(base_url="https://api.openai.com/v1").preflight(frozenset())


@pytest.mark.parametrize(
    ("change", "package"),
    [
        ({"targets": ["mya_Mymr"]}, "myanmartools"),
        ({"source": "mya_Mymr", "back_translation": {}}, "myanmartools"),
        ({"back_translation": {}}, "sacrebleu"),
    ],
)
def test_missing_packages_are_said_before_the_first_request(
    change: dict[str, Any], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)  # as Python itself marks what is not there
    with pytest.raises(MissingDependency, match=rf"{package}.*pip install 'corpusforge\[translate\]'"):
        stage(**change).preflight(frozenset())
    stage().preflight(frozenset())


def test_a_pool_that_is_not_there_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"pool\.jsonl: does not exist"):
        key(stage(exemplars={"strategy": "fewshot", "path": str(tmp_path / "pool.jsonl")}))


def test_an_environment_that_names_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000")
    with pytest.raises(RecipeError, match="OPENAI_BASE_URL"):
        key(stage(base_url=None))


# Estimates


def test_an_estimate_goes_by_rule_and_then_by_what_answers_really_took(model: Handle, tmp_path: Path) -> None:
    made = stage(model, prices={"input": 2, "output": 8})
    made.open(Place(tmp_path, "c", lambda words: None, reading=True))
    by_rule = made.estimate(item())
    assert by_rule["requests"] == 1
    assert by_rule["tokens in"] > 50
    assert by_rule["USD"] == pytest.approx((by_rule["tokens in"] * 2 + by_rule["tokens out"] * 8) / 1e6)
    made.close()
    outcomes(stage(model), tmp_path, [item(source=SOURCE + "好" * number) for number in range(20)])
    made.open(Place(tmp_path, "c", lambda words: None, reading=True))
    spent = Answers(tmp_path, reading=True).spent("c")
    assert made.estimate(item())["tokens in"] == pytest.approx(spent.tokens_in / 20)
    made.close()
    words = made.estimated_by()
    assert "undated" in words
    assert "by rule" in words


def test_an_estimate_of_joint_requests_adds_up_to_one(model: Handle, tmp_path: Path) -> None:
    targets = ["bod_Tibt", "mya_Mymr", "eng_Latn"]
    made = stage(model, targets=targets, together=True)
    made.open(Place(tmp_path, "c", lambda words: None, reading=True))
    assert sum(made.estimate(item(lang))["requests"] for lang in targets) == pytest.approx(1)
    made.close()
