"""Members of a tar archive, read once, in order, without trusting any of them.

Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual 1.35.

`tarfile` reads as fast, but forgives what must not be forgiven here: it takes a damaged header for
the end, skips what follows the end, and joins the GNU header's `prefix` to names.
"""

from collections.abc import Iterator
from pathlib import Path

from pkgrel.content import Slice
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints, pax, tar_header
from pkgrel.release.hashing import describe
from pkgrel.release.model import Directory, Entry, File, HardLink, Symlink
from pkgrel.release.paths import decode, relative
from pkgrel.release.stream import Stream, Truncated
from pkgrel.release.tar_header import BLOCK, Header
from pkgrel.release.tree import Found

REGULAR = frozenset((b"0", b"\0", b"7"))
HARD_LINK, SYMLINK, DIRECTORY, VOLUME_LABEL = b"1", b"2", b"5", b"V"
REFUSED = {
    b"3": ("is a device", hints.LEAVE_OUT),
    b"4": ("is a device", hints.LEAVE_OUT),
    b"6": ("is a named pipe", hints.LEAVE_OUT),
    b"S": ("is stored as a sparse file", "make the tarball without `--sparse`"),
    b"M": ("continues from another volume", "make the tarball in one piece"),
}
_END = bytes(BLOCK)
_MAX_DESCRIPTIONS = 8
"""Headers that describe one member; the tars of the world write at most four."""


def members(stream: Stream, file: Path, limits: Limits) -> Iterator[Found]:
    """Yield every member but the root; the contents are slices of `file`.

    ReleaseError if the archive is damaged, unsafe, or not at its end where it says so.
    """
    try:
        while (found := _next(stream, file, limits)) is not None:
            yield found
    except Truncated:
        raise ReleaseError(
            "the tarball ends in the middle of a member or without its end mark: it is truncated",
            hint=hints.AGAIN,
        ) from None
    if any(bytes(rest).strip(b"\0") for rest in stream.rest()):
        raise ReleaseError("something follows the end of the tar archive", hint=hints.AGAIN)


def _next(stream: Stream, file: Path, limits: Limits) -> Found | None:
    """Read one member with all headers that describe it; None at the end mark."""
    extended: dict[bytes, bytes] = {}
    for described in range(_MAX_DESCRIPTIONS):
        block = stream.take(BLOCK)
        if block == _END:
            if described:
                raise Truncated
            return None
        header = tar_header.parse(block)
        if header.type in pax.TYPES:
            extended |= pax.overrides(header.type, _description(header, stream, limits))
        elif header.type == VOLUME_LABEL:
            _skip(stream, header.size + -header.size % BLOCK)
        else:
            pax.apply(header, extended)
            return _member(header, stream, file, limits)
    raise ReleaseError(
        f"more than {_MAX_DESCRIPTIONS} tar headers describe one member", hint=hints.ANEW
    )


def _description(header: Header, stream: Stream, limits: Limits) -> bytes:
    if header.size > limits.extended_header:
        raise ReleaseError(
            f"an extended tar header claims {header.size} bytes; {limits.extended_header} are plenty",
            hint=hints.AGAIN,
        )
    data = stream.take(header.size)
    _skip(stream, -header.size % BLOCK)
    return data


def _member(header: Header, stream: Stream, file: Path, limits: Limits) -> Found:
    name = decode(header.name)
    path = relative(name, limits)
    if header.type in REFUSED:
        what, hint = REFUSED[header.type]
        raise ReleaseError(f"the member `{name}` {what}", hint=hint)
    if header.mtime > limits.time:
        raise ReleaseError(
            f"the member `{name}` has the impossible time {header.mtime}", hint=hints.ANEW
        )
    # Before POSIX a directory was a file whose name ends in a slash.
    directory = header.type == DIRECTORY or (header.type in REGULAR and name.endswith("/"))
    if header.type in REGULAR and not directory:
        if not path:
            raise ReleaseError(f"the member `{name}` is a file without a name", hint=hints.ANEW)
        content, magic = _content(header, stream, file)
        return Found(File(path, header.mode & 0o7777, content), header.mtime, magic)
    if header.size and header.type != HARD_LINK:  # GNU tar ignores the size of a hard link
        raise ReleaseError(
            f"the member `{name}` has {header.size} bytes but is no file", hint=hints.ANEW
        )
    if directory:
        return Found(Directory(path, header.mode & 0o7777), header.mtime)
    return Found(_link(header, path, limits), header.mtime)


def _link(header: Header, path: str, limits: Limits) -> Entry:
    if header.type not in (SYMLINK, HARD_LINK):
        raise ReleaseError(
            f"the member `{path}` is of the unknown type `{header.type!a}`", hint=hints.ANEW
        )
    target = decode(header.link)
    if not path or not target:
        raise ReleaseError(
            f"the member `{path}` is a link without a name or a target", hint=hints.ANEW
        )
    if header.type == HARD_LINK:
        return HardLink(path, relative(target, limits))
    if len(header.link) > limits.path:
        raise ReleaseError(
            f"the symlink `{path}` has a target of {len(header.link)} bytes", hint=hints.ANEW
        )
    return Symlink(path, target)


def _content(header: Header, stream: Stream, file: Path) -> tuple[Slice, bytes]:
    offset = stream.offset
    content, magic = describe(stream.pieces(header.size), file, offset)
    _skip(stream, -header.size % BLOCK)
    return content, magic


def _skip(stream: Stream, size: int) -> None:
    for _ in stream.pieces(size):
        pass
