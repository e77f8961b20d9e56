"""Fixtures of the tests that install packages on booted machines."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import docker, hosts
from tests.artifacts import Artifacts
from tests.bases import usable_base
from tests.conftest import skip_unless

PACKAGES = "/srv/packages"
"""Where a host finds `artifacts`."""


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Packages that `pkgrel build` makes as they are asked for."""
    folder = tmp_path_factory.mktemp("packages")
    # apt reads repositories as a user of its own.
    folder.chmod(0o755)
    base = tmp_path_factory.getbasetemp()
    # Each worker of xdist has a folder of its own there.
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Artifacts(folder, run / "shared-packages")


@pytest.fixture
def package(
    artifacts: Artifacts, hello_release: Callable[[str], Path], distro_id: str
) -> Callable[..., str]:
    """VERSION and more settings -> where a host finds that package of examples/hello."""

    def path(version: str, settings: str = "") -> str:
        return f"{PACKAGES}/{artifacts.build(hello_release(version), distro_id, settings)}"

    return path


@pytest.fixture
def suite() -> str:
    """The suite of `host`, unless the test is parametrized with others."""
    return "bookworm"


@pytest.fixture
def host(suite: str, artifacts: Artifacts, request: pytest.FixtureRequest) -> Iterator[hosts.Host]:
    """A machine of the suite, for one test alone."""
    mounts = {artifacts.folder: PACKAGES}
    embedded = request.node.get_closest_marker("embedded") is not None
    with hosts.boot(usable_base(suite), suite, mounts, embedded=embedded) as booted:
        yield booted


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[docker.Daemon]:
    """A Docker daemon; `docker_daemon.base("bookworm")` sees that an image is there."""
    missing = docker.missing()
    skip_unless(not missing, f"a Docker daemon needs {', '.join(missing)}")
    with docker.daemon() as running:
        yield running


@pytest.fixture
def docker_host(docker_daemon: docker.Daemon, monkeypatch: pytest.MonkeyPatch) -> str:
    """The daemon's address; it is in the environment as DOCKER_HOST."""
    for name in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_HOST", docker_daemon.host)
    return docker_daemon.host
