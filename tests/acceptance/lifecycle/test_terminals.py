"""The commands of an installed package on a terminal and in pipes behave like direct calls of the release."""

import time

import pytest

from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import Machine, on
from tests.acceptance.terminal import Terminal, terminal

pytestmark = pytest.mark.acceptance

# An old util-linux and a new one: they differ in what they do when a terminal goes.
suites = on("bullseye-deb", "trixie-deb")

SLEEPS = "Process.sleep(:infinity)"


@suites
def test_commands_behave_on_a_terminal_and_in_pipes(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0")
    in_pipes(host)
    without_a_terminal(machine)
    is_ended_by_signals(host)
    with terminal(host) as root:
        a_console(root)
        output_and_status(root)
        is_interrupted(host, root)
        by_sudo(host, root)
        with_an_older_util_linux(host, root)
    assert not sleepers(host)


def sleepers(host: Host) -> str:
    return host.run("pgrep --full --list-full slee[p].:infinity || true")


def in_pipes(host: Host) -> None:
    assert host.run("echo a line | hello rpc 'IO.write(IO.gets([]))'") == "a line\n"
    assert host.run("hello rpc 'IO.puts(1); IO.puts(:stderr, 2)' 2>/dev/null") == "1\n"
    assert host.run("hello rpc 'for n <- 1..100_000, do: IO.puts(n)' | head -2") == "1\n2\n"
    size = "hello eval 'IO.write(String.duplicate(\"x\", 3_000_000))' | wc -c"
    assert host.run(size).strip() == "3000000"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        host.run(f"sh -c 'exec {closed}; hello eval \"System.halt(3)\"'; test $? = 3")


def without_a_terminal(machine: Machine) -> None:
    host = machine.host
    before = machine.invocation()
    for command in (
        "hello remote </dev/null",
        "echo 1 | hello remote",
        "runuser -u hello -- hello remote </dev/null",
    ):
        said = host.fails(f"{command} 2>&1")
        assert "hello: remote needs a terminal, and would stop hello.service" in said
        assert "from a script, hello rpc EXPRESSION" in said
    # A terminal that goes, and a job in the background of one.
    with terminal(host) as other:
        other.type("hello remote\n")
        other.wait_for(r"iex\(hello@127.0.0.1\)1> ")
    with terminal(host) as other:
        other.type("set -m; hello remote & wait\n")
        time.sleep(2)
    host.run("sleep 2")
    assert machine.invocation() == before
    # What ends without a fault is started again; who wants it stopped says so to systemd.
    host.run("hello rpc 'System.stop()'")
    host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {before}")
    assert host.http() == "Hello from hello 1.0.0\n"


def is_ended_by_signals(host: Host) -> None:
    for signal in ("TERM", "HUP"):
        start = f"hello eval 'IO.puts(1); {SLEEPS}' >/tmp/out 2>&1 & echo $!"
        pid = host.run(start).strip()
        host.wait_until("grep -q 1 /tmp/out")
        host.run(f"kill -s {signal} {pid}")
        host.wait_until(f"! test -e /proc/{pid}")
        assert not sleepers(host)
        host.run("rm /tmp/out; ! ls -d /tmp/tmp.*")


def a_console(root: Terminal) -> None:
    root.type("hello remote\n")
    root.wait_for(r"iex\(hello@127.0.0.1\)1> ")
    root.resize(31, 97)
    root.type("{:io.columns(), :io.rows(), Hello.title()}\n")
    root.wait_for(r"hello 1\.0\.0")
    # Ctrl-C, and `a` for abort.
    root.type("\x03")
    root.wait_for(r"\(a\)bort")
    root.type("a\n")
    time.sleep(1)
    assert "again\n" in root.run("echo again")[1]
    # Echoing and in lines, as before.
    assert " echo" in root.run("stty -a")[1]


def output_and_status(root: Terminal) -> None:
    for command, status, text in (
        ("hello eval 'IO.puts(1); IO.puts(:stderr, 2); System.halt(7)'", 7, "1\n2\n"),
        ("hello eval 'IO.puts(1); System.halt(7)' 2>/dev/null", 7, "1\n"),
        ("hello eval 'IO.puts(1); System.halt(7)' </dev/null", 7, "1\n"),
        ("echo a | hello eval 'IO.puts(1); System.halt(7)'", 7, "1\n"),
        ("hello eval 'IO.puts(1); IO.puts(:stderr, 2)' | sed s/^/out:/", 0, "out:1\n"),
        ("x=$(hello rpc 'IO.puts(1)'); echo =$x", 0, "=1\n"),
        ("hello rpc 'exit(:no)'", 1, ""),
    ):
        done, shown = root.run(command)
        assert done == status, shown
        assert text in shown, shown


def is_interrupted(host: Host, root: Terminal) -> None:
    for command in (
        f"hello eval 'IO.puts(1); {SLEEPS}' | cat",
        f"hello eval 'IO.puts(1); {SLEEPS}' </dev/null",
    ):
        root.type(f"{command}\n")
        root.wait_for(r"\b1$")
        # It would sleep for ever.
        root.type("\x03")
        root.run("true")
        host.wait_until("! pgrep --full slee[p].:infinity")
    # The terminal goes away, as a connection does.
    with terminal(host) as other:
        other.type(f"hello eval 'IO.puts(1); {SLEEPS}'\n")
        other.wait_for(r"\b1$")
    host.wait_until("! pgrep --full slee[p].:infinity")


def by_sudo(host: Host, root: Terminal) -> None:
    host.run("useradd --shell /bin/sh admin; echo 'admin ALL=NOPASSWD: ALL' >/etc/sudoers.d/admin")
    # Not by su: logind has no place for sessions of who came in from outside, and waits for it.
    root.type("setpriv --reuid admin --regid admin --init-groups sh\n")
    time.sleep(1)
    status, shown = root.run("sudo hello eval 'IO.puts(1); System.halt(7)'")
    assert (status, "1\n" in shown) == (7, True)
    assert root.run("echo a | sudo hello rpc 'IO.write(IO.gets([]))' | tail -1")[0] == 0
    root.type("exit\n")


def with_an_older_util_linux(host: Host, root: Terminal) -> None:
    host.write(
        "/usr/local/sbin/runuser",
        '#!/bin/sh\n[ "$1" = --help ] && exit\nexec $(ls /usr/sbin/runuser /sbin/runuser | head -1) "$@"\n',
    )
    host.run("chmod 755 /usr/local/sbin/runuser")
    status, shown = root.run("""hello eval 'IO.puts("it'\\''s \\\\ $HOME"); System.halt(7)'""")
    assert (status, "it's \\ $HOME\n" in shown) == (7, True), shown
    a_console(root)
