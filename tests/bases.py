"""Debian roots that boot their own systemd, made by mmdebstrap and kept between runs.

One root serves both formats: apt is its own, rpm and dnf are installed beside it with a stub package
that tells the rpm database what the root really has (rpm_root.sh).
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cache
from tests.conftest import skip_unless

VERSION = "1"
"""Count up to have every base made anew."""

TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "unshare", "setpriv")

SYSTEM = (
    "systemd systemd-sysv dbus libpam-systemd apt ca-certificates curl iproute2 procps gnupg "
    "init-system-helpers passwd sudo"
).split()

RUNTIME = "libncurses6 libtinfo6 libstdc++6 libsystemd0 zlib1g".split()
"""What a release built on Debian needs, so that apt can install one without a network."""

RPM_ROOT = Path(__file__).with_name("rpm_root.sh")

UNSETTLED = (
    "systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service "
    "getty.target console-getty.service apt-daily.timer apt-daily-upgrade.timer "
    "e2scrub_all.timer fstrim.timer"
).split()
"""Units that never settle in a container, or wake up in the middle of a test."""


@dataclass(frozen=True)
class Suite:
    """A Debian suite to test on."""

    name: str
    packages: tuple[str, ...]
    moving: bool = False
    """It changes from day to day, so that its base cannot always be made."""

    @property
    def rpm(self) -> bool:
        """Whether the rpm life cycle runs on it."""
        return "rpm" in self.packages


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bullseye", ("libssl1.1",)),
        Suite("bookworm", ("libssl3", "rpm", "dnf")),
        Suite("trixie", ("libssl3t64", "rpm", "dnf")),
        Suite("sid", ("libssl3t64", "rpm", "dnf", "dnf5"), moving=True),
    )
}
# A host that ssh reaches; the others stay small.
SUITES["bookworm-ssh"] = Suite("bookworm", (*SUITES["bookworm"].packages, "openssh-server"))
_RPM = SUITES["bookworm"].packages
# What changes packages by night, and keeps versions.
SUITES["nightly"] = Suite("bookworm", (*_RPM, "unattended-upgrades", "dnf-plugins-core"))
SUITES["zypper"] = Suite("bookworm", (*_RPM, "zypper", "libzypp-config"))


class BaseError(Exception):
    """A base cannot be made; the end of the tool's output says why."""


def base(suite: Suite) -> Path:
    """The suite's root directory; never to be written to."""
    packages = [*SYSTEM, *RUNTIME, *suite.packages]
    script = RPM_ROOT.read_text() if suite.rpm else ""
    key = cache.key(VERSION, *packages, *UNSETTLED, script)

    def make(root: Path) -> None:
        _debootstrap(suite.name, packages, root)
        # Every host gets a name and an id of its own; an empty id is not a first boot.
        (root / "etc/hostname").unlink(missing_ok=True)
        (root / "etc/machine-id").write_text("")
        for unit in UNSETTLED:
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        if script:
            _inside(root, script)

    return cache.directory(f"bases/{suite.name}-{key}", make)


def usable_base(suite: str) -> Path:
    """The suite's base; skips where it cannot be had, and for a moving suite also in CI."""
    skip_unless(os.geteuid() == 0, "booting a host needs root")
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    skip_unless(not missing, f"booting a host needs {', '.join(missing)}")
    row = SUITES[suite]
    try:
        return base(row)
    except BaseError as error:
        if row.moving:
            pytest.skip(f"no base of {suite} can be made today: {error}")
        raise


def _debootstrap(suite: str, packages: list[str], root: Path) -> None:
    run(
        # Its own mounts: whatever becomes of it, none is left behind.
        "unshare",
        "--mount",
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(packages)}",
        "--dpkgopt=force-unsafe-io",
        # A snapshot's index may be older than it promised to be.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        suite,
        str(root),
    )


def _inside(root: Path, script: str) -> None:
    nspawn = ["systemd-nspawn", "--quiet", f"--directory={root}", "--pipe"]
    run(*nspawn, "--register=no", "--keep-unit", "sh", "-eu", "-c", script)


def run(*command: str) -> None:
    """Run a tool that makes a system; BaseError with the end of what it said."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise BaseError(f"{command[0]} exited {done.returncode}:\n{end}")
