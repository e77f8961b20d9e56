"""The bytes of a Debian package.

    ar   debian-binary   "2.0"
         control.tar.*   control, conffiles, md5sums, maintainer scripts
         data.tar.*      the files

Source: deb(5); dpkg, src/deb/build.c and lib/dpkg/ar.c.
"""

from io import BytesIO
from typing import BinaryIO

from pkgrel.errors import PackageError
from pkgrel.formats.compression import compressor, level_of
from pkgrel.formats.deb import control, tar
from pkgrel.formats.deb.tar import Data
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package

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


FORMAT_VERSION = b"2.0\n"


def start(work: Work, payloads: Payloads) -> None:
    """Begin to compress the tree."""
    payloads.start(work, Data())


def write(package: Package, out: BinaryIO, payloads: Payloads) -> None:
    """Write the package."""
    suffix = compressor(package.compression).SUFFIX
    start(package, payloads)
    control_tar = _compressed(_control_tar(package), package)
    payload = payloads.pack(package, Data())

    out.write(MAGIC)
    for name, data in (("debian-binary", FORMAT_VERSION), (f"control.tar.{suffix}", control_tar)):
        out.write(member_header(name, len(data), mtime=package.build_time))
        out.write(data + member_padding(len(data)))
    out.write(member_header(f"data.tar.{suffix}", payload.packed.size, mtime=package.build_time))
    payload.copy_to(out)
    out.write(member_padding(payload.packed.size))


def _control_tar(package: Package) -> bytes:
    scripts = package.scripts
    # Debian Policy 6.1: dpkg runs the scripts itself, so they need the permission.
    members = {
        "control": (control.control_file(package), 0o644),
        "conffiles": (control.conffiles(package), 0o644),
        "md5sums": (control.md5sums(package), 0o644),
        "triggers": (control.triggers(package), 0o644),
        "preinst": (scripts.before_install.encode(), 0o755),
        "postinst": (scripts.after_install.encode(), 0o755),
        "prerm": (scripts.before_remove.encode(), 0o755),
        "postrm": (scripts.after_remove.encode(), 0o755),
    }
    mtime = package.build_time
    archive = [tar.header(b"./", tar.DIRECTORY, mode=0o755, mtime=mtime)]
    for name, (data, mode) in members.items():
        if data:
            path = f"./{name}".encode()
            archive += [
                tar.header(path, tar.FILE, mode=mode, mtime=mtime, size=len(data)),
                data,
                tar.padding(len(data)),
            ]
    return b"".join([*archive, tar.END])


def _compressed(data: bytes, package: Package) -> bytes:
    # With the same compressor as the data: dpkg learnt to read zstd in both at once.
    out = BytesIO()
    prefix = compressor(package.compression).start(
        out, level_of(package.compression, package.level)
    )
    prefix.write(data)
    prefix.complete()
    prefix.fork(out).finish()
    return out.getvalue()
