"""Upgrades of releases and hosts with the habits of real ones."""

import json

import pytest

from tests.acceptance import service
from tests.acceptance.lifecycle.machines import Machine, on

pytestmark = pytest.mark.acceptance

FEW_STARTS = '''[service]
restart-sec = 1
start-limit-burst = 3
start-limit-interval-sec = 600
[[unit]]
name = "hello-job.service"
content = """
[Unit]
StartLimitBurst=2
StartLimitIntervalSec=600
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/test ! -e /srv/broken
"""
[[unit]]
name = "hello-job.path"
content = "[Path]\\nPathExists=/srv/job\\n[Install]\\nWantedBy=multi-user.target\\n"
'''

PIPELINE = (
    "releases/VERSION/env.sh",
    "\nexport TOKEN=$(cat /dev/urandom | tr -dc a-z | head -c 8)\n",
)


@on("trixie-deb")
def test_starts_and_stops_of_every_kind(machine: Machine) -> None:
    host = machine.host
    machine = machine.changed(dict([PIPELINE]))

    # A pipeline of env.sh ends, and the messages are the service's own.
    machine.serve("1.0.0", FEW_STARTS)
    host.run("journalctl --sync")
    said = map(json.loads, host.run("journalctl -u hello -o json").splitlines())
    assert {line.get("SYSLOG_IDENTIFIER") for line in said} == {"hello", "systemd"}

    # It cannot start until the next version comes, nor can what a path starts.
    host.write("/etc/hello/environment", "PORT=broken\n")
    host.run("touch /srv/broken /srv/job")
    host.succeeds("systemctl restart hello")
    host.wait_until("test $(systemctl is-active hello) = failed")
    host.wait_until("test $(systemctl is-active hello-job.path) = failed")
    host.run("rm /srv/broken")
    host.fails("systemctl start hello-job")
    host.write("/etc/hello/environment", "")
    machine.serve("1.1.0", FEW_STARTS)
    host.wait_until("systemctl is-active hello-job.service")

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


ANOTHER = """[service]
user = "shop"
extra-groups = ["adm"]
[service.directories]
mode = "0700"
configuration-mode = "0750"
cache = true
[configuration]
runtime = true
[migrations]
function = "Hello.Release.migrate"
when = "install"
[service.environment]
GREETING = "Hej"
"""


@on("trixie-deb", "bookworm-rpm")
def test_an_account_that_changes_with_a_version(machine: Machine) -> None:
    host = machine.host
    first = "[configuration]\nruntime = true\n"
    machine.serve("1.0.0", first)
    host.run("echo GREETING=Moin >>/etc/hello/environment; echo >>/etc/hello/runtime.exs")
    host.run("echo 1 >/var/lib/hello/schema_version; chown hello: /var/lib/hello/schema_version")
    host.run("chmod 0600 /var/lib/hello/schema_version; systemctl disable hello")
    secrets = host.read("/etc/hello/secrets")

    machine.install("1.1.0", ANOTHER)
    assert host.http() == "Moin from hello 1.1.0\n"
    assert service.main_process(host) == ["shop", "beam.smp"]
    for name in ("environment", "runtime.exs", "secrets"):
        assert machine.stat(f"/etc/hello/{name}") == "640 root shop"
    assert machine.stat("/etc/hello") == "750 root shop"
    for directory in ("/var/lib", "/var/cache", "/run"):
        assert machine.stat(f"{directory}/hello")[3:] == " shop shop"
    assert machine.stat("/var/lib/hello") == "700 shop shop"
    assert host.http("/schema") == "2\n"
    assert host.read("/etc/hello/secrets") == secrets
    assert host.run("hello rpc 'IO.puts(Hello.title())'") == "hello 1.1.0\n"
    assert host.run("find /var/lib/hello /etc/hello -user hello -o -group hello") == ""
    assert not host.succeeds("ls /run/hello.*")

    # And back, by which an administrator's own choice stays.
    host.run("chgrp adm /etc/hello/environment; chmod 0600 /etc/hello/secrets")
    machine.serve("1.0.0", first)
    assert service.main_process(host) == ["hello", "beam.smp"]
    assert machine.stat("/etc/hello/environment") == "640 root adm"
    assert machine.stat("/etc/hello/secrets") == "600 root shop"
    assert machine.stat("/etc/hello/runtime.exs") == "640 root hello"


DEPLOY = '[service]\ndeploy-user = "deploy"\n'


