"""What an upgrade preserves of the administrator's changes and of the service's state."""

import pytest

from tests.acceptance import service
from tests.acceptance.lifecycle.machines import Machine, bookworm, extremes, on

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

ENVIRONMENT = "/etc/hello/environment"


def settings(greeting: str) -> str:
    """Each one changes the comments of the configuration file that show the unit's defaults."""
    return f'[service.environment]\nGREETING = "{greeting}"\n'


@on("bookworm-deb", "sid-rpm")
def test_an_edited_environment_survives_three_upgrades(machine: Machine) -> None:
    machine.serve("1.0.0")
    edited = machine.host.read(ENVIRONMENT) + "GREETING=Moin\n"
    machine.host.write(ENVIRONMENT, edited)

    for version, greeting in (("1.1.0", "Hej"), ("1.2.0-rc.1", "Hallo"), ("1.2.0-rc.1", "Salut")):
        # A key of [package], which the settings begin in.
        revision = 'revision = "2"\n' if greeting == "Salut" else ""
        machine.install(version, revision + settings(greeting))
        assert machine.host.http() == f"Moin from hello {version}\n"
        assert machine.host.read(ENVIRONMENT) == edited

    if not machine.deb:
        assert "GREETING=Salut" in machine.host.read(f"{ENVIRONMENT}.rpmnew")


