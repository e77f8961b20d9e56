"""A published repository, served over HTTP to booted machines: what apt, dnf 4 and dnf5 make of it.

Each machine follows the commands of the repository's own page, and gets newer and older versions; then
the repository is tampered with, and the machine refuses what has changed.
"""

import gzip
import lzma
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from tests import openpgp_keys, reference_repositories
from tests.acceptance import hosts
from tests.acceptance.hosts import Host
from tests.bases import usable_base
from tests.packages import EPOCH, package
from tests.page_text import commands, script

HOUR = 3600
URL = "http://127.0.0.1:8000"

APT = [
    ("bullseye", "debian11", "rsa"),
    ("bookworm", "debian12", "ed25519"),
    ("trixie", "debian13", "rsa"),
    ("sid", "debian14", "ed25519"),
]
DNF = [
    ("bookworm", "dnf", "ed25519"),
    ("trixie", "dnf", "rsa"),
    ("sid", "dnf5", "ed25519"),
]

pytestmark = pytest.mark.acceptance


@dataclass
class Published:
    """A repository for one machine, and the machine."""

    root: Path
    """The tree that the machine sees as `URL`."""
    distro: str
    key: str
    host: Host
    revision: str
    packages: Path = field(init=False)
    published: int = EPOCH
    """Seconds since the epoch."""

    def __post_init__(self) -> None:
        self.packages = self.root.with_name("packages")
        self.packages.mkdir()
        pkgrel("repo", "init", self.root, "--label", "Acme Packages", "--url", URL, key=self.key)

    def publish(self, version: str, *options: str) -> None:
        """Put a version of hello into `stable`, an hour after the one before.

        HTTP knows times in seconds: a client that has come in the same one is told of no change.
        """
        made = package(self.packages, "hello", version, self.revision, text=f"{version}\n")
        pkgrel("publish", made, "--to", self.root, *options, key=self.key)
        self.wait()

    def sign_with(self, key: str) -> None:
        """Change to another key, or to several."""
        self.key = key
        pkgrel("repo", "set", self.root, "--new-key", key=key)
        self.wait()

    def wait(self) -> None:
        """Let an hour go by, as files tell the time."""
        self.published += HOUR
        for path in self.root.rglob("*"):
            os.utime(path, (self.published, self.published))

    def follow_the_page(self, tool: str = "") -> None:
        """Type what the page says for this distro; with another program than it says, if named."""
        page = (self.root / "index.html").read_text()
        for command in commands(page, self.distro, "stable"):
            if tool:
                command = command.replace("sudo dnf ", f"sudo {tool} ")
            self.host.run(command)

    @contextmanager
    def tampered(self) -> Iterator[None]:
        """What is done to the tree meanwhile is undone."""
        saved = self.root.with_name("saved")
        shutil.copytree(self.root, saved)
        try:
            yield
        finally:
            shutil.rmtree(self.root)
            saved.rename(self.root)

    def file(self, pattern: str) -> Path:
        """The one file of the tree that the pattern describes."""
        (found,) = self.root.glob(pattern)
        return found


def pkgrel(*words: object, key: str) -> None:
    keys = [Path(openpgp_keys.secret(name)).read_text() for name in key.split("+")]
    environment = {"PKGREL_SIGNING_KEY": "".join(keys)}
    done = CliRunner().invoke(main, [str(word) for word in words], env=environment)
    assert done.exit_code == 0, done.output


@contextmanager
def machine(suite: str, served: Path) -> Iterator[Host]:
    """A booted machine that has no sources but what the test gives it, and `served` as URL."""
    with hosts.boot(usable_base(suite), suite) as host:
        host.run("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/yum.repos.d/*")
        host.run("mkdir -p /etc/apt/sources.list.d /etc/yum.repos.d")
        # dnf asks a person at a terminal whether it shall trust the key, and nobody else.
        host.run("if [ -d /etc/dnf ]; then echo assumeyes=1 >>/etc/dnf/dnf.conf; fi")
        served.mkdir()
        # Its network is only a loopback, and this server is in there.
        server = subprocess.Popen(
            [*("setpriv", "--pdeathsig", "TERM", "nsenter", f"--target={host.leader}", "-n"),
             *(sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1"),
             *("--directory", str(served))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            host.wait_until(f"curl --silent --output /dev/null {URL}")
            yield host
        finally:
            server.terminate()
            server.wait()


@pytest.fixture
def apt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Published]:
    suite, distro, key = request.param
    with machine(suite, tmp_path / "served") as host:
        yield Published(tmp_path / "served", distro, key, host, f"1~{distro}")


@pytest.fixture
def dnf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Published, str]]:
    suite, tool, key = request.param
    with machine(suite, tmp_path / "served") as host:
        yield Published(tmp_path / "served", "el9", key, host, "1.el9"), tool


