"""Only root and the service can intercept commands to the node, at any moment of a restart."""

import time
from pathlib import Path

import pytest

from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import Machine, bookworm, extremes

pytestmark = pytest.mark.acceptance

# Takes ports of this machine as soon as they are free, and writes down who has come.
OTHER = r"""
use strict; use IO::Socket::INET; use IO::Select;
open(my $log, '>>', '/tmp/came') or die; $log->autoflush(1);
my $select = IO::Select->new; my %wanted = map { $_ => 1 } @ARGV;
while (1) {
    for my $port (keys %wanted) {
        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1) or next;
        $select->add($socket); delete $wanted{$port}; print $log "have $port\n";
    }
    for my $socket ($select->can_read(0.01)) {
        my $client = $socket->accept or next;
        print $log "somebody came to " . $socket->sockport . "\n";
    }
}
"""


def take(host: Host, *ports: int) -> None:
    """A local user waits for the ports."""
    host.write("/tmp/other.pl", OTHER)
    host.run(
        f"runuser -u nobody -- sh -c 'perl /tmp/other.pl {' '.join(map(str, ports))}"
        " </dev/null >/dev/null 2>&1 &'"
    )


def port(host: Host, unit: str = "hello") -> int:
    flags = host.run(f"systemctl show --value --property=Environment {unit}")
    return int(flags.partition("inet_dist_listen_min ")[2].split('"')[0].split()[0])


@extremes
def test_who_takes_the_port_hears_nothing_from_a_command(machine: Machine) -> None:
    machine.serve("1.0.0")
    host = machine.host
    assert host.run("hello rpc 'IO.puts(node())'") == "hello@127.0.0.1\n"
    number = port(host)
    assert host.run("ss -Hltn").count("127.0.0.1:") == 1  # the node; no epmd
    host.run("systemctl stop hello")
    take(host, 4369, number)
    host.wait_until(f"grep -q 'have {number}' /tmp/came && grep -q 'have 4369' /tmp/came")
    # A console wants a terminal.
    remote = "script --quiet --return --command 'hello remote' /dev/null"
    for command in ("hello rpc 'IO.puts(node())'", "hello pid", remote):
        said = host.fails(f"{command} </dev/null")
        assert f"the user 65534 (nobody) listens on port {number}" in said
    assert "somebody" not in host.read("/tmp/came")
    # A service that cannot have its port does not run without it.
    host.run("pkill -u nobody")
    host.run("systemctl restart hello")
    host.http()
    assert host.run("hello rpc 'IO.puts(node())'") == "hello@127.0.0.1\n"


@bookworm
def test_a_service_that_stops_ends_who_speaks_to_it(machine: Machine) -> None:
    """Or whoever takes its port could hand the connection on to the node that starts next."""
    machine.serve("1.0.0")
    host = machine.host
    take(host, port(host))
    host.run(
        "(hello rpc 'IO.puts(:reached)' >/tmp/out 2>&1; echo $? >/tmp/status) </dev/null"
        " >/dev/null 2>&1 &"
    )
    # Held before it connects.
    host.wait_until("pkill -STOP -f '[b]eam.smp.*rpc-'")
    if machine.deb:
        # Nobody knows when it will, env.sh may wait for an answer first.
        time.sleep(16)
    host.run("systemctl stop hello")
    host.wait_until("test -s /tmp/status")
    assert host.read("/tmp/status") == "137\n"
    assert "hello.service stopped while it was spoken to" in host.read("/tmp/out")
    assert "somebody" not in host.read("/tmp/came")


def test_two_packages_of_one_release_do_not_meet(machine: Machine) -> None:
    machine.serve("1.0.0")
    other = machine.package("1.0.0", 'name = "other"\n[service.environment]\nPORT = "4001"\n')
    host = machine.host
    host.run(f"dpkg --install {other}")
    host.http(port=4001)
    assert port(host) != port(host, "other")
    assert host.run("other rpc 'IO.puts(node())'") == "other@127.0.0.1\n"
    same = f'name = "third"\n[distribution]\nport = {port(host)}\n'
    said = host.run(f"dpkg --install {machine.package('1.0.0', same)} 2>&1 >/dev/null || true")
    assert f"hello.service uses the port {port(host)} for Erlang distribution as well" in said


def test_a_release_that_does_without_epmd_itself_asks_none(machine: Machine) -> None:
    """As Elixir's documentation has it. With one more port from us the VM took neither."""
    line = "\n-start_epmd false -erl_epmd_port 6789\n"
    own = {f"releases/VERSION/{name}vm.args": line for name in ("", "remote.")}
    machine.changed(own).serve("1.0.0")
    host = machine.host
    take(host, 4369)
    host.wait_until("grep -q 'have 4369' /tmp/came")
    assert host.run("hello rpc 'IO.puts(node())'") == "hello@127.0.0.1\n"
    # One that comes in another way, here by a file of the administrator's, makes it ask nobody.
    host.run("echo ERL_AFLAGS='-erl_epmd_port 6790' >>/etc/hello/environment")
    host.fails("hello rpc 'IO.puts(node())'")
    assert "somebody" not in host.read("/tmp/came")
    host.run("sed -i /ERL_AFLAGS/d /etc/hello/environment")
    # Whose answer is the end of the service is not spoiled by it.
    assert host.run("hello rpc 'System.stop()'") == ""


def test_the_commands_of_relx_and_distillery_are_guarded_too(
    machine: Machine, relx_release: Path, distillery_release: Path
) -> None:
    host = machine.host
    for release, name, command in (
        (relx_release, "relx-nif", "ping"),
        (distillery_release, "hello", "whoami"),
    ):
        host.run(
            f"dpkg --install /srv/packages/{machine.artifacts.build(release, machine.distro_id)}"
        )
        host.wait_until(f"systemctl is-active {name}")
        host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
        host.wait_until(f"{name} {command}")
        number = port(host, name)
        host.run(f"systemctl stop {name}")
        host.run("rm -f /tmp/came")
        take(host, number)
        host.wait_until(f"grep -q 'have {number}' /tmp/came")
        assert f"(nobody) listens on port {number}" in host.fails(f"{name} {command}")
        assert "somebody" not in host.read("/tmp/came")
        host.run("pkill -u nobody")
