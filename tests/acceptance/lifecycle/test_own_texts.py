"""Links, directories, ghosts, triggers and templates of pkgrel.toml, from installation to removal."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, bookworm

pytestmark = pytest.mark.acceptance

TRIGGERED = 'echo "{{ version }} $2" >>/var/lib/triggered\n'
UNIT = "# {{ name }} {{ version }}\n{{ ours | replace('LANG=C.UTF-8', 'LANG=C.UTF-8 EXTRA=set') }}"
SETTINGS = """
[deb]
triggers = ["interest-noawait /srv/plugins"]
[scripts]
triggered = "{triggered}"
template = true
[templates]
unit = "{unit}"
environment = "{environment}"
[[file]]
path = "/srv/current"
link = "releases/{version}"
[[file]]
path = "/srv/plugins"
directory = true
group = "hello"
mode = "2775"
[[file]]
path = "/srv/cache.db"
ghost = true
"""


def settings(machine: Machine, version: str) -> str:
    return SETTINGS.format(
        triggered=machine.snippet(TRIGGERED),
        unit=machine.snippet(UNIT),
        environment=machine.snippet("GREETING=Templated\n"),
        version=version,
    )


@bookworm
def test_from_installation_to_removal(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0", settings(machine, "1.0.0"))
    assert host.http() == "Templated from hello 1.0.0\n"
    assert machine.stat("/srv/plugins") == "2775 root hello"
    assert host.run("readlink /srv/current") == "releases/1.0.0\n"
    assert "# hello 1.0.0\n" in host.run("systemctl cat hello")
    assert "EXTRA=set" in host.run("systemctl show --property=Environment hello")
    if machine.deb:
        host.run("dpkg-trigger --by-package=dpkg /srv/plugins && dpkg --triggers-only --pending")
        assert host.read("/var/lib/triggered") == "1.0.0 /srv/plugins\n"

    host.run("echo GREETING=Mine >/etc/hello/environment && echo data >/srv/cache.db")
    machine.serve("1.1.0", settings(machine, "1.1.0"))
    assert host.http() == "Mine from hello 1.1.0\n"
    assert host.run("readlink /srv/current") == "releases/1.1.0\n"
    assert host.read("/srv/cache.db") == "data\n"

    machine.erase()
    assert not host.succeeds("test -e /srv/plugins")
    assert not host.succeeds("test -L /srv/current")
    assert host.succeeds("test -e /srv/cache.db") is machine.deb  # rpm removes its ghosts
