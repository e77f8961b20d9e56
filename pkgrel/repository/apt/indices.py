"""Writes the indices of a suite from records: Packages, Contents, and Release.

    usr/bin/hello        net/hello          a line of Contents: path and package, for apt-file

apt refuses an update if Origin, Label, Suite or Codename change, so they are set once and always written. No line of
Release ends with white space, which a cleartext signature would not cover.

Source: DebianRepository/Format in Debian's wiki, also for "Contents indices".
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pkgrel.distro import Format
from pkgrel.repository import pieces
from pkgrel.repository.apt.packages import FOLDER, order
from pkgrel.repository.head import Target
from pkgrel.repository.layout import Place
from pkgrel.repository.pieces import Former, Shape, Written
from pkgrel.repository.record import ALL, STOPPED, Record
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import Rendering

_SECTION = re.compile(r"^Section:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_COLUMN = 60
"""Column where the packages begin, unless the path is longer; by convention, any white space separates them."""
NEVER_CHANGES = re.compile(r"apt/pool/|apt/dists/.+/by-hash/")
DATED = "Release"
TOO_EARLY = ", so that apt finds it not valid yet"
TOO_LATE = ", so that apt refuses it"
GENERATION = "X-Pkgrel-Generation"
_SUITE = re.compile(r"apt/dists/[a-z0-9][a-z0-9._-]*")
_DAY = 24 * 3600
_WORTHWHILE = 1 << 20
"""Size in bytes of Packages from which old pieces are reused."""
_GENERATION = re.compile(rb"^X-Pkgrel-Generation: (\d{1,18})\r?$", re.MULTILINE)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def packages_index(records: Sequence[Record]) -> bytes:
    """Packages, sorted by name, with the newest version first, which simple clients pick."""
    return _paragraphs(sorted(records, key=order))


def _paragraphs(records: Sequence[Record]) -> bytes:
    return "".join(map(_paragraph, records)).encode()


def _paragraph(record: Record) -> str:
    if record.phase == STOPPED:
        return ""
    phase = f"Phased-Update-Percentage: {record.phase}\n" if record.phase != ALL else ""
    return f"{record.index[0]}{phase}Filename: {record.path.removeprefix(FOLDER)}\n\n"


def contents_index(records: Sequence[Record]) -> bytes:
    """Contents, sorted by path; several versions of a package count once."""
    owners: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.phase == STOPPED:
            continue
        section = _SECTION.search(record.index[0])
        name = f"{section[1]}/{record.name}" if section else record.name
        for path in record.contents:
            owners[path].add(name)
    lines = (
        f"{path:{_COLUMN}} {','.join(sorted(names))}\n" for path, names in sorted(owners.items())
    )
    return "".join(lines).encode()


_SHAPE = Shape(b"", b"", (".gz", ".xz"))
"""gz for debootstrap and other clients without liblzma; xz, which apt prefers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInfo:
    """The fields of Release, without its list of files."""

    origin: str
    label: str
    suite: str
    codename: str
    components: Sequence[str]
    architectures: Sequence[str]
    """Debian's names. Packages of `all` are in the indices of each architecture; apt requests an index of `all` only if
    it is listed here."""
    date: int
    """Seconds since the epoch."""
    valid_until: int | None = None
    """Seconds since the epoch; after it, apt refuses the index."""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    description: str = ""
    signed_by: Sequence[str] = ()
    """Fingerprints of the only keys that apt accepts for the next updates; apt respects them only until
    `valid_until`."""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Hashed:
    """Size and hash of a file, in place of its content."""

    size: int
    """Bytes."""
    sha256: str
    """In hexadecimal."""

    @classmethod
    def of(cls, data: bytes) -> Hashed:
        """Hash the content."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


def release_file(info: ReleaseInfo, files: Mapping[str, bytes | Hashed]) -> bytes:
    """Release; names of files are relative to it, such as `main/binary-amd64/Packages.xz`."""
    lines = [f"{name}: {value}" for name, value in _fields(info) if value]
    lines.append("SHA256:")
    for name, file in sorted(files.items()):
        hashed = file if isinstance(file, Hashed) else Hashed.of(file)
        lines.append(f" {hashed.sha256} {hashed.size:>16} {name}")
    return "".join(f"{line}\n" for line in lines).encode()


def _fields(info: ReleaseInfo) -> Iterator[tuple[str, str]]:
    yield "Origin", _one_line(info.origin)
    yield "Label", _one_line(info.label)
    yield "Suite", info.suite
    yield "Codename", info.codename
    yield "Date", _date(info.date)
    if info.valid_until is not None:
        yield "Valid-Until", _date(info.valid_until)
    yield "NotAutomatic", "yes" if info.not_automatic else ""
    yield "ButAutomaticUpgrades", "yes" if info.but_automatic_upgrades else ""
    yield "Acquire-By-Hash", "yes"
    yield "Architectures", " ".join(info.architectures)
    yield "Components", " ".join(info.components)
    yield "Description", _one_line(info.description)
    yield "Signed-By", ", ".join(info.signed_by)
    yield GENERATION, str(info.generation)


def _one_line(value: str) -> str:
    """Collapse white space: a newline could start another field."""
    return " ".join(value.split())


def _date(time: int) -> str:
    """RFC 1123, in English whatever the locale; apt requires UTC."""
    moment = datetime.fromtimestamp(time, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment:%Y %H:%M:%S} UTC"


def by_hash(name: str, sha256: str) -> str:
    """The by-hash name of an index, whose content never changes."""
    folder, _, _ = name.rpartition("/")
    return f"{folder}/by-hash/SHA256/{sha256}".removeprefix("/")


def generation(release: bytes) -> int | None:
    """The generation in a Release or InRelease; None if it was not made by pkgrel."""
    found = _GENERATION.search(release)
    return int(found[1]) if found else None


_WITHOUT_SIGNED_BY = frozenset(["forky", "sid"])
"""Suites whose apt ignores the field and warns of it at every update: 3.3, by its changelog and as measured."""


def release_of(settings: Settings, folder: str, target: Target) -> bytes:
    """Release for a state; the same state always gives the same bytes."""
    suite = folder.rpartition("/")[2]
    architectures = {
        name.split("/")[1].removeprefix("binary-") for name in target.files if "/binary-" in name
    }
    info = ReleaseInfo(
        origin=settings.origin,
        label=settings.label,
        suite=suite,
        codename=suite,
        components=sorted({name.split("/")[0] for name in target.files}),
        architectures=sorted(architectures),
        date=target.time,
        valid_until=target.time + settings.valid_days * _DAY if settings.valid_days else None,
        not_automatic=settings.not_automatic,
        but_automatic_upgrades=settings.but_automatic_upgrades,
        description=settings.description,
        signed_by=settings.fingerprints
        if settings.signed_by and suite not in _WITHOUT_SIGNED_BY
        else (),
        generation=target.generation,
    )
    return release_file(info, {name: Hashed(*about) for name, about in target.files.items()})


def target(place: Place) -> str:
    """The folder of the suite of the place's distro."""
    return f"{FOLDER}dists/{place.row.codename}"


