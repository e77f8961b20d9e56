"""The metadata of a channel: primary, filelists, other, updateinfo, and the repomd.xml that names them.

Compressed in memory: the same bytes from the same data on any number of cores. An index of a channel of 10,000
packages has 5 to 15 MB and is compressed on every publish, so time counts as much as size: 5.4 MB take 0.04 s
with gzip or zstd on two cores.
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Literal

from pkgrel.compressors import zstd as libzstd
from pkgrel.distro import Format
from pkgrel.formats.compression import compressor
from pkgrel.package import Compression
from pkgrel.repository.head import Target
from pkgrel.repository.place import Place
from pkgrel.repository.record import ALL, CVE, STOPPED, Advisory, Record
from pkgrel.repository.rendering import Rendering
from pkgrel.repository.settings import Settings
from pkgrel.repository.yum import packages
from pkgrel.repository.yum.elements import attribute, text
from pkgrel.repository.yum.packages import FOLDER, HREF

REPOMD = "repodata/repomd.xml"
"""Below a repository, or a snapshot of one."""
NEVER_CHANGES = re.compile(r"rpm/[^/]+/(pool|snapshots)/|rpm/.+/repodata/[0-9a-f]{64}-")
DATED = REPOMD
TOO_EARLY = TOO_LATE = ""
"""No client looks at a date of the metadata."""

_REPOSITORY = re.compile(r"rpm/[a-z0-9][a-z0-9._-]*/[a-z0-9_-]+/[a-z0-9+_-]+")
_HASH = re.compile(r"[0-9a-f]{64}-")
_GZIP_LEVEL = 5
_ZSTD_LEVEL = 6

_NAMESPACE = "http://linux.duke.edu/metadata"
_REVISION = re.compile(rb"<revision>(\d{1,18})</revision>")
_PURPOSE = re.compile(rb"<repo>([a-z0-9/+._-]{1,300})</repo>")
_AT_ONCE = 2
"""Files; what is not compressed has 350 MB for 100,000 packages."""
# type -> root element, its namespace, further namespaces
_ROOTS = {
    "primary": ("metadata", "common", ' xmlns:rpm="http://linux.duke.edu/metadata/rpm"'),
    "filelists": ("filelists", "filelists", ""),
    "other": ("otherdata", "other", ""),
}


def _gzip(data: bytes) -> bytes:
    """One member without name and time, made by several threads."""
    out = io.BytesIO()
    prefix = compressor(Compression.GZIP).start(out, _GZIP_LEVEL)
    prefix.write(data)
    prefix.complete()
    # No packages share it: the tail is only what ends the stream.
    prefix.fork(out).finish()
    return out.getvalue()


def _zstd(data: bytes) -> bytes:
    """One frame that says how large its content is."""
    return libzstd.compress(data, _ZSTD_LEVEL)


@dataclass(frozen=True, slots=True)
class Data:
    """A file of the metadata."""

    type: str
    """`primary`."""
    suffix: str
    """`.gz`."""
    packed: bytes
    sha256: str
    """Of the file,"""
    open_sha256: str
    """and of what is packed in it."""
    open_size: int
    """Bytes."""

    @property
    def href(self) -> str:
        """Its place relative to the folder that has `repodata/`; named by its hash."""
        return f"repodata/{self.sha256}-{self.type}.xml{self.suffix}"


def _described(type: str, suffix: str, plain: bytes, packed: bytes) -> Data:
    """The file with its hashes."""
    return Data(type, suffix, packed, _sha256(packed), _sha256(plain), len(plain))


def _repomd(
    files: Iterable[Data], revision: int, time: int, purpose: str, phases: Iterable[str]
) -> bytes:
    """The file; `time` in seconds since the epoch, `purpose` the folder that clients shall read it for.

    No client compares that, as createrepo_c's tags are free text; who has the key can. So `phases` is for the
    timer of our packages alone, which reads it where dnf keeps the file that it has verified.
    """
    tags = [f"<repo>{purpose}</repo>", *(f"<content>{text(one)}</content>" for one in phases)]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<repomd xmlns="{_NAMESPACE}/repo" xmlns:rpm="{_NAMESPACE}/rpm">',
        f"  <revision>{revision}</revision>",
        "  <tags>",
        *(f"    {tag}" for tag in tags),
        "  </tags>",
        *(_data_element(file, time) for file in files),
        "</repomd>\n",
    ]
    return "\n".join(lines).encode()


def _data_element(file: Data, time: int) -> str:
    return f"""\
  <data type="{file.type}">
    <checksum type="sha256">{file.sha256}</checksum>
    <open-checksum type="sha256">{file.open_sha256}</open-checksum>
    <location href="{file.href}"/>
    <timestamp>{time}</timestamp>
    <size>{len(file.packed)}</size>
    <open-size>{file.open_size}</open-size>
  </data>"""


def _sha256(_described: bytes) -> str:
    return hashlib.sha256(_described).hexdigest()


def revision(_repomd: bytes) -> int | None:
    """The generation that a repomd.xml was made from; None if it does not say a number."""
    found = _REVISION.search(_repomd)
    return int(found[1]) if found else None


def purpose(_repomd: bytes) -> str | None:
    """The folder that a repomd.xml is for; None if it does not say, as those of an earlier pkgrel."""
    found = _PURPOSE.search(_repomd)
    return found[1].decode() if found else None


_COMPRESSORS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gz": (".gz", _gzip),
    "zstd": (".zst", _zstd),
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything below `repodata/`."""

    files: Mapping[str, bytes]
    """By their place relative to the base, `repodata/<sha256>-primary.xml.gz`; they never change."""
    repomd: bytes
    """`repodata/repomd.xml`, which names them."""


