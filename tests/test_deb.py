"""Debian packages: what dpkg makes of them, and how they differ from what dpkg-deb builds."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from pkgrel.content import Inline, Slice
from pkgrel.errors import PackageError
from pkgrel.formats import deb, write_package
from pkgrel.formats.deb import control_file
from pkgrel.formats.payload import Payloads
from pkgrel.package import (
    Compression,
    Directory,
    File,
    HardLink,
    Package,
    Symlink,
    Version,
)
from tests.conftest import skip_unless
from tests.packages import EPOCH, TREE, bare, sample, written
from tests.tools import PATIENCE
from tests.unpacked import on_disk, planned

COMPRESSIONS = [*map(str, Compression)]


@pytest.fixture
def payloads() -> Iterator[Payloads]:
    with Payloads() as payloads:
        yield payloads


def dpkg_deb(*arguments: str | Path) -> str:
    return subprocess.run(
        ["dpkg-deb", *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory that dpkg takes for a system without packages."""
    skip_unless(sys.platform == "linux" and os.geteuid() == 0, "dpkg changes owners only as root")
    database = tmp_path / "root/var/lib/dpkg"
    for folder in ("info", "updates"):
        (database / folder).mkdir(parents=True)
    for file in ("status", "available"):
        (database / file).touch()
    return tmp_path / "root"


def dpkg(root: Path, *arguments: str | Path) -> str:
    # Without a shell in the root the scripts run outside of it.
    force = ["--force-depends", "--force-script-chrootless"]
    command = ["dpkg", f"--root={root}", *force, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_dpkg_installs_what_was_planned(
    root: Path, tmp_path: Path, payloads: Payloads, compression: str
) -> None:
    # The second one is made of the first one's compressed tree.
    write_package(sample(compression=compression, distro="debian11"), tmp_path, payloads)
    package = sample(compression=compression)
    path = write_package(package, tmp_path, payloads)
    dpkg(root, "--install", path)
    assert dpkg(root, "--verify", "demo") == ""
    expected = planned(package)
    # The directory was there before, and its mode stays.
    del expected["/"]
    shutil.rmtree(root / "var")
    present = [f"/{path.relative_to(root)}" for path in sorted(root.rglob("*"))]
    assert on_disk(root, present) == expected
    assert {path.owner() for path in root.rglob("*") if not path.is_symlink()} == {"root"}


def test_dpkg_keeps_what_the_administrator_edited(
    root: Path, tmp_path: Path, payloads: Payloads
) -> None:
    dpkg(root, "--install", write_package(sample(), tmp_path, payloads))
    (root / "etc/demo/settings").write_text("PORT=5000\n")
    newer = sample(version=Version(epoch=2, upstream="1.4.0", revision="1"))
    dpkg(root, "--install", write_package(newer, tmp_path, payloads))
    assert (root / "etc/demo/settings").read_text() == "PORT=5000\n"
    dpkg(root, "--purge", "demo")
    assert not (root / "etc/demo").exists()


def test_control_as_dpkg_prints_it(
    tmp_path: Path, payloads: Payloads, golden: Callable[[str, str], None]
) -> None:
    # Without the program that is another one on every machine.
    tree = tuple(entry for entry in TREE if entry.path.name != "elf")
    path = write_package(sample(tree=tree), tmp_path, payloads)
    files = ["control", "conffiles", "md5sums", "preinst", "postinst", "prerm", "postrm"]
    texts = [f"== {name}\n{dpkg_deb('--info', path, name)}" for name in files]
    golden("deb/control.txt", "".join(texts))


def test_next_to_nothing_leaves_out_what_is_empty(tmp_path: Path, payloads: Payloads) -> None:
    path = write_package(bare(), tmp_path, payloads)
    assert path.name == "demo_1-1_all.deb"
    dpkg_deb("--control", path, tmp_path / "control")
    assert [file.name for file in (tmp_path / "control").iterdir()] == ["control"]
    fields = dpkg_deb("--field", path).splitlines()
    assert not [field for field in fields if field.endswith(": ")]
    assert "Installed-Size: 0" in fields


def unpacked(package: Package, folder: Path) -> None:
    """Lay out a package's files as somebody who calls dpkg-deb would."""
    for entry in package.entries:
        path = folder / str(entry.path)[1:]
        match entry:
            case Directory(mode=mode):
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(mode)
            case File(content=content, mode=mode):
                path.write_bytes(b"".join(content.chunks()))
                path.chmod(mode)
            case HardLink(target=target):
                path.hardlink_to(folder / str(target)[1:])
            case Symlink(target=target):
                path.symlink_to(target)


def members(path: Path, name: str) -> dict[str, tuple[object, ...]]:
    """Every field of every member of control.tar or data.tar, by name."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(
        fileobj=io.BytesIO(
            subprocess.run(["dpkg-deb", f"--{name}", path], capture_output=True, check=True).stdout
        )
    ) as archive:
        assert not archive.pax_headers
        for item in archive:
            owner = (item.uid, item.gid, item.uname, item.gname)
            body = archive.extractfile(item) if item.isfile() else None
            found[item.name] = (
                item.type,
                item.mode,
                item.mtime,
                item.size,
                item.linkname,
                owner,
                body.read() if body else b"",
            )
    return found


@pytest.fixture
def built_by_dpkg(tmp_path: Path, payloads: Payloads) -> tuple[Path, Path]:
    """Ours, and dpkg-deb's from the same files."""
    ours = write_package(sample(), tmp_path, payloads)
    folder = tmp_path / "tree"
    folder.mkdir()
    unpacked(sample(), folder)
    dpkg_deb("--control", ours, folder / "DEBIAN")
    theirs = tmp_path / "theirs.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", "--build", folder, theirs],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)},
        check=True,
    )
    return ours, theirs


