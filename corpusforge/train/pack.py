"""All audio of a corpus in one memory-mapped file of 16-bit samples, decoded once for every run.

A pack is named by what is in it: the digest of the manifest's clips. It depends on neither ids nor texts, so a corpus
with corrected texts or other splits uses the same pack, and clips that two utterances share are in it once.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from corpusforge.corpus.read import Corpus, Record
from corpusforge.errors import CorpusError
from corpusforge.train.cache import make_room, making, read_header, write_header

FORMAT = "int16-1"
"""Part of every pack's name: another way to decode or resample makes other packs."""
PORTION = 64
"""Clips between two fsyncs: what a kill costs at most, times the workers."""
_AUDIO, _DONE = "audio.i16", "done"

Progress = Callable[[int, int], None]
"""Told (done, in all) after every portion."""


class Clip(NamedTuple):
    """A recording as the manifest describes it; equal ones are one clip of a pack."""

    sha256: str
    num_samples: int
    sample_rate: int

    def samples_at(self, rate: int) -> int:
        """Its length in samples once it is at `rate` Hz: rounded half up."""
        return (2 * self.num_samples * rate + self.sample_rate) // (2 * self.sample_rate)


def clip_of(record: Record) -> Clip:
    """The recording of an utterance."""
    return Clip(record.sha256, record.num_samples, record.sample_rate)


def numbered(clips: Iterable[Clip]) -> dict[Clip, int]:
    """The number of every clip in the pack of all of them: their order when sorted."""
    return {clip: number for number, clip in enumerate(sorted(set(clips)))}