@pytest.mark.parametrize("apt", APT, indirect=True, ids=lambda row: row[0])
def test_apt(apt: Published) -> None:
    host = apt.host
    apt.publish("1.0.0")
    apt.follow_the_page()
    assert host.read("/opt/hello.txt") == "1.0.0\n"

    apt.publish("1.1.0")
    host.run("apt-get update && apt-get upgrade -y")
    assert host.read("/opt/hello.txt") == "1.1.0\n"

    host.run(f"apt-get install -y --allow-downgrades hello=1.0.0-{apt.revision}")
    assert host.read("/opt/hello.txt") == "1.0.0\n"

    forget = "rm -rf /var/lib/apt/lists/*"
    host.run(f"{forget} && apt-get update -o Acquire::By-Hash=no && apt-get upgrade -y")
    assert host.read("/opt/hello.txt") == "1.1.0\n"

    host.run("apt-get purge -y hello && apt-get clean")
    for tamper in (_another_index, _another_text_of_release, _signed_by_somebody, _no_signature):
        with apt.tampered():
            tamper(apt)
            complaint = host.fails(f"{forget} && apt-get update")
            assert re.search(_REFUSALS[tamper.__name__], complaint), complaint
            host.fails("apt-get install -y hello")
    host.run("apt-get update")
    with apt.tampered():
        _flip(apt.file("apt/pool/*/h/hello/hello_1.1.0-*.deb"))
        assert "Hash Sum mismatch" in host.fails("apt-get install -y hello")
    host.fails("test -e /opt/hello.txt")

    host.run("rm -r /etc/apt/sources.list.d/*")
    host.run(script((apt.root / "index.html").read_text()))
    host.run("apt-get update && apt-get install -y hello")


_REFUSALS = {
    "_another_index": "Hash Sum mismatch|unexpected size|mirror sync in progress",
    "_another_text_of_release": "signatures were invalid|Clearsigned file isn't valid|not signed|BADSIG",
    "_signed_by_somebody": "NO_PUBKEY|Missing key|no public key",
    "_no_signature": "is not signed|no longer signed",
    "_another_repomd": "Bad [GP]+ signature",
    "_another_primary": "[Cc]hecksum",
    "_no_repomd_signature": "404",
    "_signed_by_nobody_known": "signature",
}


def _another_index(published: Published) -> None:
    """Packages with another hash of the package in it, wherever a client may look for it."""
    for path in published.root.glob("apt/dists/*/stable/binary-amd64/**/*"):
        if path.is_file():
            packed = path.read_bytes()
            xz = packed.startswith(b"\xfd7zXZ")
            text = lzma.decompress(packed) if xz else gzip.decompress(packed)
            text = re.sub(rb"SHA256: .*", b"SHA256: " + b"0" * 64, text)
            path.write_bytes(lzma.compress(text) if xz else gzip.compress(text))


def _another_text_of_release(published: Published) -> None:
    path = published.file("apt/dists/*/InRelease")
    path.write_bytes(path.read_bytes().replace(b"Components: stable", b"Components: stably"))


def _signed_by_somebody(published: Published) -> None:
    """The repository with signatures by a key that the machine does not know."""
    suite = published.file("apt/dists/*")
    text = (suite / "Release").read_bytes()
    with openpgp_keys.gpg_home() as home:
        who = ("--local-user", "=rsa2048 <rsa2048@example.org>")
        (suite / "InRelease").write_bytes(openpgp_keys.gpg(home, *who, "--clearsign", data=text))
        signature = openpgp_keys.gpg(home, *who, "--armor", "--detach-sign", data=text)
        (suite / "Release.gpg").write_bytes(signature)


def _no_signature(published: Published) -> None:
    for name in ("InRelease", "Release.gpg"):
        published.file(f"apt/dists/*/{name}").unlink()


