"""What the lock files of a project say of where its dependencies are from.

They are read line by line, as the tools write them: Elixir need not run for that, and what is not understood is
left out rather than guessed.

Source: mix.lock as Hex.SCM and Mix.SCM.Git write it; rebar.lock, https://rebar3.org/docs/configuration/dependencies;
package-lock.json, https://docs.npmjs.com/cli/configuring-npm/package-lock-json (versions 2 and 3).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MIX_HEX = re.compile(
    r'\s*"(?P<app>\w+)": \{:hex, :"?(?P<name>\w+)"?, "(?P<version>[^"]+)", "[0-9a-f]*", .*\],'
    r' "(?P<repository>[^"]+)"(?:, "(?P<sha256>[0-9a-f]{64})")?\},?\s*'
)
_MIX_GIT = re.compile(r'\s*"(?P<app>\w+)": \{:git, "(?P<url>[^"]+)", "(?P<commit>[0-9a-f]{40,64})"')
_REBAR_HEX = re.compile(
    r'\{<<"(?P<app>\w+)">>,\s*\{pkg,\s*<<"(?P<name>\w+)">>,\s*<<"(?P<version>[^"]+)">>'
)
_REBAR_GIT = re.compile(
    r'\{<<"(?P<app>\w+)">>,\s*\{git,\s*"(?P<url>[^"]+)",\s*\{ref,\s*"(?P<commit>[0-9a-f]{40,64})"'
)
_REBAR_HASH = re.compile(r'\{<<"(?P<app>\w+)">>,\s*<<"(?P<sha256>[0-9A-Fa-f]{64})">>\}')
_LARGEST = 16 << 20
"""Bytes of a lock file that is still read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hex:
    """A package of Hex that an application is from."""

    name: str
    version: str
    repository: str = "hexpm"
    """`hexpm`, `hexpm:ORGANISATION`, or what a repository of one's own is called."""
    sha256: str = ""
    """Of its tarball."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """A commit that an application is from."""

    url: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Npm:
    """A package of npm that assets may have been built with."""

    name: str
    version: str
    license: str = ""
    sha512: str = ""
    """Of its tarball, in hexadecimal."""


def applications(folder: Path) -> dict[str, Hex | Git]:
    """Where each locked application is from."""
    found: dict[str, Hex | Git] = {}
    for line in _text(folder / "mix.lock").splitlines():
        if match := _MIX_HEX.fullmatch(line):
            app, sha256 = match["app"], match["sha256"] or ""
            found[app] = Hex(
                name=match["name"],
                version=match["version"],
                repository=match["repository"],
                sha256=sha256,
            )
        elif match := _MIX_GIT.match(line):
            found[match["app"]] = Git(url=match["url"], commit=match["commit"])
    return found or _of_rebar3(_text(folder / "rebar.lock"))


def _of_rebar3(text: str) -> dict[str, Hex | Git]:
    # The second table of hashes is that of the tarballs.
    outer = text.partition("pkg_hash_ext")[2]
    hashes = {match["app"]: match["sha256"].lower() for match in _REBAR_HASH.finditer(outer)}
    found: dict[str, Hex | Git] = {
        match["app"]: Git(url=match["url"], commit=match["commit"])
        for match in _REBAR_GIT.finditer(text)
    }
    for match in _REBAR_HEX.finditer(text):
        found[match["app"]] = Hex(
            name=match["name"], version=match["version"], sha256=hashes.get(match["app"], "")
        )
    return found


def npm_packages(folder: Path) -> tuple[Npm, ...]:
    """Those that are not for development alone, sorted; of a project's assets, or of the project itself."""
    for file in (folder / "assets/package-lock.json", folder / "package-lock.json"):
        try:
            packages = json.loads(_text(file) or "{}").get("packages")
            found = set(_npm(packages)) if isinstance(packages, dict) else set()
        except (ValueError, AttributeError, RecursionError):
            continue
        if found:
            return tuple(sorted(found, key=lambda each: (each.name, each.version)))
    return ()


def _npm(packages: dict[str, Any]) -> Iterator[Npm]:
    for path, item in packages.items():
        name = path.rpartition("node_modules/")[2]
        # A link is a folder of the project's.
        if not name or name == path or item.get("link") or item.get("dev"):
            continue
        version, license = item.get("version"), item.get("license")
        if isinstance(version, str):
            yield Npm(
                name=name,
                version=version,
                license=license if isinstance(license, str) else "",
                sha512=_sha512(str(item.get("integrity", ""))),
            )


def _sha512(integrity: str) -> str:
    for each in integrity.split():
        kind, _, text = each.partition("-")
        if kind == "sha512":
            try:
                return base64.b64decode(text, validate=True).hex()
            except binascii.Error:
                return ""
    return ""


def _text(file: Path) -> str:
    """Nothing where there is none, or what could not be one."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
