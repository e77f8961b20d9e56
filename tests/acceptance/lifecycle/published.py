"""A repository that a machine subscribes to, and its unattended upgrades."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from pkgrel.cli import main
from tests import openpgp_keys
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import Machine

SUITES = {
    "debian11": "bullseye",
    "debian12": "bookworm",
    "debian13": "trixie",
    "debian14": "forky",
}


@dataclass(frozen=True)
class Published:
    """A machine, and the repository that it has beside one that nobody reaches."""

    machine: Machine
    repository: Path
    name: str = "hello"
    """Of the package."""

    @classmethod
    def on(cls, machine: Machine, name: str = "hello") -> "Published":
        """An empty one."""
        folder = machine.artifacts.folder
        published = cls(machine, folder / f"repository-{machine.host.name}", name)
        shutil.copy(Path(openpgp_keys.secret("rsa")).with_suffix(".pub"), folder / "key")
        published.pkgrel("repo", "init", "--label", "Acme", "--url", "http://example.org")
        return published

    def publish(self, version: str, settings: str, *options: str) -> None:
        """Put a version of the package into it."""
        package = Path(self.machine.package(version, settings)).relative_to(PACKAGES)
        self.add(self.machine.artifacts.folder / package, options=options)

    def add(self, *packages: Path | str, options: Sequence[str] = ()) -> None:
        """Put packages of anyone's into it."""
        self.pkgrel("publish", *packages, *options, "--to")

    def pkgrel(self, *words: object) -> None:
        """A command for it; of `repo` the repository stands behind the next word."""
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
        if self.machine.deb:
            return "/etc/apt/sources.list.d/acme.sources"
        return f"/etc/{'zypp/repos.d' if self.zypper else 'yum.repos.d'}/acme.repo"

    @property
    def zypper(self) -> bool:
        """Whether it is the machine's package manager."""
        return self.machine.distro_id == "leap15"

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
            host.write(
                "/etc/apt/apt.conf.d/90acme",
                # It would ask the other repository again after 1, 2 and 4 s.
                'Unattended-Upgrade::Origins-Pattern { "label=Acme"; }; Acquire::Retries "0";\n',
            )
            host.run(f"apt-get update && apt-get install -y {self.name}")
            return
        host.run(f"rpm --import {PACKAGES}/key")
        if host.succeeds("command -v dnf5"):
            host.run("ln -sf dnf5 /usr/bin/dnf")
        path = f"rpm/{distro}/x86_64/stable/"
        if self.zypper:
            # It knows nothing beside a directory.
            host.run(f"systemd-run --quiet python3 -m http.server 8080 --directory {PACKAGES}")
            address = f"http://127.0.0.1:8080/{self.repository.name}/{path}"
            host.write(self.source, f"[acme]\nname=Acme packages\nbaseurl={address}\ngpgcheck=1\n")
            host.run(f"zypper --non-interactive install {self.name}")
            return
        address = f"{url}/{path}"
        # As `pkgrel repo client` has it.
        beside = f"[acme.phased]\nname=phased\nbaseurl={address.rstrip('/')}.phased/\ngpgcheck=1\nenabled=0\n"
        host.write(self.source, f"[acme]\nname=acme\nbaseurl={address}\ngpgcheck=1\n{beside}")
        host.run(f"dnf install -y {self.name}")
        other = "[other]\nname=other\nbaseurl=http://127.0.0.1:9/\nskip_if_unavailable=0\n"
        host.write("/etc/yum.repos.d/other.repo", other)

    def refresh(self) -> None:
        """Have apt know what is new; dnf asks by itself."""
        if self.machine.deb:
            # That the other one does not answer is an error to apt 2.9 and later.
            self.machine.host.run("apt-get update || true")

    def unattended_upgrade(self) -> str:
        """What happens every night, and what it says."""
        command = "dnf upgrade -y --repo=acme --refresh"
        if self.zypper:
            command = "zypper --non-interactive update"
        if self.machine.deb:
            command = "if command -v unattended-upgrade; then unattended-upgrade -v; else apt-get upgrade -y; fi"
        return self.machine.host.run(f"{{ {command}; }} 2>&1 || true")

    def is_whole(self) -> bool:
        """Whether it is as the package manager wants it."""
        check = (
            f"dpkg --audit && dpkg --verify {self.name}"
            if self.machine.deb
            else f"rpm --verify {self.name}"
        )
        return self.machine.host.run(check) == ""
