"""Where the MMS-TTS checkpoints are: names on the Hub, commits, the local cache, digests of local folders.

Nothing here imports torch, transformers or huggingface_hub but `fetch`, which asks the Hub; the rest reads small files,
so that a rebuild with nothing to do stays cheap and offline.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from corpusforge.errors import MissingDependency, RecipeError
from corpusforge.net.secrets import redact

OWNER = "facebook/mms-tts-"
LICENSE = "CC-BY-NC-4.0"
"""Of every facebook/mms-tts-* checkpoint, as each model card says."""
UNKNOWN_LICENSE = "unknown"

# FLORES codes whose ISO 639-3 code is also the checkpoint's name, in the one script that the language is written in.
_SAME = """
ace_Latn aka_Latn amh_Ethi asm_Beng awa_Deva ayr_Latn azb_Arab bak_Cyrl bam_Latn ban_Latn bem_Latn ben_Beng bod_Tibt
bul_Cyrl cat_Latn ceb_Latn cym_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn ewe_Latn fao_Latn fij_Latn
fin_Latn fon_Latn fra_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hun_Latn ilo_Latn ind_Latn
isl_Latn kab_Latn kac_Latn kan_Knda kaz_Cyrl kbp_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kor_Hang lao_Laoo lug_Latn
mag_Deva mai_Deva mal_Mlym mar_Deva min_Latn mos_Latn mya_Mymr nld_Latn nus_Latn nya_Latn ory_Orya pag_Latn pan_Guru
pap_Latn pol_Latn por_Latn quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn shn_Mymr sna_Latn som_Latn spa_Latn sun_Latn
swe_Latn swh_Latn tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tso_Latn tur_Latn ukr_Cyrl
vie_Latn war_Latn yor_Latn
"""
# Where MMS uses the code of the macrolanguage, or names the script.
_OTHER = {
    "als_Latn": "sqi",
    "arb_Arab": "ara",
    "azj_Latn": "azj-script_latin",
    "gaz_Latn": "orm",
    "khk_Cyrl": "mon",
    "kmr_Latn": "kmr-script_latin",
    "lvs_Latn": "lav",
    "pes_Arab": "fas",
    "plt_Latn": "mlg",
    "tuk_Latn": "tuk-script_latin",
    "uig_Arab": "uig-script_arabic",
    "urd_Arab": "urd-script_arabic",
    "zsm_Latn": "zlm",
}
CHECKPOINTS: Mapping[str, str] = MappingProxyType(
    {**{code: OWNER + code[:3] for code in _SAME.split()}, **{code: OWNER + name for code, name in _OTHER.items()}}
)
"""FLORES code → Hub id, after the list of languages on the page of facebook/mms-tts. There is none for Mandarin."""

PINNED: Mapping[str, str] = MappingProxyType({OWNER + "bod": "e5767a90abf2293827ca6f467a9b964c0dc35fc5"})
"""Commits of the Hub that are used where the recipe names none."""

WEIGHTS = "model.safetensors"
FILES = ("config.json", "vocab.json", "tokenizer_config.json", WEIGHTS)
"""What an engine reads of a checkpoint. Pickled weights (pytorch_model.bin) can run code when they are loaded."""

_COMMIT = re.compile("[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.\-]+/[\w.\-]+")
_SETTLED = 2.0
"""Seconds after which a file's time stamp can be trusted to change when its content does."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights, alphabet and settings of one voice.

    Attributes:
        source: As the recipe names it: a Hub id or the path of a folder.
        identity: What the key and the manifest call it, the same on every machine: `facebook/mms-tts-bod`, or
            `vits@` and the first 12 digits of a local folder's digest.
        revision: The commit on the Hub, or the digest of a local folder.
        folder: The local folder; None for one of the Hub.
    """

    source: str
    identity: str
    revision: str
    folder: Path | None = None

    def found(self) -> Path | None:
        """The folder that holds its files, or None if they have not been downloaded."""
        if self.folder is not None:
            return self.folder
        snapshot = _repository(self.source) / "snapshots" / self.revision
        return snapshot if all((snapshot / name).is_file() for name in FILES) else None


def is_local(source: str) -> bool:
    """Whether a source is the path of a folder: it begins with `/`, `.` or `~`."""
    return source.startswith(("/", ".", "~"))


def check_source(source: str) -> str:
    """The source, if it is a path or can be an id of the Hub.

    Raises:
        ValueError: It is neither.
    """
    if is_local(source) or _HUB_ID.fullmatch(source):
        return source
    raise ValueError(f"'{source}' is neither an id of the Hub (owner/name) nor a folder (/…, ./… or ~/…)")


def check_commit(commit: str) -> str:
    """The commit, if it is the full hash of one.

    Raises:
        ValueError: It is a branch, a tag or a short hash, which can name something else tomorrow.
    """
    if _COMMIT.fullmatch(commit):
        return commit
    raise ValueError(f"'{commit}' is not a commit: give its 40 hex digits, as `git ls-remote` prints them")


def identify(source: str) -> str:
    """The name of a checkpoint's voice, which asks for no commit: see `Checkpoint.identity`."""
    return f"vits@{folder_digest(_folder(source))[:12]}" if is_local(source) else source


