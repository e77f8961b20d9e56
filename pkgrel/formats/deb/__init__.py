"""What only .deb packages have: names, conventions, the programs of their suites.

The bytes are `writer`'s.

The bytes of a Debian package.

    ar   debian-binary   "2.0"
         control.tar.*   control, conffiles, md5sums, maintainer scripts
         data.tar.*      the files

Source: Debian Policy; deb-control(5); deb(5); dpkg, src/deb/build.c and lib/dpkg/ar.c.
"""

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

from pkgrel.errors import ConfigError, PackageError
from pkgrel.formats.compression import compressor, level_of
from pkgrel.formats.deb import control, tar
from pkgrel.formats.deb.tar import Data
from pkgrel.formats.encoding import find_architecture
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Package, Relation, Version

SCRIPTS = {
    "before_install": "deb/preinst",
    "after_install": "deb/postinst",
    "before_remove": "deb/prerm",
    "after_remove": "deb/postrm",
}

# Debian keeps zsh's own place for zsh's packages.
ZSH_COMPLETIONS = "vendor-completions"

ASKS_ABOUT_CONFFILES = True
ENABLES_BY_PRESET = False
"""deb-systemd-helper does it, in postinst."""
HAS_GHOSTS = False

# Policy 5.6.7 and 7.1, with an architecture behind the colon.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?")
_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*(?<!-)")
"""deb-version(7); a colon in the upstream version is left out, as no archive has one."""


def manager(installer: str) -> str:
    """There is but one."""
    return "deb/apt"


def architecture(kernel: str) -> str:
    """`amd64`, or `all`; Debian Policy 5.6.8."""
    return find_architecture(kernel).deb


def downloaded(name: str, version: Version, kernel: str) -> Sequence[str]:
    """apt's archives, in which a name has the epoch, its colon escaped."""
    text = str(version).replace(":", "%3a")
    return (f"/var/cache/apt/archives/{name}_{text}_{architecture(kernel)}.deb",)


def revision(number: str, tag: str) -> str:
    """`1~debian12` sorts before `1`, so an archive's own package wins."""
    return f"{number}~{tag}"


def file_name(package: Package) -> str:
    """`name_version_architecture.deb`; an epoch is never in it, as in Debian's own archive."""
    revision = f"-{package.version.revision}" if package.version.revision else ""
    version = f"{package.version.upstream}{revision}"
    return f"{package.name}_{version}_{architecture(package.architecture)}.deb"


def program(name: str) -> Relation:
    """What brings a program, by the name of Debian's package."""
    # sudo-rs reads the same file.
    others = (Relation(name="sudo-rs"),) if name == "sudo" else ()
    return Relation(name={"aws": "awscli"}.get(name, name), alternatives=others)


def requirements() -> Iterator[Relation]:
    """What the maintainer scripts call."""
    yield Relation(name="passwd", before_install=True)


def accounts(user: str, group: str) -> Iterator[Relation]:
    """Nothing: a .deb does not provide accounts."""
    yield from ()


def refuse_relation(relation: Relation) -> None:
    """ConfigError for a name or a version that no Debian package can have."""
    for item in (relation, *relation.alternatives):
        if item.version and not _VERSION.fullmatch(item.version):
            raise ConfigError(
                f"`{item.version}` cannot be the version of a Debian package",
                hint="write `[epoch:]version[-revision]`; the version begins with a digit",
            )
        if not _NAME.fullmatch(item.name):
            raise ConfigError(
                f"`{item.name}` cannot be the name of a Debian package",
                hint="give the relations of each format in [deb] and [rpm]",
            )


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
