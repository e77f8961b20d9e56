"""The page's HTML, from templates in which every value is escaped, unless it is HTML already.

Not jinja2, which the rest of the templates are for: importing it takes longer than publishing a
package into ten thousand may take for its page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from html import escape
from string import Template
from textwrap import dedent
from urllib.parse import quote

from pkgrel.distro import Distro
from pkgrel.repository.client import ClientConfig, commands
from pkgrel.repository.client.config import USUAL, grouped
from pkgrel.repository.page import pointer
from pkgrel.repository.page.catalogue import (
    Build,
    Catalogue,
    Package,
    Version,
    make_catalogue,
    newest,
    newest_first,
)
from pkgrel.repository.page.summary import CHANGELOG, Summary
from pkgrel.repository.place import Place
from pkgrel.repository.settings import Settings
from pkgrel.resources import TEMPLATES

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_UNKNOWN = "https://ADDRESS-OF-THIS-REPOSITORY"
_FEW = 3
"""So many packages are shown with the files of their newest versions."""
_CHANGES = 60_000
"""Characters of all changelogs together."""


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def text(value: object) -> Html:
    """The value as text of an element or a quoted attribute; what cannot be shown is replaced."""
    if isinstance(value, Html):
        return value
    return Html(escape(_UNPRINTABLE.sub("\ufffd", str(value).replace("\r\n", "\n")), quote=True))


def join(parts: Iterable[Html]) -> Html:
    """One after another."""
    return Html("".join(parts))


def fill(template: str, /, **values: object) -> Html:
    """Fill in `packaging_templates/page/TEMPLATE.html`; KeyError for a `$name` without a value."""
    escaped = {name: text(value) for name, value in values.items()}
    return Html(_template(template).substitute(escaped))


def paragraph(words: str, kind: str) -> Html:
    """The words in a `p` of a class; nothing if there are none."""
    return Html(f'<p class="{kind}">{text(words)}</p>') if words else Html("")


def link(key: str) -> str:
    """The address of an object, relative to the page; with `+` escaped, which S3 takes for a blank."""
    return "./" + quote(key, safe="/~", errors="replace")


def anchor(name: str) -> str:
    """The id of a package on a page, which is the address of its part, too."""
    return f"package-{quote(name, errors='replace')}"


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / "page" / f"{name}.html").read_text(encoding="utf-8"))


def _setup(config: ClientConfig, places: Mapping[Place, Summary]) -> Html:
    """How to install, for every distro and channel."""
    parts = []
    if not config.public:
        parts.append(
            paragraph(
                "This repository has no public address yet: these commands work where it is, and"
                " nowhere else. `pkgrel repo set --url` gives it one."
                if config.url
                else "This repository has no public address yet, which the commands need."
                " `pkgrel repo set --url` gives it one.",
                "warn",
            )
        )
    else:
        parts.append(
            fill(
                "script", command=f"curl -fsSL {config.url}/install.sh | sudo sh", href="install.sh"
            )
        )
    rows = [
        _setup_of(config, places, distro, first=not i)
        for i, distro in enumerate(newest_first(config.distros))
    ]
    return join([*parts, Html('<div class="card list">\n'), *rows, Html("</div>")])


def _setup_of(
    config: ClientConfig, places: Mapping[Place, Summary], distro: Distro, *, first: bool
) -> Html:
    channels = config.channels(distro)
    return fill(
        "distro",
        open=Html(" open") if first else "",
        title=distro.title,
        tools=distro.installer,
        channels=join(
            _commands(config, places, distro, c, alone=len(channels) == 1) for c in channels
        ),
    )


def _commands(
    config: ClientConfig,
    places: Mapping[Place, Summary],
    distro: Distro,
    channel: str,
    *,
    alone: bool,
) -> Html:
    package = newest(places, distro.id, channel) or "PACKAGE"
    if not config.url:
        config = replace(config, url=_UNKNOWN)
    lines = commands(config, distro, channel, package)
    heading = Html("") if alone else Html(f"<h3>Channel {text(channel)}</h3>")
    return fill(
        "commands",
        heading=heading,
        distro=distro.id,
        channel=channel,
        commands=join(Html(f'<span class="line">{text(line)}\n</span>') for line in lines),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page is made from."""

    settings: Settings
    config: ClientConfig
    places: Mapping[Place, Summary]
    mark: pointer.Mark
    time: int
    """When the state was published, seconds since the epoch."""


def render_document(page: Page) -> bytes:
    """index.html."""
    offered = make_catalogue(page.places)
    moment = datetime.fromtimestamp(page.time, UTC)
    titles = [distro.title for distro in newest_first(page.config.distros)]
    html = fill(
        "index",
        generation=page.mark.generation,
        client=page.mark.client,
        style=Html((TEMPLATES / "page" / "style.css").read_text(encoding="utf-8")),
        origin=page.settings.origin,
        title=page.config.title,
        description=paragraph(page.settings.description, "lead"),
        count=_count(offered),
        distros=", ".join(titles) if len(titles) < 7 else f"{len(titles)} distros",
        time=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        day=_day(page.time),
        moment=f"{moment:%Y-%m-%d %H:%M} UTC",
        setup=_setup(page.config, page.places),
        keys=_keys(page.config),
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


def _keys(config: ClientConfig) -> Html:
    if not config.keys:
        return paragraph("Nothing here is signed: clients are told to trust it as it is.", "warn")
    prints = [fill("fingerprint", print=grouped(each)) for each in config.keys.fingerprints]
    several = "these keys" if len(prints) > 1 else "this key"
    return fill(
        "key",
        prints=join(prints),
        keys=several,
        armored=f"{config.name}.asc",
        binary=f"{config.name}.gpg",
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
        anchor=anchor(package.name),
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
