"""Real attacks on root, by a compromised service and by a deploy user."""

import time

import pytest

from tests.acceptance import service
from tests.acceptance.lifecycle.machines import INSTALL, Machine, on
from tests.acceptance.terminal import Terminal, terminal

pytestmark = pytest.mark.acceptance

# The oldest and the newest systemd, util-linux and shell, both formats.
attacked = on("bullseye-deb", "bookworm-rpm", "sid-deb")

SETTINGS = """
[service]
deploy-user = "deploy"
restart-method = "flag"
on-upgrade = "wait"
[service.ready]
rpc = "true"
[service.directories]
tmp = true
[migrations]
function = "Hello.Release.migrate"
when = "install"
[helpers.ssm]
GREETING = "/hello/greeting"
"""

# In place of a program that the commands of the release call. TIOCSTI types into a terminal, now and when
# root's shell listens again; the session's is /dev/tty.
TYPE = r"""#!/usr/bin/perl
my @terminals = grep { -t $_ } map { my $h; open($h, "+<&=", $_) ? $h : () } 0 .. 9;
my $own;
push @terminals, $own if open($own, "+<", "/dev/tty");
sub type {
    for my $terminal (@terminals) {
        for my $letter (split //, "touch /run/owned\n") { my $typed = $letter; ioctl($terminal, 0x5412, $typed) }
    }
}
open(my $log, ">>", "/var/lib/hello/attacks");
print $log "tried\n", map { my @found = stat $_; "has $found[0]:$found[6]\n" } @terminals;
close $log;
type();
if (@terminals && !fork) {
    $SIG{HUP} = "IGNORE";
    -t $_ or close $_ for *STDIN, *STDOUT, *STDERR;
    for (1 .. 3) { select undef, undef, undef, 0.3; type() }
    exit;
}
my ($name) = $0 =~ m{([^/]+)$};
$ENV{PATH} =~ s/^[^:]*://;
exec $name, @ARGV;
"""
PLANTED = "PATH=/var/lib/hello/bin:/usr/local/bin:/usr/bin:/bin"
PROGRAMS = "cat dirname basename readlink sed grep mktemp od tr cut"


@attacked
def test_neither_the_service_nor_a_deploy_user_becomes_root(machine: Machine) -> None:
    host = machine.host
    host.write("/usr/local/bin/aws", "#!/bin/sh\necho Moin\n")
    host.run("chmod 755 /usr/local/bin/aws")
    machine.serve("1.0.0", SETTINGS)
    assert host.http() == "Moin from hello 1.0.0\n"
    with terminal(host) as root:
        commands_work_on_a_terminal(root)
        the_service_types_no_command_of_root(machine, root)
    root_reads_no_file_that_the_service_names(machine)
    the_flag_restarts_and_holds_nothing(machine)


def commands_work_on_a_terminal(root: Terminal) -> None:
    assert root.run("hello rpc 'IO.puts(:stderr, 1); IO.puts(2)'")[0] == 0
    root.type(
        "hello eval 'IO.puts([IO.gets([]) |> String.trim(), ?!]); System.halt(7)'; echo =$?\n"
    )
    time.sleep(2)
    root.type("word\n")
    assert "word!\n=7" in root.wait_for("^=7$")


def plant(machine: Machine) -> None:
    host = machine.host
    host.write("/var/lib/hello/type", TYPE)
    host.run(
        "chmod 755 /var/lib/hello/type && mkdir -p /var/lib/hello/bin && cd /var/lib/hello/bin && "
        f"for p in {PROGRAMS}; do ln -sf ../type $p; done && chown -R hello: /var/lib/hello/bin ../type"
    )
    plant_variables(machine)


def plant_variables(machine: Machine) -> None:
    machine.host.run(
        machine.as_user(
            "hello", f'echo "{PLANTED}" >/run/hello/parameters; rm -f /var/lib/hello/attacks'
        )
    )


# With standard streams of every kind. The first ones are tried on every suite.
COMMANDS = (
    "hello rpc 'IO.puts(1)'",
    "hello rpc 'IO.puts(1)' | tail -1",
    "hello rpc 'IO.puts(1)' </dev/null >/dev/null 2>&1",
    "echo 1 | hello rpc 'IO.puts(1)'",
    "hello rpc 'IO.puts(1)' 2>/dev/null",
    "out=$(hello eval 'IO.puts(1)')",
    "hello rpc 'IO.puts(1)' & wait",
    "hello migrate",
)


def the_service_types_no_command_of_root(machine: Machine, root: Terminal) -> None:
    plant(machine)
    upgrade = f"{INSTALL[machine.family]} {machine.package('1.1.0', SETTINGS)}"
    for command in (*COMMANDS[: None if machine.distro_id == "amzn2023" else 3], upgrade):
        plant_variables(machine)
        status, shown = root.run(command, 120)
        assert status == 0, shown
        # What was typed for root would run now.
        root.run("sleep 1")
        assert not machine.host.succeeds("test -e /run/owned"), f"{command}\n{shown}"
        log = machine.host.read("/var/lib/hello/attacks")
        assert "tried" in log, command
        assert f"has {root.device}" not in log, command


STOLEN = "STOLEN=of-another-service"


def root_reads_no_file_that_the_service_names(machine: Machine) -> None:
    host = machine.host
    host.run(f"install -m 600 /dev/null /etc/other && echo {STOLEN} >/etc/other")
    # The service's own process before the start, at the moment that suits it.
    host.run(
        "mkdir -p /run/systemd/system/hello.service.d && printf '[Service]\\nExecStartPre=/bin/ln -sf "
        "/etc/other /run/hello/parameters\\n' >/run/systemd/system/hello.service.d/attack.conf && "
        "systemctl daemon-reload"
    )
    host.run("systemctl restart hello || true")
    time.sleep(0.5)
    log = host.run("journalctl --sync; journalctl -u hello --no-pager")
    assert "cannot read /run/hello/parameters" in log
    assert STOLEN not in host.run("cat /proc/[0-9]*/environ | tr '\\0' '\\n'")
    host.run("rm -r /run/systemd/system/hello.service.d && systemctl daemon-reload")
    host.run("systemctl reset-failed hello; systemctl restart hello")
    assert host.http() == "Moin from hello 1.1.0\n"


FLAG = "/run/hello-restart/flag"


def the_flag_restarts_and_holds_nothing(machine: Machine) -> None:
    host = machine.host
    before = host.run("df --output=used /run | tail -1")
    for attack in (
        f"timeout 0.5 dd if=/dev/zero of={FLAG} bs=1M count=20",
        f"timeout 0.5 dd if=/dev/zero bs=1M count=20 1<>{FLAG}",
        f"truncate -s 20M {FLAG}",
        f"fallocate -l 20M {FLAG}",
    ):
        host.fails(machine.as_user("deploy", attack))
    assert int(host.run("df --output=used /run | tail -1")) < int(before) + 5000
    host.run("systemctl reset-failed hello hello-restart.service; systemctl start hello; sleep 3")
    host.http()
    invocation = machine.invocation()
    # As `touch` does, and as Elixir's File.touch, which sets a time of its own.
    for touch in (f"touch {FLAG}", f"touch --date=@$(date +%s) {FLAG}"):
        host.run("systemctl reset-failed hello")
        host.run(machine.as_user("deploy", touch))
        host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {invocation}")
        host.http()
        invocation = machine.invocation()
    assert service.main_process(host) == ["hello", "beam.smp"]
