"""A release that needs variables, on a host that does not have them yet."""

import re

import pytest

from tests.acceptance.lifecycle.machines import Machine, on
from tests.acceptance.terminal import terminal

pytestmark = pytest.mark.acceptance

RUNTIME = """
if config_env() == :prod do
  config :hello, host: System.get_env("PHX_HOST") || "example.com"
  config :hello, key: System.fetch_env!("SECRET_KEY_BASE"), path: System.fetch_env!("DATABASE_PATH")

  config :hello,
    greeting:
      System.get_env("DATABASE_URL") ||
        raise \"\"\"
        environment variable DATABASE_URL is missing.
        For example: it's $(id) a "greeting"
        \"\"\"
end
"""
NEWER = '\nconfig :hello, token: System.fetch_env!("ANOTHER_URL")\n'
SETTINGS = """
[service]
listen = ["4000"]
[migrations]
function = "Hello.Release.migrate"
when = "start"
"""


def knows_its_host(machine: Machine, said: str) -> None:
    assert "hello config set PHX_HOST=web1.example.org\n" in said
    if machine.deb:
        settings = machine.host.read("/etc/hello/environment")
        assert settings.count("\n# PHX_HOST=web1.example.org\n") == 1


@on("bookworm-deb")
def test_a_missing_variable_is_said_and_not_looped_over(machine: Machine) -> None:
    host = machine.host
    # As Debian's installer writes it.
    host.run("echo 127.0.1.1 web1.example.org $(hostname) >>/etc/hosts")
    needy = machine.changed({"releases/VERSION/runtime.exs": RUNTIME})

    output = host.run(f"{needy.install_command('1.0.0', SETTINGS)} 2>&1")

    said = ["DATABASE_URL", 'For example: it\'s $(id) a "greeting"', "/etc/hello/environment"]
    assert all(words in output for words in said)
    assert "systemctl restart hello.service" in output
    # What is made on the host is not asked for.
    assert "SECRET_KEY_BASE" not in output
    # A loop would wait in `activating` for its next turn.
    host.wait_until("systemctl is-failed hello")
    assert "ExecMainStatus=78" in host.run("systemctl show hello")
    assert "DATABASE_URL" in host.run("systemctl status hello || true")
    assert host.run("systemctl show --value --property=NRestarts hello") == "0\n"
    assert "DATABASE_URL" in host.run("hello config check 2>&1 || true")
    assert not host.succeeds("hello config check")

    # Nor does a client, whom the socket would let wait, have it tried until systemd refuses.
    host.wait_until("! systemctl is-active hello.socket")
    host.fails("curl --silent --max-time 1 localhost:4000/")
    host.run("for n in 1 2 3 4 5 6; do hello start || true; done")

    said = host.run("hello config 2>&1 >/dev/null")
    assert "it does not start without DATABASE_URL" in said
    knows_its_host(machine, said)
    host.run("hello config set --restart DATABASE_URL='Ahoy you'")
    host.run("hello config check")
    assert host.http().startswith("Ahoy you")
    assert machine.stat("/etc/hello/environment") == "640 root hello"
    shown = host.run("hello config 2>&1")
    assert re.search(r"^DATABASE_URL +/etc/hello/environment +Ahoy you$", shown, re.MULTILINE)
    assert re.search(r"^SECRET_KEY_BASE +/etc/hello/secrets +\[hidden\]$", shown, re.MULTILINE)
    assert "running service has" not in shown
    said = host.run("hello config set DATABASE_URL=Ahoy </dev/null 2>&1")
    assert said == "It takes effect with: hello restart\n"
    shown = host.run("hello config 2>&1 >/dev/null")
    assert "the running service has another value of: DATABASE_URL; hello restart" in shown
    with terminal(host) as root:
        root.type("hello config set DATABASE_URL\n")
        root.wait_for("DATABASE_URL: ")
        root.type("Ahoy\n")
        root.wait_for(r"hello restart now\? \[y/N\] ")
        root.type("y\n")
        root.run("true")
    assert host.http() == "Ahoy from hello 1.0.0\n"
    assert host.http("/schema") == "2\n"

    # The one that runs is not stopped for one that cannot start.
    before = machine.invocation()
    newer = machine.changed({"releases/VERSION/runtime.exs": RUNTIME + NEWER})
    assert "ANOTHER_URL" in host.run(f"{newer.install_command('1.1.0', SETTINGS)} 2>&1")
    assert machine.invocation() == before
    assert host.http().endswith(" from hello 1.0.0\n")

    # An administrator may have set it in a way that only systemd knows.
    host.run("mkdir -p /etc/systemd/system/hello.service.d")
    host.write(
        "/etc/systemd/system/hello.service.d/own.conf", "[Service]\nEnvironment=ANOTHER_URL=x\n"
    )
    newer.install("1.1.0", SETTINGS)
    host.wait_until("curl --silent --fail localhost:4000/ | grep -q 'hello 1.1.0'")
