"""Secrets of machines that come from one image, or from a copy of another machine."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance import hosts, systems
from tests.acceptance.lifecycle.machines import DISTROS, INSTALL, Machine, on
from tests.artifacts import Artifacts
from tests.bases import usable_base

pytestmark = pytest.mark.acceptance

SECRETS = "/etc/hello/secrets"
SETTINGS = """
[secrets]
generate = ["SECRET_KEY_BASE"]
[migrations]
function = "Hello.Release.migrate"
when = "install"
"""

# Of a machine's own systemd a chroot sees only this.
MAKE = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
mkdir -p /run/systemd/system
{install}
hello eval 'IO.puts("key " <> System.get_env("SECRET_KEY_BASE"))'
rm -r /usr/sbin/policy-rc.d /run/systemd
hello eval 'IO.puts("key " <> System.get_env("SECRET_KEY_BASE"))'
"""


@pytest.mark.parametrize(
    ("suite", "family", "machines"),
    [
        pytest.param("trixie", "deb", 2, id="trixie-deb"),
        pytest.param("bookworm", "rpm", 1, id="bookworm-rpm"),
    ],
)
def test_machines_of_one_image_have_secrets_of_their_own(
    suite: str,
    family: str,
    machines: int,
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    package = artifacts.build(hello_release("1.0.0"), DISTROS[family][suite], SETTINGS)
    install = f"{INSTALL[family]} /srv/{package}"
    with systems.writable(usable_base(suite), tmp_path) as image:
        said = systems.chroot(image, MAKE.format(install=install), artifacts.folder)
        keys = [line[4:] for line in said.splitlines() if line.startswith("key ")]
        assert len(set(keys)) == 2
        assert said.count("while an image is made no secrets are kept") == 2
        assert not (image / SECRETS[1:]).exists()
        assert not (image / "var/lib/hello/schema_version").exists()
        if family == "rpm":
            systems.chroot(image, "systemctl enable hello", artifacts.folder)

        with contextlib.ExitStack() as stack:
            booted = [stack.enter_context(hosts.boot(image, suite)) for _ in range(machines)]
            made = []
            for host in booted:
                assert host.http().endswith(" from hello 1.0.0\n")
                assert host.run(f"stat --format='%a %U %G' {SECRETS}") == "640 root hello\n"
                text = host.read(SECRETS)
                made += [line for line in text.splitlines() if "=" in line]
                cookie = text.partition("RELEASE_COOKIE=")[2].split()[0]
                assert host.run("hello rpc 'IO.puts(Node.get_cookie())'").strip() == cookie
            assert len(set(made)) == 2 * machines
            assert not any(key in "".join(made) for key in keys)


@on("bookworm-rpm")
def test_a_copy_of_a_machine_is_told_that_it_has_its_secrets(machine: Machine) -> None:
    host = machine.host
    machine.serve("1.0.0", SETTINGS)
    first = host.read(SECRETS)
    warnings = "journalctl --sync; journalctl --merge --unit hello --priority warning --output cat"
    assert "another machine" not in host.run(warnings)

    host.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    host.run("systemctl restart hello")
    assert host.http().endswith(" from hello 1.0.0\n")
    assert host.read(SECRETS) == first
    said = "/etc/hello/secrets was made on another machine"
    assert said in host.run(warnings)
    assert said in host.run("hello status 2>&1")
    assert said in machine.install("1.1.0", SETTINGS)
    assert host.read(SECRETS) == first

    # The two ways out that it names.
    host.run(f"sed -i '/^# Machine/d' {SECRETS}; systemctl restart hello")
    assert said not in host.run("hello status 2>&1")
    host.http()  # A VM that boots does not hear SIGTERM, and would be killed after a minute.
    kept = host.read(SECRETS)
    assert first.splitlines()[-2:] == kept.splitlines()[-2:]
    host.run(f"rm {SECRETS}; hello rpc '1' || true; systemctl restart hello")
    host.http()
    new = host.read(SECRETS)
    assert not set(new.splitlines()[-2:]) & set(first.splitlines())
    assert machine.stat(SECRETS) == "640 root hello"
    assert "0123456789abcdef" not in new

    # A host whose secrets the package before made, or an administrator.
    values = "\n".join(first.splitlines()[-2:])
    host.write(SECRETS, f"# Made once for this host.\n{values}\n")
    before = host.read(SECRETS)
    assert said not in machine.install("1.1.0", SETTINGS)
    assert host.read(SECRETS) == before
    host.http()
    assert host.run("hello rpc 'IO.puts(Node.get_cookie())'").strip() in before


OWN_ROOT = """
[secrets]
generate = ["SECRET_KEY_BASE"]
[service.sandbox]
RootDirectory = "/srv/empty"
MountAPIVFS = "yes"
BindReadOnlyPaths = "/usr /bin /sbin /lib /lib64 /etc"
"""


def test_a_service_in_a_root_of_its_own_has_its_secrets_from_outside(machine: Machine) -> None:
    """As on systemd before 231, by a unit that the service requires."""
    host = machine.host
    host.run("mkdir /srv/empty")
    machine.install("1.0.0", OWN_ROOT)
    assert host.http().endswith(" from hello 1.0.0\n")
    assert machine.stat(SECRETS) == "640 root hello"
    made = host.read(SECRETS)
    cookie = made.partition("RELEASE_COOKIE=")[2].split()[0]
    assert host.run("hello rpc 'IO.puts(Node.get_cookie())'").strip() == cookie
    # Removed, as before a machine is made into an image; and a copy says so here, too.
    host.run(f"rm {SECRETS}; systemctl restart hello")
    host.http()
    assert "Machine" in host.read(SECRETS)
    assert not set(host.read(SECRETS).splitlines()[-2:]) & set(made.splitlines())
    host.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    host.run("systemctl restart hello; journalctl --sync")
    said = host.run("journalctl --merge --identifier hello --output cat")
    assert "/etc/hello/secrets was made on another machine" in said
    machine.install("1.1.0")
    assert host.http().endswith(" from hello 1.1.0\n")
    assert "hello-secrets" not in host.run("systemctl list-units --all --no-legend 'hello*'")
