"""Turns a release, the settings and a distro into a Package; every decision is made here.

A package is planned in two steps. Its draft (names, paths, the tree) takes milliseconds, so threads can compress
the tree while the unit, the scripts and the other texts are rendered.

with release.read(source) as hello:
    for draft in plan.drafts(hello, document, distros, options):
        formats.write_package(plan.package(draft), ...)

`refusal_of` tries settings on a stand-in for a release, so that mistakes are reported before a project is built.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields, replace

from pkgrel.config import Document
from pkgrel.config.package import Compressor, PackageSettings
from pkgrel.content import Inline
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError, PkgrelError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import (
    Compression,
    Directory,
    Entry,
    File,
    MaintainerScripts,
    Package,
    Relations,
    Version,
)
from pkgrel.plan.bill import make_bill
from pkgrel.plan.configuration import left_out, with_own_functions
from pkgrel.plan.documents import changes, document_files
from pkgrel.plan.entries import make_tree, refuse_collisions, user_files, with_parents
from pkgrel.plan.environment import with_known_variables
from pkgrel.plan.inputs import Inputs, Layout, Options, make_layout, with_defaults
from pkgrel.plan.names import refuse_paths, refuse_taken
from pkgrel.plan.relations import library_relations, package_relations
from pkgrel.plan.scripts import Permissions, maintainer_scripts
from pkgrel.plan.service import Service, plan_service
from pkgrel.plan.settings import resolve_service, template_names
from pkgrel.plan.start_files import rewritten, with_own_distribution
from pkgrel.plan.validation import validate
from pkgrel.plan.warnings import find_warnings
from pkgrel.release.kinds import refuse_firmware
from pkgrel.release.model import Application, Kind, Release
from pkgrel.templates import shell_quoted
from pkgrel.version import upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Inputs):
    """A package before its texts are rendered."""

    tree: tuple[Entry, ...]
    """The same object for every distro of one layout."""
    compression: Compression
    warnings: tuple[str, ...]
    """Sentences about what the user may want to reconsider."""

    @property
    def level(self) -> int | None:
        """The compressor's level; None for its default."""
        return self.config.package.compression_level or None


def drafts(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Draft, ...]:
    """Draft a package for each distro; ConfigError or PlanError for the first that cannot be made."""
    refuse_firmware([application.name for application in release.applications])
    trees: dict[tuple[object, ...], tuple[Entry, ...]] = {}

    def shared(layout: Layout, exclude: tuple[str, ...]) -> tuple[Entry, ...]:
        key = (layout.root, layout.group, exclude)
        if key not in trees:
            trees[key] = with_parents(make_tree(release, layout, exclude))
        return trees[key]

    drafted = []
    for distro in distros:
        with document.located(distro):
            drafted.append(_draft(_inputs(release, document, distro, options), shared))
    return tuple(drafted)


def _draft(inputs: Inputs, shared: Callable[[Layout, tuple[str, ...]], tuple[Entry, ...]]) -> Draft:
    validate(inputs)
    refuse_taken(inputs)
    config = inputs.config
    there = {entry.path for entry in inputs.release.entries}
    replaced = (*left_out(inputs), *(path for path in rewritten(inputs) if path in there))
    return Draft(
        **{field.name: getattr(inputs, field.name) for field in fields(inputs)},
        tree=shared(inputs.layout, (*config.package.exclude, *replaced)),
        compression=_compression(config.package, inputs.distro),
        warnings=tuple(find_warnings(inputs)),
    )


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
        licences=options.licences,
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


__all__ = ["Draft", "Options", "drafts", "of_drafts", "package", "packages"]


def packages(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Package, ...]:
    """Plan a package for each distro; those of one layout share one `tree` object.

    ConfigError or PlanError for the first that cannot be made: all are planned before any is written.
    """
    return of_drafts(drafts(release, document, distros, options), document)


def of_drafts(drafts: Iterable[Draft], document: Document) -> tuple[Package, ...]:
    """The packages, each with all its texts; ConfigError or PlanError for the first that cannot be made."""
    planned = []
    for draft in drafts:
        with document.located(draft.distro):
            planned.append(package(draft))
    return tuple(planned)


