"""Reads a .deb, deb(5): the control archive, the entries of the data archive with their hashes, and the changelog.

The changelog is one of the files:

    hello (1.0.0-1) bookworm; urgency=medium

      * First release.

     -- Ada Example <ada@example.org>  Tue, 14 Nov 2023 12:00:00 +0000

Source: deb-control(5), deb-conffiles(5), deb-md5sums(5), deb-changelog(5), Debian Policy 5.1 and 6; deb(5) and
lib/dpkg/tarfn.c of dpkg 1.22, which knows v7, ustar and GNU long names and refuses everything else.
"""

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath

from pkgrel.artifact.deb import stanza
from pkgrel.artifact.deb.archive import Archive, Member, open_archive, tar_members
from pkgrel.artifact.model import Artifact, Entry, Kind, Script, Take
from pkgrel.artifact.stream import Stream, absolute, decompress
from pkgrel.distro import Format
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.package import Change

RELATIONS = (*stanza.RELATIONS, "Built-Using")
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")

_FILES = 64
"""The most members of a control archive; packages have about ten."""
_LARGEST_CONTROL = 1 << 18


@dataclass(frozen=True, slots=True)
class Control:
    """The contents of the control archive."""

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
        # In md5sum's output `*` marks a file that was read as binary.
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *]?(.+)", line)
        if not match:
            raise PackageError(f"its md5sums have the line `{line[:60]}`")
        sums[match[2].removeprefix("./").removeprefix("/")] = match[1].lower()
    return sums


LARGEST_CHANGELOG = 1 << 20
"""Bytes of a changelog that are read, compressed or not; newer entries come first."""

_MOST = 10
_HEADING = re.compile(r"[a-z0-9][a-z0-9+.-]* \(([^()\s]+)\) .*;", re.IGNORECASE)
_TRAILER = re.compile(r" -- (.*?)  (.*)")


def changelog_paths(package: str) -> tuple[str, ...]:
    """Paths of the changelog, the reliable one first: the other may be upstream's, in any format."""
    folder = f"/usr/share/doc/{package}"
    return f"{folder}/changelog.Debian.gz", f"{folder}/changelog.gz"


def changelog(package: str, files: Mapping[str, bytes]) -> tuple[Change, ...]:
    """The newest entries, newest first; none if the changelog cannot be parsed."""
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
            # Not a Debian changelog.
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


_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.CHRTYPE: Kind.SPECIAL,
    tarfile.BLKTYPE: Kind.SPECIAL,
    tarfile.FIFOTYPE: Kind.SPECIAL,
}


_LATEST = 1 << 38
"""Seconds since 1970, about 8700 years; GNU tar can express later times, which cannot be printed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the control archive says about files, and the files whose content is wanted."""

    conffiles: Set[str]
    md5sums: Mapping[str, str]
    """Path without its first slash -> MD5."""
    contents: dict[str, bytes]
    """Contents by path; filled in for files that exist and are not too large."""
    take: Take | None


def _read_payload(stream: Stream, wanted: Wanted) -> Iterator[Entry]:
    """Yield the entries in the archive's order; PackageError for one that dpkg would refuse.

    Also for a file that does not match `md5sums`.
    """
    files: dict[PurePosixPath, Entry | None] = {}
    for member in tar_members(stream):
        path = absolute(member.name)
        kind = _kind(member, path)
        if path in files and kind is not Kind.DIRECTORY:
            raise PackageError(f"`{path}` is in it twice")
        entry = _entry(member, path, kind, stream, wanted)
        if kind is Kind.HARDLINK:
            entry = _linked(entry, files.get(PurePosixPath(entry.target)))
        files[path] = entry if kind in (Kind.FILE, Kind.HARDLINK) else None
        yield entry


def _kind(member: tarfile.TarInfo, path: PurePosixPath) -> Kind:
    if member.pax_headers or member.issparse():
        what = "a pax header" if member.pax_headers else "a sparse file"
        raise PackageError(f"`{path}` is {what} of tar, which dpkg cannot unpack")
    if member.type not in _KINDS:
        raise PackageError(f"`{path}` is of tar's type {member.type!r}, which dpkg cannot unpack")
    return _KINDS[member.type]


