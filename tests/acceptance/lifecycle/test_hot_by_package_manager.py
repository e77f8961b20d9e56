"""`on-upgrade = "hot"` and `listen` together: by apt, dnf 4 and dnf5 from a repository, by `NAME upgrade`, and when the
machine boots again.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests import releases
from tests.acceptance import hosts, service, suite_releases, systems
from tests.acceptance.clients import clients
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import INSTALL, Machine, on
from tests.acceptance.lifecycle.published import Published
from tests.acceptance.lifecycle.running_code import running_code
from tests.artifacts import Artifacts
from tests.bases import usable_base

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

SETTINGS = """
[service]
on-upgrade = "hot"
listen = ["4000"]
[service.ready]
http = "http://127.0.0.1:4000/health"
"""


@pytest.fixture
def published(machine: Machine, suite: str) -> Published:
    """Version 1.0.0 of tests/data/hot is in the repository, and installed from there."""

    def release(version: str) -> Path:
        config = "runtime" if version == "1.0.0" else "polite"
        if suite == "bullseye":
            return suite_releases.hot(usable_base(suite), suite, version, config)
        return releases.hot(version, **({} if config == "runtime" else {"config": config}))

    made = Published.on(replace(machine, release=release), "hot")
    made.publish("1.0.0", SETTINGS)
    made.subscribe()
    machine.host.http()
    return made


@on("bullseye-deb", "bookworm-rpm", "sid-rpm")
def test_connections_stay_open_whoever_asks_for_the_version(
    published: Published, record_property: Callable[[str, object], None]
) -> None:
    host = published.machine.host
    pid = service.value(host, "MainPID", "hot")
    with clients(host, staying=True) as seen:
        published.publish("1.1.0", SETTINGS)
        published.refresh()
        assert "restarted" not in published.unattended_upgrade()
        assert host.http().startswith("1.1.0 | Good day")
        assert "restarted" not in host.run("hot rollback 2>&1")
        published.unattended_upgrade()
        assert host.http().startswith("1.0.0 | Hello")
        published.publish("1.2.0", SETTINGS)
        assert "restarted" not in host.run("hot upgrade 2>&1")
        assert host.http().startswith("1.2.0 | Good day")
        # Of an application that has the same version in all of them.
        assert host.http("/unnumbered") == "1.2.0\n"
    # In the report of --junit-xml.
    record_property("longest", f"{seen.longest:.2f} s")
    assert seen.failures == []
    assert {answer.split()[0] for answer in seen.answers} == {"1.0.0", "1.1.0", "1.2.0"}
    (page, pages), (message, messages) = seen.kept
    assert page.startswith("1.2.0 | Good day")
    assert message == f"{messages} 1.2.0"
    assert pages > 50
    assert service.value(host, "MainPID", "hot") == pid
    assert published.is_whole()
    assert [line.split(" ", 1)[1] for line in host.run("hot upgrades").splitlines()] == [
        "1.0.0 -> 1.1.0, upgraded while it ran",
        "1.1.0 -> 1.0.0, upgraded while it ran",
        "1.0.0 -> 1.2.0, upgraded while it ran",
    ]


def test_a_machine_that_boots_again_has_the_version_that_was_upgraded_to(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    def install(
        host: hosts.Host, release: Path, settings: str = SETTINGS, command: str = INSTALL["deb"]
    ) -> str:
        package = artifacts.build(release, "debian12", settings)
        return host.run(f"{command} {PACKAGES}/{package} 2>&1")

    mounts = {artifacts.folder: PACKAGES}
    with systems.writable(usable_base("bookworm"), tmp_path) as root:
        with hosts.boot(root, "bookworm", mounts, keeps=True, embedded=True) as host:
            install(host, releases.hot("1.0.0"))
            host.http()
            assert "restarted" not in install(host, releases.hot("1.1.0", config="polite"))
        # Its power was cut.
        with hosts.boot(root, "bookworm", mounts, keeps=True, embedded=True) as host:
            assert host.http().startswith("1.1.0 | Good day")
            pid = service.value(host, "MainPID", "hot")
            assert "restarted" not in install(host, releases.hot("1.0.0"))
            assert host.http().startswith("1.0.0 | Hello")
            assert service.value(host, "MainPID", "hot") == pid
            # Another port is for another start.
            elsewhere = SETTINGS.replace("4000", "4001")
            why = "its unit differs: ListenStream=4001"
            assert why in install(host, releases.hot("1.1.0", config="polite"), elsewhere)
            assert host.http(port=4001).startswith("1.1.0 | Good day")
            ways = [line.split(" ", 1)[1] for line in host.run("hot upgrades").splitlines()]
            # The next one is unpacked, and its power cut before it is configured.
            newest = releases.hot("1.2.0", config="polite")
            install(host, newest, elsewhere, "dpkg --unpack --force-confold")
            host.run("sync")
        with hosts.boot(root, "bookworm", mounts, keeps=True, embedded=True) as host:
            for command in ("true", "dpkg --configure --pending && dpkg --verify hot"):
                host.run(command)
                assert host.http(port=4001).startswith("1.2.0 | Good day")
                assert running_code(host, "hot").wrong == []
            assert "running: 1.2.0\n" in host.run("hot version")
    assert ways == [
        "1.0.0 -> 1.1.0, upgraded while it ran",
        "1.1.0 -> 1.0.0, upgraded while it ran",
        f"1.0.0 -> 1.1.0, restarted: {why}",
    ]
