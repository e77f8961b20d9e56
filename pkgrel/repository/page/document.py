"""Renders the page's HTML from templates; every value is escaped unless it is `Html`.

Not with jinja2, like other templates: its import takes longer than a publish may take for the page of a repository with
ten thousand packages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from string import Template
from textwrap import dedent
from urllib.parse import quote

from pkgrel import __version__
from pkgrel.console import counted
from pkgrel.distro import Distro
from pkgrel.repository.client import ClientConfig, commands
from pkgrel.repository.client.config import USUAL, grouped
from pkgrel.repository.layout import Place
from pkgrel.repository.page.catalogue import (
    CHANGELOG,
    Build,
    Catalogue,
    Package,
    Summary,
    Version,
    make_catalogue,
    newest,
    newest_distros,
)
from pkgrel.repository.settings import Settings
from pkgrel.resources import TEMPLATES

_PLAIN = re.compile("[A-Za-z0-9/._~-]*")
"""Text that needs no escaping in HTML or a URL, like most names; a fast path for large repositories."""
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As `html.escape`, whose import loads all HTML entities."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_UNKNOWN = "https://ADDRESS-OF-THIS-REPOSITORY"
_FEW = 3
"""Up to so many packages are shown with the files of their newest version unfolded."""
_VERSIONS = 300
"""Versions of a package on its page."""
_CHANGES = 60_000
"""Characters of all changelogs on a page."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Escape a value for text or a quoted attribute; characters that HTML forbids are replaced."""
    if isinstance(value, Html):
        return value
    words = str(value)
    if _PLAIN.fullmatch(words):
        return Html(words)
    return Html(_UNPRINTABLE.sub("\ufffd", words.replace("\r\n", "\n")).translate(_ESCAPES))


def join(parts: Iterable[Html]) -> Html:
    """Concatenate."""
    return Html("".join(parts))


def fill(template: str, /, **values: object) -> Html:
    """Render `packaging_templates/page/TEMPLATE.html`; KeyError for a `$name` without a value."""
    escaped = {name: text(value) for name, value in values.items()}
    return Html(_template(template) % escaped)


def paragraph(words: str, kind: str) -> Html:
    """A `p` element of a class; empty without text."""
    return Html(f'<p class="{kind}">{text(words)}</p>') if words else Html("")


def link(key: str, folder: str = "./") -> str:
    """The URL of an object relative to a page; `+` is escaped, since S3 decodes it as a space."""
    if _PLAIN.fullmatch(key):
        return folder + key
    return folder + quote(key, safe="/~", errors="replace")


def anchor(name: str) -> str:
    """The id of a package's element on a page, for links to it."""
    return f"package-{quote(name, errors='replace')}"


@cache
def _template(name: str) -> str:
    """The template in the syntax of `%`, which is five times as fast as Template; a page uses about 300."""
    source = (TEMPLATES / "page" / f"{name}.html").read_text(encoding="utf-8")

    def placed(found: re.Match[str]) -> str:
        name = found["named"] or found["braced"]
        return f"%({name})s" if name else "$"

    return Template.pattern.sub(placed, source.replace("%", "%%"))


def _setup(config: ClientConfig, places: Mapping[Place, Summary]) -> Html:
    """The commands to set up the repository, for every distro and channel."""
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
        for i, distro in enumerate(newest_distros(config.distros))
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


@dataclass(frozen=True, slots=True)
class Mark:
    """What the repository's page was made from."""

    generation: int
    client: str
    """A hash of everything that client files are made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page is made from."""

    settings: Settings
    config: ClientConfig
    places: Mapping[Place, Summary]
    mark: Mark
    time: int
    """When the state was published, in seconds since the epoch."""
    has_pages: bool = False
    """Whether each package has a page."""

    @property
    def maker(self) -> str:
        """A hash of what pages of packages depend on besides the packages."""
        return hashlib.sha256(f"{__version__}\n{self.config.title}".encode()).hexdigest()[:32]

    def address(self, name: str) -> str:
        """The URL for all versions of a package."""
        return link(f"packages/{name}.html") if self.has_pages else f"#{anchor(name)}"


def render_document(page: Page) -> bytes:
    """index.html."""
    offered = make_catalogue(page.places)
    moment = datetime.fromtimestamp(page.time, UTC)
    titles = [distro.title for distro in newest_distros(page.config.distros)]
    towards = ", ".join(titles) if len(titles) < 7 else f"{len(titles)} distros"
    marks = fill("marks", generation=page.mark.generation, client=page.mark.client)
    body = fill(
        "index",
        generation=page.mark.generation,
        origin=page.settings.origin,
        title=page.config.title,
        description=paragraph(page.settings.description, "lead"),
        count=counted(offered.names, "package"),
        distros=towards,
        time=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        day=_day(page.time),
        moment=f"{moment:%Y-%m-%d %H:%M} UTC",
        setup=_setup(page.config, page.places),
        keys=_keys(page.config),
        note=_note(offered, page),
        packages=_packages(offered, page),
    )
    return _framed(marks, f"{page.config.title}: packages for {towards}", body)


