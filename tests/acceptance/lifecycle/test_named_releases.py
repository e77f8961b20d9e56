"""Releases whose files set the node's name, on a host whose name resolves to 127.0.1.1, as on Debian."""

import pytest

from tests import releases
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import INSTALL, Machine
from tests.acceptance.terminal import terminal
from tests.conftest import skip_unless

pytestmark = pytest.mark.acceptance

MODES = ("sname", "name", "none")


def test_commands_find_the_node_whatever_the_release_calls_it(machine: Machine) -> None:
    host = machine.host
    host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
    for number, mode in enumerate(MODES):
        by_mix(machine, mode, 4000 + number)
    with_a_cookie_of_its_own(machine)
    skip_unless(not releases.missing("rebar3"), "rebar3 is missing")
    by_rebar3(machine)


def by_mix(machine: Machine, mode: str, port: int) -> None:
    """The template of `mix release.init` with its own two lines about nodes as one, whose comment sign is gone."""
    host, name = machine.host, f"by-{mode}"
    lines = f"\nexport RELEASE_DISTRIBUTION={mode} RELEASE_NODE=hello\n"
    settings = f'name = "{name}"\n[service.environment]\nPORT = "{port}"\n'
    package = machine.changed({"releases/VERSION/env.sh": lines}).package("1.0.0", settings)
    host.run(f"{INSTALL[machine.family]} {package}")
    assert host.http(port=port) == "Hello from hello 1.0.0\n"
    assert host.run(f"{name} eval 'IO.puts(1 + 1)'") == "2\n"
    if mode == "none":
        assert "[distribution] is off in this package" in host.fails(f"{name} rpc 'IO.puts(1)'")
        assert "inet_dist" not in host.run(f"systemctl show --property=Environment {name}")
        return
    assert host.run(f"{name} rpc 'IO.puts(node())'") == f"{name}@127.0.0.1\n"
    assert host.run(f"{name} pid") == host.run(f"systemctl show --value --property=MainPID {name}")
    with terminal(host) as root:
        root.type(f"{name} remote\n")
        root.wait_for(r"iex\(.*\)1>")
        root.type("node()\n")
        root.wait_for(f':"{name}@127.0.0.1"')


def with_a_cookie_of_its_own(machine: Machine) -> None:
    """A literal one in env.sh and in vm.args is not what the host's node and commands have."""
    host = machine.host
    own = {
        "releases/VERSION/env.sh": "\nexport RELEASE_COOKIE=of_every_host\nreturn\n",
        "releases/VERSION/vm.args": "\n-sname hello -setcookie of_every_host\n",
    }
    settings = 'name = "cookie"\n[service.environment]\nPORT = "4010"\n'
    host.run(f"{INSTALL[machine.family]} {machine.changed(own).package('1.0.0', settings)}")
    host.http(port=4010)
    made = host.read("/etc/cookie/secrets").partition("RELEASE_COOKIE=")[2].split()[0]
    assert host.run("cookie rpc 'IO.puts(Node.get_cookie())'").strip() == made
    assert "of_every_host" not in host.run("cat /proc/[0-9]*/cmdline || true")


def by_rebar3(machine: Machine) -> None:
    """`-sname stock`, `-setcookie stock_cookie`."""
    host = machine.host
    package = machine.artifacts.build(releases.new_rebar3(), machine.distro_id)
    host.run(f"{INSTALL[machine.family]} {PACKAGES}/{package}")
    assert host.wait_until("stock ping") == "pong\n"
    assert host.run("stock rpc erlang node").strip() == "'stock@127.0.0.1'"
    made = host.read("/etc/stock/secrets").partition("RELX_COOKIE=")[2].split()[0]
    assert host.run("stock eval 'erlang:get_cookie().'").strip().strip("'") == made
    main = host.run("systemctl show --value --property=MainPID stock")
    assert host.run("stock pid") == main
    is_remote(host)
    without_distribution(machine)


def without_distribution(machine: Machine) -> None:
    """A name in vm.args, which its script cannot do without, opens no port."""
    host = machine.host
    settings = 'name = "alone"\n[distribution]\nreach = "none"\n'
    package = machine.artifacts.build(releases.new_rebar3(), machine.distro_id, settings)
    host.run(f"systemctl stop stock; {INSTALL[machine.family]} {PACKAGES}/{package}")
    # It is up when it has read its whole configuration.
    host.wait_until("journalctl -u alone | grep -q 'Exec:'")
    host.run("sleep 4; systemctl is-active alone")
    main = host.run("systemctl show --value --property=MainPID alone").strip()
    assert f"pid={main}," not in host.run("ss -Hltnp")
    assert not host.succeeds("pgrep -u alone epmd")
    host.fails("alone ping")


def is_remote(host: Host) -> None:
    with terminal(host) as root:
        root.type("stock remote_console\n")
        root.wait_for(r"\(stock@127\.0\.0\.1\)1>")
