"""A .deb of examples/hello from its installation by apt to its purge, on three generations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel.package import Package
from tests import reference_repositories
from tests.acceptance import filesystem, service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.artifacts import Artifacts

DISTROS = {"bookworm": "debian12", "trixie": "debian13", "sid": "debian14"}

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

every_suite = pytest.mark.parametrize("suite", DISTROS)


def only(suite: str) -> pytest.MarkDecorator:
    """Of one suite: what these tests add to those on each is the work of our scripts alone."""
    return pytest.mark.parametrize("suite", [suite])


NEW_DEFAULTS = '[service.environment]\nGREETING = "Hej"\n'
"""Changes the unit, and the comments in /etc that show its defaults."""

ENVIRONMENT = "/etc/hello/environment"
SECRETS = "/etc/hello/secrets"


@pytest.fixture
def distro_id(suite: str) -> str:
    return DISTROS[suite]


@pytest.fixture
def hello(host: Host, package: Callable[..., str]) -> Host:
    """A host on which version 1.0.0 was installed and has begun to answer."""
    install(host, package("1.0.0"))
    host.http()
    return host


def install(host: Host, package: str, *options: str) -> None:
    host.run(f"apt-get install --yes {' '.join(options)} {package}")


@every_suite
def test_an_installation(
    hello: Host,
    package: Callable[..., str],
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    distro_id: str,
):
    starts_and_enables_the_service(hello)
    with artifacts.plan(hello_release("1.0.0"), distro_id) as plan:
        is_what_was_planned(hello, plan)
    an_operator_reaches_the_running_service(hello)
    every_host_makes_its_own_cookie(hello, package)


def starts_and_enables_the_service(hello: Host) -> None:
    assert hello.http() == "Hello from hello 1.0.0\n"
    assert hello.run("systemctl is-enabled hello") == "enabled\n"
    assert service.main_process(hello) == ["hello", "beam.smp"]
    assert service.starts(hello) == 1
    assert hello.run("systemctl is-system-running") == "running\n"
    assert hello.run("dpkg --verify hello") == ""
    assert hello.run("dpkg --audit") == ""


def is_what_was_planned(hello: Host, plan: Package) -> None:
    found = filesystem.installed(hello, plan)
    secrets = found.pop(SECRETS)
    assert found.pop(ENVIRONMENT).startswith("f 640 root hello ")
    assert found == filesystem.planned(plan)
    assert secrets.startswith("f 640 root hello ")


def every_host_makes_its_own_cookie(hello: Host, package: Callable[..., str]) -> None:
    secrets = hello.read(SECRETS)
    assert "RELEASE_COOKIE=" in secrets
    assert not hello.succeeds("test -e /usr/lib/hello/releases/COOKIE")

    hello.run("apt-get purge --yes hello")
    install(hello, package("1.0.0"))
    assert hello.read(SECRETS) != secrets


def an_operator_reaches_the_running_service(hello: Host) -> None:
    assert hello.run("hello rpc 'IO.puts(Hello.title())'") == "hello 1.0.0\n"
    hello.run("hello eval 'Hello.Release.migrate()'")
    assert hello.http("/schema") == "2\n"
    assert hello.run("stat --format=%U /var/lib/hello/schema_version") == "hello\n"


@every_suite
def test_upgrade_restarts_once_and_keeps_edited_settings(hello, package):
    edited = hello.read(ENVIRONMENT) + "GREETING=Moin\n"
    hello.write(ENVIRONMENT, edited)
    hello.run("systemctl restart hello")
    assert hello.http() == "Moin from hello 1.0.0\n"
    secrets = hello.read(SECRETS)

    install(hello, package("1.1.0", NEW_DEFAULTS))

    assert hello.http() == "Moin from hello 1.1.0\n"
    assert service.starts(hello) == 3
    assert service.value(hello, "NRestarts") == "0"
    assert hello.read(ENVIRONMENT) == edited
    assert hello.read(SECRETS) == secrets
    assert not hello.succeeds("ls -d /usr/lib/hello/releases/1.0.0")


@only("bookworm")
def test_upgrade_and_downgrade_take_the_defaults_where_nothing_was_edited(hello, package):
    install(hello, package("1.1.0", NEW_DEFAULTS))

    assert hello.http() == "Hej from hello 1.1.0\n"
    assert "GREETING=Hej" in hello.read(ENVIRONMENT)
    assert hello.run("dpkg --verify hello") == ""

    install(hello, package("1.0.0"), "--allow-downgrades")

    assert hello.http() == "Hello from hello 1.0.0\n"
    assert service.starts(hello) == 3
    assert hello.run("dpkg --verify hello") == ""


@only("sid")
def test_upgrade_leaves_alone_what_the_administrator_stopped(hello, package):
    hello.run("systemctl stop hello")
    install(hello, package("1.1.0"))
    assert hello.fails("systemctl is-active hello") == "inactive\n"
    assert hello.run("systemctl is-enabled hello") == "enabled\n"

    hello.run("systemctl disable hello")
    install(hello, package("1.2.0-rc.1"))
    assert hello.fails("systemctl is-active hello") == "inactive\n"
    assert hello.fails("systemctl is-enabled hello") == "disabled\n"

    hello.run("systemctl start hello")
    assert hello.http() == "Hello from hello 1.2.0-rc.1\n"


@only("trixie")
def test_remove_stops_the_service_and_keeps_what_is_the_administrators(hello, package):
    hello.run(f"echo GREETING=Moin >>{ENVIRONMENT}")
    hello.run("touch /var/lib/hello/data")
    secrets = hello.read(SECRETS)

    hello.run("apt-get remove --yes hello")

    assert not hello.succeeds("pgrep --uid hello")
    assert not hello.succeeds("systemctl cat hello")
    assert not hello.succeeds("ls -d /usr/lib/hello")
    assert hello.succeeds("test -e /var/lib/hello/data")
    install(hello, package("1.0.0"))
    assert hello.http() == "Moin from hello 1.0.0\n"
    assert hello.run("systemctl is-enabled hello") == "enabled\n"
    assert hello.read(SECRETS) == secrets

    reinstallation_repairs_what_was_deleted(hello, package)


@every_suite
def test_purge_leaves_nothing_but_the_user(host, package):
    before = filesystem.snapshot(host)
    install(host, package("1.0.0"))
    host.http()
    host.run("hello eval 'Hello.Release.migrate()'")
    host.run("systemctl disable hello")

    host.run("apt-get purge --yes hello")

    assert filesystem.snapshot(host) - before == set()
    assert before - filesystem.snapshot(host) == set()
    assert host.run("getent passwd hello")
    assert not host.succeeds("pgrep --uid hello")
    assert host.run("systemctl list-units --all --no-legend 'hello*'") == ""


def reinstallation_repairs_what_was_deleted(hello: Host, package: Callable[..., str]) -> None:
    hello.run("systemctl stop hello")
    hello.run("rm -r /usr/lib/hello /var/lib/hello /etc/hello/secrets /usr/bin/hello")
    hello.run("userdel hello")

    install(hello, package("1.0.0"), "--reinstall")
    hello.run("systemctl restart hello")

    assert hello.http() == "Moin from hello 1.0.0\n"
    assert "RELEASE_COOKIE=" in hello.read(SECRETS)
    assert hello.run("dpkg --verify hello") == ""


@only("bookworm")
def test_installation_goes_on_where_a_killed_postinst_stopped(host, package):
    # The first `chown` of the script kills the script.
    host.write("/usr/local/sbin/chown", "#!/bin/sh\nkill -KILL $PPID\n")
    host.run("chmod 0755 /usr/local/sbin/chown")
    assert "signal (Killed)" in host.fails(f"dpkg --install {package('1.0.0')}")
    assert "hello" in host.run("dpkg --audit")

    host.run("rm /usr/local/sbin/chown")
    host.run("dpkg --configure --pending")

    assert host.http() == "Hello from hello 1.0.0\n"
    assert host.run("systemctl is-enabled hello") == "enabled\n"
    assert host.run("dpkg --audit") == ""


@only("sid")
def test_apt_upgrades_from_a_repository(
    host: Host, artifacts: Artifacts, hello_release: Callable[[str], Path], distro_id: str
):
    versions = ("1.0.0", "1.1.0", "1.2.0-rc.1")
    packages = [artifacts.build(hello_release(version), distro_id) for version in versions]
    name = f"apt-{distro_id}"
    reference_repositories.apt(
        artifacts.folder / name, (artifacts.folder / file for file in packages)
    )
    source = f"deb [trusted=yes] file:{PACKAGES}/{name} ./\n"
    host.write("/etc/apt/sources.list", source)
    host.run("rm -f /etc/apt/sources.list.d/*")
    host.run("apt-get update")

    host.run("apt-get install --yes hello=1.0.0*")
    assert host.http() == "Hello from hello 1.0.0\n"
    host.run("apt-get upgrade --yes")
    assert host.http() == "Hello from hello 1.2.0-rc.1\n"