@on("bookworm-deb", "bookworm-rpm")
def test_settings_and_secrets_of_the_administrator_s(machine: Machine) -> None:
    host = machine.host

    def installs(version: str, settings: str) -> None:
        apt = f"apt-get install --yes {machine.package(version, settings)} </dev/null"
        host.run(apt if machine.deb else machine.install_command(version, settings))

    # Made before the package, for root alone.
    mine = "GREETING=Moin\n"
    host.run("mkdir /etc/hello && umask 077 && touch /etc/hello/environment")
    host.write("/etc/hello/environment", mine)
    host.write("/etc/sudoers.d/hello", "# mine\n")
    installs("1.0.0", DEPLOY)
    assert host.http() == "Moin from hello 1.0.0\n"
    more = '[service.environment]\nGREETING = "Hej"\n[secrets]\ngenerate = ["TOKEN"]\n'
    host.run("chown root:backup /etc/hello/secrets; cp /etc/hello/secrets /srv/before")
    host.run(r"printf 'A=1' >>/etc/hello/secrets")
    installs("1.1.0", DEPLOY + more)
    assert host.http() == "Moin from hello 1.1.0\n"
    assert host.read("/etc/hello/environment") == mine
    assert host.read("/etc/sudoers.d/hello") == "# mine\n"
    assert machine.stat("/etc/hello/environment") == "600 root root"
    ask = """hello eval 'IO.puts(System.get_env("GREETING"))'"""
    assert host.run(ask) == "Moin\n"
    assert "cannot read /etc/hello/secrets" in host.fails(f"runuser -u hello -- {ask}")
    assert machine.stat("/etc/hello/secrets") == "640 root backup"
    secrets = host.read("/etc/hello/secrets")
    assert secrets.startswith(host.read("/srv/before") + "A=1\nTOKEN=")

    # A link stays one, and is nothing to make new secrets for when it leads nowhere.
    host.run("mv /etc/hello/secrets /srv/secrets && ln -s /srv/secrets /etc/hello/secrets")
    host.run("mv /srv/secrets /srv/elsewhere")
    said = host.fails(machine.install_command("1.2.0-rc.1", DEPLOY + more) + " 2>&1")
    assert "/etc/hello/secrets is a link to /srv/secrets, which is not there" in said
    host.run("mv /srv/elsewhere /srv/secrets")
    installs("1.2.0-rc.1", DEPLOY + more)
    assert host.run("readlink /etc/hello/secrets") == "/srv/secrets\n"
    assert host.read("/srv/secrets") == secrets
    assert machine.stat("/srv/secrets") == "640 root backup"
    follows_links_of_root_alone(machine)
    what_cannot_be_replaced(machine)
    if machine.deb:
        a_command_for_some_alone(machine)
        settings_behind_a_link(machine)


def follows_links_of_root_alone(machine: Machine) -> None:
    host = machine.host
    ask = """hello eval 'IO.puts(System.get_env("GREETING"))'"""
    file = "/etc/hello/environment"
    host.run(
        f"mkdir -m 0755 /srv/conf && mv {file} /srv/conf/env && ln -s ../../srv/conf/env {file}"
    )
    assert host.run(ask) == "Moin\n"
    # Whoever owns a directory on the way, or a link in it, could have root read any file.
    for mine in ("chown hello /srv/conf", "chmod 0777 /srv/conf", "ln -sf /srv/conf/env /srv/x"):
        host.run(f"chown root /srv/conf; chmod 0755 /srv/conf; {mine}")
        if mine.startswith("ln"):
            host.run(f"ln -sf /srv/x {file}")
        assert f"cannot read {file}" in host.fails(ask)
    host.run(f"rm {file}; cp -a /srv/conf/env {file}")


def what_cannot_be_replaced(machine: Machine) -> None:
    host = machine.host
    file = "/etc/hello/environment"
    # As configuration comes into a container: a single file that is mounted.
    host.run(f"cp -a {file} /srv/env && mount --bind /srv/env {file} && ls /etc/hello >/srv/files")
    host.run("hello config set GREETING='Hej hej'")
    assert host.read("/srv/env") == 'GREETING="Hej hej"\n'
    assert host.run("ls /etc/hello | diff /srv/files -") == ""
    if machine.deb:
        assert "hello/environment': Device or resource busy" in host.run("dpkg --purge hello 2>&1")
        assert "ii" not in host.run(
            "dpkg-query --show --showformat '${db:Status-Abbrev}' hello || :"
        )
        machine.install("1.2.0-rc.1", DEPLOY)
    # Docker makes a directory where a file to mount is not there; of a pipe systemd waits for who writes.
    host.run(f"umount {file}; mv {file} /srv/env")
    for makes, kind in (("mkdir", "directory"), ("mkfifo", "fifo")):
        host.run(f"{makes} {file}")
        said = host.fails(f"{machine.install_command('1.0.0', DEPLOY)} 2>&1")
        assert f"{file} is a {kind} and has to be a file" in said
        host.run(f"rm -r {file}")
    host.run(f"mv /srv/env {file}")


def a_command_for_some_alone(machine: Machine) -> None:
    host, command = machine.host, "/usr/bin/hello"
    host.run("groupadd ops")
    host.run(f"dpkg-statoverride --update --add root ops 0750 {command}")
    said = host.fails("hello eval 'IO.puts(1)'")
    assert f"runs as hello, who may not run {command} (-rwxr-x--- root ops)" in said
    host.run(said.splitlines()[0].rpartition(": ")[2])
    assert host.run("hello eval 'IO.puts(1)'") == "1\n"


