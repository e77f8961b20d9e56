"""What releases and administrators do on real hosts, and what an upgrade makes of it."""

import json

import pytest

from tests.acceptance import service
from tests.acceptance.lifecycle.machines import Machine, on

pytestmark = pytest.mark.acceptance

FEW_STARTS = """[service]
restart-sec = 1
start-limit-burst = 3
start-limit-interval-sec = 600
"""

PIPELINE = (
    "releases/VERSION/env.sh",
    "\nexport TOKEN=$(cat /dev/urandom | tr -dc a-z | head -c 8)\n",
)


@on("trixie-deb", "trixie-rpm")
def test_starts_and_stops_of_every_kind(machine: Machine) -> None:
    host = machine.host
    machine = machine.changed(dict([PIPELINE]))

    # A pipeline of env.sh ends, and the messages are the service's own.
    machine.serve("1.0.0", FEW_STARTS)
    host.run("journalctl --sync")
    said = map(json.loads, host.run("journalctl -u hello -o json").splitlines())
    assert {line.get("SYSLOG_IDENTIFIER") for line in said} == {"hello", "systemd"}

    # It cannot start until the next version comes.
    host.write("/etc/hello/environment", "PORT=broken\n")
    host.succeeds("systemctl restart hello")
    host.wait_until("test $(systemctl is-active hello) = failed")
    host.write("/etc/hello/environment", "")
    machine.serve("1.1.0", FEW_STARTS)

    # Stopped, though it had to be killed for that.
    host.run("mkdir /etc/systemd/system/hello.service.d")
    host.write(
        "/etc/systemd/system/hello.service.d/deaf.conf",
        "[Service]\nKillSignal=SIGCONT\nTimeoutStopSec=1\n",
    )
    host.run("systemctl daemon-reload; systemctl stop hello")
    assert service.value(host, "Result") == "timeout"
    machine.install("1.0.0", FEW_STARTS)
    assert not host.succeeds("systemctl is-active hello")

    # Killed by somebody else: it had not been stopped.
    host.write("/etc/systemd/system/hello.service.d/deaf.conf", "[Service]\nRestart=no\n")
    host.run("systemctl daemon-reload; systemctl start hello")
    host.http()
    host.run("systemctl kill --signal=KILL hello")
    host.wait_until("test $(systemctl is-active hello) = failed")
    machine.serve("1.1.0", FEW_STARTS)