def resolve(source: str, commit: str | None) -> Checkpoint:
    """Which checkpoint a source is, down to its content.

    Without a commit the Hub's id means what this machine's cache has as `main`: a name that the Hub may move is
    never asked for, so the same key keeps meaning the same weights.

    Raises:
        RecipeError: The folder is not there, or lacks a file.
        MissingDependency: Neither is a commit given nor has the checkpoint been downloaded.
    """
    if is_local(source):
        folder = _folder(source)
        digest = folder_digest(folder)
        return Checkpoint(source, f"vits@{digest[:12]}", digest, folder)
    commit = commit or PINNED.get(source)
    if commit is None:
        try:
            commit = check_commit((_repository(source) / "refs" / "main").read_text(encoding="utf-8").strip())
        except (OSError, ValueError):
            raise MissingDependency(
                f"{source} has not been downloaded, and no commit of it is pinned: run `{download_command(source)}`, "
                f"or set synthesize.engines.mms_tts.revisions to {{<language>: <commit>}}; "
                f"`git ls-remote https://huggingface.co/{source} main` prints the newest"
            ) from None
    return Checkpoint(source, source, commit)


def download_command(source: str, commit: str | None = None) -> str:
    """The command that downloads what is read of a checkpoint, about 145 MB, into the cache of the Hub's client."""
    return f"hf download {source} {' '.join(FILES)}" + (f" --revision {commit}" if commit else "")


def fetch(checkpoint: Checkpoint) -> Path:
    """The folder with the checkpoint's files, downloaded if they are not in the cache. A second call asks nobody.

    Raises:
        MissingDependency: The Hub was not to be reached, or does not have it; the message has the command.
    """
    found = checkpoint.found()
    if found is not None:
        return found
    from huggingface_hub import hf_hub_download

    try:
        for name in FILES:
            path = hf_hub_download(checkpoint.source, name, revision=checkpoint.revision)
    except Exception as error:  # the client raises dozens of kinds, of its own and of those below it
        lines = str(error).strip().splitlines()
        raise MissingDependency(
            f"{checkpoint.source} at {checkpoint.revision[:12]} could not be downloaded "
            f"({type(error).__name__}: {redact(lines[0]) if lines else 'no reason given'}): with a network, run "
            f"`{download_command(checkpoint.source, checkpoint.revision)}`"
        ) from error
    return Path(path).parent


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files.

    Contents are hashed once: the digest of each file is kept in the user's cache with the file's size, time and inode,
    and taken from there while these stay the same.

    Raises:
        RecipeError: A file is missing or cannot be read.
    """
    store = _digests_file(folder)
    known = _read_digests(store)
    sums: dict[str, list[int | str]] = {}
    settled = True
    for name in FILES:
        path = folder / name
        try:
            before = path.stat()
            stamp: list[int | str] = [before.st_size, before.st_mtime_ns, before.st_ino, before.st_dev]
            held = known.get(name)
            if held is not None and held[:-1] == stamp:
                sums[name] = held
                continue
            with path.open("rb") as file:
                sums[name] = [*stamp, hashlib.file_digest(file, "sha256").hexdigest()]
        except OSError as error:
            raise RecipeError(_about_folder(folder, name, error)) from None
        # A file that is written twice within one tick of the clock keeps its stamp: such a one is hashed again.
        settled = settled and time.time() - before.st_mtime > _SETTLED
    if sums != known and settled:
        _write_digests(store, sums)
    lines = "".join(f"{name} {values[-1]}\n" for name, values in sorted(sums.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _about_folder(folder: Path, name: str, error: OSError) -> str:
    if not folder.is_dir():
        return f"synthesize.engines.mms_tts.checkpoints: {folder} is not a folder; an id of the Hub is owner/name"
    if name == WEIGHTS and (folder / "pytorch_model.bin").is_file():
        return (
            f"{folder} has its weights in pytorch_model.bin, which can run code when it is loaded: "
            f"VitsModel.from_pretrained(…).save_pretrained(…) makes a {WEIGHTS} of it"
        )
    return f"{folder / name}: {error.strerror or error}; a checkpoint has {', '.join(FILES)}"


def _folder(source: str) -> Path:
    return Path(source).expanduser().resolve()


def _cache_base() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return Path(base) if os.path.isabs(base) else Path.home() / ".cache"


def _repository(source: str) -> Path:
    """The folder of a repository in the Hub's cache: https://huggingface.co/docs/hub/local-cache."""
    home = os.environ.get("HF_HOME")
    base = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    root = Path(base) if base else (Path(home) if home else _cache_base() / "huggingface") / "hub"
    return root.expanduser() / ("models--" + source.replace("/", "--"))


def _digests_file(folder: Path) -> Path:
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:32]
    return _cache_base() / "corpusforge" / "checkpoints" / f"{name}.json"


def _read_digests(path: Path) -> dict[str, list[int | str]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(isinstance(held, list) for held in found.values()) else {}


def _write_digests(path: Path, sums: Mapping[str, list[int | str]]) -> None:
    """Keep what was hashed; where the cache cannot be written, the next process hashes again."""
    # Workers of several machines may share the cache, and a process number is no name among them.
    temporary = path.with_suffix(f".{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(sums), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
