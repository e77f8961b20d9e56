"""An .rpm of examples/hello from its installation to its removal: rpm 4.18, 4.20 and 6, dnf 4 and 5."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel.package import Package
from tests import reference_repositories
from tests.acceptance import filesystem, service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.artifacts import Artifacts

DISTROS = {"bookworm": "amzn2023", "trixie": "el10", "sid": "fedora44"}
"""What has about the suite's systemd, rpm and C library."""

TOOLS = [("bookworm", "dnf"), ("trixie", "dnf"), ("sid", "dnf5")]
"""What comes together: Fedora with rpm 6 has no dnf 4."""

pytestmark = [pytest.mark.acceptance, pytest.mark.embedded]

every_suite = pytest.mark.parametrize(("suite", "dnf"), TOOLS)


def only(suite: str) -> pytest.MarkDecorator:
    """Of one suite: what these tests add to those on each is the work of our scriptlets alone."""
    return pytest.mark.parametrize(("suite", "dnf"), [row for row in TOOLS if row[0] == suite])


NEW_DEFAULTS = '[service.environment]\nGREETING = "Hej"\n'
"""Changes the unit, and the comments of the configuration file that show its defaults."""

ENVIRONMENT = "/etc/hello/environment"
SECRETS = "/etc/hello/secrets"


@pytest.fixture
def distro_id(suite: str) -> str:
    return DISTROS[suite]


@pytest.fixture
def host(host: Host) -> Host:
    """As on Fedora and EL, services stay off unless a preset says otherwise; Debian's stay on."""
    host.write("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n")
    return host


@pytest.fixture
def hello(host: Host, package: Callable[..., str], dnf: str) -> Host:
    """A host on which version 1.0.0 was installed and has begun to answer."""
    host.run(f"{dnf} install -y {package('1.0.0')}")
    host.http()
    return host


@every_suite
def test_an_installation(
    hello: Host,
    package: Callable[..., str],
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    distro_id: str,
):
    starts_and_enables_the_service(hello, package)
    with artifacts.plan(hello_release("1.0.0"), distro_id) as plan:
        is_what_was_planned(hello, plan)
    an_operator_reaches_the_running_service(hello)


def starts_and_enables_the_service(hello: Host, package: Callable[..., str]) -> None:
    assert hello.http() == "Hello from hello 1.0.0\n"
    assert hello.run("systemctl is-enabled hello") == "enabled\n"
    assert service.main_process(hello) == ["hello", "beam.smp"]
    assert service.starts(hello) == 1
    assert hello.run("systemctl is-system-running") == "running\n"
    assert hello.run("rpm --verify hello") == ""
    checks = hello.run(f"rpm --checksig --verbose {package('1.0.0')}")
    assert "Header SHA256 digest: OK" in checks
    assert "Payload SHA256 digest: OK" in checks


def is_what_was_planned(hello: Host, plan: Package) -> None:
    found = filesystem.installed(hello, plan)
    secrets = found.pop(SECRETS)
    assert found == filesystem.planned(plan)
    assert secrets.startswith("f 640 root hello ")


def an_operator_reaches_the_running_service(hello: Host) -> None:
    assert hello.run("hello rpc 'IO.puts(Hello.title())'") == "hello 1.0.0\n"
    hello.run("hello eval 'Hello.Release.migrate()'")
    assert hello.http("/schema") == "2\n"
    assert hello.run("stat --format=%U /var/lib/hello/schema_version") == "hello\n"


@only("sid")
def test_the_administrators_preset_is_obeyed(host, package, dnf):
    host.run("mkdir --parents /etc/systemd/system-preset")
    host.write("/etc/systemd/system-preset/00-site.preset", "disable hello.service\n")

    host.run(f"{dnf} install -y {package('1.0.0')}")

    assert host.fails("systemctl is-enabled hello") == "disabled\n"
    assert host.fails("systemctl is-active hello") == "inactive\n"


@every_suite
def test_upgrade_restarts_once_and_keeps_an_edited_file(hello, package, dnf):
    edited = hello.read(ENVIRONMENT) + "GREETING=Moin\n"
    hello.write(ENVIRONMENT, edited)
    hello.run("systemctl restart hello")
    assert hello.http() == "Moin from hello 1.0.0\n"
    secrets = hello.read(SECRETS)

    hello.run(f"{dnf} upgrade -y {package('1.1.0', NEW_DEFAULTS)}")

    assert hello.http() == "Moin from hello 1.1.0\n"
    assert service.starts(hello) == 3
    assert service.value(hello, "NRestarts") == "0"
    assert hello.read(ENVIRONMENT) == edited
    assert "GREETING=Hej" in hello.read(f"{ENVIRONMENT}.rpmnew")
    assert hello.read(SECRETS) == secrets
    assert not hello.succeeds("ls -d /usr/lib/hello/releases/1.0.0")


