"""`pkgrel init`."""

import json
import re
from pathlib import Path

import click

from pkgrel.errors import PkgrelError


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
def command(folder: Path) -> None:
    """Write a commented pkgrel.toml from what is in FOLDER.

    The maintainer is taken from git, summary and homepage from mix.exs. An existing file is never
    touched. FOLDER is this one by default.

    \b
    pkgrel init
    pkgrel init ../shop
    """
    from pkgrel.config import FILE_NAME, load
    from pkgrel.templates import render

    file = folder / FILE_NAME
    if file.exists():
        raise PkgrelError(
            f"{file}: is there already", hint="edit it; `pkgrel schema` lists the keys"
        )
    mix = _read(folder / "mix.exs")
    text = render(
        "pkgrel.toml",
        toml=lambda value: json.dumps(value, ensure_ascii=False),
        maintainer=_maintainer(folder),
        summary=_quoted(mix, "description"),
        homepage=_quoted(mix, "source_url"),
        license=_licence(folder),
        changelog="CHANGELOG.md" if (folder / "CHANGELOG.md").is_file() else "",
    )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    load(file)  # what we write must be what we read
    click.echo(str(file))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _quoted(mix: str, key: str) -> str:
    match = re.search(rf'\b{key}:\s*"([^"\\#]+)"', mix)
    return " ".join(match[1].split()).rstrip(".") if match else ""


def _maintainer(folder: Path) -> str:
    """`Name <address>` as git knows it, or a placeholder that build refuses."""
    from pkgrel import git

    where = folder if folder.is_dir() else Path()
    try:
        name, address = (git.run(where, "config", f"user.{key}").line for key in ("name", "email"))
    except git.GitError:
        return ""
    return f"{name} <{address}>" if name and address else ""


# The first words of the licences that the most projects have.
_LICENCES = {
    "Apache License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD 3-Clause": "BSD-3-Clause",
    "Mozilla Public License": "MPL-2.0",
}


def _licence(folder: Path) -> tuple[str, str]:
    """The SPDX name and the file, or nothing."""
    for name in ("LICENSE", "LICENSE.md", "LICENSE.txt"):
        start = _read(folder / name)[:400]
        for words, spdx in _LICENCES.items():
            if words in start:
                return spdx, name
    return "", ""
