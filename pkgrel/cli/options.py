"""Options that commands for a release or a project share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pkgrel.cli import candidates

F = TypeVar("F", bound=Callable[..., Any])


def separate(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """What an option was given that repeats, or has several separated by commas."""
    return tuple(name for words in given for name in words.split(",") if name)


STATEMENTS = ".intoto.jsonl"
"""How the names end of what lies beside packages: see `signing.statement`, which is not loaded for it."""


def packages_alone(
    _: click.Context, __: click.Parameter, given: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Without the statements beside packages: `dist/*` names them, too."""
    found = tuple(path for path in given if not path.name.endswith(STATEMENTS))
    if given and not found:
        raise click.BadParameter("statements about packages alone, and no package")
    return found


def there(_: click.Context, __: click.Parameter, source: Path) -> Path:
    """The release or project, if it is there; a project writes a tarball only if it is told to."""
    if not source.exists():
        from pkgrel.errors import ReleaseError
        from pkgrel.release import hints  # it takes time, and most are there

        unpacked = source.parent / "rel" / source.name.partition("-")[0]
        raise ReleaseError(
            f"`{source}` is not there",
            hint=f"`{unpacked}` will do as well; `steps: [:assemble, :tar]` in mix.exs makes the tarball"
            if unpacked.is_dir()
            else hints.FOLDER,
        )
    return source


def distro_option(command: F) -> F:
    """Which distros; `distros` has the names."""
    return click.option(
        "--distro",
        "distros",
        multiple=True,
        required=True,
        metavar="ID",
        callback=separate,
        shell_complete=candidates.distros_or_all,
        help="Target, such as debian12, jammy, el10; repeat it, or say `el9,el10` or `all`.",
    )(command)


def config_option(command: F) -> F:
    """Which pkgrel.toml; `config_file` has its path, see `settings.document`."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Settings; by default the pkgrel.toml of this folder or of one above it.",
    )(command)
