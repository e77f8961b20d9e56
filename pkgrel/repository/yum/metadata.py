"""primary, filelists and other of a channel, compressed, and the repomd.xml that names them."""

import io
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Literal

from pkgrel.repository import compression as compressors
from pkgrel.repository.record import Record
from pkgrel.repository.yum.fragments import HREF
from pkgrel.repository.yum.repomd import Data, data, repomd
from pkgrel.repository.yum.xml import attribute

_AT_ONCE = 2
"""Files; what is not compressed has 350 MB for 100,000 packages."""
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
    elements: dict[str, Callable[[], Iterator[str]]] = {
        "primary": lambda: _primary(ordered, base),
        "filelists": lambda: (record.index[1] for record in ordered),
        "other": lambda: (record.index[2] for record in ordered),
    }

    def one(type: str) -> Data:
        plain = _document(type, elements[type](), len(ordered))
        return data(type, suffix, plain, compress(plain))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = list(pool.map(one, elements))
    if updateinfo is not None:
        files.append(data("updateinfo", suffix, updateinfo, compress(updateinfo)))
    made = repomd(files, revision, time, base.rstrip("/"))
    return Metadata({file.href: file.packed for file in files}, made)


def _document(type: str, elements: Iterator[str], count: int) -> bytes:
    root, namespace, others = _ROOTS[type]
    start = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://linux.duke.edu/metadata/{namespace}"{others} packages="{count}">\n'
    )
    out = io.BytesIO()
    for text in chain([start], elements, [f"</{root}>\n"]):
        out.write(text.encode())
    return out.getvalue()


def _primary(records: Sequence[Record], base: str) -> Iterator[str]:
    @cache
    def relative(folder: str) -> str:
        return posixpath.relpath(folder, base)

    for record in records:
        folder, _, file = record.path.rpartition("/")
        href = attribute(f"{relative(folder)}/{file}".removeprefix("./"))
        yield record.index[0].replace(HREF, href, 1)
