"""A release that needs variables, on a host that does not have them yet."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, bookworm

pytestmark = pytest.mark.acceptance

RUNTIME = """
if config_env() == :prod do
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
SETTINGS = '[migrations]\nfunction = "Hello.Release.migrate"\nwhen = "start"\n'


@bookworm
def test_a_missing_variable_is_said_and_not_looped_over(machine: Machine) -> None:
    host = machine.host
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

    host.run("echo DATABASE_URL=Ahoy >>/etc/hello/environment")
    host.run("hello config check && systemctl restart hello.service")
    assert host.http().startswith("Ahoy")
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
