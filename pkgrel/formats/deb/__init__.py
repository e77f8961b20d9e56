"""The .deb format: its conventions, the files of control.tar, and the bytes of a package.

    ar   debian-binary   "2.0"
         control.tar.*   control, conffiles, md5sums, maintainer scripts
         data.tar.*      the files

Source: deb-control(5), deb-md5sums(5), deb-conffiles(5); Debian Policy 7.1; scripts/dpkg-gencontrol.pl of dpkg
for Installed-Size; dh_md5sums of debhelper; Debian Policy; deb-control(5); deb(5); dpkg, src/deb/build.c and
lib/dpkg/ar.c.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

from pkgrel.errors import ConfigError, PackageError
from pkgrel.formats import encoding
from pkgrel.formats.compression import compressor, level_of
from pkgrel.formats.deb import tar
from pkgrel.formats.deb.tar import Data
from pkgrel.formats.encoding import description_lines, encoded, find_architecture, link_targets
from pkgrel.formats.payload import Payloads, Work
from pkgrel.package import Entry, File, HardLink, Package, Relation, Relations, Symlink, Version

KIB = 1024


def control_file(package: Package) -> bytes:
    """The control file; fields in the order of dpkg-gencontrol, none of them empty."""
    fields = {
        "Package": package.name,
        "Version": str(package.version),
        "Architecture": encoding.find_architecture(package.architecture).deb,
        "Maintainer": package.maintainer,
        "Installed-Size": str(installed_size(package.entries)),
        **relation_fields(package.relations),
        "Section": package.section,
        "Priority": "optional",
        "Homepage": package.homepage,
        **package.fields,
        "Description": package.summary,
    }
    for field, value in fields.items():
        if "\n" in value:
            raise PackageError(f"{field} of a .deb must be one line, not {value!r}")
    lines = [f"{field}: {value}" for field, value in fields.items() if value]
    # An empty line would end the file, so a dot stands for it.
    lines += [f" {line or '.'}" for line in description_lines(package.description)]
    return "".join(f"{line}\n" for line in lines).encode()


def installed_size(entries: Iterable[Entry]) -> int:
    """In KiB: files and symbolic links rounded up, hard links once, 1 for anything else."""
    total = 0
    for entry in entries:
        match entry:
            case File(content=content):
                total += -(-content.size // KIB)
            case Symlink(target=target):
                total += -(-len(target.encode()) // KIB)
            case HardLink():
                pass
            case _:
                total += 1
    return total


def md5sums(package: Package) -> bytes:
    """MD5 of every file that is not a conffile; dpkg --verify fails if a space is missing."""
    entries = tuple(package.entries)
    files = {entry.path: entry for entry in entries if isinstance(entry, File)}
    files |= {link.path: target for link, target in link_targets(entries).items()}
    lines = [
        (encoded(path)[1:], file.content.md5) for path, file in files.items() if not file.conffile
    ]
    return b"".join(b"%b  %b\n" % (md5.encode(), path) for path, md5 in sorted(lines))


def conffiles(package: Package) -> bytes:
    """Absolute paths; without a newline at the end dpkg refuses the file."""
    paths = [
        encoded(entry.path)
        for entry in package.entries
        if isinstance(entry, File) and entry.conffile
    ]
    return b"".join(path + b"\n" for path in sorted(paths))


def triggers(package: Package) -> bytes:
    """deb-triggers(5)."""
    return "".join(f"{line}\n" for line in package.triggers).encode()


OPERATORS = {"<": "<<", "<=": "<=", "=": "=", ">=": ">=", ">": ">>"}


def relation_fields(relations: Relations) -> dict[str, str]:
    """Fields and values in the order of dpkg-gencontrol; empty for none."""
    before = [relation for relation in relations.depends if relation.before_install]
    later = [relation for relation in relations.depends if not relation.before_install]
    return {
        "Pre-Depends": _list(before),
        "Depends": _list(later),
        "Recommends": _list(relations.recommends),
        "Suggests": _list(relations.suggests),
        "Enhances": _list(relations.enhances),
        "Conflicts": _list(relations.conflicts),
        # Policy 7.6.1: a file may move between packages if it both replaces and breaks the old one.
        "Breaks": _list((*relations.breaks, *relations.replaces)),
        "Replaces": _list(relations.replaces),
        "Provides": _list(relations.provides),
    }


def _list(relations: list[Relation] | tuple[Relation, ...]) -> str:
    return ", ".join(
        " | ".join(map(_one, (relation, *relation.alternatives))) for relation in relations
    )


def _one(relation: Relation) -> str:
    if not relation.operator:
        return relation.name
    return f"{relation.name} ({OPERATORS[relation.operator]} {relation.version})"


SCRIPTS = {
    "before_install": "deb/preinst",
    "after_install": "deb/postinst",
    "before_remove": "deb/prerm",
    "after_remove": "deb/postrm",
}

# Debian reserves zsh's own directory for packages of zsh.
ZSH_COMPLETIONS = "vendor-completions"

ASKS_ABOUT_CONFFILES = True
ENABLES_BY_PRESET = False
"""deb-systemd-helper enables units, in postinst."""
HAS_GHOSTS = False

# Policy 5.6.7 and 7.1, with an architecture after the colon.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?")
_VERSION = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*(?<!-)")
"""deb-version(7), without colons in the upstream version, which no archive uses."""


def manager(installer: str) -> str:
    """apt is the only one."""
    return "deb/apt"


def architecture(kernel: str) -> str:
    """`amd64`, or `all`; Debian Policy 5.6.8."""
    return find_architecture(kernel).deb


def downloaded(name: str, version: Version, kernel: str) -> Sequence[str]:
    """apt's cache of archives, whose names have the epoch with its colon escaped."""
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
    """The package that provides a program, by its Debian name."""
    # sudo-rs reads the same sudoers file.
    others = (Relation(name="sudo-rs"),) if name == "sudo" else ()
    return Relation(name={"aws": "awscli"}.get(name, name), alternatives=others)


def requirements() -> Iterator[Relation]:
    """Packages that the maintainer scripts need."""
    yield Relation(name="passwd", before_install=True)


def accounts(user: str, group: str) -> Iterator[Relation]:
    """Nothing: a .deb does not provide accounts."""
    yield from ()


def refuse_relation(relation: Relation) -> None:
    """ConfigError for a name or version that is not valid in Debian."""
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
    """The header of a member; `member_padding` follows its data."""
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
    """Start to compress the tree in a thread."""
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
    # Debian Policy 6.1: dpkg executes the scripts, so they must be executable.
    members = {
        "control": (control_file(package), 0o644),
        "conffiles": (conffiles(package), 0o644),
        "md5sums": (md5sums(package), 0o644),
        "triggers": (triggers(package), 0o644),
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
    # Compressed like the data: dpkg versions that read zstd read it in both.
    out = BytesIO()
    prefix = compressor(package.compression).start(
        out, level_of(package.compression, package.level)
    )
    prefix.write(data)
    prefix.complete()
    prefix.fork(out).finish()
    return out.getvalue()
