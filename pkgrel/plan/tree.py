"""The release's files as entries of a package: what travels, who may read it."""

import re
from collections.abc import Iterable
from fnmatch import translate
from pathlib import PurePosixPath
from typing import assert_never

from pkgrel import package
from pkgrel.errors import PlanError
from pkgrel.plan.layout import Layout
from pkgrel.release import model
from pkgrel.release.copies import without_directory_links


def _matching(*patterns: str) -> re.Pattern[str]:
    """One expression for patterns of the shell: a release has thousands of files."""
    return re.compile("|".join(map(translate, patterns)))


# Secrets and what only Windows runs. The cookie is generated on the host.
_NEVER = _matching("releases/COOKIE", "*.bat")

# They are read by the service alone and may hold secrets that were known when the release was built.
_PRIVATE = _matching(
    "releases/*.config",
    "releases/*.config.src",
    "releases/*.args",
    "releases/*.args.src",
    "releases/*/runtime.exs",
    "releases/*/env.sh",
)


def make_tree(
    release: model.Release, layout: Layout, exclude: Iterable[str]
) -> tuple[package.Entry, ...]:
    """Place the release under `layout.root`, sorted by path.

    Everything belongs to root, so that the service cannot change its own code, and permissions are
    0755 or 0644 whatever the umask was when the release was built. PlanError for a pattern of
    `exclude` that matches nothing.
    """
    dropped = _dropped(release, tuple(exclude))
    root = str(layout.root)
    entries: list[package.Entry] = [package.Directory(path=layout.root)]
    kept: set[str] = set()
    packed = [entry for entry in release.entries if entry.path not in dropped]
    for entry in packed:
        if isinstance(entry, model.HardLink) and entry.target not in kept:
            raise PlanError(
                f"`{entry.path}` is a hard link to `{entry.target}`, which is left out",
                hint="exclude both or none",
            )
        kept.add(entry.path)
    whole = without_directory_links(packed)
    # A name that others may read would show what is in the file.
    private = {
        entry.target if isinstance(entry, model.HardLink) else entry.path
        for entry in whole
        if _PRIVATE.match(entry.path)
    }
    for entry in whole:
        entries.append(_placed(entry, root, layout.group, private=entry.path in private))
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


def _placed(entry: model.Entry, root: str, group: str, *, private: bool) -> package.Entry:
    path = PurePosixPath(f"{root}/{entry.path}")
    match entry:
        case model.File():
            return package.File(
                path=path,
                content=entry.content,
                mode=_mode(entry.mode, private=private),
                group=group if private else "root",
            )
        case model.HardLink():
            return package.HardLink(path=path, target=PurePosixPath(f"{root}/{entry.target}"))
        case model.Symlink():
            return package.Symlink(path=path, target=entry.target)
        case model.Directory():
            return package.Directory(path=path)
        case _:
            assert_never(entry)


def _mode(mode: int, *, private: bool) -> int:
    if private:
        return 0o750 if mode & 0o111 else 0o640
    return (0o755 if mode & 0o111 else 0o644) | mode & 0o6000


def _dropped(release: model.Release, exclude: tuple[str, ...]) -> set[str]:
    paths = [entry.path for entry in release.entries]
    dropped = set(filter(_NEVER.match, paths))
    for pattern in exclude:
        # The path, or a directory above it.
        stem = pattern.rstrip("/")
        matched = set(filter(_matching(stem, f"{stem}/*").match, paths))
        if not matched:
            raise PlanError(
                f"`package.exclude`: `{pattern}` matches no file of the release",
                hint="patterns are relative to the release: `lib/*/include`",
            )
        dropped |= matched
    return dropped
