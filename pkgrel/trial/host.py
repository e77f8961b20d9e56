"""The interface of a throwaway host to the steps, how to wait for its systemd, and how to tell its distro.

Source: os-release(5).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pkgrel.distro import Distro, Format, unsupported
from pkgrel.errors import BuildError

BOOT_SECONDS = 60

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""The environment of an administrator's shell; nothing is inherited from this machine."""


SOURCED = "sh -c 'exec 3<&0 </dev/null && . /dev/fd/3'"
"""Runs a script from standard input, since an argument is limited to 128 KiB, which lists of files exceed."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended; true if it succeeded."""

    command: str
    status: int
    output: str
    """Standard output and standard error."""

    def __bool__(self) -> bool:
        return self.status == 0


class Host(Protocol):
    """A booted host, on which commands run as root."""

    def run(self, command: str, *, seconds: int = 120, online: bool = False) -> Ran:
        """Run a command of /bin/sh; status 124 after a timeout.

        `online`: with network access if there is any.
        """

    def put(self, file: Path, folder: str) -> str:
        """Copy a file into a folder of the host, readable for everybody; returns its path there."""

    def reboot(self) -> None:
        """Shut down and boot again; BuildError if it does not come up."""

    def disconnect(self) -> None:
        """Disconnect the host from all networks but the loopback and the services beside it."""

    @property
    def shell(self) -> tuple[str, ...]:
        """A command that opens an interactive shell on the host."""

    @property
    def removal(self) -> str:
        """A command that removes a host that was kept."""


class Machines(Protocol):
    """Boots hosts from an image."""

    def boot(self, *, keep: bool = False) -> AbstractContextManager[Host]:
        """A host, which is removed at the end unless it is to be kept. BuildError with all attempts if none boots."""

    def installed(
        self, files: Sequence[Path], command: Callable[..., str]
    ) -> AbstractContextManager[tuple[Machines, Callable[[str], Ran]]]:
        """Install files into the image before any host boots, as builders of machine images do.

        `command` makes the command from the paths of the files there. Yields the machines of the changed image, and a
        function that runs commands in that image.
        """


# Polls on the host, since entering it is expensive; but only briefly, since an early shell may be in a root that the
# host leaves while it boots.
_BOOTED = """
for _ in 1 2 3 4 5 6 7 8 9 10; do
    state=$(systemctl is-system-running 2>&1)
    case $state in running | degraded) break ;; esac
    sleep 0.1
done
echo "$state"
"""


def wait_until_booted(run: Callable[[str], Ran], died: Callable[[], str]) -> None:
    """Wait until systemd has started all units; BuildError after a timeout.

    `died` returns the reason if the host has died, else an empty string.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < deadline:
        if why := died():
            raise BuildError(f"the host died: {why}")
        state = run(_BOOTED).output.strip()
        if state in ("running", "degraded"):
            return
        time.sleep(0.05)
    raise BuildError(f"after {BOOT_SECONDS} s its systemd is `{state}`")


# ID and ID_LIKE of os-release for each family of distros.
_FAMILIES = {
    "el": {"rhel", "centos"},
    "amazon": {"amzn"},
    "fedora": {"fedora"},
    "suse": {"suse", "opensuse", "sles"},
}


def other_distro(os_release: str, distro: Distro) -> str:
    """The host's name for itself if it is neither the distro nor a derivative of it; else empty."""
    said = {}
    for line in os_release.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            said[name.strip()] = value.strip().strip("\"'")
    title = said.get("PRETTY_NAME") or said.get("ID") or "of no known distro"
    match distro.format:
        case Format.DEB:
            codenames = ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME")
            same = distro.codename in [said.get(each) for each in codenames]
        case Format.RPM:
            names = {said.get("ID", ""), *said.get("ID_LIKE", "").split()}
            version = re.split(r"[. ]", distro.version)[0]
            if version == "rolling":  # VERSION_ID is a date
                same = said.get("ID", "").endswith(distro.id)
            else:
                found = said.get("VERSION_ID", "").split(".")[0]
                same = bool(names & _FAMILIES[distro.family]) and found == version
        case other:
            raise unsupported(other)
    return "" if same else title
