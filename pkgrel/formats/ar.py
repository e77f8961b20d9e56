"""ar archives as dpkg reads them: short names, no symbol table.

Source: deb(5); dpkg, lib/dpkg/ar.c.
"""

from pkgrel.errors import PackageError

MAGIC = b"!<arch>\n"
# All ASCII, padded with spaces; the mode is octal.
MEMBER = "{name:<16}{mtime:<12d}{uid:<6d}{gid:<6d}{mode:<8o}{size:<10d}`\n"
LARGEST = 10**10 - 1
"""Ten digits: 9.3 GiB."""


def member_header(name: str, size: int, *, mtime: int) -> bytes:
    """Header of a member; `member_padding` goes behind its data."""
    if size > LARGEST:
        raise PackageError(
            f"`{name}` would have {size} bytes, more than the {LARGEST} that a .deb can hold",
            hint="make the release smaller or compress it better",
        )
    header = MEMBER.format(name=name, mtime=mtime, uid=0, gid=0, mode=0o100644, size=size)
    return header.encode("ascii")


def member_padding(size: int) -> bytes:
    """Members begin at even offsets."""
    return b"\n" * (size % 2)
