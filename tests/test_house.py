"""The house: names that lead where a reader expects, and a page of architecture that is up to date."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in (ROOT / "pkgrel").rglob("*.py") if "repository" not in path.parts)


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name, of what the module takes from others."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield node.module or "", name.asname or name.name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_a_function_do_not_share_a_name(module: Path) -> None:
    """`pkgrel.release.findings` would be the one or the other, by what was imported before."""
    tree = ast.parse(module.read_text())
    assert module.stem not in _defined(tree)
    if module.name == "__init__.py":
        package = ".".join(module.parent.relative_to(ROOT).parts)
        below = {path.stem for path in module.parent.iterdir() if path.suffix in (".py", "")}
        below -= {"__init__", "__pycache__"}
        assert not below.intersection(_defined(tree))
        assert not [n for at, n in _imported(tree) if n in below and at != package]


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/distros.md", "CONTRIBUTING.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:pkgrel|packaging_templates|build_images|tests)/[\w/.-]+)`", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
