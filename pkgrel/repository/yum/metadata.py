"""Writes the metadata of a channel: primary, filelists, other, updateinfo, and repomd.xml, which lists them."""

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
"""Relative to a repository, or to a snapshot of one."""
NEVER_CHANGES = re.compile(r"rpm/[^/]+/(pool|snapshots)/|rpm/.+/repodata/[0-9a-f]{64}-")
DATED = REPOMD
TOO_EARLY = TOO_LATE = ""
"""No client checks the date of the metadata."""

PHASED = ".phased"
"""Suffix of the repository for packages that are not for all hosts yet. Channels cannot have dots."""

_REPOSITORY = re.compile(
    rf"rpm/[a-z0-9][a-z0-9._-]*/[a-z0-9_-]+/[a-z0-9+_-]+({re.escape(PHASED)})?"
)
_HASH = re.compile(r"[0-9a-f]{64}-")
_WORTHWHILE = 200 << 10
"""Size in bytes of all files from which old pieces are reused."""

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
    """A metadata file."""

    type: str
    """Such as `primary`."""
    suffix: str
    """Such as `.gz`."""
    written: Written

    @property
    def href(self) -> str:
        """Its path relative to the folder of `repodata/`, with its hash."""
        return f"repodata/{self.packed.sha256}-{self.type}.xml{self.suffix}"

    @property
    def packed(self) -> Packed:
        """The compressed file."""
        return self.written.files[self.suffix]


def _repomd(
    files: Iterable[Data], revision: int, time: int, purpose: str, phases: Iterable[str]
) -> bytes:
    """repomd.xml; `time` in seconds since the epoch, `purpose` is the folder that it is served from.

    Clients do not compare `purpose`, since createrepo_c's tags are free text; whoever has the key can. Likewise, only
    the commands of pkgrel's packages read `phases`, from the verified file in dnf's cache.
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
    """The generation in a repomd.xml; None if it has none."""
    found = _REVISION.search(_repomd)
    return int(found[1]) if found else None


def purpose(_repomd: bytes) -> str | None:
    """The folder that a repomd.xml was made for; None if it does not say, as those of an earlier pkgrel."""
    found = _PURPOSE.search(_repomd)
    return found[1].decode() if found else None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything below `repodata/`."""

    files: Mapping[str, Packed]
    """By path relative to the base, such as `repodata/<sha256>-primary.xml.gz`; they never change."""
    repomd: bytes
    """`repodata/repomd.xml`, which lists them."""


def shapes(compression: Compressed, count: int) -> list[Shape]:
    """primary, filelists and other for `count` packages. yum of EL 7 reads only gz; dnf reads zstd since EL 8.2 and
    Fedora 30."""
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
    """Write the metadata of a repository whose `repodata/` is in `base`, a key; hrefs are relative to it, or to the
    public URL `address`, if given.

    `revision` is the generation, `time` is in seconds since the epoch, and `updateinfo` the content of updateinfo.xml.
    The files are written to the folder. With `phased`, it has only the packages that are not for all hosts.
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
    """Tags of repomd.xml for versions that are not for all hosts."""
    return sorted({f"phase:{r.name}:{r.version}:{r.phase}" for r in records if r.is_phased})


def _count(manifests: Sequence[Manifest]) -> int:
    """The number of packages for all hosts."""
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
    """The elements. dnf reposync and Pulp write packages to the path in href, but never outside of their folder."""
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
    """updateinfo.xml with one update for each version of a package; None without advisories."""
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
    """Type, id and URL of each fixed issue."""
    for fixed in of[1:]:
        if CVE.fullmatch(fixed):
            yield "cve", fixed, f"https://www.cve.org/CVERecord?id={fixed}"
        else:
            yield "other", fixed.rstrip("/").rpartition("/")[2], fixed


def target(place: Place) -> str:
    """The folder of the repository for the place: one channel of a distro, in one architecture."""
    return f"{FOLDER}{place.distro}/{place.architecture}/{place.channel}"


def target_problem(folder: str, target: Target) -> str:
    """Why a head's folder cannot be a repository; empty if it can."""
    if not _REPOSITORY.fullmatch(folder):
        return "is not the folder of a repository"
    return "" if REPOMD in target.files else f"has no {REPOMD}"


def snapshot(distro: str, sha256: str) -> str:
    """The folder of a snapshot of a repository, by the hash of repomd.xml.

    It is as deep as the repository, `rpm/<distro>/<arch>/<channel>/`, so that the relative paths of packages are valid
    in both.
    """
    return f"{FOLDER}{distro}/snapshots/{sha256}/"


def snapshot_of(folder: str, target: Target) -> str:
    """The snapshot of a repository's present state."""
    return snapshot(folder.split("/")[1], target.files[REPOMD][1])


def render(rendering: Rendering, distro: str) -> None:
    """Write the changed metadata, and sign repomd.xml in its snapshot."""
    present = rendering.view.head.targets
    for place in rendering.lists(Format.RPM, distro):
        folder = target(place)
        if folder in present and not rendering.is_touched(place):
            continue
        rendering.targets[folder] = _repository(rendering, place, f"{folder}/")
        phased = folder + PHASED
        # Once created, it is kept, even if empty: hosts may be configured to use it.
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
        if settings.url:  # otherwise nothing points to the snapshot
            written[copy + name] = packed.file
    written[copy + REPOMD] = made.repomd
    if signer and settings.signed:
        written[f"{copy}{REPOMD}.asc"] = signer.detached(made.repomd)
    about = {name: (packed.size, packed.sha256) for name, packed in made.files.items()}
    about[REPOMD] = (len(made.repomd), sha256)
    return Target(rendering.generation, rendering.time, about)


def _former(rendering: Rendering, place: Place, compression: Compressed) -> Former | None:
    """The present metadata, if they are large enough for reuse to pay off."""
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
    """Key and SHA-256 of each file in repomd.xml, by its name without the hash."""
    files = target.files.items()
    return {
        _HASH.sub("", name): (f"{folder}/{name}", sha256)
        for name, (_, sha256) in files
        if name != REPOMD
    }


def objects(folder: str, target: Target) -> set[str]:
    """The keys of the metadata, of the copies in the snapshot, and of the signature."""
    copy = snapshot_of(folder, target)
    return {*hashes(folder, target, copies=True), f"{copy}{REPOMD}.asc"}


def hashes(folder: str, target: Target, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each file; with a public URL, the snapshot has copies of all."""
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
    """Never: no client checks the date of the metadata."""
    return None
