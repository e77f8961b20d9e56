"""How each tool of a toolchain gets into an image: the first way that has it.

The distro's packages when they are of the wanted version, builds for an Ubuntu whose libraries the
distro has as well, else the sources. The facts are rows of `tools.csv`.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pkgrel.builder.toolchain import Toolchain
from pkgrel.distro import Distro
from pkgrel.errors import BuildError

UNKNOWN = "?"
"""The distro has a package, of a version that we do not know."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of an image; both empty: it is not in it."""

    version: str = ""
    """What is wanted; of a package that is taken as it is, what the distro has."""
    packaged: bool = False
    """From the distro's packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMethods:
    """What goes into an image."""

    dockerfile: str
    """The folder in `build_images` that has its Dockerfile."""
    erlang: Tool
    elixir: Tool
    nodejs: Tool
    built_for: str = ""
    """The Ubuntu whose builds of Erlang/OTP are tried before the sources: `ubuntu-24.04`."""
    archived: bool = False
    """The distro is no longer on the mirrors that its image names."""

    def __str__(self) -> str:
        tools = {"Erlang/OTP": self.erlang, "Elixir": self.elixir, "Node.js": self.nodejs}
        named = [f"{name} {tool.version}" for name, tool in tools.items() if tool.version]
        return ", ".join(named).replace(f" {UNKNOWN}", " of the distro")


def choose(distro: Distro, wanted: Toolchain, *, elixir: bool = True) -> InstallMethods:
    """Decide for every tool; BuildError where the distro has none and none is asked for.

    Without `elixir` the project needs none, and gets one only if the toolchain names it.
    """
    row = _rows()[distro.id]
    erlang = _tool(wanted.erlang, row["erlang"])
    if not erlang.version:
        raise BuildError(
            f"{distro.id}: the distro has no Erlang/OTP of its own, and no version is asked for",
            hint="add a .tool-versions with `erlang 27.3.4` and `elixir 1.18.4-otp-27`, or set them in [build] of pkgrel.toml",
        )
    packaged_elixir = row["elixir"] if erlang.packaged and (elixir or wanted.elixir) else ""
    chosen = _tool(wanted.elixir, packaged_elixir)
    if elixir and not chosen.version:
        raise BuildError(
            f"{distro.id}: no version of Elixir is asked for, and the distro's own does not go with Erlang/OTP {erlang.version}",
            hint="name one: `elixir 1.18.4` in .tool-versions, or `elixir` in [build] of pkgrel.toml",
        )
    return InstallMethods(
        dockerfile=row["dockerfile"],
        erlang=erlang,
        elixir=chosen,
        nodejs=_tool(wanted.nodejs, row["nodejs"]) if wanted.nodejs else Tool(),
        built_for=row["precompiled"],
        archived=bool(row["archived"]),
    )


def packages_rebar3(distro: Distro) -> bool:
    """Whether its suites have a package `rebar3`."""
    return bool(_rows()[distro.id]["rebar3"])


def _tool(wanted: str, packaged: str) -> Tool:
    """The distro's version if it is the wanted one, or begins with it."""
    if packaged and (not wanted or f"{packaged}.".startswith(f"{wanted}.")):
        return Tool(packaged, packaged=True)
    return Tool(wanted)


@cache
def _rows() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("tools.csv").open(newline="", encoding="utf-8") as table:
        return {row["distro"]: row for row in csv.DictReader(table)}
