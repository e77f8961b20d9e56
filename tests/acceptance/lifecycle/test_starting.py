"""Migrations, failing starts, and machines on which services must not be started."""

import subprocess
from pathlib import Path

import pytest

from tests import releases
from tests.acceptance import service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import Machine, bookworm, extremes, on
from tests.acceptance.terminal import terminal
from tests.bases import usable_base

pytestmark = pytest.mark.acceptance

SCHEMA = "/var/lib/hello/schema_version"


def migrations(when: str) -> str:
    return f'[migrations]\nfunction = "Hello.Release.migrate"\nwhen = "{when}"\n'


def old_database(machine: Machine, *, writable: bool) -> None:
    """What version 1.0.0 left behind: one migration done of two."""
    machine.host.run(f"echo 1 >{SCHEMA}")
    owner, mode = ("hello", "0600") if writable else ("root", "0640")
    machine.host.run(f"chown {owner}:hello {SCHEMA} && chmod {mode} {SCHEMA}")


@on("trixie-deb", "sid-rpm")
def test_a_migration_runs_before_the_new_version_starts(machine: Machine) -> None:
    machine.serve("1.0.0")
    for version, when in (("1.1.0", "start"), ("1.2.0-rc.1", "install")):
        old_database(machine, writable=True)

        machine.serve(version, migrations(when))

        assert machine.host.http("/schema") == "2\n"
        assert machine.stat(SCHEMA) == "600 hello hello"
        changed = float(machine.host.run(f"stat --format=%.Y {SCHEMA}"))
        assert changed < machine.started()


COLOURS = """
if System.get_env("RELEASE_COMMAND") == "eval", do: IO.puts("colours: #{IO.ANSI.enabled?()}")
"""


@bookworm
def test_the_first_installation_migrates(machine: Machine) -> None:
    colourful = machine.changed({"releases/VERSION/runtime.exs": COLOURS})
    # apt and dpkg pass their terminal on.
    with terminal(machine.host) as root:
        command = colourful.install_command("1.0.0", migrations("install"))
        _, shown = root.run(command, seconds=300)
    assert "colours: false" in shown
    assert "migrated 1: create visitors" in shown
    assert machine.host.http("/schema") == "2\n"
    assert machine.stat(SCHEMA) == "600 hello hello"


