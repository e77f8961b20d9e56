"""The metadata of a channel: primary, filelists, other, updateinfo, and the repomd.xml that names them."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from pkgrel.distro import Format
from pkgrel.repository import pieces
from pkgrel.repository.head import Target
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.pieces import Former, Packed, Shape, Written
from pkgrel.repository.record import ALL, CVE, Advisory, Record
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import Rendering
from pkgrel.repository.yum import packages
from pkgrel.repository.yum.packages import FOLDER, HREF, attribute, text

REPOMD = "repodata/repomd.xml"
"""Below a repository, or a snapshot of one."""
NEVER_CHANGES = re.compile(r"rpm/[^/]+/(pool|snapshots)/|rpm/.+/repodata/[0-9a-f]{64}-")
DATED = REPOMD
TOO_EARLY = TOO_LATE = ""
"""No client looks at a date of the metadata."""

PHASED = ".phased"
"""Behind the name of a repository: one beside it, with what is not for all hosts yet. No channel has a dot."""

_REPOSITORY = re.compile(
    rf"rpm/[a-z0-9][a-z0-9._-]*/[a-z0-9_-]+/[a-z0-9+_-]+({re.escape(PHASED)})?"
)
_HASH = re.compile(r"[0-9a-f]{64}-")
_WORTHWHILE = 200 << 10
"""Bytes of all files."""

_NAMESPACE = "http://linux.duke.edu/metadata"
_REVISION = re.compile(rb"<revision>(\d{1,18})</revision>")
_PURPOSE = re.compile(rb"<repo>([a-z0-9/+._-]{1,300})</repo>")
Compressed = Literal["gz", "zstd"]
_SUFFIXES: Mapping[Compressed, str] = {"gz": ".gz", "zstd": ".zst"}
# type -> root element, its namespace, further namespaces
_ROOTS = {
    "primary": ("metadata", "common", ' xmlns:rpm="http://linux.duke.edu/metadata/rpm"'),
    "filelists": ("filelists", "filelists", ""),
    "other": ("otherdata", "other", ""),
}


@dataclass(frozen=True, slots=True)
class Data:
    """A file of the metadata."""

    type: str
    """`primary`."""
    suffix: str
    """`.gz`."""
    written: Written

    @property
    def href(self) -> str:
        """Its place relative to the folder that has `repodata/`; named by its hash."""
        return f"repodata/{self.packed.sha256}-{self.type}.xml{self.suffix}"

    @property
    def packed(self) -> Packed:
        """The file itself."""
        return self.written.files[self.suffix]


def _repomd(
    files: Iterable[Data], revision: int, time: int, purpose: str, phases: Iterable[str]
) -> bytes:
    """The file; `time` in seconds since the epoch, `purpose` the folder that clients shall read it for.

    No client compares that, as createrepo_c's tags are free text; who has the key can. So `phases` is for the
    commands of our packages alone, which read it where dnf keeps the file that it has verified.
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
    <checksum type="sha256">{file.packed.sha256}</checksum>
    <open-checksum type="sha256">{file.written.sha256}</open-checksum>
    <location href="{file.href}"/>
    <timestamp>{time}</timestamp>
    <size>{file.packed.size}</size>
    <open-size>{file.written.size}</open-size>
  </data>"""


def revision(_repomd: bytes) -> int | None:
    """The generation that a repomd.xml was made from; None if it does not say a number."""
    found = _REVISION.search(_repomd)
    return int(found[1]) if found else None


def purpose(_repomd: bytes) -> str | None:
    """The folder that a repomd.xml is for; None if it does not say, as those of an earlier pkgrel."""
    found = _PURPOSE.search(_repomd)
    return found[1].decode() if found else None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything below `repodata/`."""

    files: Mapping[str, Packed]
    """By their place relative to the base, `repodata/<sha256>-primary.xml.gz`; they never change."""
    repomd: bytes
    """`repodata/repomd.xml`, which names them."""


def shapes(compression: Compressed, count: int) -> list[Shape]:
    """primary, filelists and other of so many packages. yum of EL 7 reads only gz, dnf zstd from EL 8.2 and
    Fedora 30 on."""
    return [
        Shape(
            (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f'<{root} xmlns="http://linux.duke.edu/metadata/{namespace}"{others} packages="{count}">\n'
            ).encode(),
            f"</{root}>\n".encode(),
            (_SUFFIXES[compression],),
        )
        for root, namespace, others in _ROOTS.values()
    ]


def write_metadata(
    folder: Path,
    manifests: Sequence[Manifest],
    base: str,
    compression: Compressed,
    revision: int,
    time: int,
    updateinfo: bytes | None = None,
    former: Former | None = None,
    address: str = "",
    *,
    phased: bool = False,
) -> Metadata:
    """The metadata of a repository whose `repodata/` is in `base`, a key; hrefs are relative to it, or to the
    public address of the whole if that is given.

    `revision` is the generation; `time` is in seconds since the epoch, `updateinfo` the whole
    updateinfo.xml. The files are in the folder. If `phased` it is the repository of what is not for all hosts.
    """
    suffix = _SUFFIXES[compression]
    noted = [record for manifest in manifests for record in manifest.noted()]
    if phased:
        manifests = [Manifest.of(record for record in noted if record.is_phased)]
    wanted = shapes(compression, len(manifests[0]) if phased else _count(manifests))
    texts = partial(_texts, base, address, phased)
    written = pieces.write(folder, wanted, pieces.spans(manifests), texts, former)
    files = [Data(type, suffix, made) for type, made in zip(_ROOTS, written, strict=True)]
    if updateinfo is not None:
        made = pieces.write_lines(folder, updateinfo, (suffix,))
        files.append(Data("updateinfo", suffix, made))
    repomd = _repomd(files, revision, time, base.rstrip("/"), phases(noted))
    return Metadata({file.href: file.packed for file in files}, repomd)