@extremes
def test_a_masked_and_a_disabled_unit_stay_so(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0")
    host.run("systemctl disable --now hello && systemctl mask hello")
    machine.install("1.1.0")
    assert host.fails("systemctl is-enabled hello") == "masked\n"
    assert host.fails("systemctl is-active hello") == "inactive\n"

    host.run("systemctl unmask hello")
    machine.install("1.0.0")
    assert host.fails("systemctl is-enabled hello") == "disabled\n"
    assert host.fails("systemctl is-active hello") == "inactive\n"

    host.run("systemctl start hello")
    host.http()
    before = machine.invocation()
    machine.install("1.1.0")
    # Started by hand: it runs, so it gets the new version; at the next boot it stays off.
    assert host.http() == "Hello from hello 1.1.0\n"
    assert machine.invocation() != before
    assert host.fails("systemctl is-enabled hello") == "disabled\n"


@bookworm
def test_a_unit_masked_before_the_installation_stays_masked(machine: Machine) -> None:
    machine.host.run("systemctl mask hello")
    machine.install("1.0.0")
    machine.install("1.1.0")
    assert machine.host.fails("systemctl is-enabled hello") == "masked\n"
    assert machine.host.fails("systemctl is-active hello") == "inactive\n"
    machine.erase()
    assert machine.host.run("readlink /etc/systemd/system/hello.service") == "/dev/null\n"


@bookworm
def test_what_a_service_did_before_decides_whether_it_is_started(machine: Machine) -> None:
    host = machine.host
    # It had failed.
    once = '[service]\nrestart = "no"\n'
    machine.serve("1.0.0", once)
    host.run("systemctl kill --signal=KILL --kill-who=main hello")
    host.wait_until("systemctl is-failed hello")
    machine.serve("1.1.0", once)

    # It was stopped: the upgrade that finds it so ends early; the next one finds it running.
    early = f'[scripts]\nbefore-install = "{machine.snippet("exit 7")}"\n'
    host.run("systemctl stop hello")
    host.fails(machine.install_command("1.0.0", early))
    host.run("systemctl start hello")
    host.http()
    machine.serve("1.0.0")

    # Enabled by nobody, started by hand, and left alone by upgrades.
    quiet = '[service]\nenable = false\non-upgrade = "none"\n'
    host.run("systemctl disable hello")
    before = machine.invocation()
    for version in ("1.1.0", "1.0.0"):
        machine.install(version, quiet)
        assert machine.invocation() == before
        assert service.value(host, "ActiveState") == "active"
    assert host.fails("systemctl is-enabled hello") == "disabled\n"


@on("trixie-deb", "sid-rpm")
def test_the_old_version_runs_on_until_the_new_one_is_installed(machine: Machine) -> None:
    refuses = '[scripts]\nbefore-install = "{}"\n'.format(
        machine.snippet("echo 'not on a Friday' >&2\nexit 7\n")
    )
    slow = '[scripts]\nafter-install = "{}"\n'.format(
        machine.snippet("if [ -e /run/slow ]; then touch /run/reached && sleep 300; fi\n")
    )
    host = machine.host
    machine.serve("1.0.0", slow)
    before = machine.invocation()
    files = host.run("find /usr/lib/hello /etc/hello | sort")

    # It refuses to be installed.
    assert "not on a Friday" in host.fails(machine.install_command("1.1.0", refuses))
    assert host.http() == "Hello from hello 1.0.0\n"
    assert host.run("find /usr/lib/hello /etc/hello | sort") == files
    assert host.run("systemctl is-enabled hello") == "enabled\n"
    if machine.deb:
        assert host.run("dpkg --audit") == ""

    # Its installation is interrupted.
    host.run("touch /run/slow")
    command = machine.install_command("1.1.0", slow)
    host.run(f"systemd-run --quiet --unit=upgrade sh -c '{command}'")
    host.wait_until("test -e /run/reached")
    host.run("systemctl kill --signal=KILL upgrade; rm /run/slow")
    host.wait_until("! systemctl is-active upgrade")
    assert machine.invocation() == before
    assert host.http() == "Hello from hello 1.0.0\n"

    if machine.deb:
        assert "hello" in host.run("dpkg --audit")
        host.run("dpkg --configure --pending")
        assert host.run("dpkg --audit") == ""
    else:
        host.run(command)
        assert host.run("rpm --query hello").count("\n") == 1
    assert host.http() == "Hello from hello 1.1.0\n"
    assert service.value(host, "NRestarts") == "0"


SLEEPS = "[Service]\\nExecStart=/bin/sleep infinity\\n"
OTHERS = f"""
[[unit]]
name = "hello-second.service"
content = "{SLEEPS}[Install]\\nWantedBy=multi-user.target\\n"
[[unit]]
name = "hello-second.timer"
content = "[Timer]\\nOnCalendar=yearly\\n[Install]\\nWantedBy=timers.target\\n"
""" + "".join(
    f'[[unit]]\nname = "{name}"\nenable = false\ncontent = "{SLEEPS}"\n'
    for name in ("hello-by-hand.service", "hello-by-hand@.service")
)


@bookworm
def test_no_unit_stays_with_a_version_that_is_gone(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0", OTHERS)
    host.run("systemctl start hello-by-hand hello-by-hand@1 && systemctl stop hello")
    before = service.value(host, "InvocationID", "hello-second")

    machine.install("1.1.0", OTHERS)
    assert service.value(host, "ActiveState") == "inactive"
    assert service.value(host, "ActiveState", "hello-second") == "active"
    assert service.value(host, "InvocationID", "hello-second") != before

    machine.erase()
    for name in ("hello-second", "hello-by-hand", "hello-by-hand@1"):
        assert service.value(host, "ActiveState", name) == "inactive"


SOCKET = """[service]
restart-method = "flag"
[[unit]]
name = "hello.socket"
content = "[Socket]\\nListenStream=4000\\n[Install]\\nWantedBy=sockets.target\\n"
"""


def states(machine: Machine, *units: str) -> list[str]:
    """`enabled active` and the like, for each."""
    lines = [
        f"echo $(systemctl is-enabled {unit} 2>/dev/null) $(systemctl is-active {unit})"
        for unit in units
    ]
    return machine.host.run("\n".join(lines)).splitlines()


@on("bookworm-rpm", "sid-deb")
def test_units_that_an_upgrade_brings_and_takes_away(machine: Machine) -> None:
    host = machine.host
    units = ("hello.socket", "hello", "hello-restart.path", "hello-second")
    machine.serve("1.0.0", OTHERS)
    # Disabled, but it runs.
    host.run("systemctl disable hello && systemctl start hello-by-hand")

    # systemd does not open a socket whose service runs.
    assert "not starting" not in machine.install("1.1.0", SOCKET)
    assert host.http() == "Hello from hello 1.1.0\n"
    assert service.starts(host) == 2
    new = ["enabled active", "disabled active", "enabled active"]
    assert states(machine, *units)[:3] == new
    assert not host.succeeds(
        "systemctl is-active hello-second || systemctl is-active hello-by-hand"
    )
    assert host.run("systemctl --failed --no-legend") == ""
    assert host.run("find /etc/systemd /var/lib/systemd -name 'hello-second*'") == ""

    before = machine.invocation()
    machine.install("1.0.0", OTHERS)
    assert host.http() == "Hello from hello 1.0.0\n"
    assert machine.invocation() != before
    assert states(machine, "hello", "hello-second") == ["disabled active", "enabled active"]
    assert not host.succeeds(
        "systemctl is-active hello.socket || systemctl is-active hello-restart.path"
    )
    host.run("systemctl mask hello.socket")
    machine.install("1.1.0", SOCKET)
    assert host.http() == "Hello from hello 1.1.0\n"
    assert states(machine, *units)[:3] == ["masked inactive", *new[1:]]

    machine.serve("1.0.0")
    host.run("systemctl unmask hello.socket && systemctl stop hello")
    machine.install("1.1.0", SOCKET)
    assert states(machine, *units)[:2] == ["enabled inactive", "disabled inactive"]
    assert host.run("systemctl is-system-running") == "running\n"

    # Nor one whose service has not come up yet, as where it lacks what the new version brings.
    machine.install("1.0.0")
    slow = "/run/systemd/system/hello.service.d"
    host.run(f"mkdir {slow}; printf '[Service]\\nExecStartPre=/bin/sleep 600\\n' >{slow}/slow.conf")
    host.run("systemctl daemon-reload; systemctl --no-block start hello; sleep 1")
    assert service.value(host, "ActiveState") == "activating"
    host.run(f"rm -r {slow}")
    assert "did not start" not in machine.install("1.1.0", SOCKET)
    assert host.http() == "Hello from hello 1.1.0\n"
    assert states(machine, "hello.socket") == ["enabled active"]


OLD_FILES = "".join(
    f'[[file]]\npath = "/etc/hello/{name}.conf"\ncontent = "old\\n"\n'
    for name in ("gone", "gone-edited", "moved", "moved-edited")
)
NEW_FILES = "".join(
    f'[[obsolete]]\npath = "/etc/hello/{name}.conf"\nversion = "1.1.0"\n'
    for name in ("gone", "gone-edited")
) + "".join(
    f'[[obsolete]]\npath = "/etc/hello/{name}.conf"\nmoved-to = "/etc/hello/new/{name}.conf"\n'
    f'version = "1.1.0"\n[[file]]\npath = "/etc/hello/new/{name}.conf"\ncontent = "new\\n"\n'
    for name in ("moved", "moved-edited")
)


@on("bullseye-deb", "bookworm-rpm")
def test_configuration_files_that_disappear_or_move(machine: Machine) -> None:
    machine.serve("1.0.0", OLD_FILES)
    machine.host.run("cd /etc/hello && echo edited | tee gone-edited.conf >moved-edited.conf")

    machine.install("1.1.0", NEW_FILES)

    names = set(machine.host.run("cd /etc/hello && ls -d *.conf* new/*").split())
    assert {"new/moved.conf", "new/moved-edited.conf"} <= names
    assert not {"gone.conf", "gone-edited.conf", "moved.conf", "moved-edited.conf"} & names
    assert machine.host.read("/etc/hello/new/moved.conf") == "new\n"
    assert machine.host.read("/etc/hello/new/moved-edited.conf") == "edited\n"
    saved = "gone-edited.conf.dpkg-bak" if machine.deb else "gone-edited.conf.rpmsave"
    assert machine.host.read(f"/etc/hello/{saved}") == "edited\n"
    assert machine.host.http() == "Hello from hello 1.1.0\n"

    if machine.deb:
        machine.erase()
        assert not machine.host.succeeds("ls -d /etc/hello")


@bookworm
def test_two_packages_of_one_release_live_side_by_side(machine: Machine) -> None:
    host = machine.host
    second = (
        'name = "hello.second"\n[service]\nuser = "second"\n[service.environment]\nPORT = "4001"\n'
    )
    machine.serve("1.0.0")
    machine.install("1.1.0", second)
    assert host.http(port=4001) == "Hello from hello 1.1.0\n"
    assert host.http() == "Hello from hello 1.0.0\n"
    for command, version in (("hello", "1.0.0"), ("hello.second", "1.1.0")):
        assert host.run(f"{command} rpc 'IO.puts(Hello.title())'") == f"hello {version}\n"

    machine.erase()

    assert host.http(port=4001) == "Hello from hello 1.1.0\n"
