"""`pkgrel init` and `pkgrel inspect`: looks at projects and releases before anything is packaged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pkgrel import compatibility, config, distro, git, release
from pkgrel.builder.metadata import read_metadata
from pkgrel.compatibility import Reason
from pkgrel.distro import Distro
from pkgrel.errors import PkgrelError, ReleaseError
from pkgrel.limits import LIMITS
from pkgrel.plan.environment import meaning, source
from pkgrel.release import frameworks
from pkgrel.release.beam import migration_function
from pkgrel.release.kinds import refuse_firmware
from pkgrel.release.model import Release, Variable
from pkgrel.release.variables import of_script
from pkgrel.templates import render

_Found = tuple[tuple[Variable, ...], str, set[str]]
"""The variables, the migration function, and the applications of a project."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A release, and which distros can run it."""

    release: Release
    """Its contents can no longer be read."""
    distros: Mapping[Distro, Sequence[Reason]]
    """For every distro the reasons why it cannot run the release, empty if it can."""


def inspect(source: Path, config_file: Path | None = None) -> Inspected:
    """Read a release, from a tarball or a directory, and compare it with every distro."""
    settings = config.of(source, config_file)
    with release.read(source) as read:
        found = {
            row: compatibility.reasons(read, row, settings.resolve(row).package.libraries)
            for row in distro.distros().values()
        }
    return Inspected(read, found)


def init(folder: Path) -> Path:
    """Write a commented pkgrel.toml for the project in the folder; PkgrelError if there is one already."""
    file = folder / config.FILE_NAME
    if file.exists():
        raise PkgrelError(
            f"{file}: is there already", hint="edit it; `pkgrel schema` lists the keys"
        )
    said = read_metadata(folder)
    variables, migration, applications = _of_release(folder) or _of_project(folder)
    refuse_firmware(applications)
    relx = (folder / "rebar.config").is_file() and not (folder / "mix.exs").is_file()
    service, tables = frameworks.advice(applications, relx=relx)
    text = render(
        "pkgrel.toml",
        toml=lambda value: json.dumps(value, ensure_ascii=False),
        maintainer=said.maintainer or _maintainer(folder),
        said=said,
        changelog="CHANGELOG.md" if (folder / "CHANGELOG.md").is_file() else "",
        asked=[(item.name, meaning(item), source(item)) for item in variables if item.needed],
        migration=migration,
        service=service,
        tables=tables,
    )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    config.load(file)  # what we write must be valid
    return file


_PROJECT_FILES = ("mix.exs", "rebar.config")


def next_step(folder: Path) -> str:
    """What to do after `init` has written the settings there."""
    if _is_project(folder):
        return f"next: `pkgrel build {folder} --distro debian13`"
    missing = f"there is no {' and no '.join(_PROJECT_FILES)} in `{folder}`"
    if tarballs := sorted(folder.glob("*.tar.gz")):
        return f"next: `pkgrel build {tarballs[0]} --distro debian13`"
    projects = [str(each) for each in sorted(folder.glob("*/")) if _is_project(each)]
    if projects:
        return f"{missing}, but in {', '.join(projects[:5])}: such settings belong beside it"
    return f"{missing}: next is the tarball of a release, `pkgrel build NAME-VERSION.tar.gz --distro debian13`"


def _is_project(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _PROJECT_FILES)


def _of_release(folder: Path) -> _Found | None:
    """The same from the release that was built last, if it can be read."""
    marks = folder.glob("_build/prod/rel/*/releases/start_erl.data")
    for mark in sorted(marks, key=lambda file: file.stat().st_mtime, reverse=True)[:1]:
        try:
            with release.read(mark.parent.parent) as found:
                applications = {item.name for item in found.applications}
                return found.variables, migration_function(found), applications
        except ReleaseError:
            return None  # `build` reports what is wrong with it
    return None


def _of_project(folder: Path) -> _Found:
    script = _read(folder / "config/runtime.exs")[: LIMITS.script]
    variables = of_script(script, "config/runtime.exs")
    files = ("mix.exs", "mix.lock", "rebar.config", "rebar.lock")
    applications = frameworks.of_project(*(_read(folder / name) for name in files))
    for file in sorted(folder.glob("lib/*/release.ex")):
        text = _read(file)
        module = re.search(r"^defmodule ((?:[A-Z]\w*\.)+Release) do$", text, re.MULTILINE)
        if module and re.search(r"^ +def migrate(?:\(\))? do$", text, re.MULTILINE):
            return variables, f"{module[1]}.migrate", applications
    return variables, "", applications


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _maintainer(folder: Path) -> str:
    """`Name <address>` from git, or a placeholder that `build` refuses."""
    where = folder if folder.is_dir() else Path()
    try:
        name, address = (git.run(where, "config", f"user.{key}").line for key in ("name", "email"))
    except git.GitError:
        return ""
    return f"{name} <{address}>" if name and address else ""
