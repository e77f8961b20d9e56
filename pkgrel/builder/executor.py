"""Where the steps of a build run: a container, or a folder of this machine.

Both offer the same few things, so that the steps of mix and rebar3 are written once: running commands,
what earlier builds left in `deps` and `_build`, and the finished release.

Of that cache dependencies are used as they are if lock and configuration are the same; what a build left
half done goes. The project's own code is compiled anew unless no source has changed: sources have the date
of the commit, by which compilers would not see a change.
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
    """What the sources are unpacked in."""
    project: str
    """The project's folder: that, or one below it."""
    home: str
    cache: str
    """For downloads; those of other projects are elsewhere."""
    release: str
    """Where the finished release goes; not there at first."""
    secrets: str


class Executor(Protocol):
    """Somewhere with the sources in place."""

    name: str
    """For messages: the distro, or `host`."""
    places: Places
    log: Log

    def run(self, command: str, *, folder: str = ".") -> int:
        """Run a shell command in a folder of the project; its output goes to the log.

        Returns the exit status; BuildError if it was killed from outside or cannot be run.
        """

    def fetch(self, path: str, file: BinaryIO) -> None:
        """Write a tarball of `path`, which is absolute, to `file`."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What every step finds in its environment."""

    variables: Mapping[str, str]
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)

    def all(self) -> dict[str, str]:
        """One mapping; those of the caller count more than ours."""
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
    """A command, and what it is called on the screen and in the log."""

    title: str
    command: str
    folder: str = "."


def run_steps(executor: Executor, steps: Iterable[Step], say: Callable[[str], None]) -> None:
    """Run steps until one fails, which is a BuildError."""
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
"""rebar3 keeps the packages that it fetched elsewhere, and compiling them takes little."""
_OPEN = {Tool.MIX: _OPEN_MIX, Tool.REBAR3: _OPEN_REBAR3}
KEEP_DEPENDENCIES = 'echo "$PKGREL_DEPENDENCIES" >_build/.pkgrel-complete'
_CLOSE = f'{KEEP_DEPENDENCIES} && echo "$PKGREL_SOURCE" >_build/.pkgrel-source'


def open_cache(executor: Executor, tool: Tool) -> None:
    """Throw away what this build must not use."""
    _run_cache_script(executor, _OPEN[tool])


def close_cache(executor: Executor) -> None:
    """Say that the build was done, and of which sources."""
    _run_cache_script(executor, _CLOSE)


def _run_cache_script(executor: Executor, script: str) -> None:
    title = "look after the caches"
    executor.log.step(title)
    if status := executor.run(script):
        raise failed(executor.name, title, executor.log, status)


def take_release(executor: Executor, file: Path, date: int) -> None:
    """Write the executor's release to `file`, without compression, every file as of `date`."""
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
    """Member by member, as they come: hard links stay behind what they link to."""
    for member in found:
        member.mtime = date
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.pax_headers = {}
        made.addfile(member, found.extractfile(member) if member.isreg() else None)
