"""The Parquet shards that are published, written into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from corpusforge.corpus.read import Corpus
from corpusforge.errors import MissingDependency
from corpusforge.export.base import Audio, Note, whole

SHARD_BYTES = 500_000_000


class ParquetExporter:
    """What `corpusforge publish` uploads: `datasets.load_dataset` reads the folder."""

    name: ClassVar[str] = "parquet"
    describe: ClassVar[str] = "Parquet with the audio inside, as published on the Hugging Face Hub"

    def write(self, corpus: Corpus, folder: Path, audio: Audio, note: Note) -> None:
        """Write shards of each language and split. Audio is inside, so `audio` is no choice.

        Raises:
            MissingDependency: This corpusforge has no writer of Parquet.
        """
        try:
            import yaml

            from corpusforge.export.parquet import configurations, write_parquet
        except ImportError as error:
            raise MissingDependency(
                f"writing Parquet does not work here ({error}): install corpusforge anew"
            ) from error
        with whole(folder, corpus, self.name) as made:
            shards = write_parquet(corpus, made, max_shard_size=SHARD_BYTES, note=note)
            # Without it `datasets` takes all files for one table. `corpusforge publish` writes a card in its place.
            found = yaml.safe_dump({"configs": configurations(shards)}, sort_keys=False, allow_unicode=True)
            (made / "README.md").write_text(f"---\n{found}---\n", encoding="utf-8")
