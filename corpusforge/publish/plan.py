"""What a publication would send, before anything is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What `--dry-run` shows.

    Attributes:
        repo: `owner/name`.
        kind: `dataset` or `model`.
        files: Path and bytes; of shards, which are not written yet, an estimate that errs on the high side.
        card: The card as it would be if there were none.
    """

    repo: str
    kind: str
    files: tuple[tuple[str, int], ...]
    card: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(size for _, size in self.files)

    def words(self) -> str:
        """For a terminal: folders with their files and sizes, then the card."""
        lines = [
            f"{self.kind} {self.repo}: {len(self.files):,} files, at most {readable_size(self.size)}; those that the "
            "Hub has already are not sent",
            *_folders(self.files),
        ]
        return "\n".join([*lines, "", self.card])

    def as_json(self) -> dict[str, object]:
        """The same for a program."""
        files = [{"path": path, "size": size} for path, size in self.files]
        return {"repo": self.repo, "kind": self.kind, "size": self.size, "files": files, "card": self.card}


def _folders(files: Sequence[tuple[str, int]]) -> Iterable[str]:
    sizes: dict[str, list[int]] = {}
    for path, size in files:
        folder = path.rpartition("/")[0]
        sizes.setdefault(f"{folder}/" if folder else path, []).append(size)
    for name, own in sizes.items():
        count = f"{len(own):,} file{'' if len(own) == 1 else 's'}"
        yield f"  {name:<28} {count:>12} {readable_size(sum(own)):>10}"


def readable_size(size: int) -> str:
    """`33.3 MB`: powers of ten, as the Hub counts."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
