"""A trained model asked again: a corpus, a line of text, a file of audio."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusError, CorpusforgeError, nearest
from corpusforge.text.wylie import SCRIPT, to_wylie
from corpusforge.train.batch import Batch
from corpusforge.train.data import Dataset, Example, dataset_of
from corpusforge.train.distributed import device_of
from corpusforge.train.evaluation import EVALUATED, on_stderr
from corpusforge.train.features import open_features
from corpusforge.train.loader import Loader
from corpusforge.train.pack import open_pack
from corpusforge.train.predictions import (
    predictions_of,
    predictions_path,
    seed_runs,
    several,
    widened,
    write_predictions,
)
from corpusforge.train.saved import MODEL, Saved, load_model, sentence_digest

if TYPE_CHECKING:
    from corpusforge.train.predictions import Predictions

RATE = 16000
GROUPS = 16
"""Parallel groups that are answered at once."""


def model_folder(spec: Path | str) -> Path:
    """The folder of a model: of a run, of itself, or of a published one, which is downloaded.

    Raises:
        CorpusforgeError: There is none.
    """
    folder = Path(spec)
    for candidate in (folder / "model", folder):
        if (candidate / MODEL).is_file():
            return candidate
    if seeds := seed_runs(folder):
        raise CorpusforgeError(several(folder, seeds))
    if folder.exists() or str(spec).count("/") != 1:
        raise CorpusforgeError(
            f"{spec} holds no trained model: expected a run that has ended (its folder model/), a folder with "
            f"{MODEL}, or user/name of a published one"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return model_folder(Path(snapshot_download(str(spec))))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorpusforgeError(f"{spec}: no such folder, and it could not be downloaded ({reason})") from None


class Predictor:
    """A loaded model that answers.

    Args:
        folder: As `model_folder` gives it.
        device: As torch names it.
    """

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self.saved = load_model(folder)
        self.device = device_of(device)
        for saved in self._all():
            if saved.model is not None:
                saved.model.to(self.device)

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes, in the order of the probabilities."""
        return self.saved.labels

    def answer(self, lang: str, text: str | None = None, audio: Path | None = None) -> NDArray[np.float64]:
        """Class probabilities [C] of one utterance: of its text, its audio, or both.

        Raises:
            CorpusforgeError: The model does not know the language, or cannot do with what is given.
        """
        saved = self._of(lang)
        config = saved.config
        if text is None and audio is None:
            raise CorpusforgeError("nothing to answer: give text, audio or both")
        if text is None and not config.uses_speech:
            raise CorpusforgeError(f"a {config.model} model reads text: give --text")
        if audio is None and not config.uses_text and saved.baseline is None:
            raise CorpusforgeError(f"a {config.model} model hears audio: give --audio")
        if saved.baseline is not None:
            example = Example("", "", "", lang, text or "", None, "test", 0)
            found: NDArray[np.float64] = saved.baseline.probabilities([example])[0]
            return found
        assert saved.model is not None
        with torch.inference_mode():
            output = saved.model(self._batch(saved, lang, text, audio).to(self.device))
        said = output.logits.float().softmax(-1).cpu().numpy()
        chances: NDArray[np.float64] = widened(said, saved.labels, self.labels)[0]
        return chances

    def corpus(self, dataset: Dataset, split: str, cache: Path, corpus: Corpus) -> Predictions:
        """What the model says of a split, in the manifest's order; its classes are the model's.

        Raises:
            CorpusforgeError: The dataset has a language or label that the model does not know.
        """
        for names, known, what in (
            (dataset.languages, self.saved.languages, "language"),
            (dataset.labels, self.labels, "label"),
        ):
            for name in names:
                if name not in known:
                    raise CorpusforgeError(
                        f"the model knows no {what} '{name}' of {corpus.name}: {nearest(name, known)}"
                    )
        rows = dataset.rows(split)
        chances = np.zeros((len(rows), len(self.labels)))
        parts: Sequence[tuple[Saved, Sequence[str]]] = (
            [(part, (lang,)) for lang, part in self.saved.parts.items()]
            if self.saved.parts is not None
            else [(self.saved, dataset.languages)]
        )
        for saved, langs in parts:
            where = [number for number, row in enumerate(rows) if row.lang in langs]
            if where:
                said = self._rows(saved, dataset, split, [rows[number] for number in where], cache, corpus)
                chances[where] = widened(said, saved.labels, self.labels)
        number_of = [self.labels.index(label) for label in dataset.labels]
        judged = [row if row.label is None else replace(row, label=number_of[row.label]) for row in rows]
        return predictions_of(replace(dataset, labels=self.labels), judged, chances)

    def _rows(
        self, saved: Saved, dataset: Dataset, split: str, rows: Sequence[Example], cache: Path, corpus: Corpus
    ) -> NDArray[np.float64]:
        """[n, C] of some examples of a split."""
        if saved.baseline is not None:
            return saved.baseline.probabilities(rows)
        model = saved.model
        assert model is not None
        features = None
        if model.speech is not None:
            cache.mkdir(parents=True, exist_ok=True)
            features = open_features(open_pack(corpus, cache), model.speech, cache, device=self.device)
        wanted = {row.id for row in rows}
        groups = [tuple(row for row in group if row.id in wanted) for group in dataset.examples[split]]
        # Languages count as the model counts them, whatever the corpus has.
        asked = replace(dataset, languages=saved.languages, examples={split: tuple(filter(None, groups))})
        loader = Loader(
            asked,
            text=model.text,
            cache=features,
            groups=GROUPS,
            max_length=saved.config.max_length,
            device=self.device,
        )
        found: dict[str, NDArray[np.float32]] = {}
        with torch.inference_mode():
            for batch in loader.batches(split):
                chances = model(batch.to(self.device)).logits.float().softmax(-1).cpu().numpy()
                found |= dict(zip(batch.ids, chances, strict=True))
        return np.stack([found[row.id] for row in rows]).astype(np.float64)

    def _batch(self, saved: Saved, lang: str, text: str | None, audio: Path | None) -> Batch:
        model = saved.model
        assert model is not None
        if text is not None and saved.config.romanize and lang.endswith(SCRIPT):
            text = to_wylie(text)
        batch = Batch(
            ["?"], torch.zeros(1, dtype=torch.int64), torch.tensor([saved.languages.index(lang)]), torch.tensor([-1])
        )
        if text is not None and model.text is not None:
            tokens = model.text.tokenize([text], saved.config.max_length)
            batch.tokens = torch.tensor(tokens)
            batch.token_mask = torch.ones_like(batch.tokens, dtype=torch.bool)
        if audio is not None and model.speech is not None:
            features = model.speech.front(torch.from_numpy(read_audio(audio)).to(self.device)).half()
            if not len(features):
                raise CorpusforgeError(f"{audio} is too short for {model.speech.name}")
            batch.features, batch.feature_lengths = features[None], torch.tensor([len(features)])
        return batch

    def _of(self, lang: str) -> Saved:
        if lang not in self.saved.languages:
            raise CorpusforgeError(f"the model knows no language '{lang}': {nearest(lang, self.saved.languages)}")
        return self.saved.parts[lang] if self.saved.parts is not None else self.saved

    def _all(self) -> Sequence[Saved]:
        parts: Mapping[str, Saved] = self.saved.parts or {}
        return [self.saved, *parts.values()]


