"""Completion of distros, packages, channels and other arguments by the shell.

Nothing here fails or takes long: what is not available soon is not offered.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from pkgrel.errors import PkgrelError

if TYPE_CHECKING:
    from pkgrel.config.delivery import GroupSettings
    from pkgrel.repository.store.opening import Options

_SUFFIXES = (".deb", ".rpm")


def distros(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of distros; aliases only if no id matches."""
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
    """Packages in the folder that is typed; any file or folder if there are none."""
    folder, slash, start = incomplete.rpartition("/")
    names = _names(Path(folder + slash)) if "~" not in folder else ()
    # The completion functions of shells split words at white space.
    found = sorted(
        name for name in names if name.startswith(start) and not any(map(str.isspace, name))
    )
    items = [CompletionItem(f"{folder}{slash}{name}") for name in found]
    return items or [CompletionItem(incomplete, type="file")]


def repositories(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders; buckets are not listed."""
    return [CompletionItem(incomplete, type="dir")] if "://" not in incomplete else []


def rules(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Rules of `pkgrel check`."""
    from pkgrel.check import RULES

    return _beginning([CompletionItem(rule.id, help=rule.remedy) for rule in RULES], incomplete)


def channels(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Channels of the repository that the command line names."""
    from pkgrel.cli import contents

    return _words(contents.channels(*_repository(ctx)), incomplete)


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of packages of that repository."""
    from pkgrel.cli import contents

    return _words(contents.names(*_repository(ctx)), incomplete)


def repository_name_version(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For `[REPOSITORY] NAME [VERSION]`: candidates for the next word."""
    from pkgrel.cli import contents
    from pkgrel.cli.options import DEFAULT, is_repository, store_given

    words = list(ctx.params.get("words") or ())
    url = os.environ.get("PKGREL_REPO") or DEFAULT
    named = bool(words) and is_repository(words[0])
    if named:
        url = words.pop(0)
    options = store_given(ctx.params)
    if not words:
        items = _words(contents.names(url, options), incomplete)
        return items if named else items + repositories(ctx, parameter, incomplete)
    return _words(contents.versions(url, options, words[0]), incomplete)


def groups(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Groups of hosts of pkgrel.toml."""
    return _words(set(_groups(ctx)), incomplete)


def hosts(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts of these groups."""
    return _words({host for each in _groups(ctx).values() for host in each.hosts}, incomplete)


def _groups(ctx: click.Context) -> Mapping[str, GroupSettings]:
    from pkgrel.cli.fleet import document_of

    try:
        return document_of(ctx.params.get("config_file")).base.deploy.groups
    except (PkgrelError, OSError):
        return {}


def _repository(ctx: click.Context) -> tuple[str, Options]:
    """The repository of the command line, and how to reach it."""
    from pkgrel.cli.options import split, store_given

    given = ctx.params
    # While an option lacks its value, click does not assign words to arguments.
    words = ctx.args or given.get("words") or ["-"]
    if "group" in given:  # deploy
        named = given.get("repository")
    elif "url" in given and not any(param.name == "url" for param in _arguments(ctx)):
        named = given["url"]
    else:
        named = None if ctx.args else given.get("url")
    return named or split(ctx, words, 0, 99)[0], store_given(given)


def _arguments(ctx: click.Context) -> Iterator[click.Argument]:
    return (param for param in ctx.command.params if isinstance(param, click.Argument))


def _words(found: Collection[str], text: str) -> list[CompletionItem]:
    return _beginning([CompletionItem(word) for word in sorted(found)], text)


def _beginning(items: list[CompletionItem], text: str) -> list[CompletionItem]:
    return [item for item in items if str(item.value).startswith(text)]


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from (file.name for file in folder.iterdir() if file.suffix in _SUFFIXES)
    except OSError:
        return
