"""A service with ports that systemd keeps open: an upgrade refuses no connection, and a stop closes the ports."""

from collections.abc import Callable

import pytest

from tests.acceptance import service
from tests.acceptance.clients import clients
from tests.acceptance.lifecycle.machines import Machine, on

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

LISTEN = '[service]\nlisten = ["4000"]\n'
ELSEWHERE = '[service]\nlisten = ["4001", "127.0.0.1:4002"]\n'
BY_HAND = """[service]
requires = ["hello.socket"]
[[unit]]
name = "hello.socket"
content = "[Socket]\\nListenStream=4000\\n[Install]\\nWantedBy=sockets.target\\n"
"""

hosts = on("bookworm-deb", "sid-rpm")


def states(machine: Machine) -> list[str]:
    """Of service and socket."""
    return machine.host.run("systemctl is-active hello hello.socket || true").split()


def refused(machine: Machine, port: int = 4000) -> bool:
    return "refused" in machine.host.run(
        f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>&1 || true"
    )


@hosts
def test_no_request_is_lost_over_upgrades(
    machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    machine.serve("1.0.0", LISTEN)
    # For libraries that ask whom the descriptors are for.
    pid = service.value(machine.host, "MainPID")
    assert f"LISTEN_PID={pid}\n" in machine.host.run(f"tr '\\0' '\\n' </proc/{pid}/environ")
    with clients(machine.host) as seen:
        for version in ("1.1.0", "1.2.0-rc.1", "1.0.0"):
            before = machine.invocation()
            machine.serve(version, LISTEN)
            assert machine.invocation() != before
        machine.host.run("systemctl restart hello")
        machine.host.http()
    # In the report of --junit-xml.
    record_property("requests", sum(seen.answers.values()))
    record_property("longest", f"{seen.longest:.1f} s")
    assert seen.failures == []
    assert seen.answers.keys() == {
        f"Hello from hello {v}" for v in ("1.0.0", "1.1.0", "1.2.0-rc.1")
    }
    assert states(machine) == ["active", "active"]


@hosts
def test_ports_come_and_go_with_versions(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0")
    machine.serve("1.1.0", LISTEN)
    assert states(machine) == ["active", "active"]
    assert host.run("ss -Hltn sport = :4000").split()[3] == "*:4000"
    # Disabled, but it runs.
    host.run("systemctl disable hello")

    machine.install("1.2.0-rc.1", ELSEWHERE)
    assert host.http(port=4001) == "Hello from hello 1.2.0-rc.1\n"
    assert refused(machine)
    assert not refused(machine, 4002)
    assert host.run("systemctl --failed --no-legend") == ""

    # The version that listens by itself finds its port free.
    machine.serve("1.0.0")
    assert states(machine) == ["active", "inactive"]
    assert refused(machine, 4001)

    # What was written by hand before there was `listen` goes on.
    host.run("systemctl enable hello")
    machine.serve("1.1.0", BY_HAND)
    assert host.run("systemctl is-enabled hello.socket") == "enabled\n"
    with clients(host) as seen:
        machine.serve("1.0.0", LISTEN)
    assert seen.failures == []
    assert host.run("systemctl is-enabled hello.socket") == "static\n"
    assert not host.succeeds("ls /etc/systemd/system/*.wants/hello.socket")

    machine.erase()
    assert refused(machine)
    assert not host.succeeds("ls /run/hello.* /etc/systemd/system/*.wants/hello*")
    assert "hello" not in host.run("systemctl list-units --all --no-legend")


@on("trixie-rpm")
def test_who_stops_the_service_closes_its_ports(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0", LISTEN)
    for stop in ("hello stop", "systemctl stop hello", "systemctl stop hello.socket"):
        host.run(stop)
        assert states(machine) == ["inactive", "inactive"]
        assert refused(machine)
        host.run("hello start")
        assert host.http() == "Hello from hello 1.0.0\n"
        assert states(machine) == ["active", "active"]
    host.run("hello stop")
    machine.install("1.1.0", ELSEWHERE)
    assert states(machine) == ["inactive", "inactive"]
    host.run("systemctl start hello")
    assert host.http(port=4001) == "Hello from hello 1.1.0\n"

    # An upgrade that leaves the service alone changes its ports with the next restart.
    quiet = LISTEN + 'on-upgrade = "none"\n'
    before = machine.invocation()
    assert "hello:" not in machine.install("1.0.0", quiet)
    assert machine.invocation() == before
    assert host.http(port=4001) == "Hello from hello 1.1.0\n"
    host.run("systemctl restart hello")
    assert host.http() == "Hello from hello 1.0.0\n"
    assert refused(machine, 4001)
    assert service.value(host, "NRestarts") == "0"
