"""Tools that mirror repositories: dnf reposync, aptly and reprepro, of what pkgrel publishes."""

import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from tests import openpgp_keys, repositories, suite_root
from tests.packages import package
from tests.repositories import put
from tests.tools import need
from tests.web_server import served


def pkgrel(*words: str) -> str:
    done = CliRunner().invoke(main, words, env={"PKGREL_SIGNING_KEY": repositories.key()})
    assert done.exit_code == 0, done.stderr
    return done.stdout


def client(dnf: str, folder: Path, command: str, *, signed: bool) -> str:
    """A script in which dnf knows the repository alone, by its mirrorlist."""
    return f"""
    mkdir -p /etc/yum.repos.d
    sed 's/gpgcheck=1/gpgcheck={int(signed)}/' /srv/acme.repo >/etc/yum.repos.d/acme.repo
    {dnf} -y -q {command} 2>&1
    """


def test_reposync_takes_packages_by_their_address(tmp_path: Path) -> None:
    """It writes a package where href says, and nothing outside of its own folder: `..` is refused."""
    root = tmp_path / "repo"
    tmp_path.chmod(0o755)
    sync = "reposync --repoid=acme --download-metadata --destdir=/tmp/mirror && find /tmp/mirror -name '*.rpm'"
    with served(root) as (url, _):
        repository = repositories.make(Local(root), label="Acme", url=url.rstrip("/"))
        put(repository, package(tmp_path, revision="1.el9"))
        root.chmod(0o755)
        text = (root / "client/el9/stable/acme.repo").read_text()
        (tmp_path / "acme.repo").write_text(
            text.replace("file:///etc/pki/rpm-gpg/RPM-GPG-KEY-acme", "file:///srv/repo/acme.asc")
        )
        said = suite_root.shell("sid", client("dnf5", tmp_path, sync, signed=True), tmp_path)
        assert "outside of safe write path" in said.stdout
        pkgrel("repo", "set", str(root), "--mirrorable")
        said = suite_root.shell("sid", client("dnf5", tmp_path, sync, signed=True), tmp_path)
        assert "/tmp/mirror/acme/pool/h/hello-1.0.0-1.el9.x86_64.rpm\n" in said.stdout
        for suite, dnf, signed in (("sid", "dnf5", True), ("bookworm", "dnf-3", False)):
            script = client(dnf, tmp_path, "install hello && rpm -q hello", signed=signed)
            assert "hello-1.0.0-1.el9.x86_64" in suite_root.ok(suite, script, tmp_path)
        # Another package, and our own import, find them too.
        put(repositories.again(Local(root)), package(tmp_path, version="2.0.0", revision="1.el9"))
        other = repositories.make(Local(tmp_path / "other"), url="")
        pkgrel("repo", "import", f"{url}rpm/el9/x86_64/stable", "--to", other.store.url)
        assert repositories.versions_of(other.store) == {"1.0.0-1.el9", "2.0.0-1.el9"}
    assert not pkgrel("repo", "verify", str(root)).strip()


def test_addresses_need_one(tmp_path: Path) -> None:
    command = ["repo", "init", str(tmp_path / "repo"), "--mirrorable"]
    done = CliRunner().invoke(main, command, env={"PKGREL_SIGNING_KEY": repositories.key()})
    assert done.exit_code == 1
    assert "no public address" in done.stderr
    assert not (tmp_path / "repo").exists()


@pytest.fixture
def published(tmp_path: Path) -> Repository:
    repository = repositories.make(Local(tmp_path / "repo"), label="Acme", url="")
    put(repository, package(tmp_path), package(tmp_path, name="c++", version="1+1"))
    return repository


def run(*words: str | Path, **environment: str) -> None:
    done = subprocess.run(
        words, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_aptly_and_reprepro_mirror_it(tmp_path: Path, published: Repository) -> None:
    """Over http, with the signature checked."""
    need("aptly", "reprepro", "gpg")
    names = {"hello_1.0.0-1~debian12_amd64.deb", "c++_1+1-1~debian12_amd64.deb"}
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    config = tmp_path / "aptly.conf"
    config.write_text(f'{{"rootDir": "{tmp_path}/aptly"}}')
    conf = tmp_path / "reprepro/conf"
    conf.mkdir(parents=True)
    stanza = "Codename: bookworm\nComponents: stable\nArchitectures: amd64\nUpdate: acme\n"
    (conf / "distributions").write_text(stanza)
    with served(tmp_path / "repo") as (url, _):
        openpgp_keys.gpg(home, "--import", tmp_path / "repo/acme.asc")
        known = openpgp_keys.gpg(home, "--list-keys", "--with-colons").decode()
        # reprepro wants the subkey that signs.
        (signs,) = re.findall(r"^sub:(?:[^:]*:){3}([0-9A-F]{16}):(?:[^:]*:){6}s:", known, re.M)
        environment = {"GNUPGHOME": str(home), "HOME": str(tmp_path)}
        aptly = ("aptly", f"-config={config}", "mirror")
        keyring = f"-keyring={tmp_path}/repo/acme.gpg"
        run(
            *aptly,
            "create",
            keyring,
            "-architectures=amd64",
            "m",
            f"{url}apt",
            "bookworm",
            "stable",
            **environment,
        )
        run(*aptly, "update", keyring, "m", **environment)
        (conf / "updates").write_text(
            f"Name: acme\nMethod: {url}apt\nSuite: bookworm\nComponents: stable\nArchitectures: amd64\nVerifyRelease: {signs}\n"
        )
        run("reprepro", "-b", tmp_path / "reprepro", "update", **environment)
    for tool in ("aptly", "reprepro"):
        found = {file.name for file in (tmp_path / tool).rglob("*.deb")}
        # aptly puts a part of the hash before them.
        assert {name for name in names if any(f.endswith(name) for f in found)} == names, tool
        assert len(found) == len(names)