def render_package(page: Page, package: Package) -> bytes:
    """The page of one package."""
    cut, room = (
        package.versions[:_VERSIONS],
        _CHANGES // max(1, min(len(package.versions), _VERSIONS)),
    )
    number = len(package.versions)
    body = fill(
        "one-package",
        title=page.config.title,
        name=package.name,
        summary=paragraph(package.summary, "lead"),
        count=counted(number, "version"),
        versions=join(
            _version(v, min(CHANGELOG, room), open=v is cut[0], folder="../") for v in cut
        ),
        older=paragraph(_older(number - len(cut)), "soft"),
    )
    marks = fill("name-mark", name=package.name, generation=page.mark.generation)
    return _framed(marks, f"{package.name} in {page.config.title}", body)


def render_names(page: Page) -> bytes:
    """The page with the names of all packages."""
    names = sorted({name for each in page.places.values() for name in each.names})
    groups = {
        initial: list(group)
        for initial, group in groupby(
            sorted(names, key=str.casefold), key=lambda name: name[0].upper()
        )
    }
    sections = (
        fill(
            "initial",
            anchor=f"names-{initial}",
            initial=initial,
            names=join(
                Html(f'<li><a href="{text(page.address(name))}">{text(name)}</a></li>\n')
                for name in group
            ),
        )
        for initial, group in groups.items()
    )
    body = fill(
        "all-names",
        title=page.config.title,
        count=counted(len(names), "package"),
        initials=join(
            Html(f'<li class="tag"><a href="#names-{text(initial)}">{text(initial)}</a></li>')
            for initial in groups
        ),
        sections=join(sections),
    )
    return _framed(
        fill("names-mark", maker=page.maker, generation=page.mark.generation),
        f"All packages of {page.config.title}",
        body,
    )


def _framed(marks: Html, title: str, body: Html) -> bytes:
    style = Html((TEMPLATES / "page" / "style.css").read_text(encoding="utf-8"))
    return fill("frame", marks=marks, title=title, style=style, body=body).encode()


def _note(offered: Catalogue, page: Page) -> Html:
    if offered.complete:
        return Html("")
    which = (
        f"The {len(offered.packages):,} packages that were published last, of {offered.names:,}."
    )
    if page.has_pages:
        return fill("all-packages", which=which)
    return paragraph(f"{which} apt, dnf and zypper list them all.", "soft")


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


def _packages(offered: Catalogue, page: Page) -> Html:
    few = len(offered.packages) <= _FEW
    versions = sum(len(package.versions) for package in offered.packages)
    room = min(CHANGELOG, _CHANGES // max(1, versions))
    return join(_package(package, page, room, open=few) for package in offered.packages)


def _package(package: Package, page: Page, room: int, *, open: bool) -> Html:
    first = package.versions[0]
    channels = {channel for build in first.builds for channel in build.channels}
    tags = [build.distro.title for build in first.builds]
    if USUAL not in channels:
        tags += sorted(channels)
    return fill(
        "package",
        name=package.name,
        anchor=anchor(package.name),
        href=page.address(package.name),
        newest=first.text,
        summary=package.summary,
        tags=join(Html(f'<li class="tag">{text(tag)}</li>') for tag in dict.fromkeys(tags)),
        versions=join(_version(v, room, open=open and v is first) for v in package.versions),
        older=_older_versions(package, page),
    )


def _older_versions(package: Package, page: Page) -> Html:
    if not package.older or not page.has_pages:
        return paragraph(_older(package.older), "soft")
    return fill("older", href=page.address(package.name), older=_older(package.older))


def _older(number: int) -> str:
    return f"{counted(number, 'older version')}." if number else ""


def _version(version: Version, room: int, *, open: bool, folder: str = "./") -> Html:
    """A version; `folder` is the path from the page to the repository."""
    return fill(
        "version",
        open=Html(" open") if open else "",
        version=version.text,
        day=_day(version.published),
        count=counted(len(version.builds), "file"),
        changelog=_changelog(version.changelog, room),
        files=join(_file(build, folder) for build in version.builds),
    )


def _changelog(entry: str, room: int) -> Html:
    """The changelog entry, truncated if necessary."""
    lines = dedent(entry.replace("\r", "")).strip("\n")
    if len(lines) > room:
        lines = f"{lines[:room].rstrip()} …"
    return fill("changelog", text=lines) if lines.strip() else Html("")


def _file(build: Build, folder: str) -> Html:
    file = build.file
    return fill(
        "file",
        link=link(file.path, folder),
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
    """A human-readable size such as `12.3 MB`, without line breaks."""
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