def _flip(path: Path) -> None:
    """Change one bit of a file in its middle, where the contents are."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("dnf", DNF, indirect=True, ids=lambda row: f"{row[1]}-{row[0]}")
def test_dnf(dnf: tuple[Published, str]) -> None:
    published, tool = dnf
    host = published.host
    published.publish("1.0.0")
    published.follow_the_page(tool)
    assert host.read("/opt/hello.txt") == "1.0.0\n"
    assert "repo_gpgcheck=1" in host.read("/etc/yum.repos.d/acme-packages.repo")

    published.publish("1.1.0", "--advisory", "security", "--fixes", "CVE-2026-12345")
    listed = host.run(f"{tool} updateinfo list --refresh --security")
    assert "hello-1.1.0-1.el9.x86_64" in listed
    host.run(f"{tool} upgrade -y --bugfix")
    assert host.read("/opt/hello.txt") == "1.0.0\n"
    host.run(f"{tool} upgrade -y --cve CVE-2026-12345")
    assert host.read("/opt/hello.txt") == "1.1.0\n"

    host.run(f"{tool} downgrade -y hello")
    assert host.read("/opt/hello.txt") == "1.0.0\n"

    host.run(f"{tool} remove -y hello")
    for tamper in (
        _another_repomd,
        _another_primary,
        _no_repomd_signature,
        _signed_by_nobody_known,
    ):
        with published.tampered():
            tamper(published)
            host.run(f"{tool} clean all")
            complaint = host.fails(f"{tool} install -y hello")
            assert re.search(_REFUSALS[tamper.__name__], complaint), complaint
    host.run(f"{tool} clean all")
    with published.tampered():
        _flip(published.file("rpm/el9/pool/**/hello-1.1.0-*.rpm"))
        host.fails(f"{tool} install -y hello-1.1.0")
    host.fails("test -e /opt/hello.txt")
    host.run(f"{tool} clean all; {tool} install -y hello")
    assert host.read("/opt/hello.txt") == "1.1.0\n"

    _everything_by_another_key(published, tool)
    _the_distro_has_a_package_of_the_name(published, tool)

    published.publish("1.2.0", "--no-sign-packages")
    assert "not signed" in host.fails(f"{tool} upgrade -y --refresh")
    assert host.read("/opt/hello.txt") == "1.1.0\n"


def _everything_by_another_key(published: Published, tool: str) -> None:
    """Repository, client files and key file are those of somebody who has the server, and not the key."""
    host = published.host
    keys = host.run("rpm -q gpg-pubkey; cat /etc/pki/rpm-gpg/*")
    with published.tampered():
        shutil.rmtree(published.root)
        other = "rsa" if published.key == "ed25519" else "ed25519"
        pkgrel("repo", "init", published.root, "--label", "Acme Packages", "--url", URL, key=other)
        made = package(published.packages, "hello", "9.9.9", published.revision, text="evil\n")
        pkgrel("publish", made, "--to", published.root, key=other)
        # dnf leaves a repository out that it does not believe, and may well call that a success.
        for command in ("upgrade --refresh", "clean all", "makecache"):
            complaint = host.run(f"{tool} -y {command} 2>&1 || true")
            assert "signature verification error" in complaint or command == "clean all", complaint
    assert host.run("rpm -q gpg-pubkey; cat /etc/pki/rpm-gpg/*") == keys
    assert host.read("/opt/hello.txt") == "1.1.0\n"


def _the_distro_has_a_package_of_the_name(published: Published, tool: str) -> None:
    """The repository's is installed, and stays, though the other has the higher version."""
    host = published.host
    other = package(published.packages, "hello", "2.10", published.revision, text="GNU hello\n")
    reference_repositories.dnf(published.root / "distro", [other])
    listed = f"[distro]\nname=distro\nbaseurl={URL}/distro\ngpgcheck=0\n"
    host.run(f"printf '{listed}' >/etc/yum.repos.d/distro.repo")
    host.run(f"{tool} -y upgrade --refresh")
    assert host.read("/opt/hello.txt") == "1.1.0\n"
    host.run(f"{tool} -y remove hello && {tool} -y install hello")
    assert host.read("/opt/hello.txt") == "1.1.0\n"
    host.run("rm /etc/yum.repos.d/distro.repo")


def _snapshot(published: Published) -> Path:
    """What the mirrorlist names."""
    (line,) = published.file("rpm/el9/x86_64/stable/mirrorlist").read_text().split()
    return published.root / line.removeprefix(f"{URL}/")


def _another_repomd(published: Published) -> None:
    path = _snapshot(published) / "repodata/repomd.xml"
    path.write_bytes(path.read_bytes().replace(b"<revision>", b"<revision>1"))


def _another_primary(published: Published) -> None:
    (primary,) = (_snapshot(published) / "repodata").glob("*-primary.xml.*")
    _flip(primary)


def _no_repomd_signature(published: Published) -> None:
    (_snapshot(published) / "repodata/repomd.xml.asc").unlink()


def _signed_by_nobody_known(published: Published) -> None:
    repodata = _snapshot(published) / "repodata"
    with openpgp_keys.gpg_home() as home:
        signature = openpgp_keys.gpg(
            home, "--local-user", "=rsa2048 <rsa2048@example.org>", "--armor", "--detach-sign",
            data=(repodata / "repomd.xml").read_bytes(),
        )  # fmt: skip
    (repodata / "repomd.xml.asc").write_bytes(signature)


@pytest.mark.parametrize("apt", [("bullseye", "debian11", "rsa")], indirect=True)
def test_apt_changes_to_another_key(apt: Published) -> None:
    _change_keys(apt, "", "apt-get update && apt-get upgrade -y")


@pytest.mark.parametrize("dnf", [("bookworm", "dnf", "rsa")], indirect=True)
def test_dnf_changes_to_another_key(dnf: tuple[Published, str]) -> None:
    published, tool = dnf
    _change_keys(published, tool, f"{tool} upgrade -y --refresh")


def _change_keys(published: Published, tool: str, upgrade: str) -> None:
    """A machine that was set up while there were two keys goes on with the new one alone."""
    published.publish("1.0.0")
    published.sign_with("rsa+ed25519")
    published.follow_the_page(tool)
    published.publish("1.1.0")
    published.sign_with("ed25519")
    published.publish("1.2.0")
    published.host.run(upgrade)
    assert published.host.read("/opt/hello.txt") == "1.2.0\n"
