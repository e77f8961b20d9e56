"""Fixtures of the tests that follow one service through what administrators do to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.artifacts import Artifacts
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import DISTROS, Machine, shell_release


@pytest.fixture
def family() -> str:
    """The family of `machine`, unless the test is parametrized with others."""
    return "deb"


@pytest.fixture
def host(host: Host, family: str) -> Host:
    """As on Fedora and EL, services stay off unless a preset says otherwise; Debian's stay on."""
    if family == "rpm":
        host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    return host


@pytest.fixture
def machine(
    host: Host,
    suite: str,
    family: str,
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
) -> Machine:
    """A booted machine to install examples/hello on."""
    return Machine(host, family, DISTROS[family][suite], artifacts, hello_release)


@pytest.fixture
def shell_machine(host: Host, suite: str, family: str, artifacts: Artifacts) -> Machine:
    """A booted machine with a service that is only a shell script."""
    folder = artifacts.folder / "shell"
    folder.mkdir(exist_ok=True)
    tarballs: dict[str, Path] = {}

    def release(version: str) -> Path:
        if version not in tarballs:
            tarballs[version] = shell_release(folder, version)
        return tarballs[version]

    return Machine(host, family, DISTROS[family][suite], artifacts, release)
