"""Packages for tests.

    package(tmp_path, "hello", "1.0.0")            a small file: a .deb, or an .rpm with revision="1.el9"
    saved(sample("rpm", license="MIT"), tmp_path)  one with everything, and a field of one's own
    by_dpkg_deb(tmp_path), by_rpmbuild(tmp_path)   what other tools make

`sample` and `bare` are what the plan makes of a release; `saved` and `written` turn them into bytes.
"""

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pkgrel.content import Inline
from pkgrel.formats import package_format, write_package
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
from tests.tools import need, run

EPOCH = 1_700_000_000
ROOT = "/usr/lib/demo"
LONG = "l" * 120


def package(
    folder: Path,
    name: str = "hello",
    version: str = "1.0.0",
    revision: str = "1~debian12",
    architecture: str = "x86_64",
    text: str = "hello\n",
    epoch: int = 0,
    changelog: tuple[Change, ...] = (),
) -> Path:
    """A .deb, or an .rpm if the revision is one of an rpm distro's: `1.el9`; the file's path."""
    made = bare(
        Format.DEB if "~" in revision else Format.RPM,
        distro="",
        name=name,
        version=Version(epoch=epoch, upstream=version, revision=revision),
        architecture=architecture,
        summary="A tiny package",
        description="It has one file.",
        maintainer="Test <test@example.org>",
        tree=(*shared("/opt"), file(f"/opt/{name}.txt", text)),
        changelog=changelog,
        compression=Compression.GZIP,
    )
    return saved(made, folder)


def written(package: Package) -> bytes:
    """A package's bytes, packed on its own."""
    out = io.BytesIO()
    with Payloads() as payloads:
        package_format(package.format).write(package, out, payloads)
    return out.getvalue()


def saved(package: Package, folder: Path) -> Path:
    """A package's file under its own name."""
    with Payloads() as payloads:
        return write_package(package, folder, payloads)


def file(path: str, content: str | bytes = b"content\n", **fields: Any) -> File:
    """A file with this content."""
    data = content.encode() if isinstance(content, str) else content
    return File(path=PurePosixPath(path), content=Inline(data), **fields)


def directory(path: str, **fields: Any) -> Directory:
    """A directory of the package's own."""
    return Directory(path=PurePosixPath(path), **fields)


def shared(*paths: str) -> tuple[Directory, ...]:
    """Directories of the system."""
    return tuple(directory(path, shared=True) for path in paths)


def link(path: str, target: str) -> HardLink:
    """One more name of a file."""
    return HardLink(path=PurePosixPath(path), target=PurePosixPath(target))


def symlink(path: str, target: str) -> Symlink:
    """A symlink."""
    return Symlink(path=PurePosixPath(path), target=target)


def in_order(*entries: Entry) -> tuple[Entry, ...]:
    """Sorted as trees are."""
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


# One of everything that a format can get wrong.
TREE = in_order(
    *shared("/", "/usr", "/usr/lib"),
    directory(ROOT),
    directory(f"{ROOT}/empty", mode=0o750),
    file(f"{ROOT}/first", "one\n"),
    file(f"{ROOT}/second", "two, longer\n", mode=0o600),
    # two sets of hard links, one inside the other, and a third without content
    link(f"{ROOT}/third", f"{ROOT}/first"),
    link(f"{ROOT}/u", f"{ROOT}/second"),
    link(f"{ROOT}/v", f"{ROOT}/second"),
    link(f"{ROOT}/w", f"{ROOT}/first"),
    file(f"{ROOT}/x", ""),
    link(f"{ROOT}/y", f"{ROOT}/x"),
    file(f"{ROOT}/almost-a-block", "b" * 511),
    file(f"{ROOT}/nothing", ""),
    file(f"{ROOT}/random", bytes(range(256)) * 1500),
    file(f"{ROOT}/elf", Path(shutil.which("true") or "").read_bytes(), mode=0o755),
    file(f"{ROOT}/setuid", "#!/bin/sh\n", mode=0o4755),
    file(f"{ROOT}/grüße.txt", "grüße\n"),
    symlink(f"{ROOT}/ünlink", "grüße.txt"),
    directory(f"{ROOT}/{LONG}"),
    file(f"{ROOT}/{LONG}/{LONG}", "long\n"),
    symlink(f"{ROOT}/{LONG}/link", f"../{LONG}/{LONG}"),
    directory(f"{ROOT}/long-{'x' * 200}"),
    file(f"{ROOT}/long-{'x' * 200}/with space and ünïcode", "odd\n"),
    # `-` sorts before `/`, so these two are neither neighbours nor in the order of their folders
    directory(f"{ROOT}/lib"),
    file(f"{ROOT}/lib-a", "a\n"),
    file(f"{ROOT}/lib/a", "b\n"),
    symlink(f"{ROOT}/current", "lib/a"),
    symlink(f"{ROOT}/dangling", "../nowhere/ünïcode"),
)
EXTRA = in_order(
    *shared("/etc", "/usr/share", "/usr/share/doc", "/usr/share/licenses", "/usr/bin"),
    directory("/etc/demo", mode=0o750),
    file("/etc/demo/settings", "port = 4000\n", mode=0o640, conffile=True),
    file("/usr/bin/demo", "#!/bin/sh\necho demo\n", mode=0o755),
    directory("/usr/share/doc/demo"),
    file("/usr/share/doc/demo/README", "read me\n", doc=True),
    file("/usr/share/licenses/demo.txt", "do what you like\n", license=True),
)
CHANGELOG = (
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
)
RELATIONS = {
    Format.DEB: Relations(
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
    ),
    Format.RPM: Relations(
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
        provides=(
            Relation(name="user(demo)"),
            Relation(name="demo-api", operator="=", version="1.4"),
        ),
    ),
}
SCRIPT = "#!/bin/sh\nset -e\nexit 0\n"
SCRIPTS = {
    Format.DEB: MaintainerScripts(
        before_install=SCRIPT, after_install=SCRIPT, before_remove=SCRIPT, after_remove=SCRIPT
    ),
    Format.RPM: MaintainerScripts(
        before_install="#!/bin/sh\necho pre $1\n",
        after_install="echo post $1\n",
        before_remove="echo preun $1\n",
        after_remove="echo postun $1\n",
        after_transaction="echo posttrans $1\n",
    ),
}