@pytest.mark.parametrize("archive", ["ctrl-tarfile", "fsys-tarfile"])
def test_the_archives_are_dpkg_debs(built_by_dpkg: tuple[Path, Path], archive: str) -> None:
    ours, theirs = (members(path, archive) for path in built_by_dpkg)
    assert ours == theirs


def test_the_file_is_laid_out_as_dpkg_debs(built_by_dpkg: tuple[Path, Path]) -> None:
    def listed(path: Path) -> list[str]:
        command = ["ar", "t", path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    ours, theirs = map(listed, built_by_dpkg)
    assert ours == theirs == ["debian-binary", "control.tar.zst", "data.tar.zst"]


def test_installed_size_is_dpkg_gencontrols(tmp_path: Path) -> None:
    skip_unless(shutil.which("dpkg-gencontrol"), "dpkg-gencontrol is in dpkg-dev")
    folder = tmp_path / "debian/demo"
    folder.mkdir(parents=True)
    unpacked(sample(), folder)
    source = (
        "Source: demo\nMaintainer: a <a@b.c>\n\nPackage: demo\nArchitecture: any\nDescription: d\n"
    )
    (tmp_path / "debian/control").write_text(source)
    changelog = "demo (1-1) unstable; urgency=low\n\n  * x\n\n -- a <a@b.c>  Mon, 01 Jan 2024 00:00:00 +0000\n"
    (tmp_path / "debian/changelog").write_text(changelog)
    command = ["dpkg-gencontrol", "-Pdebian/demo", "-O"]
    control = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    [theirs] = [line for line in control.splitlines() if line.startswith("Installed-Size")]
    assert theirs in control_file(sample()).decode().splitlines()


def test_the_same_bytes_wherever_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 1000)
    part = Slice(source, 10, 5000, hashlib.sha256(b"0123456789" * 500).hexdigest())
    entry = File(path=PurePosixPath("/usr/lib/demo/zz"), content=part)
    package = sample(tree=(*sample().tree, entry))
    first = written(package)
    os.utime(source, (1, 1))
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "C")
    time.tzset()
    monkeypatch.chdir("/")
    umask = os.umask(0o077)
    try:
        assert written(package) == first
    finally:
        os.umask(umask)
        monkeypatch.undo()
        time.tzset()


def test_a_file_that_became_shorter_leaves_nothing_behind(
    tmp_path: Path, payloads: Payloads
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"short")
    entry = File(path=PurePosixPath("/usr/lib/demo/zz"), content=Slice(source, 0, 6, ""))
    (tmp_path / "dist").mkdir()
    with pytest.raises(PackageError, match="became shorter"):
        write_package(sample(tree=(entry,)), tmp_path / "dist", payloads)
    assert [*(tmp_path / "dist").iterdir()] == []


INTERRUPTED = """
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from pkgrel.content import Slice
from pkgrel.formats import write_package
from pkgrel.formats.payload import Payloads
from pkgrel.package import Compression, File
from tests.packages import sample
source = Slice(Path("/dev/zero"), 0, 1 << 40, "")
entry = File(path=PurePosixPath("/endless"), content=source)
with Payloads() as payloads:
    print("begins", flush=True)
    write_package(sample(compression=sys.argv[1], tree=(entry,)), Path(sys.argv[2]), payloads)
"""


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, compression: str) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, compression, tmp_path / "dist"],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background of a script, it is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors
    assert [*(tmp_path / "dist").iterdir(), *(tmp_path / "tmp").iterdir()] == []


def test_values_of_two_lines_are_refused() -> None:
    with pytest.raises(PackageError, match=r"Description of a \.deb must be one line"):
        written(sample(summary="one\ntwo"))


def test_names_with_line_breaks_are_refused() -> None:
    entry = File(path=PurePosixPath("/usr/lib/a\nb"), content=Inline(b""))
    with pytest.raises(PackageError, match="line break"):
        written(sample(extra=(entry,)))


def test_hard_links_to_nowhere_are_refused() -> None:
    link = HardLink(path=PurePosixPath("/b"), target=PurePosixPath("/a"))
    with pytest.raises(PackageError, match="/a: a hard link's target is not in the package"):
        written(sample(tree=(link,)))


def test_unknown_architectures_are_refused() -> None:
    with pytest.raises(PackageError, match="`m68k`") as caught:
        deb.file_name(sample(architecture="m68k"))
    assert "x86_64" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("kernel", "debian"),
    [
        ("x86_64", "amd64"),
        ("aarch64", "arm64"),
        ("armv7l", "armhf"),
        ("i686", "i386"),
        ("ppc64le", "ppc64el"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("noarch", "all"),
    ],
)
def test_architectures(kernel: str, debian: str) -> None:
    assert deb.file_name(sample(architecture=kernel)) == f"demo_1.4.0~rc.1-3_{debian}.deb"
    if debian != "all":
        known = subprocess.run(
            ["dpkg-architecture", "-L"], capture_output=True, text=True, check=True
        )
        assert debian in known.stdout.split()


def test_long_lines_of_the_description_are_wrapped() -> None:
    package = replace(sample(), description="word " * 40 + "\n\n  * indented")
    text = control_file(package).decode()
    lines = text.partition("Description: A demonstration\n")[2].splitlines()
    assert max(map(len, lines)) <= 79
    assert all(line.startswith(" ") for line in lines)
    assert lines[-2:] == [" .", "   * indented"]