def settings_behind_a_link(machine: Machine) -> None:
    host = machine.host
    host.run("mv /etc/hello /srv/hello && ln -s ../srv/hello /etc/hello")
    secrets = host.read("/etc/hello/secrets")
    host.run("dpkg --remove hello")
    machine.install("1.0.0", DEPLOY)
    assert host.run("readlink /etc/hello") == "../srv/hello\n"
    assert host.read("/etc/hello/secrets") == secrets
    # The link is the administrator's, what is behind it the package's.
    machine.erase()
    assert host.run("ls /srv/hello /etc/hello/") == "/etc/hello/:\n\n/srv/hello:\n"
    assert not host.succeeds("ls /run/hello*")
    host.run("rm /etc/hello")


@on("bookworm-deb", "trixie-rpm")
def test_a_directory_that_becomes_a_link_and_a_link_that_becomes_one(machine: Machine) -> None:
    host, where = machine.host, "lib/hello-1.0.0/priv"
    real = {f"{where}/real/b.txt": "b\n"}
    old = machine.changed(real | {f"{where}/static/a.txt": "a\n"})
    new = machine.changed(real, {f"{where}/static": "real"})
    tree = f"/usr/lib/hello/{where}"
    verify = "dpkg --verify hello" if machine.deb else "rpm --verify --nomtime hello"
    for one, other in ((old, new), (new, old)):
        one.install("1.0.0", 'revision = "1"\n' + QUIET)
        other.install("1.0.0", 'revision = "2"\n' + QUIET)
        assert host.run(f"cat {tree}/real/b.txt") == "b\n"
        names = host.run(f"ls {tree}/static")
        assert names == ("b.txt\n" if other is new else "a.txt\n")
        assert host.run(verify) == ""


QUIET = '[service]\nenable = false\non-upgrade = "none"\n'

PHOENIX = {
    "bin/server": "#!/bin/sh\nPHX_SERVER=true exec ./hello start\n",
    "releases/VERSION/runtime.exs": '\nif System.get_env("PHX_SERVER"), '
    'do: File.write!("/tmp/served", "")\n'
    'unless System.get_env("NEEDED"), do: raise "NEEDED is missing"\n',
}
MIGRATES = '[migrations]\nfunction = "Hello.Release.migrate"\nwhen = "install"\n'


@on("bookworm-deb")
def test_a_phoenix_release_that_needs_settings(machine: Machine) -> None:
    host = machine.host
    machine = machine.changed(PHOENIX)
    asked = "tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID hello)/environ"

    # Without them nothing can start; the service is enabled, and the advice is enough.
    said = machine.install("1.0.0", MIGRATES)
    assert "which are missing:\n  NEEDED\n" in said
    assert host.run("systemctl is-enabled hello") == "enabled\n"
    if machine.deb:
        assert host.run("dpkg --audit") == ""
    host.run("systemctl stop hello; echo NEEDED=1 >>/etc/hello/environment")
    (advice,) = [
        line
        for line in said.splitlines()
        if line.startswith("Set each by: hello config set NAME=value")
    ]
    host.run(advice.partition("then: ")[2])
    assert host.http() == "Hello from hello 1.0.0\n"
    assert "PHX_SERVER=true" in host.run(asked)
    assert host.run("hello eval 'IO.inspect(System.get_env(\"PHX_SERVER\"))'") == "nil\n"

    # The administrator's word is the last.
    host.run("echo PHX_SERVER=no >>/etc/hello/environment; systemctl restart hello")
    host.http()
    assert "PHX_SERVER=no" in host.run(asked)


@on("bookworm-deb")
def test_a_link_in_the_place_of_the_data_is_named(machine: Machine) -> None:
    host = machine.host
    machine.install("1.0.0", QUIET)
    host.run("mv /var/lib/hello /srv/hello && ln -s /srv/hello /var/lib/hello")
    assert "/var/lib/hello is a link" in machine.install("1.1.0", QUIET)
    assert "/var/lib/hello is a link" in host.fails("hello start 2>&1")
    # As the guide says.
    host.run("rm /var/lib/hello && mkdir /var/lib/hello && mount --bind /srv/hello /var/lib/hello")
    host.run("systemctl reset-failed hello; hello start")
    assert host.http() == "Hello from hello 1.1.0\n"


@on("bookworm-deb")
def test_two_touches_of_the_flag_are_one_restart(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0", '[service]\nrestart-method = "flag"\ntimeout-stop-sec = 20\n')
    flag = "/run/hello-restart/flag"
    before = machine.invocation()
    host.run(f"touch {flag}; sleep 0.4; touch {flag}; sleep 1; touch {flag}")
    host.wait_until(f"test $(systemctl show --value -p InvocationID hello) != {before}")
    host.run("sleep 3; journalctl --sync")
    assert host.http() == "Hello from hello 1.0.0\n"
    assert "timed out" not in host.run("journalctl UNIT=hello.service")