def write_metadata(
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
    records = [record for record in records if record.phase != STOPPED]
    ordered = sorted(records, key=attrgetter("name", "architecture", "path"))
    elements: dict[str, Callable[[], Iterator[str]]] = {
        "primary": lambda: _primary(ordered, base),
        "filelists": lambda: (record.index[1] for record in ordered),
        "other": lambda: (record.index[2] for record in ordered),
    }

    def one(type: str) -> Data:
        plain = _document(type, elements[type](), len(ordered))
        return _described(type, suffix, plain, compress(plain))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        files = list(pool.map(one, elements))
    if updateinfo is not None:
        files.append(_described("updateinfo", suffix, updateinfo, compress(updateinfo)))
    made = _repomd(files, revision, time, base.rstrip("/"), phases(records))
    return Metadata({file.href: file.packed for file in files}, made)


def phases(records: Iterable[Record]) -> list[str]:
    """What repomd.xml says of versions that are not for all hosts."""
    return sorted(
        {f"phase:{r.name}:{r.version}:{r.phase}" for r in records if STOPPED < r.phase < ALL}
    )


def _document(type: str, elements: Iterator[str], count: int) -> bytes:
    root, namespace, others = _ROOTS[type]
    start = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://linux.duke.edu/metadata/{namespace}"{others} packages="{count}">\n'
    )
    out = io.BytesIO()
    for part in chain([start], elements, [f"</{root}>\n"]):
        out.write(part.encode())
    return out.getvalue()


def _primary(records: Sequence[Record], base: str) -> Iterator[str]:
    @cache
    def relative(folder: str) -> str:
        return posixpath.relpath(folder, base)

    for record in records:
        folder, _, file = record.path.rpartition("/")
        href = attribute(f"{relative(folder)}/{file}".removeprefix("./"))
        yield record.index[0].replace(HREF, href, 1)


def updateinfo(records: Sequence[Record], origin: str) -> bytes | None:
    """The file, an update for each version of a package; None if nothing has an advisory."""
    updates: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.advisory and record.phase != STOPPED:
            updates.setdefault((record.name, record.version), []).append(record)
    if not updates:
        return None
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<updates>"]
    for key in sorted(updates):
        lines += _update(updates[key], origin)
    return "\n".join([*lines, "</updates>\n"]).encode()


def _update(records: Sequence[Record], origin: str) -> Iterator[str]:
    first = records[0]
    name = f"{first.name}-{first.version}"
    issued = datetime.fromtimestamp(min(r.published for r in records), UTC)
    yield f'<update from="{attribute(origin)}" status="stable" type="{first.advisory[0]}" version="2.0">'
    yield f"  <id>{text(name)}</id>"
    yield f"  <title>{text(name)}</title>"
    yield f'  <issued date="{issued:%Y-%m-%d %H:%M:%S}"/>'
    yield f"  <summary>{text(first.summary)}</summary>"
    yield f"  <description>{text(first.changelog)}</description>"
    yield "  <references>"
    for type, id, address in _references(first.advisory):
        about = f'id="{attribute(id)}" title="{attribute(id)}" type="{type}"'
        yield f'    <reference href="{attribute(address)}" {about}/>'
    yield "  </references>"
    yield "  <pkglist>"
    yield f'    <collection short="{attribute(origin)}">'
    yield f"      <name>{text(origin)}</name>"
    for record in sorted(records, key=lambda record: record.architecture):
        yield from _package_element(record)
    yield "    </collection>"
    yield "  </pkglist>"
    yield "</update>"


