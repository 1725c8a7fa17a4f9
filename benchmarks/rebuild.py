"""Wall time of rebuilds on the command line, interpreter start included: nothing to do, one changed sentence, --help.

Usage: python benchmarks/rebuild.py [--data FLORES_FOLDER] [--runs 5]

Builds the corpus once (a minute or two for all 6,027 utterances), then measures each rebuild several times. The changed
sentence is another one each time, in a copy of the text; beside it stands the start of the interpreter alone.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpusforge.sample import sample_folder

TARGETS = {"--help": 0.2, "nothing to do": 0.6, "one changed sentence": 1.2}
PROGRAM = Path(sys.executable).parent / "corpusforge"


def timed(*arguments: object) -> float:
    start = time.perf_counter()
    subprocess.run([str(argument) for argument in arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def change(data: Path, lang: str, number: int) -> None:
    """Put the first two words of a sentence at its end: another text, of the same letters."""
    path = data / "dev" / f"{lang}.dev"
    path.chmod(0o644)
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number] = lines[number][6:] + lines[number][:6]
    path.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=sample_folder(), help="FLORES-200 (default: the sample)")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        shutil.copytree(options.data, data, copy_function=shutil.copyfile)
        build = [PROGRAM, "build", "flores200", "--source", data, "--workspace", Path(folder) / "work", "--quiet"]
        print(f"first build: {timed(*build):.1f} s")
        seconds = {
            "python -c pass": [timed(sys.executable, "-c", "pass") for _ in range(options.runs)],
            "--help": [timed(PROGRAM, "--help") for _ in range(options.runs)],
            "nothing to do": [timed(*build) for _ in range(options.runs)],
        }
        for lang in ("zho_Hans", "bod_Tibt", "mya_Mymr"):
            seconds[f"one changed sentence, {lang}"] = []
            for number in range(options.runs):
                change(data, lang, number)
                seconds[f"one changed sentence, {lang}"].append(timed(*build))
        for name, values in seconds.items():
            target = TARGETS.get(name.partition(",")[0])
            wanted = f", target {target} s" if target else ""
            print(f"{name}: median {statistics.median(values):.2f} s, {min(values):.2f} to {max(values):.2f}{wanted}")


if __name__ == "__main__":
    main()
