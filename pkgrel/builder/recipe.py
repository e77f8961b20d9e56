"""The recipe of a build image: how each tool is installed, the Dockerfile, and its build context.

A tool comes from the distro's packages if they have the wanted version, else from a build for an Ubuntu whose libraries
the distro has as well, else from source. The facts are rows of `tools.csv`.
"""

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shlex import quote

from pkgrel.builder.project import Project, Tool
from pkgrel.builder.toolchain import Toolchain, elixir, may_meet, read
from pkgrel.config.delivery import BuildSettings
from pkgrel.distro import Distro
from pkgrel.errors import BuildError
from pkgrel.resources import BUILD_IMAGES
from pkgrel.templates import render_build_image

REPOSITORY = "pkgrel"
"""Images are named pkgrel/DISTRO:HASH."""

MIRRORS = {
    "HEX_BUILDS_URL": "https://builds.hex.pm",
    "OTP_GITHUB_URL": "https://github.com/erlang/otp",
    "NODEJS_ORG_MIRROR": "https://nodejs.org/dist",
}
"""Download servers of tools, and the variables (of mix, kerl and asdf) that name mirrors."""

AUTHORITIES = "pkgrel-authorities.crt"

ARCHITECTURES = ("amd64", "arm64")

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._:()/=~-]*")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]*")


UNKNOWN = "?"
"""The distro has a package of unknown version."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """How one tool gets into an image; with neither field set it does not."""

    version: str = ""
    """The wanted version, or that of the distro's package."""
    packaged: bool = False
    """From the distro's packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMethods:
    """How all tools get into an image."""

    dockerfile: str
    """The folder of its Dockerfile in `build_images`."""
    erlang: ToolChoice
    elixir: ToolChoice
    nodejs: ToolChoice
    built_for: str = ""
    """The Ubuntu whose precompiled Erlang/OTP is tried before the sources: `ubuntu-24.04`."""
    archived: bool = False
    """The distro has been moved from the mirrors that its image names."""

    def __str__(self) -> str:
        tools = {"Erlang/OTP": self.erlang, "Elixir": self.elixir, "Node.js": self.nodejs}
        named = [f"{name} {tool.version}" for name, tool in tools.items() if tool.version]
        return ", ".join(named).replace(f" {UNKNOWN}", " of the distro")


def choose(distro: Distro, wanted: Toolchain, *, elixir: bool = True) -> InstallMethods:
    """Decide for every tool; BuildError if the distro lacks it and no version is asked for.

    Without `elixir` the project does not need Elixir, and gets it only if the toolchain names it.
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
        nodejs=_tool(wanted.nodejs, row["nodejs"]) if wanted.nodejs else ToolChoice(),
        built_for=row["precompiled"],
        archived=bool(row["archived"]),
    )


def packages_rebar3(distro: Distro) -> bool:
    """Whether the distro has a package `rebar3`."""
    return bool(_rows()[distro.id]["rebar3"])


def _tool(wanted: str, packaged: str) -> ToolChoice:
    """The distro's package if its version is the wanted one, or begins with it."""
    if packaged and (not wanted or f"{packaged}.".startswith(f"{wanted}.")):
        return ToolChoice(packaged, packaged=True)
    return ToolChoice(wanted)