def _package_element(record: Record) -> Iterator[str]:
    epoch, version, release = packages.version_parts(record.version)
    about = (
        f'name="{attribute(record.name)}" epoch="{attribute(epoch)}"'
        f' version="{attribute(version)}" release="{attribute(release)}"'
        f' arch="{attribute(record.architecture)}"'
    )
    yield f"      <package {about}>"
    yield f"        <filename>{text(record.path.rpartition('/')[2])}</filename>"
    yield "      </package>"


def _references(of: Advisory) -> Iterable[tuple[str, str, str]]:
    """Type, name and address of each thing that is fixed."""
    for fixed in of[1:]:
        if CVE.fullmatch(fixed):
            yield "cve", fixed, f"https://www.cve.org/CVERecord?id={fixed}"
        else:
            yield "other", fixed.rstrip("/").rpartition("/")[2], fixed


def target(place: Place) -> str:
    """The repository of a distro's channel, of one architecture."""
    return f"{FOLDER}{place.distro}/{place.architecture}/{place.channel}"


def target_problem(folder: str, target: Target) -> str:
    """What is wrong with a repository that a head names."""
    if not _REPOSITORY.fullmatch(folder):
        return "is not the folder of a repository"
    return "" if REPOMD in target.files else f"has no {REPOMD}"


def snapshot(distro: str, sha256: str) -> str:
    """A repository as it was; the hash is that of repomd.xml.

    It is as deep as the repository itself, `rpm/<distro>/<arch>/<channel>/`, so that the places of
    packages, which are relative, are the same in both.
    """
    return f"{FOLDER}{distro}/snapshots/{sha256}/"


def snapshot_of(folder: str, target: Target) -> str:
    """The snapshot of a repository's present state."""
    return snapshot(folder.split("/")[1], target.files[REPOMD][1])


def render(rendering: Rendering, distro: str) -> None:
    """Write the metadata that the change touches, and sign repomd.xml in its snapshot."""
    for place in rendering.lists(Format.RPM, distro):
        folder = target(place)
        if folder not in rendering.view.head.targets or rendering.is_touched(place):
            rendering.targets[folder] = _repository(rendering, place, f"{folder}/")


def _repository(rendering: Rendering, place: Place, base: str) -> Target:
    settings, signer, written = rendering.settings, rendering.signer, rendering.objects
    compression: Literal["gz", "zstd"] = "zstd" if place.row.compression == "zstd" else "gz"
    records = rendering.records(place)
    updates = updateinfo(records, settings.origin)
    made = write_metadata(records, base, compression, rendering.generation, rendering.time, updates)
    copy = snapshot(place.distro, hashlib.sha256(made.repomd).hexdigest())
    for name, data in made.files.items():
        written[base + name] = data
        if settings.url:  # or else nobody can be told of the snapshot
            written[copy + name] = data
    written[copy + REPOMD] = made.repomd
    if signer and settings.signed:
        written[f"{copy}{REPOMD}.asc"] = signer.detached(made.repomd)
    files = {**made.files, REPOMD: made.repomd}
    about = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    return Target(rendering.generation, rendering.time, about)


def index_keys(folder: str, target: Target) -> dict[str, tuple[str, str]]:
    """Key and SHA-256 of each file that repomd.xml names, by its name without the hash."""
    files = target.files.items()
    return {
        _HASH.sub("", name): (f"{folder}/{name}", sha256)
        for name, (_, sha256) in files
        if name != REPOMD
    }


def objects(folder: str, target: Target) -> set[str]:
    """The keys of the metadata, of their copies in the snapshot, and of its signature."""
    copy = snapshot_of(folder, target)
    return {*hashes(folder, target, copies=True), f"{copy}{REPOMD}.asc"}


def hashes(folder: str, target: Target, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each file; a snapshot has copies of all if the repository has a public URL."""
    copy, found = snapshot_of(folder, target), {}
    for name, (_, sha256) in target.files.items():
        if name != REPOMD:
            found[f"{folder}/{name}"] = sha256
        if copies or name == REPOMD:
            found[copy + name] = sha256
    return found


def pointer_hashes(folder: str, target: Target) -> dict[str, str]:
    """The SHA-256 of repomd.xml."""
    return {f"{folder}/{REPOMD}": target.files[REPOMD][1]}


def expires(settings: Settings, target: Target) -> float | None:
    """Never: no client heeds a date of the metadata."""
    return None
