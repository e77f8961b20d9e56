"""Hosts that ask the repository themselves: [deploy] `pull`, with apt and dnf."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, on
from tests.acceptance.lifecycle.test_change_version import BAD, GOOD, Published

pytestmark = pytest.mark.acceptance

PULL = '[deploy]\npull = "2s"\njitter = "0s"\n'


def waits_for(published: Published, version: str) -> None:
    """The host comes to run it, without a word of ours."""
    published.machine.host.wait_until(
        f"curl -fs http://127.0.0.1:4000 | grep -x 'Hello from hello {version}'", timeout=60
    )
    check = "dpkg --audit | grep ." if published.machine.deb else "false"
    published.machine.host.wait_until(f"! {check}", timeout=60)
    assert published.runs(version)


@on("bookworm-deb", "sid-rpm")
def test_a_host_takes_each_version_that_works(machine: Machine) -> None:
    host = machine.host
    published = Published.on(machine)
    published.publish("1.0.0", GOOD + PULL)
    published.subscribe()
    host.http()
    published.publish("1.1.0", GOOD + PULL)
    # Somebody installs something else for a while.
    lock = "/var/lib/dpkg/lock-frontend" if machine.deb else "/usr/lib/sysimage/rpm/.rpm.lock"
    if machine.deb:
        host.run(
            f'systemd-run --quiet --unit=other python3 -c \'import fcntl, time; f = open("{lock}", "w"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(8)\' || true'
        )
    waits_for(published, "1.1.0")

    published.publish("1.2.0", BAD + PULL)
    host.wait_until("grep -q 1.2.0 /var/lib/misc/hello.refused", timeout=90)
    waits_for(published, "1.1.0")
    started = machine.invocation()
    tried = "journalctl --unit hello-pull --output cat | grep -c '1.2.0.* is for this host'"
    assert host.run(tried) == "1\n"

    # A successor is taken though the host has gone back; it takes no other by itself, and ends with the word.
    published.publish("1.3.0", GOOD)
    waits_for(published, "1.3.0")
    assert machine.invocation() != started
    assert host.run(tried) == "1\n"
    assert not host.succeeds("systemctl is-active hello-pull.timer")
    assert not host.succeeds("ls /var/lib/misc/hello.refused /var/lib/misc/hello.held")

    # What an administrator goes back to stays.
    published.publish("1.4.0", GOOD + PULL)
    host.run("hello upgrade")
    host.run("hello rollback")
    assert published.runs("1.3.0")
    machine.erase()
    assert not host.succeeds("ls -d /var/lib/misc/hello.* /run/hello* /var/cache/hello.*")
