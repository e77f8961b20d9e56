"""Fixtures of the tests that follow one service through what administrators do to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance import suite_releases
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import DISTROS, Machine
from tests.artifacts import Artifacts
from tests.bases import usable_base


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
    release = hello_release if suite != "bullseye" else built_on_bullseye
    return Machine(host, family, DISTROS[family][suite], artifacts, release)


def built_on_bullseye(version: str) -> Path:
    """What this machine builds needs a newer C library than Debian 11 has."""
    return suite_releases.hello(usable_base("bullseye"), "bullseye", version)
