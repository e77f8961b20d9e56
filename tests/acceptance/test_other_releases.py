"""Releases that mix did not make, packaged and started."""

from pathlib import Path

import pytest

from tests.acceptance import service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.artifacts import Artifacts

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.parametrize(
        ("suite", "distro_id", "install"),
        [
            ("trixie", "debian13", "apt-get install --yes"),
            ("bookworm", "amzn2023", "dnf install -y"),
        ],
    ),
]


def test_a_relx_release_answers_with_what_its_nif_computed(
    host: Host, artifacts: Artifacts, relx_release: Path, distro_id: str, install: str
):
    host.run(f"{install} {PACKAGES}/{artifacts.build(relx_release, distro_id)}")

    assert host.http("/hello") == "4f9f2cab\n"
    assert service.main_process(host, "relx-nif") == ["relx-nif", "beam.smp"]

    # The cookie is the host's own, and in no argument that others can read.
    cookie = host.read("/etc/relx-nif/secrets").partition("RELX_COOKIE=")[2].strip()
    assert cookie not in host.run("cat /proc/[0-9]*/cmdline")
    # erl_call, which the release's script uses, crashes where the host does not know its own name.
    host.run("echo 127.0.1.1 $(hostname) >>/etc/hosts")
    assert host.run("relx-nif eval 'erlang:get_cookie().'").strip().strip("'") == cookie

    host.run("echo PORT=4001 >>/etc/relx-nif/environment")
    host.run("systemctl restart relx-nif")
    assert host.http("/hello", port=4001) == "4f9f2cab\n"
    assert host.run("systemctl is-system-running") == "running\n"


def test_a_distillery_release_starts_with_its_configuration_filled_in(
    host: Host, artifacts: Artifacts, distillery_release: Path, distro_id: str, install: str
):
    migrates = '[migrations]\nfunction = "whoami"\nwhen = "manual"\n'
    host.run(f"{install} {PACKAGES}/{artifacts.build(distillery_release, distro_id, migrates)}")
    assert host.http() == " from hello 1.0.0\n"
    assert host.run("hello migrate") == "hello\n"  # a command that the project added
    host.run("echo GREETING=Moin >>/etc/hello/environment")
    host.run("systemctl restart hello")

    assert host.http() == "Moin from hello 1.0.0\n"
    assert service.main_process(host) == ["hello", "beam.smp"]
    assert not host.succeeds("test -e /usr/lib/hello/var")
    assert host.run("systemctl is-system-running") == "running\n"