def sample(format: str = "deb", compression: str = "zstd", **fields: Any) -> Package:
    """A package with everything that one can have; keyword arguments replace its fields."""
    kind = Format(format)
    package = bare(
        kind,
        version=Version(
            epoch=2, upstream="1.4.0~rc.1", revision="3" if kind is Format.DEB else "3.el9"
        ),
        architecture="x86_64",
        vendor="Demo",
        homepage="https://example.org/demo",
        section="net",
        tree=TREE,
        extra=EXTRA,
        relations=RELATIONS[kind],
        scripts=SCRIPTS[kind],
        changelog=CHANGELOG,
        compression=Compression(compression),
    )
    return replace(package, **fields)


def bare(format: str = "deb", **fields: Any) -> Package:
    """A package with nothing that it can do without; keyword arguments replace its fields."""
    package = Package(
        format=Format(format),
        distro="debian12" if format == "deb" else "el9",
        name="demo",
        version=Version(upstream="1", revision="1"),
        architecture="noarch",
        summary="A demonstration",
        description="With two paragraphs.\n\nThis is the second.",
        license="Apache-2.0",
        maintainer="Demo Team <demo@example.org>",
        tree=(),
        extra=(),
        build_time=EPOCH,
        compression=Compression.ZSTD,
    )
    return replace(package, **fields)


# What other tools make

_REFERENCE = Path(__file__).parent / "data/reference"
CONTROL = (_REFERENCE / "control").read_text()
SPEC = (_REFERENCE / "demo.spec").read_text()
DPKG_SCRIPTS = {
    "preinst": "#!/bin/sh\nset -e\n",
    "postinst": '#!/bin/sh -e\necho configured "$1"\n',
    "postrm": "#!/bin/sh\nset -e\nexit 0\n",
}


def _tree(root: Path) -> None:
    """Write everything that a package can have and a checkout cannot hold."""
    files = {
        "usr/bin/demo": (b"#!/bin/sh\necho demo\n", 0o755),
        "usr/bin/demo-setuid": (b"\x7fELF no really\n", 0o4750),
        "usr/lib/demo/random": (bytes(range(256)) * 1500, 0o644),
        "usr/lib/demo/empty": (b"", 0o644),
        f"usr/lib/demo/{LONG}": (b"long\n", 0o644),
        "usr/lib/demo/with space and ünïcode": (b"odd\n", 0o644),
        "usr/lib/demo/a-linked": (b"hard\n", 0o644),
        "usr/share/doc/demo/README": (b"read me\n", 0o644),
        "etc/demo.conf": (b"port = 4000\n", 0o640),
    }
    for name, (data, mode) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
    (root / "usr/lib/demo/b-linked").hardlink_to(root / "usr/lib/demo/a-linked")
    (root / "usr/lib/demo/current").symlink_to("../demo/random")
    (root / "var/lib/demo").mkdir(parents=True)
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def by_dpkg_deb(folder: Path, compression: str = "zstd", control: str = CONTROL) -> Path:
    """A .deb by dpkg-deb; compression by dpkg's name."""
    need("dpkg-deb", "md5sum")
    root = folder / "root"
    _tree(root)
    sums = run("sh", "-c", f"cd {root} && find usr -type f -print0 | xargs -0 md5sum")
    about = root / "DEBIAN"
    about.mkdir()
    texts = DPKG_SCRIPTS | {
        "control": control,
        "md5sums": sums,
        "conffiles": "/etc/demo.conf\n",
        "triggers": "activate-noawait ldconfig\n",
    }
    for name, text in texts.items():
        (about / name).write_text(text)
        (about / name).chmod(0o755 if name in DPKG_SCRIPTS else 0o644)
    package = folder / "demo.deb"
    run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", root, package,
        SOURCE_DATE_EPOCH=str(EPOCH))  # fmt: skip
    shutil.rmtree(root)
    return package


def by_rpmbuild(folder: Path, payload: str = "w3.zstdio", spec: str = SPEC) -> Path:
    """An .rpm by rpmbuild; payload as in rpm's macro `_binary_payload`."""
    need("rpmbuild")
    root = folder / "root"
    _tree(root)
    file = folder / "demo.spec"
    file.write_text(spec.replace("ROOT", str(root)))
    macros = {
        "_topdir": folder / "rpmbuild",
        "_binary_payload": payload,
        "_buildhost": "build.example.org",
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "__os_install_post": "%{nil}",
        "__brp_compress": "%{nil}",
    }
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    run("rpmbuild", "-bb", "--quiet", *defines, file, SOURCE_DATE_EPOCH=str(EPOCH))
    (made,) = (folder / "rpmbuild/RPMS").glob("*/*.rpm")
    package = made.rename(folder / "demo.rpm")
    shutil.rmtree(root)
    shutil.rmtree(folder / "rpmbuild")
    return package
