"""Baselines without a neural network, which no result is shown without: majority, n-grams, word embeddings.

Each language has a classifier of its own, fitted on the train split's text of that language only.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from corpusforge.errors import CorpusforgeError, MissingDependency, nearest
from corpusforge.text.scripts import runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from corpusforge.train.data import Dataset, Example

STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Values of C, the inverse of the L2 penalty, that are tried."""

FOLDS = 5


class Baseline(ABC):
    """A classifier by language.

    Args:
        seed: Of whatever it draws.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.classes = 0
        self.chosen: dict[str, float] = {}
        """C by language, where there is one."""
        self._models: dict[str, Any] = {}

    def fit(self, dataset: Dataset, chosen: Mapping[str, float] | None = None) -> None:
        """Learn from the train split.

        Args:
            dataset: What to learn from.
            chosen: Settings by language that an earlier fit chose, as `chosen` has them; nothing is tried again.

        Raises:
            CorpusforgeError: A language has no labelled utterance there, or too few documents to choose settings.
            MissingDependency: A package of the extra `train` is not installed.
        """
        self.classes = len(dataset.labels)
        self.chosen = dict(chosen or {})
        train = [example for group in dataset.examples["train"] for example in group]
        for lang in dataset.languages:
            own = [example for example in train if example.lang == lang]
            if all(example.label is None for example in own):
                raise CorpusforgeError(f"the train split has no labelled utterance in {lang}: leave the language out")
            self._models[lang] = self._fit(own, lang)

    def probabilities(self, examples: Iterable[Example]) -> NDArray[np.float64]:
        """Class probabilities [n, C] of n examples, in their order.

        Raises:
            CorpusforgeError: One is in a language that was not learned.
        """
        import numpy as np

        rows = tuple(examples)
        found = np.zeros((len(rows), self.classes))
        for lang in sorted({row.lang for row in rows}):
            if lang not in self._models:
                raise CorpusforgeError(f"nothing was learned about '{lang}': {nearest(lang, self._models)}")
            where = [number for number, row in enumerate(rows) if row.lang == lang]
            found[where] = self._predict(self._models[lang], [rows[number].text for number in where])
        return found

    @abstractmethod
    def _fit(self, examples: Sequence[Example], lang: str) -> Any:
        """The model of one language, from its train examples, those without label among them."""

    @abstractmethod
    def _predict(self, model: Any, texts: Sequence[str]) -> NDArray[np.float64]:
        """[n, C]"""


class Majority(Baseline):
    """How often each class occurs, whatever the text: the most frequent one is always chosen."""

    def _fit(self, examples: Sequence[Example], lang: str) -> NDArray[np.float64]:
        import numpy as np

        labels = [example.label for example in examples if example.label is not None]
        counts = np.bincount(labels, minlength=self.classes)
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def _predict(self, model: NDArray[np.float64], texts: Sequence[str]) -> NDArray[np.float64]:
        import numpy as np

        return np.tile(model, (len(texts), 1))


class _Linear(Baseline):
    """Logistic regression over features of the text.

    Args:
        seed: Of whatever the features draw.
        strengths: Values of C. Of several, the one with the best accuracy in cross-validation on train is taken, the
            smallest of equals; folds are of whole documents.
    """

    def __init__(self, seed: int = 0, strengths: Sequence[float] = STRENGTHS) -> None:
        super().__init__(seed)
        self.strengths = tuple(sorted(strengths))

    @abstractmethod
    def _features(self) -> Any:
        """An unfitted transformer from texts to vectors."""

    def _fit(self, examples: Sequence[Example], lang: str) -> tuple[Any, Any]:
        known = [example for example in examples if example.label is not None]
        strength = self.chosen.get(lang, self.strengths[0])
        if lang not in self.chosen and len(self.strengths) > 1:
            scores = self._cross_validated(examples, lang)
            strength = max(self.strengths, key=lambda one: (scores[one], -one))
        self.chosen[lang] = strength
        features = self._fitted(examples, lang)
        vectors = features.transform([example.text for example in known])
        return features, self._classifier(vectors, [example.label for example in known], strength)

    def _fitted(self, examples: Sequence[Example], lang: str) -> Any:
        try:
            return self._features().fit([example.text for example in examples])
        except (ValueError, RuntimeError) as error:  # scikit-learn's and gensim's way to say that nothing is left
            raise CorpusforgeError(
                f"{len(examples)} utterances in {lang} are too little text to learn from ({error}): train on more of "
                "the corpus"
            ) from error

    def _cross_validated(self, examples: Sequence[Example], lang: str) -> Mapping[float, int]:
        """Utterances that are classified rightly, by C."""
        documents = {example.document for example in examples if example.label is not None}
        if len(documents) < 2:
            raise CorpusforgeError(
                f"the train split has {len(documents)} labelled document in {lang}, C is chosen over at least 2: train "
                "on more of the corpus"
            )
        right = dict.fromkeys(self.strengths, 0)
        for inside, outside in _folds(examples, min(FOLDS, len(documents))):
            features = self._fitted(inside, lang)
            known = [example for example in inside if example.label is not None]
            vectors = features.transform([example.text for example in known])
            held = features.transform([example.text for example in outside])
            truth = [example.label for example in outside]
            for strength in self.strengths:
                classifier = self._classifier(vectors, [example.label for example in known], strength)
                right[strength] += int((classifier.predict(held) == truth).sum())
        return right

    def _classifier(self, vectors: Any, labels: Sequence[int | None], strength: float) -> Any:
        if len(set(labels)) == 1:
            from sklearn.dummy import DummyClassifier

            return DummyClassifier().fit(vectors, labels)
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=strength, max_iter=2000, tol=1e-3).fit(vectors, labels)

    def _predict(self, model: tuple[Any, Any], texts: Sequence[str]) -> NDArray[np.float64]:
        import numpy as np

        features, classifier = model
        found = np.zeros((len(texts), self.classes))
        found[:, classifier.classes_] = classifier.predict_proba(features.transform(texts))
        return found


def _folds(examples: Sequence[Example], count: int) -> Iterator[tuple[list[Example], list[Example]]]:
    """Folds of whole documents, about equal in size: what is inside, and what is held out and has a label.

    Documents go to the folds by size, each to the one that has least: no fold is without a labelled document.
    """
    sizes: dict[str, int] = {}
    for example in examples:
        if example.label is not None:
            sizes[example.document] = sizes.get(example.document, 0) + 1
    held = [0] * count
    fold_of = {}
    for document in sorted(sizes, key=lambda one: (-sizes[one], one)):
        fold_of[document] = held.index(min(held))
        held[fold_of[document]] += sizes[document]
    for fold in range(count):
        inside = [example for example in examples if fold_of.get(example.document) != fold]
        yield (
            inside,
            [example for example in examples if fold_of.get(example.document) == fold and example.label is not None],
        )


class Ngram(_Linear):
    """TF-IDF of character n-grams of 1 to 4 that occur in two sentences or more, term frequency as 1 + log."""

    def _features(self) -> Any:
        _require("sklearn", "scikit-learn")
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)


class Word2Vec(_Linear):
    """The mean vector of a sentence's words, standardised, from a skip-gram embedding trained on the train split."""

    def _features(self) -> Any:
        _require("sklearn", "scikit-learn")
        _require("gensim", "gensim")
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(_MeanVector(self.seed), StandardScaler())


