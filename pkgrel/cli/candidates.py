"""What a shell offers where a distro, a package or a channel is typed; asked by the Tab key.

Nothing here fails or waits: whatever cannot be had at once is not offered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from pkgrel.errors import PkgrelError

if TYPE_CHECKING:
    from pkgrel.repository.place import Place
    from pkgrel.repository.record import Record

_SUFFIXES = (".deb", ".rpm")


def distros(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of distros; their aliases only where no id begins so."""
    from pkgrel.distro import distros as table

    there, comma, start = incomplete.lower().rpartition(",")
    before, wanted = there + comma, there + comma + start
    ids = [CompletionItem(before + row.id, help=row.title) for row in table().values()]
    aliases = [
        CompletionItem(before + alias, help=row.title)
        for row in table().values()
        for alias in row.aliases
    ]
    return _beginning(ids, wanted) or _beginning(aliases, wanted)


def distros_or_all(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same, and `all`."""
    every = CompletionItem("all", help="Every distro that can run it")
    return _beginning([every], incomplete) + distros(ctx, parameter, incomplete)


def packages(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Packages in the folder that is typed; any file or folder if there is none."""
    folder, slash, start = incomplete.rpartition("/")
    names = _names(Path(folder + slash)) if "~" not in folder else ()
    # The shells' functions split what they are given at white space.
    found = sorted(
        name for name in names if name.startswith(start) and not any(map(str.isspace, name))
    )
    items = [CompletionItem(f"{folder}{slash}{name}") for name in found]
    return items or [CompletionItem(incomplete, type="file")]


def repositories(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders; the buckets of a store are not asked for."""
    return [CompletionItem(incomplete, type="dir")] if "://" not in incomplete else []


def rules(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Rules of `pkgrel check`."""
    from pkgrel.check import RULES

    return _beginning([CompletionItem(rule.id, help=rule.remedy) for rule in RULES], incomplete)


def channels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Channels of the repository that the command line names, if it is a directory."""
    found = {place.channel for place, _ in _contents(_repository(ctx), manifests=False)}
    return _beginning([CompletionItem(name) for name in sorted(found)], incomplete)


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of packages of that repository."""
    found = {record.name for _, records in _contents(_repository(ctx)) for record in records}
    return _beginning([CompletionItem(name) for name in sorted(found)], incomplete)


def repository_name_version(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For `[REPOSITORY] NAME [VERSION]`: what may come next, by the words that are there."""
    from pkgrel.cli.repo.options import DEFAULT, is_repository

    words = list(ctx.params.get("words") or ())
    url = os.environ.get("PKGREL_REPO") or DEFAULT
    named = bool(words) and is_repository(words[0])
    if named:
        url = words.pop(0)
    contents = _contents(url)
    if not words:
        found = {record.name for _, records in contents for record in records}
        items = _beginning([CompletionItem(name) for name in sorted(found)], incomplete)
        return items if named else items + repositories(ctx, parameter, incomplete)
    versions = {
        record.version for _, records in contents for record in records if record.name == words[0]
    }
    return _beginning([CompletionItem(version) for version in sorted(versions)], incomplete)


def _repository(ctx: click.Context) -> str:
    from pkgrel.cli.repo.options import split

    return ctx.params.get("url") or split(ctx, ctx.params.get("words") or ["-"], 0, 99)[0]


def _contents(url: str, *, manifests: bool = True) -> Sequence[tuple[Place, Sequence[Record]]]:
    """Places and what is in them, of a directory; a bucket would take too long to answer."""
    from pkgrel.repository import head
    from pkgrel.repository.state import Manifests
    from pkgrel.repository.store.local import Local
    from pkgrel.repository.store.opening import open_store
    from pkgrel.repository.trust import Trust

    try:
        store = None if "://" in url else open_store(url)
        if not isinstance(store, Local):
            return ()
        found = head.read(store, Trust(tolerant=True)).head.manifests
        read = Manifests(store).read
        return [
            (place, read(sha256).records() if manifests else ()) for place, sha256 in found.items()
        ]
    except (PkgrelError, OSError):
        return ()


def _beginning(items: list[CompletionItem], text: str) -> list[CompletionItem]:
    return [item for item in items if str(item.value).startswith(text)]


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from (file.name for file in folder.iterdir() if file.suffix in _SUFFIXES)
    except OSError:
        return
