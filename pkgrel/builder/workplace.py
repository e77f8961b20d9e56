"""Where the steps of a build run: a container, or a folder of this machine.

Both offer the same few things, so that the steps of mix and rebar3 are written once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from pkgrel.builder.log import Log


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


class Workplace(Protocol):
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


def variables(places: Places, mix_env: str, date: int, own: Mapping[str, str]) -> dict[str, str]:
    """The variables for the steps; `own` are those of [build.environment]."""
    return {
        "MIX_ENV": mix_env,
        "SOURCE_DATE_EPOCH": str(date),
        "CI": "true",
        "TERM": "dumb",
        "PKGREL_RELEASE": places.release,
        "PKGREL_SECRETS": places.secrets,
        **own,
    }
