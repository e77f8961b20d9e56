"""The page's HTML."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import dedent

from pkgrel.repository.client import Access
from pkgrel.repository.client.access import USUAL
from pkgrel.repository.client.key import grouped
from pkgrel.repository.page import mark
from pkgrel.repository.page.catalogue import (
    Build,
    Catalogue,
    Package,
    Version,
    catalogue,
    newest_first,
)
from pkgrel.repository.page.html import Html, fill, join, link, paragraph, text
from pkgrel.repository.page.setup import setup
from pkgrel.repository.page.summary import CHANGELOG, Summary
from pkgrel.repository.place import Place
from pkgrel.repository.settings import Settings
from pkgrel.resources import TEMPLATES

_FEW = 3
"""So many packages are shown with the files of their newest versions."""

_CHANGES = 60_000
"""Characters of all changelogs together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page is made from."""

    settings: Settings
    access: Access
    places: Mapping[Place, Summary]
    mark: mark.Mark
    time: int
    """When the state was published, seconds since the epoch."""


def document(page: Page) -> bytes:
    """index.html."""
    offered = catalogue(page.places)
    moment = datetime.fromtimestamp(page.time, UTC)
    titles = [distro.title for distro in newest_first(page.access.distros)]
    html = fill(
        "index",
        generation=page.mark.generation,
        client=page.mark.client,
        style=Html((TEMPLATES / "page" / "style.css").read_text(encoding="utf-8")),
        origin=page.settings.origin,
        title=page.access.title,
        description=paragraph(page.settings.description, "lead"),
        count=_count(offered),
        distros=", ".join(titles) if len(titles) < 7 else f"{len(titles)} distros",
        time=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        day=_day(page.time),
        moment=f"{moment:%Y-%m-%d %H:%M} UTC",
        setup=setup(page.access, page.places),
        keys=_keys(page.access),
        note=_note(offered),
        packages=_packages(offered),
    )
    return html.encode()


def _count(offered: Catalogue) -> str:
    return f"{offered.names:,} {'package' if offered.names == 1 else 'packages'}"


def _note(offered: Catalogue) -> Html:
    if offered.complete:
        return Html("")
    return paragraph(
        f"The {len(offered.packages):,} packages that were published last, of {offered.names:,}."
        " apt, dnf and zypper list them all.",
        "soft",
    )


def _keys(access: Access) -> Html:
    if not access.keys:
        return paragraph("Nothing here is signed: clients are told to trust it as it is.", "warn")
    prints = [fill("fingerprint", print=grouped(each)) for each in access.keys.fingerprints]
    several = "these keys" if len(prints) > 1 else "this key"
    return fill(
        "key",
        prints=join(prints),
        keys=several,
        armored=f"{access.name}.asc",
        binary=f"{access.name}.gpg",
    )


def _packages(offered: Catalogue) -> Html:
    few = len(offered.packages) <= _FEW
    versions = sum(len(package.versions) for package in offered.packages)
    room = min(CHANGELOG, _CHANGES // max(1, versions))
    return join(_package(package, room, open=few) for package in offered.packages)


def _package(package: Package, room: int, *, open: bool) -> Html:
    first = package.versions[0]
    channels = {channel for build in first.builds for channel in build.channels}
    tags = [build.distro.title for build in first.builds]
    if USUAL not in channels:
        tags += sorted(channels)
    return fill(
        "package",
        name=package.name,
        newest=first.text,
        summary=package.summary,
        tags=join(Html(f'<li class="tag">{text(tag)}</li>') for tag in dict.fromkeys(tags)),
        versions=join(_version(v, room, open=open and v is first) for v in package.versions),
        older=paragraph(_older(package.older), "soft"),
    )


def _older(number: int) -> str:
    return f"{number:,} older {'version' if number == 1 else 'versions'}." if number else ""


def _version(version: Version, room: int, *, open: bool) -> Html:
    number = len(version.builds)
    return fill(
        "version",
        open=Html(" open") if open else "",
        version=version.text,
        day=_day(version.published),
        count=f"{number} {'file' if number == 1 else 'files'}",
        changelog=_changelog(version.changelog, room),
        files=join(map(_file, version.builds)),
    )


def _changelog(entry: str, room: int) -> Html:
    """The entry, or its beginning if there is no room for all of it."""
    lines = dedent(entry.replace("\r", "")).strip("\n")
    if len(lines) > room:
        lines = f"{lines[:room].rstrip()} …"
    return fill("changelog", text=lines) if lines.strip() else Html("")


def _file(build: Build) -> Html:
    file = build.file
    return fill(
        "file",
        link=link(file.path),
        name=file.path.rpartition("/")[2],
        distro=build.distro.title,
        architecture=file.architecture,
        channel=", ".join(build.channels),
        size=size(file.size),
        day=_day(file.published),
        sha256=file.sha256,
    )


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def size(bytes: int) -> str:
    """For people: `12.3 MB`, which no line ends in."""
    return next(_scaled(bytes)).replace(" ", "\N{NO-BREAK SPACE}")


def _scaled(number: float) -> Iterator[str]:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            yield (
                f"{number:.0f} {unit}"
                if unit == "bytes" or number >= 99.95
                else f"{number:.1f} {unit}"
            )
        number /= 1000
