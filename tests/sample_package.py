"""A package with one of everything that a format can get wrong, and a way to see what is on disk."""

import hashlib
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pkgrel.content import Inline, Slice
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
SCRIPT = "#!/bin/sh\nset -e\nexit 0\n"
LONG = "l" * 120
HOME = PurePosixPath("/usr/lib/demo")


def file(path: str, text: str | bytes = "", **fields: Any) -> File:
    """A file with this content."""
    data = text.encode() if isinstance(text, str) else text
    return File(path=PurePosixPath(path), content=Inline(data), **fields)


def directory(path: str, **fields: Any) -> Directory:
    """A directory."""
    return Directory(path=PurePosixPath(path), **fields)


def slice_of(path: Path, offset: int = 0, size: int | None = None) -> Slice:
    """A part of a file, hashed."""
    size = path.stat().st_size - offset if size is None else size
    with path.open("rb") as source:
        source.seek(offset)
        data = source.read(size)
    return Slice(path, offset, size, hashlib.sha256(data).hexdigest())


TREE: tuple[Entry, ...] = (
    directory("/", shared=True),
    directory("/usr", shared=True),
    directory("/usr/lib", shared=True),
    directory("/usr/lib/demo"),
    file("/usr/lib/demo/a", "linked\n", mode=0o640),
    HardLink(path=HOME / "b", target=HOME / "a"),
    file("/usr/lib/demo/between", "b" * 511),
    HardLink(path=HOME / "c", target=HOME / "a"),
    directory("/usr/lib/demo/bin"),
    file("/usr/lib/demo/bin/demo", b"\x7fELF\x02" + bytes(3000), mode=0o755),
    directory("/usr/lib/demo/empty"),
    file("/usr/lib/demo/grüße.txt", "grüße\n"),
    directory(f"/usr/lib/demo/{LONG}"),
    file(f"/usr/lib/demo/{LONG}/{LONG}", "long\n"),
    Symlink(path=HOME / LONG / "link", target=f"../{LONG}/{LONG}"),
    file("/usr/lib/demo/nothing"),
    file("/usr/lib/demo/setuid", "#!/bin/sh\n", mode=0o4755),
    Symlink(path=HOME / "ünlink", target="grüße.txt"),
)
EXTRA: tuple[Entry, ...] = (
    directory("/etc", shared=True),
    directory("/etc/demo", mode=0o750),
    file("/etc/demo/environment", "PORT=4000\n", mode=0o640, conffile=True),
    directory("/usr/bin", shared=True),
    file("/usr/bin/demo", "#!/bin/sh\nexec true\n", mode=0o755),
    directory("/usr/share", shared=True),
    directory("/usr/share/doc", shared=True),
    directory("/usr/share/doc/demo"),
    file("/usr/share/doc/demo/copyright", "Apache-2.0\n", license=True),
    file("/usr/share/doc/demo/readme", "read me\n", doc=True),
)

RELATIONS = Relations(
    depends=(
        Relation(name="libc6", operator=">=", version="2.34"),
        Relation(
            name="libssl3",
            operator=">=",
            version="3.0",
            alternatives=(Relation(name="libssl3t64"),),
        ),
        Relation(name="adduser", before_install=True),
    ),
    recommends=(Relation(name="ca-certificates"),),
    suggests=(Relation(name="logrotate"),),
    conflicts=(Relation(name="demo-legacy", operator="<", version="1.0"),),
    replaces=(Relation(name="demo-old", operator="<=", version="0.9"),),
    provides=(Relation(name="demo-api", operator="=", version="1.4"),),
)


def sample(format: str = "deb", compression: str = "zstd", **fields: Any) -> Package:
    """The package; keyword arguments replace its fields."""
    package = Package(
        format=Format(format),
        distro="debian12",
        name="demo",
        version=Version(epoch=2, upstream="1.4.0~rc.1", revision="3"),
        architecture="x86_64",
        summary="Demonstration",
        description="With two paragraphs.\n\nThis is the second.",
        maintainer="Demo Team <demo@example.org>",
        vendor="Example",
        homepage="https://example.org/demo",
        license="Apache-2.0",
        section="net",
        tree=TREE,
        extra=EXTRA,
        relations=RELATIONS,
        scripts=MaintainerScripts(
            before_install=SCRIPT,
            after_install=SCRIPT,
            before_remove=SCRIPT,
            after_remove=SCRIPT,
            after_transaction=SCRIPT,
        ),
        changelog=(
            Change(
                version="1.4.0", author="Demo Team <demo@example.org>", time=EPOCH, lines=("New",)
            ),
        ),
        build_time=EPOCH,
        compression=Compression(compression),
    )
    return replace(package, **fields)


Found = tuple[str, int, str, str]
"""Kind, permission bits, content or link target, owner and group."""


def planned(package: Package, *, shared: bool) -> dict[str, Found]:
    """What the package promises, by path."""
    files = {entry.path: entry for entry in package.entries if isinstance(entry, File)}
    found: dict[str, Found] = {}
    for entry in package.entries:
        actual = files[entry.target] if isinstance(entry, HardLink) else entry
        owner = f"{actual.owner}:{actual.group}"
        match actual:
            case File(content=content, mode=mode):
                found[str(entry.path)] = ("file", mode, content.sha256, owner)
            case Symlink(target=target):
                found[str(entry.path)] = ("symlink", 0o777, target, owner)
            case Directory(mode=mode):
                if shared or not actual.shared:
                    found[str(entry.path)] = ("directory", mode, "", owner)
    return found


def on_disk(root: Path, *, without: tuple[str, ...] = ()) -> dict[str, Found]:
    """What is below a directory, by path; directories that are `without` are not entered."""
    found: dict[str, Found] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        name = "/" + str(path.relative_to(root)).removeprefix(".")
        if any(name == other or name.startswith(f"{other}/") for other in without):
            continue
        mode = path.lstat().st_mode
        owner = f"{path.owner()}:{path.group()}" if not path.is_symlink() else "root:root"
        if stat.S_ISLNK(mode):
            found[name] = ("symlink", 0o777, str(path.readlink()), owner)
        elif stat.S_ISDIR(mode):
            found[name] = ("directory", stat.S_IMODE(mode), "", owner)
        else:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = ("file", stat.S_IMODE(mode), sha256, owner)
    return found