def digest_of(clips: Iterable[Clip]) -> str:
    """Names a set of clips, in hex; `clips` are sorted and without repetition, as `numbered` gives them."""
    digest = hashlib.sha256(FORMAT.encode())
    for clip in clips:
        digest.update(f"\n{clip.sha256} {clip.num_samples} {clip.sample_rate}".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class AudioPack:
    """Clips of a corpus as 16-bit samples at one rate.

    Attributes:
        folder: Where it is.
        digest: Of its clips, as the manifest describes them.
        rate: Hz.
        offsets: `[clips + 1]` int64: clip i is `offsets[i]` to `offsets[i + 1]`.
        numbers: The clip of every utterance, by id.
    """

    folder: Path
    digest: str
    rate: int
    offsets: NDArray[np.int64]
    numbers: dict[str, int]
    _samples: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def clip(self, number: int) -> NDArray[np.int16]:
        """Samples `[T]` of a clip, in place: nothing is read until they are used, and they cannot be written."""
        if not 0 <= number < len(self):
            raise IndexError(f"clip {number} of a pack of {len(self)}")
        return self._samples[self.offsets[number] : self.offsets[number + 1]]


def open_pack(
    corpus: Corpus | str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    rate: int = 16000,
    workers: int | None = None,
    progress: Progress | None = None,
) -> AudioPack:
    """The pack of a corpus; made if it is not there, and continued if making it was interrupted.

    Args:
        corpus: The corpus or its folder; all of its languages and splits are packed.
        folder: Cache folder; each pack has a folder of its own in it.
        rate: Hz; clips at another rate are resampled by soxr.
        workers: Threads that decode, by default one a processor. libsndfile and soxr run beside the interpreter's lock.
        progress: Told how many clips are done.

    Raises:
        CorpusError: Audio is missing, damaged or not what the manifest says; the first files are named.
        WorkspaceError: The cache folder cannot be written, is damaged or full.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    records: dict[Clip, tuple[str, Path]] = {}
    clip_by_id: dict[str, Clip] = {}
    for record in corpus:
        clip = clip_by_id[record.id] = clip_of(record)
        records.setdefault(clip, (record.id, record.path))
    numbers = numbered(records)
    clips = list(numbers)
    digest = digest_of(clips)
    offsets = np.cumsum([0, *(clip.samples_at(rate) for clip in clips)], dtype=np.int64)
    if not offsets[-1]:
        raise CorpusError(f"{corpus.folder} holds no audio: there is nothing to train on. Build the corpus again")
    home = Path(folder) / f"audio-{digest[:32]}-{rate}"
    if not home.is_dir():
        with making(home) as part:
            if part is not None:
                make_room(part, 2 * int(offsets[-1]) - _allocated(part / _AUDIO), "the audio of this corpus")
                sources = [(*records[clip], clip) for clip in clips]
                _fill(part, sources, offsets, rate, workers or _processors(), progress)
                header = {"format": FORMAT, "digest": digest, "rate": rate, "clips": len(clips)}
                write_header(part, header | {"bytes": 2 * int(offsets[-1])})
    header_found = read_header(home, {_AUDIO: "bytes"})
    expected = {"digest": digest, "bytes": 2 * int(offsets[-1])}
    if any(header_found.get(name) != value for name, value in expected.items()):
        raise CorpusError(f"{home} is not the pack of {corpus.folder}: delete the folder; it is made again")
    samples = np.memmap(home / _AUDIO, np.int16, "r")
    return AudioPack(home, digest, rate, offsets, {id: numbers[clip] for id, clip in clip_by_id.items()}, samples)


_Source = tuple[str, Path, Clip]


def _fill(
    part: Path,
    sources: Sequence[_Source],
    offsets: NDArray[np.int64],
    rate: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Decodes what is not yet done. A clip counts as done once its samples are on the disk."""
    with _opened(part / _AUDIO, 2 * int(offsets[-1])) as audio, _opened(part / _DONE, len(sources)) as marks:
        done = np.frombuffer(os.pread(marks, len(sources), 0), np.uint8).copy()
        left = np.flatnonzero(done == 0)
        portions = iter([left[start : start + PORTION] for start in range(0, len(left), PORTION)])
        problems: list[str] = []

        def decode(portion: NDArray[np.int64]) -> tuple[list[int], list[str]]:
            good, bad = [], []
            for number in portion.tolist():
                try:
                    id, path, clip = sources[number]
                    samples = decoded(id, path, clip, rate)
                except CorpusError as error:
                    bad.append(str(error))
                    continue
                _write_at(audio, samples, 2 * int(offsets[number]))
                good.append(number)
            os.fsync(audio)
            return good, bad

        pool = ThreadPoolExecutor(workers)
        try:
            running: set[Future[tuple[list[int], list[str]]]] = set()
            while True:
                for portion in portions:
                    running.add(pool.submit(decode, portion))
                    if len(running) > workers:
                        break
                if not running:
                    break
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    good, bad = future.result()
                    problems += bad
                    done[good] = 1
                    for number in good:
                        os.pwrite(marks, b"\1", number)
                os.fsync(marks)
                if progress is not None:
                    progress(int(done.sum()), len(sources))
        finally:
            pool.shutdown(cancel_futures=True)
    if problems:
        shown = "; ".join(sorted(problems)[:5])
        more = f"; and {len(problems) - 5:,} more" if len(problems) > 5 else ""
        raise CorpusError(f"{len(problems):,} of {len(sources):,} clips cannot be used: {shown}{more}")


def decoded(id: str, path: Path, clip: Clip, rate: int) -> NDArray[np.int16]:
    """The samples of an utterance's audio file, compared with what the manifest says of it.

    Raises:
        CorpusError: The file is missing, has another content, or cannot be decoded.
    """
    import soundfile

    mend = "copy it again with its corpus, or build the corpus again"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{id}: no audio at {path} ({error.strerror}): {mend}") from None
    if hashlib.sha256(content).hexdigest() != clip.sha256:
        raise CorpusError(f"{id}: {path} is not the file that the manifest names (its sha256 differs): {mend}")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            # libsndfile does not scale floats when it is asked for integers.
            whole = file.subtype == "PCM_16" and file.samplerate == rate
            samples = file.read(dtype="int16" if whole else "float32")
            found = file.samplerate
    except soundfile.LibsndfileError as error:
        raise CorpusError(f"{id}: {path} cannot be decoded ({error}): {mend}") from None
    if samples.shape != (clip.num_samples,) or found != clip.sample_rate:
        raise CorpusError(
            f"{id}: {path} holds samples of shape {samples.shape} at {found} Hz, the manifest says "
            f"({clip.num_samples},) at {clip.sample_rate} Hz: {mend}"
        )
    if found != rate:
        import soxr

        samples = soxr.resample(samples, found, rate)
        length = clip.samples_at(rate)  # soxr may give a sample less or more
        samples = np.pad(samples[:length], (0, max(0, length - len(samples))))
    if samples.dtype != np.int16:
        samples = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    packed: NDArray[np.int16] = samples
    return packed


@contextmanager
def _opened(file: Path, size: int) -> Iterator[int]:
    """A handle to read and write `file` anywhere; new bytes are 0."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(handle, size)
        yield handle
    finally:
        os.close(handle)


def _write_at(handle: int, samples: NDArray[np.int16], position: int) -> None:
    content = memoryview(samples.astype("<i2").tobytes())
    while content:
        written = os.pwrite(handle, content, position)
        content, position = content[written:], position + written


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _allocated(file: Path) -> int:
    """Bytes on the disk: less than its size while it has holes."""
    return 512 * file.stat().st_blocks if file.exists() else 0
