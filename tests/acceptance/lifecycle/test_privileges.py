"""What the deploy user may do, and what the service can do itself."""

import pytest

from tests.acceptance import filesystem, service
from tests.acceptance.lifecycle.machines import Machine, extremes, on

pytestmark = pytest.mark.acceptance

DEPLOY = '[service]\ndeploy-user = "deploy"\nrestart-method = "flag"\n'
FLAG = "/run/hello-restart/flag"


@extremes
def test_a_deploy_user_restarts_the_service_and_nothing_else(machine: Machine) -> None:
    machine.serve("1.0.0", DEPLOY + '[secrets]\ngenerate = ["SECRET_KEY_BASE"]\n')
    restarts_by_sudo(machine)
    restarts_by_flag(machine)
    is_refused_the_rest(machine)
    assert machine.host.http() == "Hello from hello 1.0.0\n"


def restarts_by_sudo(machine: Machine) -> None:
    for command in (
        "sudo -n systemctl restart hello.service",
        "sudo -n systemctl restart hello",
        "hello restart",
    ):
        before = machine.invocation()
        machine.host.run(machine.as_user("deploy", command))
        machine.host.http()
        assert machine.invocation() != before, command
    for command in ("hello status", "sudo -n systemctl is-active hello"):
        assert "active" in machine.host.run(machine.as_user("deploy", command))


def restarts_by_flag(machine: Machine) -> None:
    host = machine.host
    assert host.run("systemctl is-enabled hello-restart.path") == "enabled\n"
    assert host.run("systemctl is-active hello-restart.path") == "active\n"
    # An unit that restarts would do it at every boot, too.
    assert host.run("systemctl is-enabled hello-restart.service || true") == "static\n"
    for _ in range(2):
        # systemd allows five starts in ten seconds.
        host.run("systemctl reset-failed hello")
        touch_flag(machine)


def touch_flag(machine: Machine) -> None:
    """Restart as the deploy user, without sudo, and wait until the service answers again."""
    before = machine.invocation()
    machine.host.run(machine.as_user("deploy", f"touch {FLAG}"))
    machine.host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {before}")
    machine.host.http()


def is_refused_the_rest(machine: Machine) -> None:
    for command in (
        "sudo -n systemctl stop dbus",
        "sudo -n systemctl stop hello dbus",
        "sudo -n systemctl restart dbus.service",
        "sudo -n systemctl status dbus",
        "sudo -n systemctl edit hello",
        "sudo -n systemctl --no-pager status hello -H localhost",
        "sudo -n systemctl kill hello",
        "sudo -n systemctl daemon-reload",
        "sudo -n -u hello id",
        "sudo -n /usr/bin/hello rpc 1",
        "sudo -n sh",
        "hello rpc 1",
        "hello eval 1",
        "cat /etc/hello/secrets",
        "cat /etc/hello/environment",
        "touch /run/hello-restart/other",
        f"rm -f {FLAG}",
        f"ln -sf /etc/shadow {FLAG}",
        "mv /run/hello-restart /run/other",
        "ls /var/lib/hello",
    ):
        machine.host.fails(machine.as_user("deploy", command))
    assert machine.stat(FLAG) == "600 deploy root"
    # It may log in by a key that root gives it, and by nothing else.
    assert machine.host.run("getent shadow deploy").split(":")[1] == "*"
    assert machine.host.run("find / -xdev -user deploy") == ""


@on("bookworm-deb")
def test_others_do_not_even_restart(machine: Machine) -> None:
    machine.serve("1.0.0", DEPLOY)
    machine.host.run("useradd mallory")
    for user in ("mallory", "hello"):
        for command in ("sudo -n systemctl restart hello", "systemctl restart hello"):
            machine.host.fails(machine.as_user(user, command))
        machine.host.fails(machine.as_user(user, f"echo >{FLAG}"))
    for unit in ("hello.service", "hello-restart.path", "hello-restart.service"):
        assert machine.host.run(f"systemd-analyze verify --man=no {unit} 2>&1") == ""
    machine.host.run("visudo --check --strict --quiet")


@extremes
def test_a_low_port_takes_one_capability(machine: Machine) -> None:
    for hardening in ("strict", "baseline"):
        settings = f"[service]\nlow-ports = true\nhardening = '{hardening}'\n"
        machine.install("1.0.0", settings + "[service.environment]\nPORT = '80'\n")
        assert machine.host.http(port=80) == "Hello from hello 1.0.0\n"
        assert service.main_process(machine.host) == ["hello", "beam.smp"]
        status = machine.host.read(f"/proc/{service.value(machine.host, 'MainPID')}/status")
        capabilities = dict(line.split(":\t") for line in status.splitlines() if line[:3] == "Cap")
        # CAP_NET_BIND_SERVICE is number 10, see capability.h.
        assert {int(value, 16) for value in capabilities.values()} == {1 << 10}


EVERYTHING = """[service]
deploy-user = "deploy"
restart-method = "flag"
remove-user = true
[secrets]
generate = ["SECRET_KEY_BASE"]
[migrations]
function = "Hello.Release.migrate"
[configuration]
vm-args = true
sys-config = true
runtime = true
[service.directories]
cache = true
logs = true
tmp = true
"""


@on("bullseye-deb", "bookworm-rpm")
def test_removal_leaves_nothing_behind(machine: Machine) -> None:
    host = machine.host
    before = filesystem.snapshot(host)
    machine.serve("1.0.0", EVERYTHING)
    host.run(machine.as_user("hello", "touch /var/log/hello/a.log /var/cache/hello/tmp/a"))
    touch_flag(machine)
    host.run("hello eval 'IO.puts(1)'")
    machine.serve("1.1.0", EVERYTHING)

    machine.erase()

    left = filesystem.snapshot(host) - before
    if machine.deb:
        assert left == set()
        assert not host.succeeds("ls -d /var/log/hello")
    else:
        # rpm has no purge: data and what was made for this host stay.
        data = filesystem.under(left, "/var/lib/hello", "/var/cache/hello")
        assert left - data == {"/etc/hello", "/etc/hello/secrets.rpmsave"}
    assert before - filesystem.snapshot(host) == set()
    host.fails("getent passwd hello")
    assert host.run("systemctl list-units --all --no-legend 'hello*'") == ""
    assert not host.succeeds("pgrep --uid deploy")
