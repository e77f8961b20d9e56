"""What the release's own scripts mean for its service."""

import gzip
import hashlib
import resource
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline, Slice
from pkgrel.distro import select
from pkgrel.errors import PlanError
from pkgrel.package import Directory, File, HardLink, Package, Symlink
from pkgrel.plan.unit import notifies, silent_library
from pkgrel.release import model as release_model
from pkgrel.release.beam import calls
from tests import releases
from tests.conftest import skip_unless

MINIMAL = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
SERVER = "#!/bin/sh\nPHX_SERVER=true exec ./hello start\n"
RUNTIME = '\nif System.get_env("PHX_SERVER"), do: :ok\n'
INET6 = '\nexport ERL_AFLAGS="-proto_dist inet6_tcp"\n'


@pytest.fixture
def planned(hello_release: Callable[[str], Path], tmp_path: Path) -> Callable[..., Package]:
    """The package for Debian 12 of a release with these files and links."""

    def make(files=None, links=None, text: str = "") -> Package:
        made = releases.changed(hello_release("1.0.0"), tmp_path / "hello.tar.gz", files, links)
        (tmp_path / "pkgrel.toml").write_text(MINIMAL + text)
        document = load(tmp_path / "pkgrel.toml")
        with release.read(made) as read:
            [package] = plan.packages(read, document, select(["debian12"]), plan.Options())
            return package

    return make


def text(package: Package, path: str) -> str:
    [file] = [item for item in package.extra if str(item.path) == path]
    assert isinstance(file, File)
    assert isinstance(file.content, Inline)
    return file.content.data.decode()


@pytest.mark.parametrize(
    "files", [{"bin/server": SERVER}, {"releases/1.0.0/runtime.exs": RUNTIME}, {}]
)
def test_a_web_server_that_has_to_be_asked_for(planned, files: dict[str, str]) -> None:
    package = planned(files)
    unit = text(package, "/usr/lib/systemd/system/hello.service")
    assert ("Environment=PHX_SERVER=true\n" in unit) == bool(files)
    assert "PHX_SERVER=true" not in text(package, "/usr/bin/hello")
    own = planned(files, text='[service.environment]\nPHX_SERVER = "no"\n')
    assert "PHX_SERVER=true" not in text(own, "/usr/lib/systemd/system/hello.service")


def test_a_node_cannot_listen_on_ipv4_and_speak_ipv6(planned) -> None:
    files = {"releases/1.0.0/env.sh": INET6}
    with pytest.raises(PlanError, match=r"`releases/1.0.0/env.sh` has `-proto_dist inet6_tcp`"):
        planned(files)
    for reach in ("none", "cluster"):
        planned(files, text=f'[distribution]\nreach = "{reach}"\n')
    planned({"releases/1.0.0/env.sh": f"if false; then\n  {INET6.strip()}\nfi\n"})


def test_a_directory_stays_one_where_the_release_links_to_it(planned) -> None:
    where = "lib/hello-1.0.0/priv"
    files = {f"{where}/real/a.txt": "a\n", f"{where}/real/deep/b.txt": "b\n"}
    links = {
        f"{where}/static": "real",
        f"{where}/a_static": "./real/../real",
        f"{where}/real/c.txt": "a.txt",
        f"{where}/real/deep/up": "..",
        f"{where}/file": "real/a.txt",
    }
    package = planned(files, links)
    kinds = {str(item.path).removeprefix(f"/usr/lib/hello/{where}/"): item for item in package.tree}
    for name in ("real", "static", "a_static", "real/deep", "static/deep", "a_static/deep"):
        assert isinstance(kinds[name], Directory)
    # The first by name is the file, all others are links to it.
    assert isinstance(kinds["a_static/a.txt"], File)
    for name in ("real/a.txt", "static/a.txt", "real/c.txt"):
        assert isinstance(kinds[name], HardLink) or name == "real/c.txt"
    assert isinstance(kinds["a_static/deep/b.txt"], File)
    assert isinstance(kinds["file"], Symlink)
    # One that leads to where it is in has no end.
    assert isinstance(kinds["real/deep/up"], Symlink)
    paths = [str(item.path).encode() for item in package.tree]
    assert paths == sorted(set(paths))


def test_only_a_release_that_calls_the_library_notifies() -> None:
    skip_unless(not releases.missing("mix"), "needs mix")
    with release.read(releases.ready("1.0.0")) as read:
        assert notifies(read)
        assert not silent_library(read)
        others = [item for item in read.entries if not item.path.startswith("lib/ready-")]
        silent = replace(read, entries=tuple(others))
        assert not notifies(silent)
        assert silent_library(silent) == "lib/systemd-0.6.0"


def beam(old: bool) -> bytes:
    """A module that calls systemd:ready/0; OTP 28 writes the lengths of atoms otherwise."""
    atoms = [b"a_module_with_a_long_name", b"systemd", b"ready"]
    if old:
        table = struct.pack(">i", 3) + b"".join(bytes([len(atom)]) + atom for atom in atoms)
    else:
        long, *short = atoms
        table = struct.pack(">i", -3) + bytes([8, len(long)]) + long
        table += b"".join(bytes([len(atom) << 4]) + atom for atom in short)
    chunks = {b"AtU8": table, b"ImpT": struct.pack(">IIII", 1, 2, 3, 0)}
    body = b"".join(
        name + struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)
        for name, data in chunks.items()
    )
    return b"FOR1" + struct.pack(">I", len(body) + 4) + b"BEAM" + body


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (beam(old=True), True),
        (beam(old=False), True),
        (gzip.compress(beam(old=False)), True),
        (beam(old=True).replace(b"ready", b"reedy"), False),
        (beam(old=False)[:50], False),
        (b"\x1f\x8bno", False),
        (b"", False),
    ],
)
def test_calls_of_every_otp(
    hello_release: Callable[[str], Path], tmp_path: Path, data: bytes, found: bool
) -> None:
    with release.read(hello_release("1.0.0")) as read:
        assert ready_is_called(read, tmp_path, data) == found


def test_a_packed_beam_file_stays_small(
    hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    bomb = gzip.compress(beam(old=True) + bytes(128 << 20), 1)
    with release.read(hello_release("1.0.0")) as read, no_more_memory_than(64 << 20):
        assert ready_is_called(read, tmp_path, bomb)


@contextmanager
def no_more_memory_than(size: int) -> Iterator[None]:
    """What is there and so many bytes; tracemalloc makes a reader twenty times slower."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def ready_is_called(read: release_model.Release, folder: Path, data: bytes) -> bool:
    file = folder / "a.beam"
    file.write_bytes(data)
    content = Slice(file, 0, len(data), hashlib.sha256(data).hexdigest())
    entry = release_model.File(path="lib/a-1/ebin/a.beam", mode=0o644, content=content)
    calling = replace(read, entries=(entry,))
    return calls(calling, frozenset({"systemd"}), frozenset({"ready"}), but="systemd")