def target_problem(folder: str, target: Target) -> str:
    """Why the folder that a head names cannot be a suite; empty if it can."""
    return "" if _SUITE.fullmatch(folder) else "is not the folder of a suite"


def render(rendering: Rendering, distro: str) -> None:
    """Write the changed indices, and sign Release: the signer caches the signatures, so that the pointers get the same
    ones."""
    lists = list(rendering.lists(Format.DEB, distro))
    folder = target(lists[0])
    old = rendering.view.head.targets.get(folder)
    files: dict[str, tuple[int, str]] = dict(old.files) if old else {}
    for place in lists:
        below = f"{place.channel}/binary-{place.architecture}"
        if f"{below}/Packages" in files and not rendering.is_touched(place):
            continue
        for name, written in _indices(rendering, place, below, old):
            files[name] = (written.size, written.sha256)
            for suffix, packed in written.files.items():
                files[name + suffix] = (packed.size, packed.sha256)
                key = f"{folder}/{by_hash(name + suffix, packed.sha256)}"
                rendering.objects[key] = packed.file
    made = Target(rendering.generation, rendering.time, files)
    rendering.targets[folder] = made
    if rendering.signer:
        text = release_of(rendering.settings, folder, made)
        rendering.signer.detached(text)
        rendering.signer.clear(text)


def _indices(
    rendering: Rendering, place: Place, below: str, old: Target | None
) -> Iterator[tuple[str, Written]]:
    """Write Packages, and Contents if enabled; yields them by name.

    As in Debian's archive, Release lists the uncompressed index too, so that apt can verify the decompressed data; but
    it is not stored: no client requests it, and it is ten times larger.
    """
    name = f"{below}/Packages"
    former = _former(rendering, place, name, old)
    spans = pieces.spans(rendering.manifests(place))
    (made,) = pieces.write(
        rendering.folder, [_SHAPE], spans, lambda records: [_paragraphs(records)], former
    )
    yield name, made
    if rendering.settings.contents:
        records = [r for manifest in rendering.manifests(place) for r in manifest.records()]
        written = pieces.write_lines(rendering.folder, contents_index(records), (".gz",))
        yield f"{place.channel}/Contents-{place.architecture}", written


def _former(rendering: Rendering, place: Place, name: str, old: Target | None) -> Former | None:
    """The present index, if it is large enough for reuse to pay off."""
    if rendering.is_new or old is None or old.files.get(name, (0, ""))[0] < _WORTHWHILE:
        return None

    def read(_: int, suffix: str) -> bytes | None:
        _, sha256 = old.files.get(name + suffix, (0, ""))
        return rendering.former(f"{target(place)}/{by_hash(name + suffix, sha256)}", sha256)

    return Former.of([_SHAPE], pieces.spans(rendering.former_manifests(place)), read)


def offered(target: Target) -> dict[str, str]:
    """The SHA-256 of each index in the store, by name."""
    files = target.files.items()
    return {name: sha256 for name, (_, sha256) in files if name.endswith((".gz", ".xz"))}


def index_keys(folder: str, target: Target) -> dict[str, tuple[str, str]]:
    """Key and SHA-256 of each index, by name."""
    files = target.files.items()
    return {name: (f"{folder}/{by_hash(name, sha256)}", sha256) for name, (_, sha256) in files}


def objects(folder: str, target: Target) -> set[str]:
    """The keys of the indices by hash."""
    return set(hashes(folder, target, copies=True))


def hashes(folder: str, target: Target, *, copies: bool) -> dict[str, str]:
    """The SHA-256 of each index by hash; a suite has no copies."""
    named = offered(target).items()
    return {f"{folder}/{by_hash(name, sha256)}": sha256 for name, sha256 in named}


def pointer_hashes(folder: str, target: Target) -> dict[str, str]:
    """The SHA-256 of each index that clients without by-hash read, by key."""
    return {f"{folder}/{name}": sha256 for name, sha256 in offered(target).items()}


def expires(settings: Settings, target: Target) -> float | None:
    """Valid-Until."""
    return target.time + settings.valid_days * _DAY if settings.valid_days else None
