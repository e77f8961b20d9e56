"""A booted host of one package family, and packages of examples/hello for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import cache, releases
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.artifacts import Artifacts

DISTROS = {
    "deb": {
        "bullseye": "debian11",
        "bookworm": "debian12",
        "nightly": "debian12",
        "trixie": "debian13",
        "sid": "debian14",
    },
    "rpm": {
        "bookworm": "amzn2023",
        "nightly": "amzn2023",
        "trixie": "el10",
        "sid": "fedora44",
        "zypper": "leap15",
    },
}
"""What has about the suite's systemd, package manager and C library."""

INSTALL = {
    "deb": "dpkg --install --force-confold",
    # Debian's rpm 4 refuses to install without an option that rpm 6 does not know.
    "rpm": "rpm --upgrade --oldpackage --replacepkgs --replacefiles --nosignature "
    "$(rpm --help | grep -o -e --force-debian || true)",
}
"""An installation, upgrade, downgrade or reinstallation."""

ERASE = {"deb": "dpkg --purge", "rpm": "rpm --erase"}


def on(*machines: str) -> pytest.MarkDecorator:
    """Run a test on each of these, such as `bookworm-rpm`."""
    rows = [pytest.param(*name.split("-"), id=name) for name in machines]
    return pytest.mark.parametrize(("suite", "family"), rows)


# Where an age of systemd, sudo or a shell matters: what works with the oldest and the newest works between them. A host
# takes 10 s a test; test_deb_lifecycle.py and test_rpm_lifecycle.py are on each of them.
extremes = on("bullseye-deb", "sid-rpm")
bookworm = on("bookworm-deb", "bookworm-rpm")


@dataclass(frozen=True)
class Machine:
    """A host to install on."""

    host: Host
    family: str
    """`deb` or `rpm`."""
    distro_id: str
    artifacts: Artifacts
    release: Callable[[str], Path]
    """VERSION -> tarball."""

    @property
    def deb(self) -> bool:
        return self.family == "deb"

    def package(self, version: str, settings: str = "") -> str:
        """Where the host finds that package."""
        return f"{PACKAGES}/{self.artifacts.build(self.release(version), self.distro_id, settings)}"

    def changed(
        self, files: dict[str, str] | None = None, links: dict[str, str] | None = None
    ) -> "Machine":
        """The same with other files and links in every release; VERSION in a path is the release's."""

        def release(version: str) -> Path:
            own = {name.replace("VERSION", version): text for name, text in (files or {}).items()}
            key = cache.key(version, repr(own), repr(links), self.family)
            made = self.artifacts.folder / f"hello-{key}.tar.gz"
            return (
                made if made.exists() else releases.changed(self.release(version), made, own, links)
            )

        return replace(self, release=release)

    def snippet(self, text: str) -> str:
        """A file with shell for [scripts], as pkgrel.toml names it."""
        name = f"{cache.key(text)}.sh"
        (self.artifacts.folder / name).write_text(text)
        return f"../{name}"

    def install_command(self, version: str, settings: str = "") -> str:
        return f"{INSTALL[self.family]} {self.package(version, settings)}"

    def install(self, version: str, settings: str = "") -> str:
        """Install that package, whatever version is there; what it has printed as an error."""
        return self.host.run(f"{self.install_command(version, settings)} 2>&1 >/dev/null")

    def serve(self, version: str, settings: str = "") -> None:
        """Install that package and wait until it answers: a VM that boots does not hear SIGTERM."""
        self.install(version, settings)
        assert self.host.http().endswith(f" from hello {version}\n")

    def erase(self) -> str:
        """Remove the package, on Debian with its configuration."""
        return self.host.run(self.erase_command())

    def erase_command(self) -> str:
        return f"{ERASE[self.family]} hello"

    def as_user(self, user: str, command: str) -> str:
        """A command line that runs `command`, without single quotes, as a user and without a terminal."""
        return f"runuser -u {user} -- sh -c '{command}'"

    def invocation(self) -> str:
        """Changes with every start of the service."""
        return self.host.run("systemctl show --value --property=InvocationID hello").strip()

    def started(self) -> float:
        """When the service's main process started, in seconds."""
        answer = self.host.run(
            "busctl --json=short get-property org.freedesktop.systemd1 "
            "/org/freedesktop/systemd1/unit/hello_2eservice "
            "org.freedesktop.systemd1.Service ExecMainStartTimestamp"
        )
        return json.loads(answer)["data"] / 1e6

    def stat(self, path: str) -> str:
        """Mode, owner and group."""
        return self.host.run(f"stat --format='%a %U %G' {path}").strip()
