"""Which Erlang, Elixir and Node.js a project is built with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The versions that a project asks for."""

    erlang: str = ""
    """A version or the beginning of one, such as `27.3.4` or `27`; empty: what the distro has."""
    elixir: str = ""
    """The same, without `-otp-27`; empty: what the distro has."""
    nodejs: str = ""
    """The same; empty: none."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Tool -> where the version stands, for messages: `.tool-versions`, `pkgrel.toml`."""


def read(folder: Path, settings: Mapping[str, str]) -> Toolchain:
    """The toolchain of the project in `folder`."""
    raise NotImplementedError