class _MeanVector:
    """scikit-learn's interface to an embedding of gensim; a sentence without a known word is the zero vector."""

    def __init__(self, seed: int, size: int = 100, epochs: int = 20) -> None:
        self.seed, self.size, self.epochs = seed, size, epochs
        self._vectors: Any = None

    def fit(self, texts: Sequence[str], labels: object = None) -> _MeanVector:
        from gensim.models import Word2Vec as Embedding

        # One worker: more would train in an order that the operating system decides.
        self._vectors = Embedding(
            [words(text) for text in texts],
            vector_size=self.size,
            epochs=self.epochs,
            sg=1,
            min_count=1,
            workers=1,
            seed=self.seed + 1,
        ).wv
        return self

    def transform(self, texts: Sequence[str]) -> NDArray[np.float64]:
        import numpy as np

        found = np.zeros((len(texts), self.size))
        for number, text in enumerate(texts):
            known = [word for word in words(text) if word in self._vectors]
            if known:
                found[number] = self._vectors[known].mean(axis=0)
        return found


BASELINES: Mapping[str, type[Baseline]] = {"majority": Majority, "ngram": Ngram, "word2vec": Word2Vec}

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """What an embedding takes for words: characters of Chinese, kana and Hangul, syllables of Tibetan and Burmese.

    Elsewhere, numbers among it, what stands between spaces and punctuation, in small letters.
    """
    from corpusforge.text import burmese, tibetan

    found: list[str] = []
    for script, run in runs(text):
        if script == "Tibt":
            found += tibetan.syllables(run)
        elif script == "Mymr":
            found += burmese.syllables(run)
        elif script in ("Hani", "Jpan", "Hang"):
            found += run
        else:
            found += _WORD.findall(run.casefold())
    return found


def _require(module: str, package: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise MissingDependency(f"{package} is not installed: pip install 'corpusforge[train]'")
