"""A small corpus with real audio, and encoders small enough to be computed by hand."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from corpusforge import Corpus
from corpusforge.train.pack import AudioPack, open_pack
from tests.corpus.conftest import Shop


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """torch has one thread, here and in processes that a test starts.

    The last digits depend on their number; and threads wait for each other spinning, so that beside other work two take
    ten times as long as one.
    """
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MKL_NUM_THREADS", raising=False)
        environment.setenv("OMP_NUM_THREADS", "1")
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


Threads = Callable[[int], None]


@pytest.fixture
def have_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Give torch another number of threads for one test, here and in processes that it starts from then on."""

    def have(count: int) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", str(count))
        torch.set_num_threads(count)

    yield have
    torch.set_num_threads(1)


class Syllables:
    """One token a character, between 1 and 2."""

    pad_id = 0

    def __init__(self) -> None:
        self.calls = 0

    def tokenize(self, texts: list[str], max_length: int) -> list[list[int]]:
        self.calls += 1
        return [[1, *(3 + ord(character) % 5000 for character in text[: max_length - 2]), 2] for text in texts]


class Strided(nn.Module):
    """A front end of convolution, as wav2vec2 has: one frame of 6 numbers every 40 samples."""

    front_dim = 6

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.convolution = nn.Conv1d(1, self.front_dim, 80, 40)
        self.seen = 0

    @property
    def front_id(self) -> str:
        weights = b"".join(parameter.detach().numpy().tobytes() for parameter in self.parameters())
        return hashlib.sha256(weights).hexdigest()

    def front(self, samples: Tensor) -> Tensor:
        self.seen += 1
        return self.convolution(samples[None, None])[0].T.contiguous()


class Bands(nn.Module):
    """A front end without weights: log power in 4 bands of every 400 samples."""

    front_dim = 4
    front_id = "bands-4"

    def front(self, samples: Tensor) -> Tensor:
        frames = samples[: len(samples) // 400 * 400].view(-1, 400)
        power = torch.fft.rfft(frames).abs().square()[:, :200]
        return power.view(-1, 4, 50).mean(-1).add(1e-6).log()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def corpus(shop: Shop, tmp_path: Path) -> Path:
    """20 groups in three languages, two sentences an article, 60 clips of half a second to one."""
    shop.write(tmp_path / "corpus", shop.corpus(20))
    return tmp_path / "corpus"


@pytest.fixture
def pack(corpus: Path, tmp_path: Path) -> AudioPack:
    return open_pack(corpus, tmp_path / "cache")


def whole(pack: AudioPack, corpus: Path) -> bool:
    """Whether the pack holds, sample for sample, what the corpus's files hold."""
    return all(
        np.array_equal(
            pack.clip(pack.numbers[record.id]), np.rint(record.load()[0].astype(np.float64) * 32768).astype(np.int16)
        )
        for record in Corpus(corpus)
    )


@pytest.fixture(scope="session")
def sample_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus that `corpusforge build` makes of the sample."""
    pytest.importorskip("espeakng_loader", reason="the extra espeak is not installed")
    pytest.importorskip("bophono", reason="the extra espeak is not installed")
    root = tmp_path_factory.mktemp("built")
    program = Path(sys.executable).parent / "corpusforge"
    command = [program, "build", "flores200", "--sample", "--workspace", root / "ws", "--out", root / "corpora"]
    subprocess.run([*command, "--quiet"], check=True)
    [folder] = (root / "corpora").iterdir()
    return folder
