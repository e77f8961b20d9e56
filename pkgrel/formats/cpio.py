"""cpio archives in the two forms that rpm has: newc, and stripped for files of 4 GiB and more.

Source: rpm, lib/cpio.c; https://rpm-software-management.github.io/rpm/manual/large_files.html.
"""

FILE, SYMLINK, DIRECTORY = 0o100000, 0o120000, 0o040000

ALIGNMENT = 4
TRAILER = b"TRAILER!!!"

# magic inode mode uid gid links mtime size, major and minor of device and special file, name size, 0
NEWC = b"070701%08x%08x%08x%08x%08x%08x%08x00000000000000000000000000000000%08x00000000%b\0"
# magic, index of the file in the header, which has all the rest
STRIPPED = b"07070X%08x"

LARGEST = 2**32 - 1
"""Bytes of a file in the newc form."""


def newc(name: bytes, *, inode: int, mode: int, links: int, mtime: int, size: int) -> bytes:
    """Everything in front of an entry's content; `mode` includes the file type.

    User and group are 0: rpm takes them from the package's header.
    """
    header = NEWC % (inode, mode, 0, 0, links, mtime, size, len(name) + 1, name)
    return header + padding(len(header))


def stripped(index: int) -> bytes:
    """Everything in front of the content of the header's file number `index`."""
    header = STRIPPED % index
    return header + padding(len(header))


def link_content(target: str) -> bytes:
    """What is stored for a symbolic link."""
    return target.encode("utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """What aligns the next header or content behind `size` bytes, if they began aligned."""
    return bytes(-size % ALIGNMENT)


def trailer() -> bytes:
    """The end of an archive of either form."""
    return newc(TRAILER, inode=0, mode=0, links=1, mtime=0, size=0)
