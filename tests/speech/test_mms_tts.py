"""MMS-TTS on tiny random checkpoints: same bytes in any company, batches, keys, licences, what it refuses."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.speech.engine import CannotSpeak, Prosody
from corpusforge.speech.engines import mms_tts_checkpoints as checkpoints
from corpusforge.speech.engines.mms_tts import MmsTtsConfig, MmsTtsEngine, alike
from corpusforge.speech.engines.mms_tts_text import read_alphabet, write
from corpusforge.speech.stage import Speak, SynthesizeConfig
from tests.speech.mms_tts_tools import BURMESE, SENTENCES, digest, engine, save_checkpoint, speak_all

torch = pytest.importorskip("torch", reason="pip install 'corpusforge[neural]'")
transformers = pytest.importorskip("transformers", reason="pip install 'corpusforge[neural]'")

from corpusforge.speech.engines.mms_tts_vits import Job, Manner, Vits, choose_device  # noqa: E402

TEXTS = SENTENCES["bod_Tibt"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def bod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("vits") / "bod")


@pytest.fixture(scope="session")
def mya(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("vits") / "mya", BURMESE, language="mya", weights=8)


@pytest.fixture(scope="session")
def vits(bod: Path) -> Vits:
    return Vits(bod, "cpu", False, "tiny")


def jobs(folder: Path, texts: tuple[str, ...] = TEXTS) -> list[Job]:
    alphabet = read_alphabet(folder)
    return [Job(write(text, "bod_Tibt", alphabet).ids, seed) for seed, text in enumerate(texts)]


# --- one sentence ------------------------------------------------------------------------------------------------


def test_a_sentence_is_what_transformers_makes_of_it_with_the_same_seed(bod: Path, vits: Vits) -> None:
    model = transformers.VitsModel.from_pretrained(bod).eval()
    for job in jobs(bod):
        transformers.set_seed(job.seed)
        with torch.no_grad():
            expected = model(torch.tensor([job.ids])).waveform[0].numpy()
        samples = vits.speak([job])[0]
        assert samples.shape == expected.shape
        np.testing.assert_allclose(samples, expected, atol=1e-5)


def test_another_seed_is_another_sound(bod: Path) -> None:
    first, second = (speak_all(engine(bod), TEXTS[:1], seed=seed)[0] for seed in (1, 2))
    assert digest(first) != digest(second)


def test_noise_rhythm_and_rate_are_settings(bod: Path, vits: Vits) -> None:
    job = jobs(bod)[2]

    def spoken(**manner: float) -> Any:
        return vits.speak([Job(job.ids, job.seed, Manner(**manner))])[0]

    assert len(spoken(rate=0.5)) > 1.5 * len(spoken())
    assert len(spoken(faster=0.5)) == len(spoken(rate=0.5))
    assert not np.array_equal(spoken(noise=0.0), spoken())
    assert len(spoken(noise=0.0)) == len(spoken())
    silent = [Job(job.ids, seed, Manner(0.0, 0.0)) for seed in (1, 2)]
    assert np.array_equal(*vits.speak(silent))


def test_rate_is_in_percent_of_the_voices_own(bod: Path) -> None:
    plain, fast = (speak_all(engine(bod), TEXTS[2:3], prosody=Prosody(rate))[0] for rate in (0, 100))
    assert len(fast.samples) < 0.75 * len(plain.samples)


def test_speech_says_voice_licence_syllables_and_what_was_not_read(bod: Path) -> None:
    speech = speak_all(engine(bod, licenses={"bod_Tibt": "CC0-1.0"}), ["བོད་ཊ་ཡིག"])[0]
    assert speech.samples.dtype == np.float32
    assert speech.sample_rate == 16000
    assert speech.voice == checkpoints.identify(str(bod))
    assert (speech.syllables, speech.unreadable, speech.license) == (3, 1, "CC0-1.0")


def test_a_sentence_with_nothing_to_say_is_rejected(bod: Path) -> None:
    with pytest.raises(CannotSpeak, match="nothing of it is in the alphabet of vits@"):
        speak_all(engine(bod), ["Hello ་ !"])


# --- batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
def test_the_same_bytes_whatever_the_batch_and_the_order(bod: Path, batch: int) -> None:
    alone = {text: digest(speak_all(engine(bod), [text])[0]) for text in TEXTS}
    order = list(TEXTS)
    random.Random(batch).shuffle(order)
    together = speak_all(engine(bod, batch=batch), order)
    assert [digest(speech) for speech in together] == [alone[text] for text in order]


def test_the_same_bytes_in_another_process(bod: Path) -> None:
    code = (
        "from pathlib import Path; from tests.speech.mms_tts_tools import *\n"
        f"speeches = speak_all(engine(Path({str(bod)!r}), batch=3), SENTENCES['bod_Tibt'][::-1])\n"
        "print(*[digest(speech) for speech in speeches])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [digest(speech) for speech in speak_all(engine(bod), TEXTS)][::-1]


def test_the_same_bytes_on_any_number_of_cores(bod: Path, vits: Vits) -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from pathlib import Path; from tests.speech.mms_tts_tools import *\n"
        f"print(*[digest(speech) for speech in speak_all(engine(Path({str(bod)!r})), SENTENCES['bod_Tibt'])])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [digest(speech) for speech in speak_all(engine(bod), TEXTS)]


def test_whoever_else_uses_torch_keeps_its_threads(bod: Path) -> None:
    def elsewhere() -> int:
        with ThreadPoolExecutor(1) as other:
            return other.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        speak_all(engine(bod), TEXTS[:1])
        assert (torch.get_num_threads(), elsewhere()) == (3, 3)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [2, 5, 8])
def test_a_padded_batch_sounds_as_each_sentence_alone(bod: Path, vits: Vits, count: int) -> None:
    """What a GPU does with a batch, here on the CPU."""
    batch = jobs(bod)[:count]
    passes: list[int] = []
    hook = vits.model.decoder.conv_pre.register_forward_hook(lambda *call: passes.append(len(call[2])))
    try:
        together = vits.together(batch)
    finally:
        hook.remove()
    assert passes == [count]
    for samples, alone in zip(together, vits.speak(batch), strict=True):
        assert samples.shape == alone.shape
        np.testing.assert_allclose(samples, alone, atol=1e-4)


def test_without_the_mask_padding_would_be_heard(bod: Path) -> None:
    """The reason for a vocoder of our own: that of transformers carries padding back into a sentence."""
    decoder = transformers.VitsModel.from_pretrained(bod).eval().decoder
    latents = torch.randn(1, 16, 20, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        alone = decoder(latents)
        padded = decoder(torch.nn.functional.pad(latents, (0, 20)))[..., : alone.shape[-1]]
    assert (alone - padded).abs().max() > 1e-3


def test_batches_are_of_one_voice_and_of_like_length(bod: Path, mya: Path) -> None:
    both = MmsTtsEngine(MmsTtsConfig(checkpoints={"bod_Tibt": str(bod), "mya_Mymr": str(mya)}, device="cpu", batch=4))
    batches: list[list[int]] = []
    original = Vits.speak

    class Watched(Vits):
        pass

    async def run() -> None:
        for lang, folder in (("bod_Tibt", bod), ("mya_Mymr", mya)):
            voice = Watched(folder, "cpu", False, lang)
            voice.speak = lambda batch, voice=voice: (  # type: ignore[method-assign]
                batches.append([len(job.ids) for job in batch]) or original(voice, batch)
            )
            both._voices[both._checkpoint(lang).identity] = voice
        mixed = [(text, lang) for lang, texts in SENTENCES.items() for text in texts]
        random.Random(4).shuffle(mixed)
        await asyncio.gather(*(both.speak(text, lang, None, Prosody(), 1) for text, lang in mixed))
        await both.aclose()

    asyncio.run(run())
    assert sorted(map(len, batches)) == [4, 4, 4]
    assert all(batch == sorted(batch) for batch in batches)


def test_the_neighbours_in_a_batch_are_those_of_like_length() -> None:
    assert alike([1, 9, 10, 11, 50], 2, 3) == slice(1, 4)
    assert alike([1, 9, 10, 11, 50], 0, 3) == slice(0, 3)
    assert alike([1, 9, 10, 11, 50], 4, 2) == slice(3, 5)
    assert alike([5], 0, 8) == slice(0, 1)


def test_more_may_wait_than_a_batch_takes(bod: Path) -> None:
    assert engine(bod, batch=8).concurrency > 2 * 8


def test_an_engine_serves_one_event_loop_after_another(bod: Path) -> None:
    one = engine(bod)
    assert digest(speak_all(one, TEXTS[:1])[0]) == digest(speak_all(one, TEXTS[:1])[0])


def test_a_sentence_that_is_given_up_does_not_hold_up_the_others(bod: Path) -> None:
    one = engine(bod, batch=2)

    async def run() -> int:
        tasks = [asyncio.create_task(one.speak(text, "bod_Tibt", None, Prosody(), 1)) for text in TEXTS]
        await asyncio.sleep(0)
        tasks[0].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        await one.aclose()
        return sum(not isinstance(answer, BaseException) for answer in done)

    assert asyncio.run(run()) == len(TEXTS) - 1


# --- checkpoints and keys ----------------------------------------------------------------------------------------


def test_a_folders_key_is_its_content_not_its_path(bod: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bod, tmp_path / "elsewhere")
    assert engine(copy).revision("bod_Tibt") == engine(bod).revision("bod_Tibt")
    assert str(tmp_path) not in json.dumps(engine(copy).revision("bod_Tibt"))
    vocabulary = json.loads((copy / "vocab.json").read_text())
    (copy / "vocab.json").write_text(json.dumps(dict(reversed(vocabulary.items()))))
    assert engine(copy).revision("bod_Tibt") != engine(bod).revision("bod_Tibt")


def test_contents_are_hashed_once_and_again_when_a_file_changes(bod: Path, tmp_path: Path) -> None:
    import os

    copy = shutil.copytree(bod, tmp_path / "copy")
    for path in copy.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    before = checkpoints.folder_digest(copy)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    with weights.open("r+b") as file:  # the same inode and size
        file.write(data)
    os.utime(weights, (1_600_000_000, 1_600_000_000))
    assert checkpoints.folder_digest(copy) == before  # taken from the cache: nothing tells it of the change
    os.utime(weights, (1_600_000_001, 1_600_000_001))
    assert checkpoints.folder_digest(copy) != before


def test_files_just_written_are_not_trusted(bod: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bod, tmp_path / "copy", copy_function=shutil.copy)
    checkpoints.folder_digest(copy)
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_the_key_of_a_language_holds_nothing_of_another(bod: Path, mya: Path) -> None:
    def settings(**more: object) -> object:
        stage = Speak(
            SynthesizeConfig(engine="mms_tts", engines={"mms_tts": {"checkpoints": {"bod_Tibt": str(bod), **more}}})
        )
        return stage.settings("bod_Tibt")

    assert settings() == settings(mya_Mymr=str(mya))


def test_speed_is_in_no_key_and_sound_is(bod: Path) -> None:
    def settings(**own: object) -> object:
        given = {"checkpoints": {"bod_Tibt": str(bod)}, **own}
        return Speak(SynthesizeConfig(engine="mms_tts", engines={"mms_tts": given})).settings("bod_Tibt")

    assert settings() == settings(batch=3, device="cpu")
    for sound in ({"noise_scale": 0.5}, {"noise_scale_duration": 0.5}, {"speaking_rate": 1.1}, {"half": True}):
        assert settings() != settings(**sound)
    assert settings() != settings(licenses={"bod_Tibt": "CC0-1.0"})


def test_meta_has_voices_for_tibetan_and_burmese_and_none_for_mandarin() -> None:
    languages = MmsTtsEngine(MmsTtsConfig()).languages()
    assert languages["bod_Tibt"] == "facebook/mms-tts-bod"
    assert languages["mya_Mymr"] == "facebook/mms-tts-mya"
    assert languages["arb_Arab"] == "facebook/mms-tts-ara"
    assert "zho_Hans" not in languages


def test_every_language_of_the_table_is_one_of_flores() -> None:
    from corpusforge.text.languages import LANGUAGES

    assert set(checkpoints.CHECKPOINTS) <= set(LANGUAGES)


def test_a_pinned_checkpoint_has_a_key_before_it_is_downloaded() -> None:
    revision = MmsTtsEngine(MmsTtsConfig()).revision("bod_Tibt")
    assert revision["revision"] == checkpoints.PINNED["facebook/mms-tts-bod"]
    assert revision["license"] == "CC-BY-NC-4.0"


def test_an_unpinned_checkpoint_is_what_the_cache_has_as_main(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"run `hf download facebook/mms-tts-mya .*revisions"):
        MmsTtsEngine(MmsTtsConfig()).revision("mya_Mymr")
    refs = tmp_path / "cache/huggingface/hub/models--facebook--mms-tts-mya/refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("ab" * 20)
    assert MmsTtsEngine(MmsTtsConfig()).revision("mya_Mymr")["revision"] == "ab" * 20
    given = MmsTtsConfig(revisions={"mya_Mymr": "cd" * 20})
    assert MmsTtsEngine(given).revision("mya_Mymr")["revision"] == "cd" * 20


def test_licences_that_nobody_gave_are_unknown(bod: Path) -> None:
    assert speak_all(engine(bod), TEXTS[:1])[0].license == "unknown"


# --- what it refuses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prosody", "voice", "words"),
    [
        (Prosody(pitch=10), None, "mms_tts has no pitch, found 10 %"),
        (Prosody(rate=900), None, "speaks at -75 to 300 %"),
        (Prosody(), "alto", "one voice for bod_Tibt, vits@"),
    ],
)
def test_what_it_cannot_do_is_said_before_the_first_sentence(
    bod: Path, prosody: Prosody, voice: str | None, words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        engine(bod).check("bod_Tibt", voice, prosody)
    engine(bod).check("bod_Tibt", None, Prosody())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error(bod: Path) -> None:
    assert choose_device("auto") == "cpu"
    with pytest.raises(RecipeError, match="sees no CUDA device here: use auto or cpu"):
        engine(bod, device="cuda").check("bod_Tibt", None, Prosody())
    with pytest.raises(RecipeError, match="half: 16 bits take a CUDA device"):
        engine(bod, half=True).check("bod_Tibt", None, Prosody())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"checkpoints": {"bod_Tibt": "mms"}}, "neither an id of the Hub"),
        ({"checkpoints": {"bod_Tib": "a/b"}}, "did you mean 'bod_Tibt'"),
        ({"revisions": {"bod_Tibt": "main"}}, "not a commit"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MmsTtsConfig.model_validate(settings)


def test_a_language_without_checkpoint_is_said_with_the_setting() -> None:
    with pytest.raises(RecipeError, match=r"no checkpoint for zho_Hans .*checkpoints: \{zho_Hans"):
        MmsTtsEngine(MmsTtsConfig()).revision("zho_Hans")


def test_folders_that_hold_no_checkpoint_are_said(bod: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is not a folder"):
        engine(tmp_path / "none").revision("bod_Tibt")
    copy = shutil.copytree(bod, tmp_path / "copy")
    (copy / "vocab.json").unlink()
    with pytest.raises(RecipeError, match=r"vocab\.json: No such file"):
        engine(copy).revision("bod_Tibt")
    pickled = shutil.copytree(bod, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(RecipeError, match="can run code when it is loaded"):
        engine(pickled).revision("bod_Tibt")


def test_an_alphabet_that_is_larger_than_the_weights_is_an_error(bod: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bod, tmp_path / "copy")
    (copy / "vocab.json").write_text(json.dumps({"་": 0, "ང": 500}))
    with pytest.raises(RecipeError, match="files are of different checkpoints"):
        speak_all(engine(copy), ["ང"])


def test_a_checkpoint_of_many_speakers_is_refused(tmp_path: Path) -> None:
    many = save_checkpoint(tmp_path / "many", config={"num_speakers": 4, "speaker_embedding_size": 4})
    with pytest.raises(RecipeError, match="4 speakers; mms_tts speaks with VITS checkpoints of one speaker"):
        speak_all(engine(many), TEXTS[:1])


def test_one_sentence_that_fails_leaves_its_batch_alone(bod: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bod, tmp_path / "copy")
    vocabulary = json.loads((copy / "vocab.json").read_text())
    (copy / "vocab.json").write_text(json.dumps({**vocabulary, "ཊ": 500}))
    one = engine(copy)

    async def run() -> list[object]:
        texts = ("བོད", "ཊ", "ཡིག")
        found = await asyncio.gather(
            *(one.speak(text, "bod_Tibt", None, Prosody(), 1) for text in texts), return_exceptions=True
        )
        await one.aclose()
        return list(found)

    first, second, third = asyncio.run(run())
    assert isinstance(second, RecipeError)
    assert not isinstance(first, Exception) and not isinstance(third, Exception)


def test_a_corpus_is_built_with_it_and_a_second_build_speaks_nothing(bod: Path, tmp_path: Path) -> None:
    import corpusforge

    own = {"checkpoints": {"bod_Tibt": str(bod)}, "device": "cpu", "batch": 4}
    overrides = ["source.sample=true", "source.languages=[bod_Tibt]", "synthesize.engine=mms_tts"]
    recipe = corpusforge.load_recipe(
        "flores200", overrides=[*overrides, f"synthesize.engines={json.dumps({'mms_tts': own})}"]
    )
    options = corpusforge.BuildOptions(workspace=tmp_path / "work", limit=6)
    first = corpusforge.build(recipe, options)
    assert not first.failed, first.failed
    (manifest,) = (tmp_path / "work").rglob("manifest.jsonl")
    lines = manifest.read_text().splitlines() + (manifest.parent / "rejected.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 6
    assert str(bod) not in "".join(lines)
    again = corpusforge.build(recipe, options)
    assert (again.cached, sum(again.made.values())) == (6, 0)
