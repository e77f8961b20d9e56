"""Finds the package of Debian's archive that has a shared library or a C header.

Source: `archive_contents.xz`, which `script/archive` makes from the Contents indices of Debian's suites: all files that
the dynamic linker finds in `/usr/lib` and below its triplet, on amd64 and arm64. Contents have no symbol versions, so
minimum versions are unknown. For distros without indices (Ubuntu's, and Debian 10) a library counts as present if the
Debian suites before and after both have it; otherwise nothing is known.
"""

import json
import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pkgrel.distro import Distro

_FORMAT = 1
_SAME = "="
"""The cell of the suite before."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class _Contents:
    date: str
    suites: tuple[str, ...]
    """Suites, oldest first: the columns of libraries."""
    distros: dict[str, tuple[str, ...]]
    """Distros without indices, and the suites that must agree."""
    libraries: str
    """Lines of a soname and cells, with tabs between; sorted."""
    headers: str
    """Lines of a name and packages."""


@cache
def _contents() -> _Contents:
    data = lzma.decompress(Path(__file__).with_suffix(".xz").read_bytes()).decode()
    line, libraries, headers = data.split("\n\n")
    about = json.loads(line)
    if about["format"] != _FORMAT:
        raise ValueError(f"archive_contents.xz has the format {about['format']}")
    return _Contents(
        about["date"],
        tuple(about["suites"]),
        {name: tuple(suites) for name, suites in about["distros"].items()},
        f"\n{libraries}\n",
        f"\n{headers}\n",
    )


def date() -> str:
    """The date of the indices."""
    return _contents().date


def packages(distro: Distro, soname: str, architecture: str = "") -> tuple[str, ...] | None:
    """Packages that provide the library on the distro, as alternatives; empty if it has none, None if unknown.

    `architecture` is the kernel's name of it: some libraries are made for one only.
    """
    contents = _contents()
    row = _row(contents.libraries, soname)
    if distro.id not in contents.distros or row is None:
        return None
    suites = contents.distros[distro.id]
    cells = [row[contents.suites.index(suite)] for suite in suites]
    found = [_of_machine(cell, architecture) for cell in cells]
    if len(suites) == 1:
        return found[0]
    # Newest first: a renamed package has either its new or its old name.
    return (
        tuple(dict.fromkeys(name for own in reversed(found) for name in own))
        if all(found)
        else None
    )


def anywhere(soname: str) -> str:
    """The package of the newest suite that has the library; empty if none does."""
    row = _row(_contents().libraries, soname) or ()
    return next((_of_machine(cell, "")[0] for cell in reversed(row) if cell), "")


def sonames(stem: str) -> Iterator[str]:
    """All names of a library, such as `libcrypto`."""
    libraries = _contents().libraries
    start = libraries.find(f"\n{stem}.so")
    while start >= 0:
        yield libraries[start + 1 : libraries.index("\t", start)]
        start = libraries.find(f"\n{stem}.so", start + 1)


def development(file: str) -> tuple[str, ...]:
    """Packages with a file that a compiler or linker needs: `libpq-fe.h`, `curl/curl.h`, `libpq.so`."""
    folder, slash, _ = file.partition("/")
    for name in (f"{folder}{slash}", f"~{folder}{slash}"):
        if row := _row(_contents().headers, name):
            return tuple(row[0].split("|"))
    return ()


def _row(table: str, name: str) -> Sequence[str] | None:
    start = table.find(f"\n{name}\t")
    if start < 0:
        return None
    _, *cells = table[start + 1 : table.index("\n", start + 1)].split("\t")
    for n, cell in enumerate(cells):
        if cell == _SAME:
            cells[n] = cells[n - 1]
    return cells


def _of_machine(cell: str, architecture: str) -> tuple[str, ...]:
    names, _, only = cell.partition("@")
    if not names or (only and architecture and _MACHINES[only] != architecture):
        return ()
    return tuple(names.split("|"))


def encode(
    about: Mapping[str, object],
    libraries: Mapping[str, Sequence[str]],
    headers: Mapping[str, str],
) -> bytes:
    """The file."""
    rows = []
    for name, cells in sorted(libraries.items()):
        before = ("", *cells)
        same = (_SAME if cell and cell == before[n] else cell for n, cell in enumerate(cells))
        rows.append("\t".join((name, *same)))
    parts = (
        json.dumps({"format": _FORMAT, **about}),
        "\n".join(rows),
        "\n".join(f"{name}\t{packages}" for name, packages in sorted(headers.items())),
    )
    return lzma.compress("\n\n".join(parts).encode(), preset=9 | lzma.PRESET_EXTREME)