def _entry(
    member: tarfile.TarInfo,
    path: PurePosixPath,
    kind: Kind,
    stream: Stream,
    wanted: Wanted,
) -> Entry:
    target = ""
    if kind is Kind.SYMLINK:
        target = member.linkname
    elif kind is Kind.HARDLINK:
        target = str(absolute(member.linkname))
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        owner=member.uname or str(member.uid),
        group=member.gname or str(member.gid),
        size=member.size if kind is Kind.FILE else len(target) if kind is Kind.SYMLINK else 0,
        time=_time_of(member.mtime, path),
        target=target,
        sha256=_hash(stream, member.size, str(path), wanted) if kind is Kind.FILE else "",
        flags=("conffile",) if str(path) in wanted.conffiles else (),
    )


def _time_of(said: float, path: PurePosixPath) -> int:
    time = int(said)
    if abs(time) > _LATEST:
        raise PackageError(f"`{path}` is of a time that no calendar has")
    return time


def _hash(stream: Stream, size: int, path: str, wanted: Wanted) -> str:
    expected = wanted.md5sums.get(path[1:])
    keep = path in wanted.contents and size <= LARGEST_CHANGELOG
    sha256 = hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False)
    taken = wanted.take(PurePosixPath(path), size) if wanted.take else None
    for piece in stream.pieces(size):
        sha256.update(piece)
        if taken:
            taken(piece)
        if expected:
            md5.update(piece)
        if keep:
            wanted.contents[path] += piece
    if expected and md5.hexdigest() != expected:
        raise PackageError(f"damaged: the content of `{path}` is not what its md5sums say")
    return sha256.hexdigest()


def _linked(entry: Entry, file: Entry | None) -> Entry:
    """Give a hard link the size, the hash and the path of its file."""
    if file is None:
        raise PackageError(
            f"`{entry.path}` is a hard link to `{entry.target}`, which is not a file before it"
        )
    return Entry(
        path=entry.path,
        kind=Kind.HARDLINK,
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        size=file.size,
        time=file.time,
        target=file.target or str(file.path),
        sha256=file.sha256,
        flags=entry.flags,
    )


# dpkg reads the members of several gzip streams, and only the first of several xz or zstd streams.
_SEVERAL = frozenset(["gzip"])


def read(file: Path, take: Take | None) -> Artifact:
    """Read the file, including the payload; PackageError if dpkg would not install it."""
    with open_archive(file) as archive:
        about = read_control(_stream(archive.control))
        conffiles = frozenset(line for line in about.conffiles if line.startswith("/"))
        contents = dict.fromkeys(changelog_paths(about.fields["Package"]), b"")
        wanted = Wanted(conffiles, about.md5sums, contents, take)
        entries = tuple(_read_payload(_stream(archive.data), wanted))
    return _artifact(file, archive, about, entries, contents)


def _stream(member: Member) -> Stream:
    return Stream(decompress(member.pieces(), member.compressor, several=_SEVERAL))


def _artifact(
    file: Path,
    archive: Archive,
    about: Control,
    entries: tuple[Entry, ...],
    contents: Mapping[str, bytes],
) -> Artifact:
    relations = {
        kind: tuple(
            " ".join(item.split()) for item in about.fields[kind].split(",") if item.strip()
        )
        for kind in RELATIONS
        if kind in about.fields
    }
    with file.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    return Artifact(
        file=file,
        format=Format.DEB,
        name=about.fields["Package"],
        version=stanza.version(about.fields["Version"]),
        architecture=about.fields["Architecture"],
        metadata={name: text for name, text in about.fields.items() if name not in relations},
        relations=relations,
        scripts=about.scripts,
        control_files=about.others,
        changelog=changelog(about.fields["Package"], contents),
        conffiles=about.conffiles,
        entries=entries,
        size=file.stat().st_size,
        sha256=sha256,
        content_sha256=sha256,
        payload_size=archive.data.size,
        compression=archive.data.compressor,
        digests=("md5sums",) if about.md5sums else (),
        signatures=tuple(name for name in archive.others if name.startswith("_gpg")),
        control=about.fields,
    )
