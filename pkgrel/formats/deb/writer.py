"""The bytes of a Debian package.

    ar   debian-binary   "2.0"
         control.tar.*   control, conffiles, md5sums, maintainer scripts
         data.tar.*      the files

Source: deb(5); dpkg, src/deb/build.c.
"""

from io import BytesIO
from typing import BinaryIO

from pkgrel.formats import ar, tar
from pkgrel.formats.compression import compressor, level_of
from pkgrel.formats.deb import control
from pkgrel.formats.deb.data import Data
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package

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

    out.write(ar.MAGIC)
    for name, data in (("debian-binary", FORMAT_VERSION), (f"control.tar.{suffix}", control_tar)):
        out.write(ar.member_header(name, len(data), mtime=package.build_time))
        out.write(data + ar.member_padding(len(data)))
    out.write(ar.member_header(f"data.tar.{suffix}", payload.packed.size, mtime=package.build_time))
    payload.copy_to(out)
    out.write(ar.member_padding(payload.packed.size))


def _control_tar(package: Package) -> bytes:
    scripts = package.scripts
    # Debian Policy 6.1: dpkg runs the scripts itself, so they need the permission.
    members = {
        "control": (control.control(package), 0o644),
        "conffiles": (control.conffiles(package), 0o644),
        "md5sums": (control.md5sums(package), 0o644),
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