@cache
def _rows() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("tools.csv").open(newline="", encoding="utf-8") as table:
        return {row["distro"]: row for row in csv.DictReader(table)}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build image is made from; equal recipes give the same image."""

    distro: Distro
    toolchain: Toolchain
    architecture: str
    """As named by Docker and Debian: `amd64`, `arm64`."""
    dockerfile: str
    files: Mapping[str, bytes]
    """The build context: file name -> contents; all but the certificates are programs."""
    tools: str = ""
    """For people: `Erlang/OTP 27.3.4, Elixir 1.18.4`."""
    base: str = ""
    """The base image."""

    @property
    def name(self) -> str:
        """`pkgrel/DISTRO:HASH`, a hash of everything in it and of the script that reads its facts."""
        digest = hashlib.sha256((BUILD_IMAGES / "facts").read_bytes())
        for part in (self.architecture, self.dockerfile, *sorted(self.files)):
            digest.update(part.encode() + b"\0" + self.files.get(part, b"") + b"\0")
        return f"{REPOSITORY}/{self.distro.id}:{digest.hexdigest()[:16]}"


def for_project(
    project: Project,
    settings: BuildSettings,
    distro: Distro,
    architecture: str,
    folder: Path | None = None,
) -> Recipe:
    """The recipe for a project, with the toolchain of its files and of [build].

    Paths of [build] are relative to `folder`, by default the project's. BuildError if mix.exs requires another
    Elixir.
    """
    named = {
        "erlang": settings.erlang,
        "elixir": settings.elixir,
        "nodejs": settings.nodejs,
    }
    packages = settings.packages
    if project.tool is Tool.REBAR3 and packages_rebar3(distro):
        packages = tuple(dict.fromkeys((*packages, "rebar3")))
    toolchain = read(project.folder, named)
    # A user's image may have any version.
    if project.tool is Tool.MIX and not settings.image:
        _refuse_elixir(project, distro, toolchain)
    return recipe_for(
        distro,
        toolchain,
        architecture,
        packages,
        settings.image,
        elixir=project.tool is Tool.MIX,
        authorities=_authorities(settings.ca_certificates, folder or project.folder),
    )


def _refuse_elixir(project: Project, distro: Distro, toolchain: Toolchain) -> None:
    """BuildError if mix.exs requires another Elixir than the image would have."""
    there = choose(distro, toolchain).elixir
    wanted = elixir(project.folder)
    if not wanted or may_meet(there.version, wanted):
        return
    asked = toolchain.sources.get("elixir", "[build]")
    has = (
        f"the distro's own is {there.version}"
        if there.packaged and not toolchain.elixir
        else f"{asked} asks for {there.version}"
    )
    raise BuildError(
        f"{distro.id}: mix.exs wants Elixir `{wanted}`, and {has}",
        hint="name versions in .tool-versions, such as `erlang 27.3.4` and `elixir 1.18.4-otp-27`, or with"
        " `erlang` and `elixir` in [build] or [distro.ID.build]; or change `elixir:` in mix.exs",
    )


def _authorities(name: str, folder: Path) -> bytes:
    """The certificates of [build] ca-certificates; BuildError if the file has none, or contains a key."""
    if not name:
        return b""
    file = folder / Path(name).expanduser()
    try:
        text = file.read_bytes()
    except OSError as e:
        raise BuildError(f"build.ca-certificates: `{name}`: {e.strerror}") from e
    if b"-----BEGIN CERTIFICATE-----" not in text or b"PRIVATE KEY-----" in text:
        raise BuildError(
            f"build.ca-certificates: `{name}` is not a file of certificates in PEM",
            hint="it has lines `-----BEGIN CERTIFICATE-----`, and no private key",
        )
    return text.rstrip() + b"\n"


def recipe_for(
    distro: Distro,
    toolchain: Toolchain,
    architecture: str,
    packages: tuple[str, ...] = (),
    image: str = "",
    *,
    elixir: bool = True,
    authorities: bytes = b"",
) -> Recipe:
    """Choose how each tool is installed and write the Dockerfile.

    `packages` are additional packages of the distro, `image` another base image; without `elixir` the
    project does not need it. `authorities` are certificates that the image is to trust. BuildError for a
    toolchain that the distro cannot have, and for invalid names.
    """
    if architecture not in ARCHITECTURES:
        raise BuildError(
            f"there are no build images for the architecture `{architecture}`",
            hint=f"use one of {', '.join(ARCHITECTURES)}, or `--builder host` on such a machine",
        )
    _check(packages, image)
    choice = choose(distro, toolchain, elixir=elixir)
    scripts = _scripts(choice)
    dockerfile = render_build_image(
        f"{choice.dockerfile}/Dockerfile",
        distro=distro,
        locale=distro.locale,
        image=image or distro.image,
        tools=choice,
        erlang=choice.erlang,
        elixir=choice.elixir,
        nodejs=choice.nodejs,
        built_for=choice.built_for,
        # Another base image has its own package sources.
        archived=choice.archived and not image,
        installer=distro.installer,
        packages=[quote(package) for package in packages],
        scripts=scripts,
        mirrors=MIRRORS,
        authorities=AUTHORITIES if authorities else "",
    )
    files = {name: (BUILD_IMAGES / "install" / name).read_bytes() for name in scripts}
    if authorities:
        files[AUTHORITIES] = authorities
    text = dockerfile.rstrip() + "\n"
    return Recipe(distro, toolchain, architecture, text, files, str(choice), image or distro.image)


def _scripts(choice: InstallMethods) -> list[str]:
    tools = {"elixir": choice.elixir, "erlang": choice.erlang, "nodejs": choice.nodejs}
    needed = [name for name, tool in tools.items() if tool.version and not tool.packaged]
    return ["download", *needed] if needed else []


def _check(packages: tuple[str, ...], image: str) -> None:
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise BuildError(
                f"build.packages: `{package}` is not a name of a package",
                hint="give names as the distro's package manager takes them, such as `libpq-dev`",
            )
    if image and not _IMAGE.fullmatch(image):
        raise BuildError(
            f"build.image: `{image}` is not a name of an image",
            hint="give a name such as `debian:bookworm` or `ghcr.io/example/base:1.2`",
        )
