"""What a .deb says of itself: its control archive, and its changelog.

The changelog is one of its files:

    hello (1.0.0-1) bookworm; urgency=medium

      * First release.

     -- Ada Example <ada@example.org>  Tue, 14 Nov 2023 12:00:00 +0000

Source: deb-control(5), deb-conffiles(5), deb-md5sums(5), deb-changelog(5), Debian Policy 5.1 and 6.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pkgrel.artifact.deb import stanza
from pkgrel.artifact.deb.archive import tar_members
from pkgrel.artifact.model import Script
from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.package import Change

RELATIONS = (*stanza.RELATIONS, "Built-Using")
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")

_FILES = 64
"""Of a control archive; a package has some ten."""
_LARGEST_CONTROL = 1 << 18


@dataclass(frozen=True, slots=True)
class Control:
    """What the control archive says."""

    fields: Mapping[str, str]
    scripts: Mapping[str, Script]
    conffiles: tuple[str, ...]
    md5sums: Mapping[str, str]
    """Path without its first slash -> MD5; empty if there is none."""
    others: Mapping[str, str]


def read_control(stream: Stream) -> Control:
    """Read the archive; PackageError if it has no control file or one that dpkg refuses."""
    files = _files(stream)
    if "control" not in files:
        raise PackageError("its control archive has no `control`")
    if len(files["control"]) > _LARGEST_CONTROL:
        raise PackageError(f"its control file has {len(files['control'])} bytes")
    texts = {
        name: data.decode(errors="backslashreplace")
        for name, data in files.items()
        if name != "control"
    }
    scripts = {name: _script(texts[name]) for name in SCRIPTS if name in texts}
    known = {"conffiles", "md5sums", *scripts}
    return Control(
        fields=stanza.fields(files["control"]),
        scripts=scripts,
        conffiles=_conffiles(texts.get("conffiles", "")),
        md5sums=_md5sums(texts.get("md5sums", "")),
        others={name: texts[name] for name in sorted(texts) if name not in known},
    )


def _files(stream: Stream) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for member in tar_members(stream):
        name = member.name.removeprefix("./")
        if member.isdir() and name in ("", "."):
            continue
        total += member.size
        if not member.isreg() or "/" in name:
            raise PackageError(f"its control archive has `{name}`, which is not a plain file")
        if name in files or total > LIMITS.deb_control or len(files) > _FILES:
            raise PackageError(f"its control archive has `{name}` twice, or is far too large")
        files[name] = b"".join(stream.pieces(member.size))
    return files


def _script(text: str) -> Script:
    first = text.partition("\n")[0]
    return Script(interpreter=first[2:].strip() if first.startswith("#!") else "", text=text)


def _refuse_many(text: str, name: str, limit: int) -> None:
    if (count := text.count("\n")) > limit:
        raise PackageError(f"its {name} have {count} lines; {limit} are plenty")


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _conffiles(text: str) -> tuple[str, ...]:
    _refuse_many(text, "conffiles", LIMITS.deb_conffiles)
    return tuple(line.rstrip() for line in _lines(text))


def _md5sums(text: str) -> dict[str, str]:
    sums: dict[str, str] = {}
    _refuse_many(text, "md5sums", LIMITS.deb_sums)
    for line in _lines(text):
        # `*` is md5sum's own way to say that a file was read as binary.
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *]?(.+)", line)
        if not match:
            raise PackageError(f"its md5sums have the line `{line[:60]}`")
        sums[match[2].removeprefix("./").removeprefix("/")] = match[1].lower()
    return sums


LARGEST_CHANGELOG = 1 << 20
"""Bytes, packed or not, of what is read of one; a newer entry comes first."""

_MOST = 10
_HEADING = re.compile(r"[a-z0-9][a-z0-9+.-]* \(([^()\s]+)\) .*;", re.IGNORECASE)
_TRAILER = re.compile(r" -- (.*?)  (.*)")


def changelog_paths(package: str) -> tuple[str, ...]:
    """Where it may be, the surer place first: the other may be upstream's, of whatever form."""
    folder = f"/usr/share/doc/{package}"
    return f"{folder}/changelog.Debian.gz", f"{folder}/changelog.gz"


def changelog(package: str, files: Mapping[str, bytes]) -> tuple[Change, ...]:
    """The newest entries, newest first; none if there is nothing that can be understood."""
    for place in changelog_paths(package):
        if files.get(place):
            return tuple(_entries(_unpacked(files[place])))[:_MOST]
    return ()


def _unpacked(data: bytes) -> str:
    try:
        return (
            zlib.decompressobj(wbits=31)
            .decompress(data, LARGEST_CHANGELOG)
            .decode(errors="replace")
        )
    except zlib.error:
        return ""


def _entries(text: str) -> Iterator[Change]:
    version = ""
    lines: list[str] = []
    for line in text.split("\n"):
        if heading := _HEADING.match(line):
            version, lines = heading[1], []
        elif not version:
            # Not a changelog of Debian's: what follows would be guesswork.
            if line.strip():
                return
        elif trailer := _TRAILER.fullmatch(line.rstrip()):
            yield Change(
                version=version, author=trailer[1], time=_time(trailer[2]), lines=_trimmed(lines)
            )
        else:
            lines.append(line.removeprefix("  ").rstrip())


def _time(said: str) -> int:
    try:
        return int(parsedate_to_datetime(said).timestamp())
    except (ValueError, OverflowError, TypeError):
        return 0


def _trimmed(lines: list[str]) -> tuple[str, ...]:
    return tuple("\n".join(lines).strip("\n").split("\n"))
