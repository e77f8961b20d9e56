"""A throwaway host, whatever it runs on: what the steps ask of it, how they wait for its systemd, and of which distro it is.

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
"""What an administrator's shell has; nothing of this machine's gets in."""


SOURCED = "sh -c 'exec 3<&0 </dev/null && . /dev/fd/3'"
"""Runs a script of its standard input: an argument may not be longer than 128 KiB, and lists of files are."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended."""

    command: str
    status: int
    output: str
    """Standard output and error."""

    def __bool__(self) -> bool:
        return self.status == 0


class Host(Protocol):
    """A booted host, entered as root."""

    def run(self, command: str, *, seconds: int = 120, online: bool = False) -> Ran:
        """Run a command of /bin/sh; status 124 when it took too long.

        `online`: with a network, if there is one to be had.
        """

    def put(self, file: Path, folder: str) -> str:
        """Copy a file into a folder of the host, readable for everybody; its path there."""

    def reboot(self) -> None:
        """Stop in order and boot again; BuildError if it does not come up."""

    def disconnect(self) -> None:
        """Take the network away, but for the loopback and the services beside it."""

    @property
    def shell(self) -> tuple[str, ...]:
        """The command by which a person enters it."""

    @property
    def removal(self) -> str:
        """The command that removes it when it was kept."""


class Machines(Protocol):
    """Where hosts come from: an image, and what boots it."""

    def boot(self, *, keep: bool = False) -> AbstractContextManager[Host]:
        """A host; gone at the end, unless it is to be kept. BuildError, with what was tried, if none boots."""

    def installed(
        self, files: Sequence[Path], command: Callable[..., str]
    ) -> AbstractContextManager[tuple[Machines, Callable[[str], Ran]]]:
        """Those of an image into which files were installed before any of them boots, as images of machines are made.

        `command` makes a command of the files' paths there. Also what runs commands in that image.
        """


# On the host, since to enter it costs more than to ask. Not for long: who entered early is in a root that the host leaves.
_BOOTED = """
for _ in 1 2 3 4 5 6 7 8 9 10; do
    state=$(systemctl is-system-running 2>&1)
    case $state in running | degraded) break ;; esac
    sleep 0.1
done
echo "$state"
"""


def wait_until_booted(run: Callable[[str], Ran], died: Callable[[], str]) -> None:
    """Until systemd has started all that it starts; BuildError if it does not.

    `died` says why there is no host any more; nothing while there is one.
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


# What os-release calls the families of distros, or says that a distro is like.
_FAMILIES = {
    "el": {"rhel", "centos"},
    "amazon": {"amzn"},
    "fedora": {"fedora"},
    "suse": {"suse", "opensuse", "sles"},
}


def other_distro(os_release: str, distro: Distro) -> str:
    """What a host calls itself, if that is not the distro, nor one that is made of it; else nothing."""
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
            found = "rolling" if "tumbleweed" in said.get("ID", "") else said.get("VERSION_ID", "")
            same = bool(names & _FAMILIES[distro.family]) and found.split(".")[0] == version
        case other:
            raise unsupported(other)
    return "" if same else title