def package(draft: Draft) -> Package:
    """Complete a draft: render its texts and put everything together; ConfigError or PlanError."""
    settings, layout = draft.config.package, draft.layout
    version = Version(
        epoch=settings.epoch,
        upstream=upstream(settings.version),
        revision=_revision(settings.revision, draft.distro),
    )
    changelog = changes(draft, version)
    planned = plan_service(draft)
    extra = with_parents(
        [
            *planned.files,
            *document_files(draft, changelog),
            *_more_files(draft, version),
        ],
        known=draft.tree,
    )
    refuse_collisions(draft.tree, extra)
    refuse_paths(extra, draft.distro)
    return Package(
        format=draft.format,
        distro=draft.distro.id,
        name=layout.name,
        version=version,
        architecture=draft.release.architecture,
        summary=settings.summary,
        description=settings.description,
        maintainer=settings.maintainer,
        vendor=settings.vendor,
        homepage=settings.homepage,
        license=settings.license,
        section=settings.section,
        fields=settings.fields,
        triggers=settings.triggers,
        tags=settings.tags,
        tree=draft.tree,
        extra=extra,
        relations=_relations(draft),
        scripts=_scripts(draft, planned, extra, version),
        changelog=changelog,
        build_time=draft.build_time,
        compression=draft.compression,
        level=draft.level,
    )


def _more_files(draft: Draft, version: Version) -> Iterable[Entry]:
    """The bill of materials and the user's own files."""
    bill = make_bill(draft, version)
    yield File(path=draft.layout.doc / "sbom.cdx.json", content=Inline(bill), doc=True)
    names = template_names(draft)
    yield from user_files(draft.config.file, draft.folder, names, draft.format)


def _scripts(
    draft: Draft, planned: Service, extra: Iterable[Entry], version: Version
) -> MaintainerScripts:
    return maintainer_scripts(
        draft,
        planned=planned,
        tmpfiles=tuple(
            item.path.name for item in extra if item.path.match("/usr/lib/tmpfiles.d/*")
        ),
        permissions=tuple(_permissions(draft, extra)),
        version=version,
    )


def _permissions(draft: Draft, extra: Iterable[Entry]) -> Iterable[Permissions]:
    """Owner and mode of the configuration, which may differ from those in the previous version."""
    layout = draft.layout
    for item in extra:
        if isinstance(item, File) and item.conffile:
            yield Permissions.of(item, conffile=True)
        elif isinstance(item, Directory) and item.path == layout.etc:
            yield Permissions.of(item)
    made = {layout.etc / "secrets", layout.etc / "environment"} - {item.path for item in extra}
    for path in sorted(made):
        yield Permissions(
            mode="640", owner="root", group=layout.group, path=shell_quoted(str(path))
        )


def _relations(draft: Draft) -> Relations:
    """Relations that follow from the settings, the scripts and the release's native code."""
    relations = package_relations(draft)
    needed = library_relations(draft.release, draft.distro, draft.config.package.libraries)
    return replace(relations, depends=tuple(dict.fromkeys((*relations.depends, *needed))))


def _revision(revision: str, distro: Distro) -> str:
    """The configured revision with the distro's tag."""
    if not re.fullmatch(r"[0-9A-Za-z.+~]+", revision):
        raise ConfigError(
            f"`package.revision`: `{revision}` may have only letters, digits, `.`, `+`, `~`"
        )
    return package_format(distro.format).revision(revision, distro.revision_tag)


_APPLICATIONS = ((), (Application("systemd", "0.6.2"),))
"""Stand-ins: a release that does not notify systemd, and one that does, since some settings need either."""


def refusal_of(document: Document, distro: Distro) -> PkgrelError | None:
    """Why these settings could not package any release for the distro; None if they might.

    Whatever depends on the release is left to the plan.
    """
    try:
        make_layout(_not_built_yet(()), document.resolve(distro), distro)
    except PlanError as e:
        return e
    refusals = [_refusal(document, distro, _not_built_yet(having)) for having in _APPLICATIONS]
    return refusals[0] if all(refusals) else None


def _refusal(document: Document, distro: Distro, release: Release) -> ConfigError | None:
    """A ConfigError of the settings; a PlanError may only mean that the stand-in lacks a file."""
    try:
        with suppress(PlanError):
            packages(release, document, [distro], Options())
    except ConfigError as e:
        return e
    return None


def _not_built_yet(applications: tuple[Application, ...]) -> Release:
    """The most capable release: made by mix, with the newest Erlang/OTP; it has no files."""
    return Release(
        kind=Kind.MIX,
        # Names that no setting refers to: users and units in the settings must differ from the package's.
        name="not_built_yet",
        version="0.1.0",
        erts="17.0",
        otp="29",
        elixir="1.20.0",
        architecture="x86_64",
        libc="glibc",
        applications=applications,
        native=(),
        setuid=(),
        start=("bin/release", "start"),
        writes_config=False,
        entries=(),
        newest=0,
        size=0,
        warnings=(),
    )
