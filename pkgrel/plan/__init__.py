"""Release, configuration and distro become a Package: every decision is taken here.

with release.read(source) as hello:
    for draft in plan.drafts(hello, document, distros, options):
        formats.write_package(plan.package(draft), ...)
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from pkgrel.config import Document
from pkgrel.content import Inline
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError
from pkgrel.formats import package_format
from pkgrel.package import Directory, Entry, File, MaintainerScripts, Package, Relations, Version
from pkgrel.plan.bill import make_bill
from pkgrel.plan.documents import changes, document_files
from pkgrel.plan.draft import Draft, drafts
from pkgrel.plan.entries import refuse_collisions, user_files, with_parents
from pkgrel.plan.inputs import Options
from pkgrel.plan.names import refuse_paths
from pkgrel.plan.relations import library_relations, package_relations
from pkgrel.plan.scripts import Permissions, maintainer_scripts
from pkgrel.plan.service import Service, plan_service
from pkgrel.plan.user_templates import template_names
from pkgrel.release.model import Release
from pkgrel.templates import shell_quoted
from pkgrel.version import upstream

__all__ = ["Draft", "Options", "drafts", "package", "packages"]


def packages(
    release: Release, document: Document, distros: Iterable[Distro], options: Options
) -> tuple[Package, ...]:
    """Plan a package for each distro; those of one layout share one `tree` object.

    ConfigError or PlanError for the first that cannot be made: all are planned before any is written.
    """
    return tuple(package(draft) for draft in drafts(release, document, distros, options))


def package(draft: Draft) -> Package:
    """Write the draft's texts and bring everything together; ConfigError or PlanError."""
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
    """What may have another owner or mode than the version before gave it."""
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
    """What the package asks for: its scripts, the user, the release's native code."""
    relations = package_relations(draft)
    needed = library_relations(draft.release, draft.distro, draft.config.package.libraries)
    return replace(relations, depends=tuple(dict.fromkeys((*relations.depends, *needed))))


def _revision(revision: str, distro: Distro) -> str:
    """The user's number and the distro's tag, as the format joins them."""
    if not re.fullmatch(r"[0-9A-Za-z.+~]+", revision):
        raise ConfigError(
            f"`package.revision`: `{revision}` may have only letters, digits, `.`, `+`, `~`"
        )
    return package_format(distro.format).revision(revision, distro.revision_tag)
