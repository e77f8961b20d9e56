"""A package before its texts are written: names, places, the tree.

It is known within milliseconds, so the tree can be compressed while the rest is planned.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel.config import Document
from pkgrel.config.model import Config
from pkgrel.config.package import Compressor, PackageSettings
from pkgrel.distro import Distro, Format
from pkgrel.errors import ConfigError
from pkgrel.package import Compression, Entry
from pkgrel.plan.advice import find_warnings
from pkgrel.plan.collect import with_parents
from pkgrel.plan.configuration import left_out
from pkgrel.plan.contradictions import refuse_contradictions
from pkgrel.plan.layout import Layout, make_layout
from pkgrel.plan.names import refuse_taken
from pkgrel.plan.settings import settled
from pkgrel.plan.tree import make_tree
from pkgrel.release.model import Release

_MAINTAINER = re.compile(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment say."""

    version: str | None = None
    """The version, if it is neither the release's nor the configuration's."""
    build_time: int | None = None
    """SOURCE_DATE_EPOCH; by default the release's newest file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is decided before the texts."""

    release: Release
    config: Config
    """With every default filled in."""
    distro: Distro
    layout: Layout
    folder: Path
    """What the sources of the user's files are relative to."""
    tree: tuple[Entry, ...]
    """The same object for every distro of one layout."""
    build_time: int
    compression: Compression
    advice: tuple[str, ...]
    """What the user may want to reconsider, for people."""

    @property
    def format(self) -> Format:
        """The package's format."""
        return self.distro.format

    @property
    def level(self) -> int | None:
        """The compressor's level; None for its default."""
        return self.config.package.compression_level or None


def drafts(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Draft, ...]:
    """Draft a package for each distro; ConfigError or PlanError for the first that cannot be."""
    trees: dict[tuple[object, ...], tuple[Entry, ...]] = {}

    def shared(layout: Layout, exclude: tuple[str, ...]) -> tuple[Entry, ...]:
        key = (layout.root, layout.group, exclude)
        if key not in trees:
            trees[key] = with_parents(make_tree(release, layout, exclude))
        return trees[key]

    drafted = []
    for distro in distros:
        config = _with_defaults(document.resolve(distro), release, document.file, options)
        layout = make_layout(release, config, distro)
        config = replace(config, service=settled(config.service, layout, distro))
        refuse_contradictions(config, layout)
        refuse_taken(config, layout, distro)
        drafted.append(
            Draft(
                release=release,
                config=config,
                distro=distro,
                layout=layout,
                folder=document.folder,
                tree=shared(layout, (*config.package.exclude, *left_out(release, config))),
                build_time=release.newest if options.build_time is None else options.build_time,
                compression=_compression(config.package.compression, distro),
                advice=tuple(find_warnings(release, config, layout, distro)),
            )
        )
    return tuple(drafted)


def _with_defaults(config: Config, release: Release, file: Path, options: Options) -> Config:
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
    if not _MAINTAINER.fullmatch(package.maintainer):
        missing = (
            "has no maintainer"
            if not package.maintainer
            else f"`{package.maintainer}` is no maintainer"
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


def _compression(wanted: Compressor, distro: Distro) -> Compression:
    if wanted is Compressor.AUTO:
        return Compression(distro.compression)
    if wanted is Compressor.ZSTD and distro.compression != "zstd":
        raise ConfigError(
            f"{distro.title} cannot be trusted to read zstd",
            hint="set `compression` to `auto` or `xz`",
        )
    return Compression(wanted)
