"""Release: what a suite is, and the hashes of all its indices.

apt refuses an update when Origin, Label, Suite or Codename change, so they are fixed once and always
written. No line ends with a blank: a cleartext signature would not cover it.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

GENERATION = "X-Pkgrel-Generation"

_GENERATION = re.compile(rb"^X-Pkgrel-Generation: (\d{1,18})\r?$", re.MULTILINE)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInfo:
    """What Release says of a suite besides its files."""

    origin: str
    label: str
    suite: str
    codename: str
    components: Sequence[str]
    architectures: Sequence[str]
    """Debian's words. Packages of `all` belong into the indices of each; apt asks for an index of
    `all` itself only if it is named here."""
    date: int
    """Seconds since the epoch."""
    valid_until: int | None = None
    """Seconds since the epoch; apt refuses the index afterwards."""
    not_automatic: bool = False
    but_automatic_upgrades: bool = False
    description: str = ""
    signed_by: Sequence[str] = ()
    """Fingerprints of the only keys that apt shall accept from now on; it heeds them only as long as
    `valid_until` has not passed."""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file whose bytes are not at hand."""

    size: int
    """Bytes."""
    sha256: str
    """In hexadecimal."""

    @classmethod
    def of(cls, data: bytes) -> "Hashed":
        """Hash the bytes."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


def release(info: ReleaseInfo, files: Mapping[str, bytes | Hashed]) -> bytes:
    """The file; names are relative to it, such as `main/binary-amd64/Packages.xz`."""
    lines = [f"{name}: {value}" for name, value in _fields(info) if value]
    lines.append("SHA256:")
    for name, file in sorted(files.items()):
        hashed = file if isinstance(file, Hashed) else Hashed.of(file)
        lines.append(f" {hashed.sha256} {hashed.size:>16} {name}")
    return "".join(f"{line}\n" for line in lines).encode()


def _fields(info: ReleaseInfo) -> Iterator[tuple[str, str]]:
    yield "Origin", _text(info.origin)
    yield "Label", _text(info.label)
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
    yield "Description", _text(info.description)
    yield "Signed-By", ", ".join(info.signed_by)
    yield GENERATION, str(info.generation)


def _text(value: str) -> str:
    """One line: a value with a line end could begin other fields."""
    return " ".join(value.split())


def _date(time: int) -> str:
    """RFC 1123, in English whatever the locale; apt wants UTC."""
    moment = datetime.fromtimestamp(time, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment:%Y %H:%M:%S} UTC"


def by_hash(name: str, sha256: str) -> str:
    """Where the file of that name and hash lies, too, so that what a Release names never changes."""
    folder, _, _ = name.rpartition("/")
    return f"{folder}/by-hash/SHA256/{sha256}".removeprefix("/")


def generation(release: bytes) -> int | None:
    """The generation that a Release or InRelease was made from; None if it is not ours."""
    found = _GENERATION.search(release)
    return int(found[1]) if found else None
