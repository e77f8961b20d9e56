"""Licence and changelog in /usr/share/doc; `bill` makes the bill of materials.

The changelog is the user's file, or comes from git: the subjects of commits, grouped by the tags of versions.

Source: Debian Policy 12.5 and 12.7, deb-changelog(5); keepachangelog.com for the input; git-log(1).
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

from pkgrel import git
from pkgrel.config.package import PackageSettings
from pkgrel.console import stripped
from pkgrel.content import Inline, gzipped
from pkgrel.distro import Format, unsupported
from pkgrel.errors import ConfigError
from pkgrel.package import Change, File, Version
from pkgrel.plan.entries import read_text
from pkgrel.plan.inputs import Inputs, Layout
from pkgrel.templates import render
from pkgrel.version import upstream

_HEADING = re.compile(
    r"## \[?v?(?P<version>\d[^\]\s]*)\]?(?:\s+[-–—]\s+(?P<date>\d{4}-\d\d-\d\d))?.*"
)
_MOST_CHANGES = 20


def licence(inputs: Inputs) -> str:
    """The text of /usr/share/doc/NAME/copyright, machine-readable (DEP 5)."""
    settings = inputs.config.package
    text = (
        read_text(inputs.folder / settings.license_file, "package.license-file")
        if settings.license_file
        else ""
    )
    return render(
        "doc/copyright",
        package=settings,
        name=inputs.layout.name,
        root=inputs.layout.root,
        text=text,
        year=datetime.fromtimestamp(inputs.build_time, UTC).year,
    )


def changes(inputs: Inputs, version: Version) -> tuple[Change, ...]:
    """The changelog, newest first: the user's, or one entry for this version."""
    settings = inputs.config.package
    this_version = Change(
        version=str(version),
        author=settings.maintainer,
        time=inputs.build_time,
        lines=("New version.",),
    )
    if not settings.changelog:
        return (this_version,)
    if settings.changelog == "git":
        released = list(git_changes(inputs))
        if not released:
            return (this_version,)
    else:
        text = read_text(inputs.folder / settings.changelog, "package.changelog")
        released = list(_released(inputs, text))
    if not released:
        raise ConfigError(
            f"{inputs.folder / settings.changelog}: no version found",
            hint="head each one `## [1.2.0] - 2026-01-31`, as keepachangelog.com says",
        )
    # Debian's tools and rpmlint want the newest entry to be this version's.
    newest = Change(
        version=str(version),
        author=settings.maintainer,
        time=inputs.build_time,
        lines=released[0].lines,
    )
    return (newest, *released[1:_MOST_CHANGES])


def _released(inputs: Inputs, text: str) -> Iterator[Change]:
    """The entries of a CHANGELOG.md that have a version; `Unreleased` has none."""
    for match, lines in _sections(text):
        day = date.fromisoformat(match["date"]) if match["date"] else None
        noon = (
            int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
            if day
            else inputs.build_time
        )
        yield Change(
            version=match["version"],
            author=inputs.config.package.maintainer,
            time=min(noon, inputs.build_time),
            lines=lines or ("New version.",),
        )


def _sections(text: str) -> Iterator[tuple[re.Match[str], tuple[str, ...]]]:
    for section in re.split(r"(?m)^(?=## )", text):
        heading, _, body = section.partition("\n")
        if match := _HEADING.fullmatch(heading.strip()):
            yield match, tuple(_items(body))


def changes_between(text: str, before: str, now: str) -> tuple[str, ...]:
    """The entries of a CHANGELOG.md for `now` and the versions after `before`; none if it has no entry for `now`."""
    found: list[str] = []
    begun = False
    for match, lines in _sections(text):
        names = _names(match["version"])
        begun = begun or now in names
        if begun and before in names:
            break
        if begun:
            found += lines
            if not before:
                break
    return tuple(found)


def _names(version: str) -> tuple[str, ...]:
    """A version, as the changelog writes it and as the package does."""
    try:
        return version, upstream(version)
    except ConfigError:
        return (version,)


def _items(body: str) -> Iterator[str]:
    """List items and paragraphs, each on one line."""
    item = ""
    for line in body.splitlines():
        starts = re.match(r"\s*[*+-] ", line)
        if item and (starts or not line.strip() or line.startswith("#")):
            yield item
            item = ""
        if line.strip() and not re.match(r"#|\[[^\]]+\]:", line):
            item = f"{item} {line.strip().lstrip('*+-').strip()}".strip()
    if item:
        yield item


