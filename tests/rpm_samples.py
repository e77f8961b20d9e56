"""Packages with everything that a package can have."""

import io
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pkgrel.content import Inline
from pkgrel.formats import rpm
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Change,
    Compression,
    Directory,
    Entry,
    File,
    Format,
    HardLink,
    MaintainerScripts,
    Package,
    Relation,
    Relations,
    Symlink,
    Version,
)

EPOCH = 1_700_000_000
ROOT = "/usr/lib/demo"


def path(text: str) -> PurePosixPath:
    return PurePosixPath(text)


def file(name: str, content: bytes = b"content\n", **attributes: object) -> File:
    return File(path=path(name), content=Inline(content), **attributes)


def link(name: str, target: str) -> HardLink:
    return HardLink(path=path(name), target=path(target))


def in_order(*entries: Entry) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


def shared(*names: str) -> tuple[Directory, ...]:
    return tuple(Directory(path=path(name), shared=True) for name in names)


TREE = in_order(
    *shared("/", "/usr", "/usr/lib"),
    Directory(path=path(ROOT)),
    Directory(path=path(f"{ROOT}/empty"), mode=0o750),
    file(f"{ROOT}/first", b"one\n"),
    file(f"{ROOT}/second", b"two, longer\n", mode=0o600),
    # two sets of hard links, one inside the other, and a third without content
    link(f"{ROOT}/third", f"{ROOT}/first"),
    link(f"{ROOT}/u", f"{ROOT}/second"),
    link(f"{ROOT}/v", f"{ROOT}/second"),
    link(f"{ROOT}/w", f"{ROOT}/first"),
    file(f"{ROOT}/x", b""),
    link(f"{ROOT}/y", f"{ROOT}/x"),
    file(f"{ROOT}/nothing", b""),
    file(f"{ROOT}/random", bytes(range(256)) * 1500),
    file(f"{ROOT}/elf", Path(shutil.which("true") or "").read_bytes(), mode=0o755),
    file(f"{ROOT}/setuid", b"#!/bin/sh\n", mode=0o4755),
    file(f"{ROOT}/long-{'x' * 200}/with space and ünïcode", b"odd\n"),
    Directory(path=path(f"{ROOT}/long-{'x' * 200}")),
    # `-` sorts before `/`, so these two are neither neighbours nor in the order of their folders
    Directory(path=path(f"{ROOT}/lib")),
    file(f"{ROOT}/lib-a", b"a\n"),
    file(f"{ROOT}/lib/a", b"b\n"),
    Symlink(path=path(f"{ROOT}/current"), target="lib/a"),
    Symlink(path=path(f"{ROOT}/dangling"), target="../nowhere/ünïcode"),
)
EXTRA = in_order(
    *shared("/etc", "/usr/share", "/usr/share/doc", "/usr/share/licenses", "/usr/bin"),
    Directory(path=path("/etc/demo")),
    file("/etc/demo/settings", b"port = 4000\n", mode=0o640, conffile=True),
    file("/usr/bin/demo", b"#!/bin/sh\necho demo\n", mode=0o755),
    Directory(path=path("/usr/share/doc/demo")),
    file("/usr/share/doc/demo/README", b"read me\n", doc=True),
    file("/usr/share/licenses/demo.txt", b"do what you like\n", license=True),
)
SCRIPTS = MaintainerScripts(
    before_install="#!/bin/sh\necho pre $1\n",
    after_install="echo post $1\n",
    before_remove="echo preun $1\n",
    after_remove="echo postun $1\n",
    after_transaction="echo posttrans $1\n",
)
RELATIONS = Relations(
    depends=(
        Relation(name="systemd", operator=">=", version="239"),
        Relation(
            name="openssl-libs",
            alternatives=(Relation(name="libressl", operator=">", version="3"),),
        ),
        Relation(name="libc.so.6(GLIBC_2.34)(64bit)"),
        Relation(name="/usr/sbin/useradd", before_install=True),
    ),
    recommends=(Relation(name="logrotate"),),
    suggests=(Relation(name="curl", operator="<", version="9"),),
    conflicts=(Relation(name="demo-old"),),
    replaces=(Relation(name="older-demo", operator="<=", version="0.9"),),
    provides=(Relation(name="user(demo)"), Relation(name="demo-api", operator="=", version="1.4")),
)
DEMO = Package(
    format=Format.RPM,
    distro="el9",
    name="demo",
    version=Version(epoch=2, upstream="1.4.0~rc.1", revision="3.el9"),
    architecture="x86_64",
    summary="A demonstration",
    description="With two paragraphs.\n\nThis is the second.",
    maintainer="Demo Team <demo@example.org>",
    vendor="Demo",
    homepage="https://example.org/demo",
    license="Apache-2.0",
    tree=TREE,
    extra=EXTRA,
    relations=RELATIONS,
    scripts=SCRIPTS,
    changelog=(
        Change(
            version="2:1.4.0~rc.1-3",
            author="Demo Team <demo@example.org>",
            time=1700049600,
            lines=("Second entry", "of two lines"),
        ),
        Change(
            version="1.3.0-1",
            author="Demo Team <demo@example.org>",
            time=1699963200,
            lines=("First entry",),
        ),
    ),
    build_time=EPOCH,
    compression=Compression.ZSTD,
)
BARE = replace(
    DEMO,
    architecture="noarch",
    version=Version(upstream="1", revision="1"),
    vendor="",
    homepage="",
    tree=(),
    extra=(),
    relations=Relations(),
    scripts=MaintainerScripts(),
    changelog=(),
)


def written(package: Package) -> bytes:
    """A package's bytes, packed on its own."""
    out = io.BytesIO()
    with Payloads() as payloads:
        rpm.write(package, out, payloads)
    return out.getvalue()


def saved(package: Package, folder: Path) -> Path:
    """A package's file under its own name."""
    target = folder / rpm.file_name(package)
    target.write_bytes(written(package))
    return target


def as_written(package: Package) -> dict[str, tuple[object, ...]]:
    """What a file system has when the package is installed by root, its own directories included."""
    found: dict[str, tuple[object, ...]] = {}
    sets: dict[PurePosixPath, list[str]] = {}
    entries = {entry.path: entry for entry in package.entries}
    for entry in package.entries:
        match entry:
            case Directory():
                found[str(entry.path)] = ("directory", entry.mode)
            case Symlink():
                found[str(entry.path)] = ("symlink", entry.target)
            case File(path=first) | HardLink(target=first):
                original = entries[first]
                names = sets.setdefault(first, [])
                names.append(str(entry.path))
                found[str(entry.path)] = ("file", original.mode, original.content.data, names)
    return found


def on_disk(root: Path, names: list[str]) -> dict[str, tuple[object, ...]]:
    """The same of these paths, as they are below `root`."""
    found: dict[str, tuple[object, ...]] = {}
    sets: dict[int, list[str]] = {}
    for name in names:
        place = Path(f"{root}{name}")
        status = place.lstat()
        if place.is_symlink():
            found[name] = ("symlink", str(place.readlink()))
        elif place.is_dir():
            found[name] = ("directory", status.st_mode & 0o7777)
        else:
            links = sets.setdefault(status.st_ino, [])
            links.append(name)
            found[name] = ("file", status.st_mode & 0o7777, place.read_bytes(), links)
            assert status.st_mtime == EPOCH
    for name in found:
        if found[name][0] == "file":
            assert Path(f"{root}{name}").stat().st_nlink == len(found[name][3])
    return found
