"""What a plan follows from: the release, the settings and the distro, and the names that they lead to."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel.config.model import Config
from pkgrel.config.package import PackageSettings
from pkgrel.distro import Distro, Format
from pkgrel.errors import ConfigError
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Release

_MAINTAINER = re.compile(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment say."""

    version: str | None = None
    """The version, if it is neither the release's nor the configuration's."""
    build_time: int | None = None
    """SOURCE_DATE_EPOCH; by default the release's newest file."""
    project: Path | None = None
    """The folder of the project that the release was built of, if it was just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is known before anything of one package is decided."""

    release: Release
    config: Config
    """With every default filled in."""
    distro: Distro
    layout: Layout
    folder: Path
    """What the sources of the user's files are relative to."""
    build_time: int
    project: Path | None = None
    """The folder of the project that the release was built of, if that is known."""

    @property
    def format(self) -> Format:
        """The package's format."""
        return self.distro.format


def with_defaults(config: Config, release: Release, file: Path, options: Options) -> Config:
    """Fill in what depends on the release, and refuse what only the user can say."""
    package = config.package
    refuse_without_maintainer(package, file)
    summary = package.summary or _summary(release)
    if "\n" in summary:
        raise ConfigError(f"{file}: `package.summary` must be one line")
    package = replace(
        package,
        summary=summary,
        description=package.description.strip() or _built_with(release),
        version=options.version or package.version or release.version,
    )
    return replace(config, package=package)


def refuse_without_maintainer(package: PackageSettings, file: Path) -> None:
    """ConfigError for the one setting that must be there; known before a release is built."""
    if not package.maintainer and not file.exists():
        raise ConfigError(
            f"there is no {file.name} here or above, and so no maintainer of the package",
            hint="`pkgrel init` writes one; all that it must have is"
            ' maintainer = "Your Name <you@example.com>" in [package]',
        )
    if not _MAINTAINER.fullmatch(package.maintainer):
        missing = (
            "has no maintainer"
            if not package.maintainer
            else f"`{package.maintainer}` is not a maintainer"
        )
        raise ConfigError(
            f"{file}: {missing}",
            hint='add to [package]: maintainer = "Your Name <you@example.com>"',
        )


def _summary(release: Release) -> str:
    return f"{'Elixir' if release.elixir else 'Erlang'} service {release.name}"


def _built_with(release: Release) -> str:
    elixir = f" and Elixir {release.elixir}" if release.elixir else ""
    return f"It brings its own Erlang/OTP {release.otp}{elixir} and runs as a systemd service."