def _rfc_5322(seconds: int) -> str:
    # Python leaves LC_TIME alone, so the names are English.
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def debian_changelog(name: str, entries: Iterable[Change]) -> bytes:
    """changelog.Debian, compressed as Policy 12.7 requires, and reproducibly."""
    stanzas = (
        f"{name} ({entry.version}) stable; urgency=medium\n\n"
        + "".join(f"  * {line}\n" for line in entry.lines)
        + f"\n -- {entry.author}  {_rfc_5322(entry.time)}\n"
        for entry in entries
    )
    return gzipped("\n".join(stanzas).encode())


def document_files(inputs: Inputs, entries: tuple[Change, ...]) -> Iterator[File]:
    """The files; in an .rpm the changelog is in the header, and the licence is marked as one."""
    text = licence(inputs)
    copyright = File(path=inputs.layout.doc / "copyright", content=Inline(text.encode()), doc=True)
    match inputs.distro.format:
        case Format.DEB:
            yield copyright
            yield from _debian(inputs.layout, entries)
        case Format.RPM:
            yield replace(copyright, license=True)
        case _:
            raise unsupported(inputs.distro.format)


def _debian(layout: Layout, entries: tuple[Change, ...]) -> Iterator[File]:
    data = debian_changelog(layout.name, entries)
    yield File(path=layout.doc / "changelog.Debian.gz", content=Inline(data), doc=True)
    overrides = render("deb/lintian-overrides", name=layout.name, opt=layout.root.parts[1] != "usr")
    yield File(
        path=PurePosixPath("/usr/share/lintian/overrides", layout.name),
        content=Inline(overrides.encode()),
    )


_TAG = re.compile(r"tag: [^\d,]*(\d[^\s,]*)")
_SEPARATOR = "\x1f"
_MOST_COMMITS = 1000
_MOST_LINES = 50


def git_changes(inputs: Inputs) -> Iterator[Change]:
    """Versions newest first; the newest may have no tag yet, and its version is empty then.

    ConfigError without git, outside of a repository, and in a shallow clone.
    """
    settings, folder = inputs.config.package, inputs.folder
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ConfigError(
            f"`package.changelog`: {folder}: the git history is shallow",
            hint="fetch it all: `git fetch --unshallow --tags`, or `fetch-depth: 0` in the checkout step",
        )
    version, time, lines = "", inputs.build_time, list[str]()
    for commit in _commits(folder):
        when, names, parents, subject = commit.split(_SEPARATOR, 3)
        subject = " ".join(stripped(subject, " ").split())
        if tag := _TAG.search(names):
            if lines:
                yield _change(settings, version, time, lines)
            version, time, lines = tag[1], min(int(when), inputs.build_time), []
        if subject and " " not in parents:  # a merged branch has its own commits
            lines.append(subject)
    if lines:
        yield _change(settings, version, time, lines)


def _commits(folder: Path) -> list[str]:
    format = _SEPARATOR.join(("%ct", "%D", "%P", "%s"))
    log = _git(
        folder,
        "log",
        "--topo-order",
        "--no-show-signature",
        "--encoding=UTF-8",
        f"--max-count={_MOST_COMMITS}",
        "--decorate-refs=refs/tags/",
        f"--format={format}",
    )
    # Not splitlines(): a subject may contain a Unicode line separator.
    return [line for line in log.split("\n") if line]


def _change(settings: PackageSettings, version: str, time: int, lines: list[str]) -> Change:
    more = len(lines) - _MOST_LINES
    shown = [*lines[:_MOST_LINES], f"{more} more changes."] if more > 0 else lines
    return Change(version=version, author=settings.maintainer, time=time, lines=tuple(shown))


def _git(folder: Path, *arguments: str) -> str:
    try:
        text = git.run(folder, *arguments).text
    except git.GitError as e:
        raise ConfigError(
            f"`package.changelog`: {folder}: {e}",
            hint=e.hint or "run pkgrel in the project's git checkout, or name a CHANGELOG.md",
        ) from None
    return os.fsencode(text).decode(errors="replace")
