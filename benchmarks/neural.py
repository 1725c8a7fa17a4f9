"""What batches do for VITS: seconds of speech a second, one sentence after the other and in batches by length.

    python benchmarks/neural.py                          # random weights in the size of the MMS-TTS checkpoints
    python benchmarks/neural.py --checkpoint ./mms-tts-bod --data …/flores200_dataset --count 64 --batch 16
    python benchmarks/neural.py --device cuda

Five ways to speak the same Tibetan sentences with the same seeds, taking turns in one run:

    transformers  `VitsModel.forward`, a sentence at a time
    one by one    the engine's own passes, a sentence at a time with all cores
    side by side  what the engine does on a CPU: a sentence a core, one thread each
    padded        what the engine does on a GPU: sentences of like length in one pass
    unsorted      the same in the order of the text, as a batch without sorting would be

The speed of VITS does not depend on its weights, only on how many characters and frames there are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from texts import utterances
from transformers import VitsConfig, VitsModel, set_seed

from corpusforge.sample import sample_folder
from corpusforge.speech.engines.mms_tts_text import read_alphabet, write
from corpusforge.speech.engines.mms_tts_vits import Job, Vits, choose_device, cores

LANG = "bod_Tibt"


def random_checkpoint(folder: Path, symbols: str) -> Path:
    vocabulary = {symbol: number for number, symbol in enumerate(dict.fromkeys("་" + symbols + " "))}
    torch.manual_seed(1)
    VitsModel(VitsConfig(vocab_size=len(vocabulary))).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"add_blank": true, "phonemize": false}')
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a folder; random weights without it")
    parser.add_argument("--data", type=Path, default=sample_folder(), help="a folder laid out as FLORES-200")
    parser.add_argument("--count", type=int, default=16, help="sentences")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    options = parser.parse_args()
    texts = [item.text for item in utterances(options.data) if item.lang == LANG][: options.count]
    with tempfile.TemporaryDirectory() as folder:
        symbols = "".join(sorted(set("".join(texts))))
        measure(options.checkpoint or random_checkpoint(Path(folder), symbols), texts, options)


def measure(folder: Path, texts: list[str], options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    vits = Vits(folder, device, half=False, label=str(folder))
    plain = VitsModel.from_pretrained(folder).eval().to(device)
    alphabet = read_alphabet(folder)
    jobs = [Job(write(text, LANG, alphabet).ids, seed) for seed, text in enumerate(texts)]
    by_length = sorted(jobs, key=lambda job: len(job.ids))
    # A thread of its own with all cores: those of `Vits.speak` have one each.
    whole = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(cores(),))

    def transformers() -> int:
        total = 0
        for job in by_length:
            set_seed(job.seed)
            with torch.inference_mode():
                total += plain(torch.tensor([job.ids], device=device)).waveform.shape[1]
        return total

    def batches(order: list[Job], size: int, speak: Callable[[list[Job]], list]) -> int:
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        return sum(len(samples) for group in groups for samples in speak(group))

    ways: dict[str, Callable[[], int]] = {
        "transformers": lambda: whole.submit(transformers).result(),
        "one by one": lambda: whole.submit(batches, by_length, 1, vits.together).result(),
        "side by side": lambda: batches(by_length, options.batch, vits.speak),
        "padded": lambda: whole.submit(batches, by_length, options.batch, vits.together).result(),
        "unsorted": lambda: whole.submit(batches, jobs, options.batch, vits.together).result(),
    }
    if device != "cpu":
        del ways["side by side"]
    taken: dict[str, list[float]] = {name: [] for name in ways}
    speech: dict[str, float] = {}
    for name, way in ways.items():
        speech[name] = way() / vits.sample_rate  # the first pass warms up
    for _ in range(options.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    where = torch.cuda.get_device_name() if device == "cuda" else f"{cores()} cores"
    seconds = speech["one by one"]
    print(
        f"{len(jobs)} sentences, {seconds:.1f} s of speech, batches of {options.batch}, {where}, "
        f"torch {torch.__version__}; medians of {options.repeats}"
    )
    base = statistics.median(taken["one by one"])
    print(f"{'':14}{'s':>8}{'x real time':>13}{'to one by one':>15}")
    for name, runs in taken.items():
        median = statistics.median(runs)
        print(f"{name:14}{median:8.2f}{speech[name] / median:13.2f}{base / median:15.2f}")


if __name__ == "__main__":
    main()
