"""primary, filelists and other of a channel, compressed, and the repomd.xml that names them."""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Literal

from pkgrel.repository import compression as compressors
from pkgrel.repository.record import Record
from pkgrel.repository.yum.fragments import HREF
from pkgrel.repository.yum.repomd import Data, repomd
from pkgrel.repository.yum.xml import attribute

_COMPRESSORS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gz": (".gz", compressors.gzip),
    "zstd": (".zst", compressors.zstd),
}
# type -> root element, its namespace, further namespaces
_ROOTS = {
    "primary": ("metadata", "common", ' xmlns:rpm="http://linux.duke.edu/metadata/rpm"'),
    "filelists": ("filelists", "filelists", ""),
    "other": ("otherdata", "other", ""),
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything below `repodata/`."""

    files: Mapping[str, bytes]
    """By their place relative to the base, `repodata/<sha256>-primary.xml.gz`; they never change."""
    repomd: bytes
    """`repodata/repomd.xml`, which names them."""


def metadata(
    records: Sequence[Record],
    base: str,
    compression: Literal["gz", "zstd"],
    revision: int,
    time: int,
    updateinfo: bytes | None = None,
) -> Metadata:
    """The metadata of a repository whose `repodata/` is in `base`, a key; hrefs are relative to it.

    `revision` is the generation; `time` is in seconds since the epoch, `updateinfo` the whole
    updateinfo.xml. yum of EL 7 reads only gz, dnf zstd from EL 8.2 and Fedora 30 on.
    """
    suffix, compress = _COMPRESSORS[compression]
    ordered = sorted(records, key=attrgetter("name", "architecture", "path"))
    plain = {
        "primary": _document("primary", _primary(ordered, base), len(ordered)),
        "filelists": _document("filelists", (r.index[1] for r in ordered), len(ordered)),
        "other": _document("other", (r.index[2] for r in ordered), len(ordered)),
    }
    if updateinfo is not None:
        plain["updateinfo"] = updateinfo
    files = [Data(type, suffix, data, compress(data)) for type, data in plain.items()]
    return Metadata({file.href: file.packed for file in files}, repomd(files, revision, time))


def _document(type: str, elements: Iterator[str], count: int) -> bytes:
    root, namespace, others = _ROOTS[type]
    start = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://linux.duke.edu/metadata/{namespace}"{others} packages="{count}">\n'
    )
    return "".join([start, *elements, f"</{root}>\n"]).encode()


def _primary(records: Sequence[Record], base: str) -> Iterator[str]:
    @cache
    def relative(folder: str) -> str:
        return posixpath.relpath(folder, base)

    for record in records:
        folder, _, file = record.path.rpartition("/")
        href = attribute(f"{relative(folder)}/{file}".removeprefix("./"))
        yield record.index[0].replace(HREF, href, 1)
