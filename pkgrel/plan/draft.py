"""A package before its texts are written: names, places, the tree.

It is known within milliseconds, so the tree can be compressed while the rest is planned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from pkgrel.config import Document
from pkgrel.config.package import Compressor, PackageSettings
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError
from pkgrel.package import Compression, Entry
from pkgrel.plan.configuration import left_out, with_own_functions
from pkgrel.plan.entries import make_tree, with_parents
from pkgrel.plan.environment import with_known_variables
from pkgrel.plan.identity import rewritten, with_own_distribution
from pkgrel.plan.inputs import Inputs, Options, with_defaults
from pkgrel.plan.layout import Layout, make_layout
from pkgrel.plan.names import refuse_taken
from pkgrel.plan.settings import resolve_service
from pkgrel.plan.validation import validate
from pkgrel.plan.warnings import find_warnings
from pkgrel.release.frameworks import refuse_firmware
from pkgrel.release.model import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Inputs):
    """What is decided before the texts."""

    tree: tuple[Entry, ...]
    """The same object for every distro of one layout."""
    compression: Compression
    warnings: tuple[str, ...]
    """What the user may want to reconsider, for people."""

    @property
    def level(self) -> int | None:
        """The compressor's level; None for its default."""
        return self.config.package.compression_level or None


def drafts(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Draft, ...]:
    """Draft a package for each distro; ConfigError or PlanError for the first that cannot be."""
    refuse_firmware([application.name for application in release.applications])
    trees: dict[tuple[object, ...], tuple[Entry, ...]] = {}

    def shared(layout: Layout, exclude: tuple[str, ...]) -> tuple[Entry, ...]:
        key = (layout.root, layout.group, exclude)
        if key not in trees:
            trees[key] = with_parents(make_tree(release, layout, exclude))
        return trees[key]

    drafted = []
    for distro in distros:
        inputs = _inputs(release, document, distro, options)
        validate(inputs)
        refuse_taken(inputs)
        config = inputs.config
        there = {entry.path for entry in release.entries}
        replaced = (*left_out(inputs), *(path for path in rewritten(inputs) if path in there))
        drafted.append(
            Draft(
                **{field.name: getattr(inputs, field.name) for field in fields(inputs)},
                tree=shared(inputs.layout, (*config.package.exclude, *replaced)),
                compression=_compression(config.package, distro),
                warnings=tuple(find_warnings(inputs)),
            )
        )
    return tuple(drafted)


def _inputs(release: Release, document: Document, distro: Distro, options: Options) -> Inputs:
    config = with_defaults(document.resolve(distro), release, document.file, options)
    layout = make_layout(release, config, distro)
    inputs = Inputs(
        release=release,
        config=config,
        distro=distro,
        layout=layout,
        folder=document.folder,
        build_time=release.newest if options.build_time is None else options.build_time,
        project=options.project,
    )
    inputs = with_own_functions(inputs)
    inputs = replace(inputs, config=replace(config, service=resolve_service(inputs)))
    inputs = replace(inputs, config=with_known_variables(inputs))
    return replace(inputs, config=with_own_distribution(inputs))


_LEVELS = {Compression.GZIP: 9, Compression.XZ: 9, Compression.ZSTD: 22}


def _compression(settings: PackageSettings, distro: Distro) -> Compression:
    found = _compressor(settings.compression, distro)
    most = _LEVELS[found]
    if not 0 <= settings.compression_level <= most:
        raise ConfigError(
            f"`package.compression-level` is {settings.compression_level}; {found} has 1 to {most}",
            hint="leave it out, or set it to 0, for pkgrel's choice",
        )
    return found


def _compressor(wanted: Compressor, distro: Distro) -> Compression:
    if wanted is Compressor.AUTO:
        return Compression(distro.compression)
    if wanted is Compressor.ZSTD and distro.compression != "zstd":
        raise ConfigError(
            f"{distro.title} cannot be trusted to read zstd",
            hint="set `compression` to `auto` or `xz`",
        )
    return Compression(wanted)
