"""Syllables that the embedded engine cannot read, by language.

Usage: python benchmarks/readable.py [--data FLORES_FOLDER] [--show 20]
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from texts import utterances

from corpusforge.sample import sample_folder
from corpusforge.speech.g2p import default_voice, speak

TARGET = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=sample_folder(), help="FLORES-200 (default: the sample)")
    parser.add_argument("--show", type=int, default=10, help="most frequent unread pieces to print")
    options = parser.parse_args()
    items = utterances(options.data)
    for lang in sorted({item.lang for item in items}):
        syllables = unreadable = 0
        unread: Counter[str] = Counter()
        texts = [item.text for item in items if item.lang == lang]
        start = time.perf_counter()
        for text in texts:
            spoken = speak(text, lang, default_voice(lang) or "")
            syllables += spoken.syllables
            unreadable += spoken.unreadable
            unread.update(spoken.unread)
        rate = len(texts) / (time.perf_counter() - start)
        print(
            f"{lang}: {unreadable:,} of {syllables:,} unreadable, {unreadable / syllables:.3%} (at most {TARGET:.1%})"
        )
        print(f"    {len(texts):,} sentences, {rate:,.0f} a second made ready to speak")
        for piece, count in unread.most_common(options.show):
            print(f"    {count:4} × {piece!r}")


if __name__ == "__main__":
    main()