@pytest.mark.embedded  # the old version answers when its files are gone
@on("trixie-deb", "bookworm-rpm")
def test_a_migration_that_fails_on_upgrade_stops_it(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0")
    old_database(machine, writable=False)
    before = machine.invocation()

    command = machine.install_command("1.1.0", migrations("install"))
    output = host.fails(command) if machine.deb else host.run(f"{command} 2>&1 || true")

    assert "could not write to file" in output
    assert "hello: the migration failed and the service was not restarted." in output
    again = "dpkg --configure hello" if machine.deb else "hello migrate && systemctl restart hello"
    assert f"Put right what it says above, then: {again}" in output
    assert host.read(SCHEMA) == "1\n"
    # The old version works on.
    assert machine.invocation() == before
    assert host.http("/schema") == "1\n"

    old_database(machine, writable=True)
    if machine.deb:
        assert "hello" in host.run("dpkg --audit")
        host.run("dpkg --configure --pending")
        assert host.run("dpkg --audit") == ""
    else:
        # rpm has nothing to take up again.
        host.run("hello migrate && systemctl restart hello.service")
    assert host.http() == "Hello from hello 1.1.0\n"
    assert host.http("/schema") == "2\n"


@on("trixie-deb", "sid-rpm")
def test_a_migration_that_fails_at_the_start_says_so(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0")
    old_database(machine, writable=False)

    errors = machine.install("1.1.0", "[service]\nrestart-sec = 1\n" + migrations("start"))

    assert "did not start; 'journalctl -u hello" in errors
    assert host.read(SCHEMA) == "1\n"
    log = host.run("journalctl --sync; journalctl --no-pager --unit=hello")
    assert "could not write to file" in log
    assert "hello: the migration failed and nothing was started." in log
    assert "put right: systemctl restart hello.service" in log
    if machine.deb:
        assert host.run("dpkg --audit") == ""
    # Once, and not every second.
    host.run("sleep 3; journalctl --sync")
    assert host.run("systemctl is-active hello || true") == "failed\n"
    log = host.run("journalctl --no-pager --unit=hello")
    assert log.count("hello: the migration failed and nothing was started.") == 1

    old_database(machine, writable=True)
    host.run("systemctl restart hello")
    assert host.http("/schema") == "2\n"


WAIT = """[service]
on-upgrade = "wait"
[service.ready]
http = "http://127.0.0.1:4000/health"
timeout-sec = 120
"""


def occupy_the_port(machine: Machine) -> None:
    """Something else listens where the service wants to."""
    unit = "/run/systemd/system/squatter"
    machine.host.write(f"{unit}.socket", "[Socket]\nListenStream=0.0.0.0:4000\n")
    machine.host.write(f"{unit}.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    machine.host.run("systemctl daemon-reload && systemctl start squatter.socket")


@extremes
def test_waiting_for_a_start_that_fails_tells_why(machine: Machine) -> None:
    host = machine.host
    occupy_the_port(machine)

    command = machine.install_command("1.0.0", WAIT.replace("120", "8"))
    output = host.fails(command) if machine.deb else host.run(f"{command} 2>&1 || true")

    assert "hello: no answer within 8 s; 'journalctl -u hello.service' says why" in output
    host.wait_until("journalctl --no-pager --unit=hello | grep --quiet 'address already in use'")
    host.run("systemctl stop squatter.socket squatter.service")
    if machine.deb:
        host.run("dpkg --configure --pending")
        assert host.run("dpkg --audit") == ""
    assert host.http() == "Hello from hello 1.0.0\n"


@bookworm
def test_waiting_for_a_good_start_ends_when_it_answers(machine: Machine) -> None:
    for version in ("1.0.0", "1.1.0"):
        machine.install(version, WAIT)
        assert machine.host.run("curl --silent --fail http://127.0.0.1:4000/health") == "ok\n"
        assert machine.host.run("hello version") == f"hello {version}\n"


DATABASE = """
if System.get_env("RELEASE_COMMAND") == "eval" do
  {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, 5432, [:binary, active: false])
  {:ok, answer} = :gen_tcp.recv(socket, 0, 5_000)
  IO.puts("the database says " <> answer <> File.read!("/tmp/seen"))
end
"""
"""Part of a release's runtime.exs: every command of its own needs a server."""

ISOLATED = """%__transaction_unshare_nonet 1
%__transaction_unshare_paths /tmp:/home
"""
"""What rpm 6 of Debian has by default."""


def serve_a_database(machine: Machine) -> None:
    unit = "/run/systemd/system/database"
    machine.host.write(f"{unit}.socket", "[Socket]\nListenStream=127.0.0.1:5432\nAccept=yes\n")
    machine.host.write(
        f"{unit}@.service", "[Service]\nExecStart=/bin/echo hello\nStandardOutput=socket\n"
    )
    machine.host.run("systemctl daemon-reload && systemctl start database.socket")


@on("sid-rpm")
def test_scriptlets_without_a_network_reach_the_service_and_its_database(machine: Machine) -> None:
    host = machine.host
    isolated = machine.changed({"releases/VERSION/runtime.exs": DATABASE})
    host.write("/etc/rpm/macros", ISOLATED)
    host.run("printf seen >/tmp/seen")
    serve_a_database(machine)
    snippet = machine.snippet("readlink /proc/self/ns/net >/srv/network; ls /tmp >/srv/tmp\n")
    settings = migrations("install") + f'[scripts]\nafter-install = "{snippet}"\n'
    checks = {
        "1.0.0": "tcp = 4000",
        "1.1.0": 'rpc = "Hello.title() == \\"hello 1.1.0\\""',
    }

    for version, check in checks.items():
        ready = f'[service]\non-upgrade = "wait"\n[service.ready]\n{check}\ntimeout-sec = 120\n'
        old_schema = "" if version == "1.0.0" else f"echo 1 >{SCHEMA};"
        output = host.run(
            f"{old_schema} {isolated.install_command(version, settings + ready)} 2>&1"
        )
        assert "the database says hello\nseen\nmigrated " in output
        assert "rror" not in output
        assert host.run("curl --silent --fail http://127.0.0.1:4000/health") == "ok\n"
        assert machine.stat(SCHEMA) == "600 hello hello"
        # It would say nothing of scriptlets that had the host's.
        assert host.read("/srv/network") != host.run("readlink /proc/1/ns/net")
        assert host.read("/srv/tmp") == ""

    # The exit status arrives as well.
    host.run("systemctl stop database.socket")
    output = host.run(f"{isolated.install_command('1.2.0-rc.1', settings)} 2>&1 || true")
    assert "econnrefused" in output
    assert "hello: the migration failed and the service was not restarted." in output
    assert host.http() == "Hello from hello 1.1.0\n"


@bookworm
def test_a_start_that_cannot_be_is_said_and_leaves_the_package_whole(machine: Machine) -> None:
    settings = '[service]\nexec-start-pre = ["/usr/bin/test -e /srv/licence"]\n'
    errors = machine.install("1.0.0", settings)

    assert "did not start; 'journalctl -u hello" in errors
    if machine.deb:
        assert machine.host.run("dpkg --audit") == ""
    assert machine.host.run("systemctl is-enabled hello") == "enabled\n"
    machine.host.run("mkdir --parents /srv/licence && systemctl restart hello")
    assert machine.host.http() == "Hello from hello 1.0.0\n"


@bookworm
def test_waiting_for_a_start_that_cannot_be_fails(machine: Machine) -> None:
    # systemd tries again and again, so the service has neither failed nor started.
    settings = WAIT.replace("120", "600").replace(
        "[service]\n",
        '[service]\nrestart-sec = 1\nexec-start-pre = ["/usr/bin/test -e /srv/licence"]\n',
        1,
    )
    command = f"{machine.install_command('1.0.0', settings)} 2>&1"
    # In a fraction of the time that it may take: no command of a host may take as long as that.
    output = machine.host.fails(command) if machine.deb else machine.host.run(f"{command} || true")
    assert "hello: waiting for hello.service to answer, up to 600 s" in output
    assert "hello: hello.service ends again and again; 'journalctl -u hello.service' " in output


@extremes
def test_configuration_made_at_the_start_stays_out_of_the_read_only_root(
    machine: Machine, suite: str
) -> None:
    host = machine.host
    # Elixir of bullseye can do no other.
    release = machine.release if suite == "bullseye" else releases.rebooting_hello
    rebooting = Machine(host, machine.family, machine.distro_id, machine.artifacts, release)
    rebooting.serve("1.0.0")

    made = host.run("find / -xdev -name '*.runtime.config' 2>/dev/null; ls /run/hello/*.config")
    [path] = set(made.split())
    assert machine.stat(path) == "600 hello hello"
    assert machine.stat("/run/hello") == "750 hello hello"
    assert host.fails("nsenter -t $(pgrep beam.smp) -m -- touch /usr/lib/hello/x")
    host.run("systemctl stop hello")
    assert not host.succeeds("test -e /run/hello")
    host.run("systemctl start hello")
    assert host.http() == "Hello from hello 1.0.0\n"


@bookworm
def test_a_policy_against_starting_is_obeyed(machine: Machine) -> None:
    if not machine.deb:
        # rpm's machines have no such policy; presets are theirs.
        machine.host.run("mkdir --parents /etc/systemd/system-preset")
        machine.host.write("/etc/systemd/system-preset/00-site.preset", "disable hello.service\n")
    else:
        machine.host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
        machine.host.run("chmod 0755 /usr/sbin/policy-rc.d")
    after = machine.snippet("touch /srv/after-start\n")
    settings = f'[scripts]\nafter-start = "{after}"\n'
    machine.install("1.0.0", settings)
    assert service.starts(machine.host) == 0
    enabled = machine.host.run("systemctl is-enabled hello || true")
    assert enabled == ("enabled\n" if machine.deb else "disabled\n")
    assert not machine.host.succeeds("test -e /srv/after-start")

    machine.host.run("rm -f /usr/sbin/policy-rc.d && systemctl start hello")
    machine.host.http()
    machine.install("1.0.0", settings)
    machine.host.run("test -e /srv/after-start")


FULL = """[service]
deploy-user = "deploy"
restart-method = "flag"
[secrets]
generate = ["SECRET_KEY_BASE"]
[migrations]
function = "Hello.Release.migrate"
when = "install"
[service.directories]
cache = true
logs = true
"""


def not_booted(base: Path, packages: Path, script: str) -> str:
    """What `script` prints as root of the base without systemd; what it writes is forgotten."""
    command = ["systemd-nspawn", "--quiet", f"--directory={base}", "--volatile=overlay", "--pipe"]
    command += ["--register=no", "--keep-unit", "--private-network", "--as-pid2"]
    command += [f"--bind-ro={packages}:{PACKAGES}", "sh", "-euc", script]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@extremes
def test_a_machine_without_systemd_running(machine: Machine, suite: str) -> None:
    preset = "mkdir -p /usr/lib/systemd/system-preset; echo 'disable *' "
    preset += ">/usr/lib/systemd/system-preset/99-default-disable.preset"
    script = f"""
        test ! -d /run/systemd/system
        {"true" if machine.deb else preset}
        {machine.install_command("1.0.0", FULL)}
        {machine.install_command("1.1.0", FULL)}
        echo; for unit in hello.service hello-restart.path; do systemctl is-enabled $unit; done
        pgrep --uid hello || echo nothing runs
        test -e /etc/hello/secrets || echo no secrets
        {"dpkg --purge hello" if machine.deb else "rpm --erase hello"}
        systemctl is-enabled hello.service 2>&1 || echo gone
    """
    output = not_booted(usable_base(suite), machine.artifacts.folder, script)
    # An image may be made of it, whose machines shall have secrets of their own.
    assert "\nenabled\nenabled\nnothing runs\nno secrets\n" in output
    assert "\ngone\n" in output
    for word in ("Failed", "failed", "error:", "warning"):
        assert word not in output.partition("nothing runs")[0], output