@only("trixie")
def test_upgrade_and_downgrade_take_the_defaults_where_nothing_was_edited(hello, package, dnf):
    hello.run(f"{dnf} upgrade -y {package('1.1.0', NEW_DEFAULTS)}")

    assert hello.http() == "Hej from hello 1.1.0\n"
    assert "GREETING=Hej" in hello.read(ENVIRONMENT)
    assert hello.run("rpm --verify hello") == ""

    hello.run(f"{dnf} downgrade -y {package('1.0.0')}")

    assert hello.http() == "Hello from hello 1.0.0\n"
    assert service.starts(hello) == 3
    assert hello.run("rpm --verify hello") == ""
    reinstallation_repairs_what_was_deleted(hello, package, dnf)


@only("bookworm")
def test_upgrade_leaves_alone_what_the_administrator_stopped(hello, package, dnf):
    hello.run("systemctl stop hello")
    hello.run(f"{dnf} upgrade -y {package('1.1.0')}")
    assert hello.fails("systemctl is-active hello") == "inactive\n"
    assert hello.run("systemctl is-enabled hello") == "enabled\n"

    hello.run("systemctl disable hello")
    hello.run(f"{dnf} upgrade -y {package('1.2.0-rc.1')}")
    assert hello.fails("systemctl is-active hello") == "inactive\n"
    assert hello.fails("systemctl is-enabled hello") == "disabled\n"

    hello.run("systemctl start hello")
    assert hello.http() == "Hello from hello 1.2.0-rc.1\n"


@every_suite
def test_erasing_saves_what_was_edited_and_leaves_nothing_else(host, package, dnf):
    before = filesystem.snapshot(host)
    host.run(f"{dnf} install -y {package('1.0.0')}")
    host.http()
    host.run(f"echo GREETING=Moin >>{ENVIRONMENT}")
    host.run("systemctl restart hello")
    host.http()
    host.run("hello eval 'Hello.Release.migrate()'")

    host.run(f"{dnf} remove -y hello")

    assert not host.succeeds("pgrep --uid hello")
    assert "GREETING=Moin" in host.read(f"{ENVIRONMENT}.rpmsave")
    data = {"/var/lib/hello", "/var/lib/hello/schema_version"}
    saved = {"/etc/hello", f"{ENVIRONMENT}.rpmsave", f"{SECRETS}.rpmsave"}
    assert filesystem.snapshot(host) - before == data | saved
    assert before - filesystem.snapshot(host) == set()
    assert host.run("getent passwd hello")
    assert host.run("systemctl list-units --all --no-legend 'hello*'") == ""


def reinstallation_repairs_what_was_deleted(
    hello: Host, package: Callable[..., str], dnf: str
) -> None:
    hello.run("systemctl stop hello")
    hello.run("rm -r /usr/lib/hello /var/lib/hello /etc/hello /usr/bin/hello")
    hello.run("userdel hello")

    hello.run(f"{dnf} reinstall -y {package('1.0.0')}")
    hello.run("systemctl restart hello")

    assert hello.http() == "Hello from hello 1.0.0\n"
    assert "RELEASE_COOKIE=" in hello.read(SECRETS)
    assert hello.run("rpm --verify hello") == ""


@only("sid")
def test_dnf_upgrades_from_a_repository(
    host: Host, artifacts: Artifacts, hello_release: Callable[[str], Path], distro_id: str, dnf: str
):
    versions = ("1.0.0", "1.1.0", "1.2.0-rc.1")
    packages = [artifacts.build(hello_release(version), distro_id) for version in versions]
    name = f"{dnf}-{distro_id}"
    reference_repositories.dnf(
        artifacts.folder / name, (artifacts.folder / file for file in packages)
    )
    host.run("mkdir --parents /etc/yum.repos.d")
    host.write(
        "/etc/yum.repos.d/hello.repo",
        f"[hello]\nname=hello\nbaseurl=file://{PACKAGES}/{name}\ngpgcheck=0\n",
    )

    host.run(f"{dnf} install -y hello-1.0.0")
    assert host.http() == "Hello from hello 1.0.0\n"
    host.run(f"{dnf} upgrade -y")
    assert host.http() == "Hello from hello 1.2.0-rc.1\n"
