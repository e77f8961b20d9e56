"""`NAME upgrade` and `NAME rollback`, and a version that fails and goes back by itself: with apt, dnf 4 and dnf5."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from tests import openpgp_keys
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import Machine, on

pytestmark = pytest.mark.acceptance

GOOD = """[service]
deploy-user = "deploy"
on-upgrade = "wait"
[service.ready]
http = "http://127.0.0.1:4000/health"
timeout-sec = 6
[upgrade]
on-failure = "rollback"
"""
# It starts, and nobody finds it.
BAD = GOOD + '[service.environment]\nPORT = "4444"\n'
SUITES = {"debian12": "bookworm", "debian14": "forky"}


@dataclass(frozen=True)
class Published:
    """A machine, and the repository that it has beside one that nobody reaches."""

    machine: Machine
    repository: Path

    @classmethod
    def on(cls, machine: Machine) -> "Published":
        """An empty one."""
        folder = machine.artifacts.folder
        published = cls(machine, folder / f"repository-{machine.host.name}")
        shutil.copy(Path(openpgp_keys.secret("rsa")).with_suffix(".pub"), folder / "key")
        published._pkgrel("repo", "init", "--label", "Acme", "--url", "http://example.org")
        return published

    def publish(self, version: str, settings: str = GOOD) -> None:
        """Put a version of hello into it."""
        package = Path(self.machine.package(version, settings)).relative_to(PACKAGES)
        self.add(self.machine.artifacts.folder / package)

    def add(self, *packages: Path) -> None:
        """Put packages of anyone's into it."""
        self._pkgrel("publish", *packages, "--to")

    def _pkgrel(self, *words: object) -> None:
        key = Path(openpgp_keys.secret("rsa")).read_text()
        split = 2 if words[0] == "repo" else len(words)
        line = [str(word) for word in (*words[:split], self.repository, *words[split:])]
        done = CliRunner().invoke(main, line, env={"PKGREL_SIGNING_KEY": key})
        assert done.exit_code == 0, done.output
        # apt reads it as a user of its own.
        subprocess.run(
            ["chmod", "-R", "a+rX", self.repository, self.machine.artifacts.folder / "key"],
            check=True,
        )

    @property
    def source(self) -> str:
        """The file that names it to the package manager."""
        folder = "/etc/apt/sources.list.d" if self.machine.deb else "/etc/yum.repos.d"
        return f"{folder}/acme.{'sources' if self.machine.deb else 'repo'}"

    def subscribe(self) -> None:
        """Have the machine install from it, and from another one that does not answer."""
        host, distro = self.machine.host, self.machine.distro_id
        # With `copy` apt has the package in its cache, as of a server; see sources.list(5).
        scheme = "copy" if distro == "debian14" else "file"
        url = f"{scheme}://{PACKAGES}/{self.repository.name}"
        host.run("mkdir -p /etc/yum.repos.d")
        if self.machine.deb:
            host.write("/etc/apt/sources.list", "deb http://127.0.0.1:9/debian stable main\n")
            host.write(
                self.source,
                f"Types: deb\nURIs: {url}/apt\nSuites: {SUITES[distro]}\nComponents: stable\n"
                f"Signed-By: {PACKAGES}/key\n",
            )
            host.run("apt-get update && apt-get install -y hello")
            return
        host.run(f"rpm --import {PACKAGES}/key")
        if host.succeeds("command -v dnf5"):
            host.run("ln -sf dnf5 /usr/bin/dnf")
        address = f"{url}/rpm/{distro}/x86_64/stable/"
        host.write(self.source, f"[acme]\nname=acme\nbaseurl={address}\ngpgcheck=1\n")
        host.run("dnf install -y hello")
        other = "[other]\nname=other\nbaseurl=http://127.0.0.1:9/\nskip_if_unavailable=0\n"
        host.write("/etc/yum.repos.d/other.repo", other)

    def unattended_upgrade(self) -> str:
        """What happens every night, and what it says."""
        command = (
            "apt-get upgrade -y" if self.machine.deb else "dnf upgrade -y --repo=acme --refresh"
        )
        return self.machine.host.run(f"{command} 2>&1 || true")

    def runs(self, version: str) -> bool:
        """Whether that one is installed, answers, and is as the package manager wants it."""
        host = self.machine.host
        check = "dpkg --audit && dpkg --verify hello" if self.machine.deb else "rpm --verify hello"
        return host.http() == f"Hello from hello {version}\n" and host.run(check) == ""


@pytest.fixture
def published(machine: Machine) -> Published:
    """Version 1.0.0 is in the repository, and installed from there."""
    made = Published.on(machine)
    made.publish("1.0.0")
    made.subscribe()
    machine.host.http()
    return made


