"""The machines of the other tests are what they claim to be."""

import os
from pathlib import Path

import pytest

from tests.acceptance import bases, hosts
from tests.acceptance.conftest import usable_base

pytestmark = pytest.mark.acceptance

SYSTEMD = {"bullseye": 247, "bookworm": 252, "trixie": 257, "sid": 258}
"""At least; so that four generations are tested and not one of them four times."""

RPM_SUITES = [suite.name for suite in bases.SUITES.values() if suite.rpm]

HUNGRY = """
Name: hungry
Version: 1
Release: 1
Summary: Wants a C library that is not there
License: Apache-2.0
BuildArch: noarch
Requires: libc.so.6(GLIBC_{glibc})(64bit)
%description
Wants a C library.
%files
"""


@pytest.mark.parametrize("suite", bases.SUITES)
def test_a_host_boots_its_own_systemd(host, suite):
    assert host.run("systemctl is-system-running") == "running\n"
    first_line = host.run("systemctl --version").splitlines()[0]
    assert int(first_line.split()[1]) >= SYSTEMD[suite]


def test_hosts_of_one_suite_run_side_by_side(suite):
    base = usable_base(suite)
    with hosts.boot(base, "one") as one, hosts.boot(base, "two") as two:
        one.write("/etc/hostname", "changed\n")
        assert not two.succeeds("test -e /etc/hostname")
        assert one.run("cat /etc/machine-id") != two.run("cat /etc/machine-id")
    assert not (base / "etc/hostname").exists()


def test_nothing_is_left_of_a_host_even_if_the_test_fails(suite):
    with pytest.raises(ZeroDivisionError), hosts.boot(usable_base(suite), suite) as host:
        leader = host.leader
        raise ZeroDivisionError
    assert not Path(f"/proc/{leader}").exists()
    assert host.name not in Path("/proc/self/mountinfo").read_text()
    assert not any(
        name.startswith(host.name) for name in os.listdir("/run/systemd/nspawn/propagate")
    )


def test_a_command_that_fails_shows_its_output(host):
    with pytest.raises(hosts.HostError, match=r"exited 3\s+out\s+err"):
        host.run("echo out; echo err >&2; exit 3")
    with pytest.raises(hosts.HostError, match="took over 1 s"):
        host.run("sleep 10", timeout=1)


@pytest.mark.parametrize("suite", RPM_SUITES)
def test_rpm_refuses_a_library_that_the_root_has_not_got(host):
    for glibc in ("2.2.5", "2.99"):
        host.write("/tmp/hungry.spec", HUNGRY.format(glibc=glibc))
        host.run(f"rpmbuild --quiet -bb --define '_topdir /tmp/{glibc}' /tmp/hungry.spec")
    package = "RPMS/noarch/hungry-1-1.noarch.rpm"

    complaint = host.fails(f"dnf --assumeyes install /tmp/2.99/{package}")
    assert "libc.so.6(GLIBC_2.99)(64bit)" in complaint
    host.run(f"dnf --assumeyes install /tmp/2.2.5/{package}")
    assert host.run("rpm -q hungry") == "hungry-1-1.noarch\n"