def read_audio(path: Path) -> NDArray[np.float32]:
    """Samples [T] of an audio file, mono at 16 kHz, rounded to 16 bits as those of a corpus are.

    Raises:
        CorpusforgeError: It is not there, or no audio.
    """
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise CorpusforgeError(f"{path} cannot be read as audio ({error}): expected FLAC, WAV, OGG or MP3") from None
    mono = samples.mean(axis=1)
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE)
    whole: NDArray[np.float32] = np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.float32) / 32768
    return whole


def predict_corpus(
    run: Path,
    corpus: Path,
    splits: Sequence[str],
    *,
    cache: Path | None = None,
    device: str | None = None,
    note: Callable[[str], None] = on_stderr,
) -> Path:
    """Let a run's model answer a corpus; the predictions lie in a folder of their own within the run.

    Args:
        run: Its folder, or that of its model.
        corpus: Any in a language that the model knows; nothing in it needs a label.
        splits: Those to answer; the ones without an utterance are passed over.
        cache: Folder of packed audio.
        device: As torch names it.
        note: Told which splits are empty, and how much of the others the model was trained on.

    Returns:
        That folder, which `evaluate_run` reads.

    Raises:
        CorpusError: The corpus cannot be read, or has nothing in these splits.
        CorpusforgeError: There is no model, or it does not fit the corpus.
    """
    opened = Corpus(corpus)
    predictor = Predictor(model_folder(run), device)
    config = predictor.saved.config
    known = [lang for lang in opened.languages if lang in predictor.saved.languages]
    if not known:
        raise CorpusforgeError(
            f"{opened.name} has no language that the model knows: {', '.join(predictor.saved.languages)}"
        )
    whole = config.model_copy(update={"languages": tuple(known), "hours": None})
    dataset = dataset_of(whole, opened, note, learn=False)
    for split in splits:
        if split not in dataset.examples:
            raise CorpusforgeError(f"no split '{split}': {nearest(split, dataset.examples)}")
    asked = [split for split in splits if dataset.examples[split]]
    if not asked:
        counts = ", ".join(f"{len(dataset.rows(split)):,} in {split}" for split in dataset.examples)
        raise CorpusError(f"{opened.folder} has no utterance in {' or '.join(splits)} ({counts}): name another --split")
    digest = hashlib.sha256(dataset.digest.encode()).hexdigest()[:8]
    folder = run / EVALUATED / f"{opened.name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        if split not in asked:
            note(f"{opened.name} has no utterance in {split}: the model is not asked about it")
            continue
        rows = dataset.rows(split)
        seen = sum(sentence_digest(row) in predictor.saved.trained for row in rows)
        if seen and split != "train":
            note(
                f"the model was trained on {seen:,} of the {len(rows):,} sentences in {split} of {opened.name}: what "
                "is measured there is not how it does on sentences that are new to it"
            )
        said = predictor.corpus(dataset, split, cache or run.parent / ".cache", opened)
        write_predictions(predictions_path(folder, split), said)
    return folder
