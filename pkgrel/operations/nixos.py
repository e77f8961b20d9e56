"""`pkgrel nix`: a module of NixOS from a .deb of pkgrel's, with the same files, unit and user.

Source: NixOS manual, "Writing NixOS Modules"; Nix manual, "String"; nixpkgs, autoPatchelfHook.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pkgrel import artifact
from pkgrel.distro import Format
from pkgrel.errors import ConfigError
from pkgrel.rollout.steps import PACKAGE
from pkgrel.templates import render

_MOST = 100_000
"""Bytes of a unit."""


def nixos_module(file: Path) -> str:
    """The module's text; ConfigError for a package that is not of pkgrel's kind."""
    units: dict[PurePosixPath, bytearray] = {}

    def take(path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], object] | None:
        if path.suffix == ".service" and path.parent.name == "system" and size <= _MOST:
            return units.setdefault(path, bytearray()).extend
        return None

    read = artifact.read(file, take=take)
    name = read.name
    unit = next((text for path, text in units.items() if path.stem == name), None)
    if read.format is not Format.DEB or unit is None or not PACKAGE.fullmatch(name):
        raise ConfigError(
            f"{file}: is no .deb with the unit {name}.service",
            hint="`pkgrel build --distro debian13` makes one",
        )
    sections = _sections(unit.decode(errors="replace"))
    service = sections.get("Service", {})
    root = _root(file, [entry.path for entry in read.entries])
    paths = (f"/usr/libexec/{name}", f"/usr/bin/{name}", root)
    unit_section = sections.get("Unit", {})
    description = unit_section.pop("Description", [name])[0]
    return render(
        "nix/module.nix",
        name=name,
        # A name with a dot would be a path of attributes.
        attribute=nix(name),
        version=read.version.upstream,
        file=file.name,
        description=description,
        user=service.get("User", ["root"])[0],
        group=service.get("Group", service.get("User", ["root"]))[0],
        paths=paths,
        unit=unit_section,
        service=service,
        nix=nix,
        located=lambda text: _located(text, paths),
    )


def nix(text: str) -> str:
    """A string of Nix."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{quoted}"'


def _located(text: str, paths: tuple[str, ...]) -> str:
    """A string in which the package's own files are where Nix has put them."""
    quoted = nix(text)
    for path in paths:
        quoted = re.sub(
            rf"(?<![A-Za-z0-9/]){re.escape(path)}(?![A-Za-z0-9.+-])",
            lambda found: f"${{package}}{found[0]}",
            quoted,
        )
    return quoted


def _sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Directives of a unit by section, in their order; systemd.syntax(7)."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line.strip()):
            section = found.setdefault(header[1], {})
        elif (given := re.match(r"([A-Za-z0-9]+)\s*=\s*(.*)", line)) and not line.startswith(
            ("#", ";")
        ):
            section.setdefault(given[1], []).append(given[2])
    return found


def _root(file: Path, entries: list[PurePosixPath]) -> str:
    """Where the release is: what has its own ERTS, or at least its releases."""
    for wanted in ("erts-", "releases"):
        for path in entries:
            if path.name.startswith(wanted) and len(path.parts) > 3:
                return str(path.parent)
    raise ConfigError(f"{file}: there is no Erlang release in it")
