"""`pkgrel bundle` and `pkgrel nix`: packages for other deployment systems.

`pkgrel nix` makes a NixOS module from a .deb of pkgrel, with the same files, unit and user.

Source: AWS CodeDeploy User Guide, "AppSpec File reference", "Lifecycle event hook availability"; NixOS manual,
"Writing NixOS Modules"; Nix manual, "String"; nixpkgs, autoPatchelfHook.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

from pkgrel import artifact
from pkgrel.artifact import Artifact
from pkgrel.distro import Format
from pkgrel.errors import ConfigError
from pkgrel.repository.kind import repository_kind
from pkgrel.repository.recognition import distros_of
from pkgrel.rollout.steps import PACKAGE, VERSION, Ready
from pkgrel.templates import render, shell_quoted

_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date of a .zip, for reproducible archives."""


def codedeploy_bundle(
    files: Sequence[Path],
    output: Path | None = None,
    *,
    ready: Ready | None = None,
    wait: int = 10,
    timeout: int = 1800,
) -> Path:
    """A revision for AWS CodeDeploy: appspec.yml, hooks, and the packages of one version for several distros.

    PkgrelError, without writing anything, for packages with different names or versions, or two for one machine.
    """
    packages = [artifact.read(file, unpack=False) for file in files]
    name, version = _of_one(packages)
    asked = ready or Ready()
    values = {
        "name": shell_quoted(name),
        "version": shell_quoted(version),
        "url": shell_quoted(asked.url) if asked.url else "",
        "tcp": asked.tcp,
        "patience": asked.patience,
        "wait": wait,
        "timeout": timeout,
        **_machines(packages),
    }
    texts = {"appspec.yml": render("bundle/appspec.yml", **values)}
    for hook in ("stop", "install", "ready", "validate"):
        texts[f"hooks/{hook}"] = render(f"bundle/{hook}", **values)
    target = output or Path(f"{name}-{version}-codedeploy.zip")
    if target.is_dir():
        target = target / f"{name}-{version}-codedeploy.zip"
    _write(target, texts, files)
    return target


def _of_one(packages: Sequence[Artifact]) -> tuple[str, str]:
    first = packages[0]
    for package in packages:
        found, wanted = (
            f"{one.name} {one.version.epoch}:{one.version.upstream}" for one in (package, first)
        )
        if found != wanted:
            raise ConfigError(
                f"{package.file}: is {package.name} {package.version.upstream}, and {first.file} is"
                f" {first.name} {first.version.upstream}",
                hint="a revision has one version of one package",
            )
    if not PACKAGE.fullmatch(first.name) or not VERSION.fullmatch(first.version.upstream):
        raise ConfigError(f"{first.file}: `{first.name} {first.version.upstream}` cannot be here")
    return first.name, first.version.upstream


def _machines(packages: Sequence[Artifact]) -> dict[str, object]:
    """Which file is for which machine, as a shell pattern, and how to recognise a machine's distro."""
    files: dict[str, Artifact] = {}
    codenames: dict[str, str] = {}
    rpm = False
    for package in packages:
        kind = repository_kind(package.format)
        machine = kind.architecture(package)
        pattern = "*" if machine == kind.ANY_ARCHITECTURE else shell_quoted(machine)
        for distro in distros_of(package):
            place = f"{distro.id}/{pattern}"
            if place in files:
                raise ConfigError(f"{package.file}: {files[place].file} is for {place} as well")
            files[place] = package
            if distro.codename:
                codenames[distro.codename] = distro.id
            else:
                rpm = True
    # Files for one architecture come before files for any.
    ordered = sorted(files.items(), key=lambda item: item[0].endswith("*"))
    return {
        "files": [(place, shell_quoted(package.file.name)) for place, package in ordered],
        "codenames": codenames,
        "rpm": rpm,
    }


def _write(target: Path, texts: dict[str, str], files: Sequence[Path]) -> None:
    """Write the archive, which appears only when it is complete."""
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as new:
        temporary = Path(new.name)
        try:
            # Stored: packages are compressed already.
            with zipfile.ZipFile(new, "w") as archive:
                _add(archive, texts, files)
            new.close()
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _add(archive: zipfile.ZipFile, texts: dict[str, str], files: Sequence[Path]) -> None:
    for path, text in texts.items():
        mode = 0o755 if path.startswith("hooks/") else 0o644
        archive.writestr(_member(path, mode), text)
    for file in sorted(files, key=lambda file: file.name):
        member = _member(f"packages/{file.name}", 0o644)
        with file.open("rb") as source, archive.open(member, "w") as out:
            shutil.copyfileobj(source, out, 1 << 20)


def _member(path: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, _DATE)
    info.external_attr = (0o100000 | mode) << 16
    info.create_system = 3  # Unix; otherwise the mode is ignored
    return info


_MOST = 100_000
"""The largest unit in bytes."""


def nixos_module(file: Path) -> str:
    """The text of the module; ConfigError for a package that pkgrel did not make."""
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
        # A name with a dot would be an attribute path.
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
    """Quoted as a Nix string."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{quoted}"'


def _located(text: str, paths: tuple[str, ...]) -> str:
    """A Nix string in which the package's paths are replaced by those in the store."""
    quoted = nix(text)
    for path in paths:
        quoted = re.sub(
            rf"(?<![A-Za-z0-9/]){re.escape(path)}(?![A-Za-z0-9.+-])",
            lambda found: f"${{package}}{found[0]}",
            quoted,
        )
    return quoted


def _sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Directives of a unit by section, in order; systemd.syntax(7)."""
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
    """The directory of the release, which has an ERTS, or at least `releases`."""
    for wanted in ("erts-", "releases"):
        for path in entries:
            if path.name.startswith(wanted) and len(path.parts) > 3:
                return str(path.parent)
    raise ConfigError(f"{file}: there is no Erlang release in it")
