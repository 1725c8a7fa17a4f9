"""The house rules that can be checked by looking: imports point one way, modules stay short, start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "corpusforge"

# Room: the rooms it may import. Nothing else, and never in a circle.
ALLOWED = {
    "errors": set(),
    "garbage": set(),
    "items": set(),
    "registry": {"errors"},
    "stage": {"items"},
    "sample": {"errors"},
    "text": {"errors"},
    "net": {"errors"},
    "store": {"errors", "garbage", "items", "stage"},
    "sources": {"errors", "items", "sample", "text"},
    "translate": {"errors", "items", "net", "registry", "sources", "stage", "store", "text"},
    "speech": {"errors", "items", "net", "registry", "stage", "text"},
    "quality": {"errors", "items", "speech", "stage"},
    "corpus": {"errors", "items"},
    "report": {"corpus", "errors", "items", "text"},
    "train": {"corpus", "errors", "items", "text"},
    "lint": {"corpus", "errors", "items", "text"},
    "export": {"corpus", "errors", "items", "registry", "speech", "text"},
    "publish": {"corpus", "errors", "export", "items", "net", "text"},
    "imports": {"corpus", "errors", "items", "quality", "speech", "store", "text"},
    "pipeline": {"errors", "garbage", "items", "net", "stage", "store", ""},
    "recipe": {"corpus", "errors", "items", "quality", "registry", "sources", "stage"},
    "opened": {"corpus", "errors", "items", "pipeline", "recipe", "registry", "sources", "stage", "store", ""},
    "builder": {"corpus", "errors", "items", "opened", "pipeline", "quality", "recipe", "stage", "store"},
    "cli": {
        "builder",
        "corpus",
        "errors",
        "export",
        "imports",
        "items",
        "lint",
        "opened",
        "pipeline",
        "publish",
        "recipe",
        "registry",
        "report",
        "store",
        "train",
    },
    "": {"builder", "corpus", "errors", "opened", "recipe"},
    "__main__": {"cli"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(dotted: str) -> str:
    """`corpusforge.store.keys` is in `store`; recipe_yaml and the like belong to `recipe`; the package itself is ''."""
    name = [*dotted.split("."), ""][1]
    return "recipe" if name.startswith("recipe") else name


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = PACKAGE.parent / node.module.replace(".", "/") / alias.name
                is_module = deeper.is_dir() or deeper.with_suffix(".py").exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_point_one_way(path: Path) -> None:
    own = room(dotted(path))
    wrong = {
        name for name in imports(path) if name.split(".")[0] == "corpusforge" and room(name) not in {own, *ALLOWED[own]}
    }
    assert not wrong


@pytest.mark.parametrize("path", sorted(ROOT.glob("[cbt]*/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_over_500_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


HEAVY = (
    "datasets",
    "torch",
    "pyarrow",
    "numpy",
    "soundfile",
    "soxr",
    "bophono",
    "openai",
    "pandas",
    "sacrebleu",
    "myanmartools",
    "huggingface_hub",
    "jinja2",
    "lhotse",
    "webdataset",
)


def loaded(code: str) -> set[str]:
    code += f"\nimport sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    return set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        .stdout.splitlines()[-1]
        .split()
    )


@pytest.mark.parametrize(
    "code",
    [
        "import corpusforge",
        "from corpusforge.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "import corpusforge.builder, corpusforge.speech.stage, corpusforge.quality.measure, corpusforge.corpus.write",
        "import corpusforge.translate.mining, corpusforge.translate.prompts as p; p.load_prompt('reviews-1')",
        "import corpusforge.cli.publish, corpusforge.publish.dataset, corpusforge.publish.model",
        "import corpusforge; corpusforge.load_recipe('flores200')",
        "import corpusforge.translate.checks, corpusforge.translate.score",
        "import corpusforge.cli.export, corpusforge.export.kaldi, corpusforge.export.lhotse, corpusforge.export.hub",
        "import corpusforge.cli.import_, corpusforge.imports.forms, corpusforge.imports.hub, corpusforge.imports.nemo",
    ],
)
def test_starting_up_imports_nothing_heavy(code: str) -> None:
    assert loaded(code) == set()


def test_a_rebuild_with_nothing_to_do_imports_nothing_heavy(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="the extra espeak is not installed")
    build = (
        "import corpusforge; from pathlib import Path; from corpusforge import BuildOptions\n"
        "recipe = corpusforge.load_recipe('flores200', overrides=['source.sample=true'])\n"
        f"report = corpusforge.build(recipe, BuildOptions(workspace=Path({str(tmp_path)!r}), limit=3))\n"
        "assert not report.failed, report.failed"
    )
    loaded(build)
    assert loaded(build) == set()