def phases(records: Iterable[Record]) -> list[str]:
    """What repomd.xml says of versions that are not for all hosts."""
    return sorted({f"phase:{r.name}:{r.version}:{r.phase}" for r in records if r.is_phased})


def _count(manifests: Sequence[Manifest]) -> int:
    """How many packages are for all hosts."""
    phased = sum(record.is_phased for manifest in manifests for record in manifest.noted())
    return sum(manifest.offered for manifest in manifests) - phased


def _texts(base: str, address: str, phased: bool, records: Sequence[Record]) -> list[bytes]:
    """Elements of primary, filelists and other."""
    records = [record for record in records if _is_in(record, phased)]
    return [
        "".join(_primary(records, base, address)).encode(),
        "".join(record.index[1] for record in records).encode(),
        "".join(record.index[2] for record in records).encode(),
    ]


def _is_in(record: Record, phased: bool) -> bool:
    return record.is_phased if phased else record.phase == ALL


def _primary(records: Sequence[Record], base: str, address: str) -> Iterator[str]:
    """The elements. dnf reposync and Pulp write packages where href says, and never outside of their folder."""
    for record in records:
        if address:
            root = "/".join(record.path.split("/")[:2])
            at = f'xml:base="{attribute(f"{address}/{root}/")}" href="{attribute(record.path.removeprefix(f"{root}/"))}"'
            yield record.index[0].replace(f'href="{HREF}"', at, 1)
            continue
        folder, _, file = record.path.rpartition("/")
        href = attribute(f"{_relative(folder, base)}/{file}".removeprefix("./"))
        yield record.index[0].replace(HREF, href, 1)


@lru_cache(1000)
def _relative(folder: str, base: str) -> str:
    return posixpath.relpath(folder, base)


def updateinfo(records: Sequence[Record], origin: str, *, phased: bool = False) -> bytes | None:
    """The file, an update for each version of a package; None if nothing has an advisory."""
    updates: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.advisory and _is_in(record, phased):
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
    present = rendering.view.head.targets
    for place in rendering.lists(Format.RPM, distro):
        folder = target(place)
        if folder in present and not rendering.is_touched(place):
            continue
        rendering.targets[folder] = _repository(rendering, place, f"{folder}/")
        phased = folder + PHASED
        # Once there it stays, if empty: hosts may have been told to ask it.
        if phased in present or any(
            record.is_phased for each in rendering.manifests(place) for record in each.noted()
        ):
            rendering.targets[phased] = _repository(rendering, place, f"{phased}/", phased=True)


def _repository(rendering: Rendering, place: Place, base: str, *, phased: bool = False) -> Target:
    settings, signer, written = rendering.settings, rendering.signer, rendering.objects
    compression: Compressed = "zstd" if place.row.compression == "zstd" else "gz"
    manifests = rendering.manifests(place)
    noted = [record for manifest in manifests for record in manifest.noted()]
    made = write_metadata(
        rendering.folder,
        manifests,
        base,
        compression,
        rendering.generation,
        rendering.time,
        updateinfo(noted, settings.origin, phased=phased),
        None if phased else _former(rendering, place, compression),
        settings.url.rstrip("/") if settings.mirrorable else "",
        phased=phased,
    )
    sha256 = hashlib.sha256(made.repomd).hexdigest()
    copy = snapshot(place.distro, sha256)
    for name, packed in made.files.items():
        written[base + name] = packed.file
        if settings.url:  # or else nobody can be told of the snapshot
            written[copy + name] = packed.file
    written[copy + REPOMD] = made.repomd
    if signer and settings.signed:
        written[f"{copy}{REPOMD}.asc"] = signer.detached(made.repomd)
    about = {name: (packed.size, packed.sha256) for name, packed in made.files.items()}
    about[REPOMD] = (len(made.repomd), sha256)
    return Target(rendering.generation, rendering.time, about)


def _former(rendering: Rendering, place: Place, compression: Compressed) -> Former | None:
    """The metadata as they are now, if having them saves more time than reading them takes."""
    folder = target(place)
    old = rendering.view.head.targets.get(folder)
    if rendering.is_new or old is None:
        return None
    files = index_keys(folder, old)
    if sum(size for size, _ in old.files.values()) < _WORTHWHILE:
        return None
    types = list(_ROOTS)

    def read(number: int, suffix: str) -> bytes | None:
        key, sha256 = files.get(f"repodata/{types[number]}.xml{suffix}", ("", ""))
        return rendering.former(key, sha256) if key else None

    former = rendering.former_manifests(place)
    return Former.of(
        shapes(compression, _count(former)),
        pieces.spans(former),
        read,
    )


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
