"""Release, configuration and distro become a Package: every decision is taken here.

with release.read(source) as hello:
    for package in plan.packages(hello, document, distros, options):
        formats.write_package(package, ...)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pkgrel.config import Document
from pkgrel.config.model import Config
from pkgrel.config.package import Compressor
from pkgrel.content import Inline
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError
from pkgrel.package import Compression, Entry, File, Format, Package, Relations, Version
from pkgrel.plan.collect import refuse_collisions, with_parents
from pkgrel.plan.configuration import left_out
from pkgrel.plan.documents import changes, documents
from pkgrel.plan.files import files
from pkgrel.plan.layout import Layout, layout
from pkgrel.plan.libraries import libraries
from pkgrel.plan.relations import relations
from pkgrel.plan.safe import refuse_unsafe
from pkgrel.plan.sbom import sbom
from pkgrel.plan.scripts import maintainer_scripts
from pkgrel.plan.service import service
from pkgrel.plan.settings import settled
from pkgrel.plan.tree import tree
from pkgrel.release.model import Release
from pkgrel.version import upstream

_MAINTAINER = re.compile(r"[^<>]+ <[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line and the environment say."""

    version: str | None = None
    """The version, if it is neither the release's nor the configuration's."""
    build_time: int | None = None
    """SOURCE_DATE_EPOCH; by default the release's newest file."""


def packages(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Package, ...]:
    """Plan a package for each distro; those of one layout share one `tree` object.

    ConfigError or PlanError for the first that cannot be made: all are planned before any is written.
    """
    trees: dict[tuple[object, ...], tuple[Entry, ...]] = {}

    def shared(place: Layout, exclude: tuple[str, ...]) -> tuple[Entry, ...]:
        key = (place.root, place.group, exclude)
        if key not in trees:
            trees[key] = with_parents(tree(release, place, exclude))
        return trees[key]

    planned = []
    for distro in distros:
        config = _with_defaults(document.resolve(distro), release, document.file, options)
        place = layout(release, config, distro)
        config = replace(config, service=settled(config.service, place, distro))
        refuse_unsafe(config, place)
        planned.append(
            _package(
                release,
                config,
                distro,
                place,
                folder=document.folder,
                entries=shared(place, (*config.package.exclude, *left_out(release, config))),
                build_time=release.newest if options.build_time is None else options.build_time,
            )
        )
    return tuple(planned)


def _with_defaults(config: Config, release: Release, file: Path, options: Options) -> Config:
    """Fill in what depends on the release, and refuse what only the user can say."""
    package = config.package
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


def _summary(release: Release) -> str:
    return f"{'Elixir' if release.elixir else 'Erlang'} service {release.name}"


def _built_with(release: Release) -> str:
    elixir = f" and Elixir {release.elixir}" if release.elixir else ""
    return f"It brings its own Erlang/OTP {release.otp}{elixir} and runs as a systemd service."


def _package(
    release: Release,
    config: Config,
    distro: Distro,
    place: Layout,
    *,
    folder: Path,
    entries: tuple[Entry, ...],
    build_time: int,
) -> Package:
    settings = config.package
    version = Version(
        epoch=settings.epoch,
        upstream=upstream(settings.version),
        revision=_revision(settings.revision, distro),
    )
    changelog = changes(settings, version, build_time, folder)
    own_service = service(release, config, place, distro, folder)
    own = [
        *own_service.files,
        *documents(settings, place, folder, changelog, debian=distro.format == "deb"),
        File(
            path=place.doc / "sbom.cdx.json",
            content=Inline(sbom(release, place, version, build_time)),
            doc=True,
        ),
        *files(config.file, folder, _values(release, config, place, distro)),
    ]
    extra = with_parents(own, known=entries)
    refuse_collisions(entries, extra)
    return Package(
        format=Format(distro.format),
        distro=distro.id,
        name=place.name,
        version=version,
        architecture=release.architecture,
        summary=settings.summary,
        description=settings.description,
        maintainer=settings.maintainer,
        vendor=settings.vendor,
        homepage=settings.homepage,
        license=settings.license,
        section=settings.section,
        tree=entries,
        extra=extra,
        relations=_relations(release, config, place, distro),
        scripts=maintainer_scripts(
            release, config, place, distro, units=own_service.units, folder=folder
        ),
        changelog=changelog,
        build_time=build_time,
        compression=_compression(settings.compression, distro),
        level=settings.compression_level or None,
    )


def _relations(release: Release, config: Config, place: Layout, distro: Distro) -> Relations:
    """What the package asks for: its scripts, the user, the release's native code."""
    own = relations(config, place, distro)
    needed = libraries(release, distro, config.package.libraries)
    return replace(own, depends=tuple(dict.fromkeys((*own.depends, *needed))))


def _revision(revision: str, distro: Distro) -> str:
    """`1~debian12` sorts before `1`, so an archive's own package wins; `1.el9` is RPM's custom."""
    if not re.fullmatch(r"[0-9A-Za-z.+~]+", revision):
        raise ConfigError(
            f"`package.revision`: `{revision}` may have only letters, digits, `.`, `+`, `~`"
        )
    separator = "~" if distro.format == "deb" else "."
    return f"{revision}{separator}{distro.revision_tag}"


def _compression(wanted: Compressor, distro: Distro) -> Compression:
    if wanted is Compressor.AUTO:
        return Compression(distro.compression)
    if wanted is Compressor.ZSTD and distro.compression != "zstd":
        raise ConfigError(
            f"{distro.title} cannot be trusted to read zstd",
            hint="set `compression` to `auto` or `xz`",
        )
    return Compression(wanted)


def _values(release: Release, config: Config, place: Layout, distro: Distro) -> dict[str, str]:
    """What a template of the user's can name."""
    return {
        **place.names(),
        "release": release.name,
        "version": config.package.version,
        "distro": distro.id,
    }