@on("bookworm-deb", "trixie-rpm", "sid-rpm")
def test_one_word_forward_and_one_back(published: Published) -> None:
    host = published.machine.host
    assert "newest version" in host.run("hello upgrade 2>&1")
    published.publish("1.1.0")
    deploy = "cd / && runuser -u deploy -- hello"

    host.run(f"{deploy} upgrade")
    assert published.runs("1.1.0")
    # Nobody else reads what the service's user and root may.
    assert host.run("stat --format=%a%U /var/cache/hello.packages") == "700root\n"

    # With no repository at all.
    host.run(f"mv {published.source} /root/source")
    assert "1.0.0" in host.run(f"{deploy} rollback 2>&1")
    assert published.runs("1.0.0")
    host.run(f"mv /root/source {published.source}")
    published.unattended_upgrade()
    assert published.runs("1.0.0")

    published.publish("1.2.0-rc.1", BAD)
    output = host.fails("hello upgrade 1.2.0-rc.1; echo status $?; false")
    assert "going back to 1.0.0" in output
    assert "status 3" in output
    assert published.runs("1.0.0")
    assert "1.0.0" in host.run("journalctl --unit hello-rollback | grep 'is back and stays'")
    published.unattended_upgrade()
    assert published.runs("1.0.0")

    host.run("hello upgrade 1.1.0")
    assert published.runs("1.1.0")
    assert not host.succeeds("ls /var/lib/misc/hello.held")
    assert len(host.run("ls /var/cache/hello.packages").split()) <= 2

    published.machine.erase()
    assert not host.succeeds("ls -d /var/lib/misc/hello.* /var/cache/hello.* /run/hello.*")


@on("sid-deb")
def test_a_version_that_fails_under_apt_goes_back_too(published: Published) -> None:
    host = published.machine.host
    assert "1.0.0-" in host.run("ls /var/cache/hello.packages")
    published.publish("1.1.0", BAD)
    refresh = (
        f"apt-get update -o Dir::Etc::sourcelist={published.source} -o Dir::Etc::sourceparts=-"
    )
    assert "going back to 1.0.0" in host.fails(f"{refresh} && apt-get upgrade -y")
    host.wait_until("journalctl --unit hello-rollback | grep 'is back and stays'", timeout=60)
    assert published.runs("1.0.0")
    published.unattended_upgrade()
    assert published.runs("1.0.0")

    published.publish("1.2.0-rc.1")
    host.run("hello upgrade 1.2.0-rc.1")
    assert published.runs("1.2.0-rc.1")
    host.run("hello rollback")
    assert published.runs("1.0.0")


@on("bookworm-deb")
def test_who_deploys_says_versions_and_nothing_else(published: Published) -> None:
    host = published.machine.host
    for words in (
        *(
            "--help",
            "upgrade --allow-unauthenticated",
            "upgrade -oDpkg::Pre-Invoke::=id",
            "rollback ../x",
        ),
        *(
            "rollback /tmp/x.deb",
            "upgrade 1.0.0/sid",
            "upgrade hello+",
            "upgrade 1 2",
            "rollback '1;id'",
        ),
        *("rollback '*'", "upgrade '1.0.0 bash'", "remove", "", "upgrade 1.0.0-", "upgrade 9.9.9"),
        f"upgrade {'1' * 200}",
    ):
        as_deploy = (
            f"cd / && runuser -u deploy -- sudo -n /usr/libexec/hello/change-version {words}"
        )
        host.fails(as_deploy)
    evil = "APT_CONFIG=/tmp/apt.conf DPKG_ROOT=/tmp LD_PRELOAD=/tmp/x.so"
    host.write(
        "/tmp/apt.conf",
        'DPkg::Pre-Invoke {"touch /tmp/pwned";}; APT::Update::Pre-Invoke {"touch /tmp/pwned";};',
    )
    host.run(
        f"{evil} hello upgrade; cd / && runuser -u deploy -- env {evil} sudo -n /usr/libexec/hello/change-version upgrade"
    )
    assert not host.succeeds("ls /tmp/pwned")
    for user in ("hello", "games"):
        assert "sudo" in host.fails(
            f"cd / && runuser -u {user} -- sudo -n /usr/libexec/hello/change-version upgrade"
        )
        assert "as root" in host.fails(
            f"cd / && runuser -u {user} -- /usr/libexec/hello/change-version upgrade"
        )
    assert published.runs("1.0.0")

    # What an administrator holds is not who deploys to change.
    published.publish("1.1.0")
    host.run("apt-mark hold hello")
    assert "apt-mark unhold" in host.fails("cd / && runuser -u deploy -- hello upgrade")
    assert published.runs("1.0.0")
