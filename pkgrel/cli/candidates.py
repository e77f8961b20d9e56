"""What a shell offers where a distro, a package or a channel is typed; asked by the Tab key.

Nothing here fails or waits: whatever cannot be had at once is not offered.
"""

from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pkgrel.errors import PkgrelError

_SUFFIXES = (".deb", ".rpm")


def distros(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of distros; their aliases only where no id begins so."""
    from pkgrel.distro import distros as table

    wanted = incomplete.lower()
    ids = [CompletionItem(row.id, help=row.title) for row in table().values()]
    aliases = [
        CompletionItem(alias, help=row.title) for row in table().values() for alias in row.aliases
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
    from pkgrel.cli.repo.options import split
    from pkgrel.repository import head
    from pkgrel.repository.store.local import Local
    from pkgrel.repository.store.opening import open_store
    from pkgrel.repository.trust import Trust

    url = ctx.params.get("url") or split(ctx, ctx.params.get("words") or ["-"], 0, 99)[0]
    try:
        store = None if "://" in url else open_store(url)
        places = (
            head.read(store, Trust(tolerant=True)).head.manifests
            if isinstance(store, Local)
            else ()
        )
    except (PkgrelError, OSError):
        places = ()
    return _beginning(
        [CompletionItem(name) for name in sorted({p.channel for p in places})], incomplete
    )


def _beginning(items: list[CompletionItem], text: str) -> list[CompletionItem]:
    return [item for item in items if str(item.value).startswith(text)]


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from (file.name for file in folder.iterdir() if file.suffix in _SUFFIXES)
    except OSError:
        return
