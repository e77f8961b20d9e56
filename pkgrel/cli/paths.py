"""Files and folders on the command line: what is wrong with one, and what to name instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from pkgrel.errors import did_you_mean

_EMPTY = "is a variable not set?"


class FilePath(click.Path):
    """A path; an empty one is refused, which Python takes for this folder."""

    def __init__(self, **values: Any) -> None:
        super().__init__(path_type=Path, **values)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; click.BadParameter with a hint if it is not what is asked for."""
        if value == "":
            refuse_empty(param, ctx)
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as e:
            if hint := _hint(Path(value), self):
                e.hint = hint  # type: ignore[attr-defined]
            raise


def refuse_empty(param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
    """Say that a word of the command line is empty."""
    problem = click.BadParameter("is empty", ctx, param)
    problem.hint = _EMPTY  # type: ignore[attr-defined]
    raise problem


def _hint(path: Path, wanted: click.Path) -> str:
    """What to name instead, if something is near."""
    if path.is_dir() and not wanted.dir_okay:
        return f"name files in it, such as `{path / '*'}`"
    if path.is_symlink():
        return f"it is a link to `{path.readlink()}`, which is not there"
    if path.exists():
        return ""
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent}`"
    if set("*?[") & set(path.name):
        return f"nothing in `{path.parent}` is called so"
    return did_you_mean(
        path.name, (each.name for each in path.parent.iterdir()), otherwise="", prefix=_before(path)
    )


def _before(path: Path) -> str:
    return "" if path.parent == Path() else f"{path.parent}/"
