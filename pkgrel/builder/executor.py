"""Where the steps of a build run: in a container, or in a folder of this machine.

Both offer the same operations, so that the steps of mix and rebar3 are written once: running commands, reusing `deps`
and `_build` of earlier builds, and fetching the finished release.

Cached dependencies are reused if lock and configuration are the same; what an interrupted build left is removed. The
project's code is recompiled if any source has changed: all sources have the time of the commit, so compilers would not
notice a change.
"""

import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from pkgrel.builder.failures import failed
from pkgrel.builder.log import Log
from pkgrel.builder.project import Tool
from pkgrel.errors import BuildError


@dataclass(frozen=True, slots=True)
class Places:
    """Directories as the steps see them."""

    sources: str
    """The directory that the sources are unpacked in."""
    project: str
    """The project's folder: the same, or one below it."""
    home: str
    cache: str
    """For downloads, of this project only."""
    release: str
    """For the finished release; does not exist at first."""
    secrets: str


class Executor(Protocol):
    """A place to build in, with the sources unpacked."""

    name: str
    """For messages: the distro, or `host`."""
    places: Places
    log: Log

    def run(self, command: str, *, folder: str = ".") -> int:
        """Run a shell command in a folder of the project; its output goes to the log.

        Returns the exit status; BuildError if it was killed or cannot be run.
        """

    def fetch(self, path: str, file: BinaryIO) -> None:
        """Write a tarball of `path`, which is absolute, to `file`."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables of every step."""

    variables: Mapping[str, str]
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)

    def all(self) -> dict[str, str]:
        """All variables; those of the caller override ours."""
        return {**self.variables, **self.secret}


def variables(
    places: Places, mix_env: str, date: int, settings: Mapping[str, str]
) -> dict[str, str]:
    """The variables for the steps; `settings` are those of [build.environment]."""
    return {
        "MIX_ENV": mix_env,
        "SOURCE_DATE_EPOCH": str(date),
        "CI": "true",
        "TERM": "dumb",
        "PKGREL_RELEASE": places.release,
        "PKGREL_SECRETS": places.secrets,
        **settings,
    }


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and its title in messages and in the log."""

    title: str
    command: str
    folder: str = "."


def run_steps(executor: Executor, steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Run the steps; BuildError for the first that fails."""
    for step in steps:
        say(step.title)
        executor.log.step(step.title)
        if status := executor.run(step.command, folder=step.folder):
            raise failed(executor.name, step.title, executor.log, status)


def command_steps(key: str, commands: tuple[str, ...]) -> Iterator[Step]:
    """The steps of [build.before] or [build.after]."""
    for number, command in enumerate(commands, 1):
        shown = command if len(command) <= 40 else command[:39] + "…"
        yield Step(f"build.{key} {number}: {shown}", command)


_OPEN_MIX = """
if [ "$(cat _build/.pkgrel-complete 2>/dev/null)" != "$PKGREL_DEPENDENCIES" ]; then
    rm -rf deps/* deps/.[!.]* _build/* _build/.pkgrel-*
fi
if [ "$(cat _build/.pkgrel-source 2>/dev/null)" != "$PKGREL_SOURCE" ]; then
    rm -f _build/.pkgrel-source
    for app in _build/"$MIX_ENV"/lib/*; do
        if [ ! -e "deps/${app##*/}" ]; then rm -rf "$app"; fi
    done
fi
"""
_OPEN_REBAR3 = """
if [ "$(cat _build/.pkgrel-source 2>/dev/null)" != "$PKGREL_SOURCE" ]; then
    rm -rf _build/* _build/.pkgrel-source
fi
"""
"""rebar3 caches packages elsewhere, and compiling them is quick."""
_OPEN = {Tool.MIX: _OPEN_MIX, Tool.REBAR3: _OPEN_REBAR3}
KEEP_DEPENDENCIES = 'echo "$PKGREL_DEPENDENCIES" >_build/.pkgrel-complete'
_CLOSE = f'{KEEP_DEPENDENCIES} && echo "$PKGREL_SOURCE" >_build/.pkgrel-source'


def open_cache(executor: Executor, tool: Tool) -> None:
    """Remove what this build must not reuse."""
    _run_cache_script(executor, _OPEN[tool])


def close_cache(executor: Executor) -> None:
    """Record that the build was completed, and of which sources."""
    _run_cache_script(executor, _CLOSE)


def _run_cache_script(executor: Executor, script: str) -> None:
    title = "look after the caches"
    executor.log.step(title)
    if status := executor.run(script):
        raise failed(executor.name, title, executor.log, status)


def take_release(executor: Executor, file: Path, date: int) -> None:
    """Write the executor's release to `file`, uncompressed, with `date` as mtime of every file."""
    with TemporaryFile(prefix="pkgrel-") as raw:
        executor.fetch(executor.places.release, raw)
        raw.seek(0)
        try:
            with (
                tarfile.open(fileobj=raw, mode="r:") as found,
                tarfile.open(file, mode="w", format=tarfile.PAX_FORMAT) as made,
            ):
                _copy_members(found, made, date)
        except tarfile.TarError as e:
            raise BuildError(f"{executor.name}: the release cannot be taken out: {e}") from e


def _copy_members(found: tarfile.TarFile, made: tarfile.TarFile, date: int) -> None:
    """Copy members in their order, so that hard links still follow their targets."""
    for member in found:
        member.mtime = date
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.pax_headers = {}
        made.addfile(member, found.extractfile(member) if member.isreg() else None)
