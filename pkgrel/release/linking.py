"""Libraries that a release brings itself, and where its files look for them.

Source: ld.so(8), "dynamic string tokens"; the RUNPATH of a library does not count for those that it
needs in turn, and an RPATH only where the file that has it was loaded as the first.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from pkgrel.release import links
from pkgrel.release.model import Entry, NativeFile

_ORIGIN = re.compile(r"\$(ORIGIN|\{ORIGIN\})")
_TOKEN = re.compile(r"\$(LIB|PLATFORM|\{LIB\}|\{PLATFORM\})")
_SYSTEM = re.compile(r"(/usr|/usr/local)?/lib(64|/[a-z0-9_]+-linux-gnu[a-z0-9]*)?/?")
"""Where the dynamic linker looks anyway, or where an administrator put a library to be found."""


def own_names(native: Iterable[NativeFile], entries: Iterable[Entry]) -> frozenset[str]:
    """Every name under which a file of the release can be asked for as a library."""
    files = tuple(native)
    paths = {file.path for file in files}
    tree = {entry.path: entry for entry in entries}
    aliases = (path for path, end in links.ends(tree).items() if end in paths)
    named = {posixpath.basename(path) for path in (*paths, *aliases)}
    return frozenset(named | {file.soname for file in files if file.soname})


def findings(native: Iterable[NativeFile], entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield a line for each file that looks elsewhere, and for each library that it does not find."""
    files = tuple(native)
    own = own_names(files, entries.values())
    places: dict[str, set[str]] = {soname: set() for soname in own}
    for path in entries:
        folder, _, name = path.rpartition("/")
        if name in places:
            places[name].add(folder or ".")
    for file in files:
        if odd := [directory for directory in file.search if _is_outside(file, directory)]:
            names = ", ".join(f"`{directory or '.'}`" for directory in odd)
            yield (
                f"`{file.path}` first looks for libraries in {names} (RUNPATH), which the release does"
                " not have: link it with `-rpath '$ORIGIN'` or without a path"
            )
        folders = {_inside(file, directory) for directory in file.search}
        for soname in file.needed:
            if soname in own and folders.isdisjoint(places[soname]):
                yield (
                    f"`{file.path}` needs `{soname}` of the release, and no RUNPATH leads there:"
                    " it loads only if LD_LIBRARY_PATH does, or if the library is already loaded"
                )


def _is_outside(file: NativeFile, directory: str) -> bool:
    """Whether it is of the machine that built the file, or relative to where the service is started."""
    return _inside(file, directory) is None and not _SYSTEM.fullmatch(directory)


def _inside(file: NativeFile, directory: str) -> str | None:
    """The directory relative to the release; None if it is not below that."""
    if not (origin := _ORIGIN.match(directory)) or _TOKEN.search(directory):
        return None
    here = posixpath.dirname(file.path)
    path = posixpath.normpath(f"{here}/{directory[origin.end() :]}".lstrip("/"))
    return None if path.startswith("..") else path
