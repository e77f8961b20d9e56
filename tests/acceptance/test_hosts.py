"""The machines of the other tests are what they claim to be."""

import contextlib
import re
import subprocess
from pathlib import Path

import pytest

from tests import bases
from tests.acceptance import hosts
from tests.bases import usable_base

pytestmark = pytest.mark.acceptance

SYSTEMD = {"bullseye": 247, "bookworm": 252, "trixie": 257, "sid": 258}
"""At least; so that four generations are tested and not one of them four times."""

RPM_SUITES = sorted({suite.name for suite in bases.SUITES.values() if suite.rpm})

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


@pytest.mark.parametrize("suite", SYSTEMD)
def test_a_host_boots_its_own_systemd(host, suite):
    assert host.run("systemctl is-system-running") == "running\n"
    first_line = host.run("systemctl --version").splitlines()[0]
    assert int(first_line.split()[1]) >= SYSTEMD[suite]


def test_hosts_of_one_suite_run_side_by_side(suite):
    base = usable_base(suite)
    with hosts.boot(base, "one") as one, hosts.boot(base, "two") as two:
        processes = "cat /sys/fs/cgroup/system.slice/dbus.service/cgroup.procs"
        # 0 is a process that this host cannot see: another one's.
        assert "0" not in one.run(processes).split()
        one.write("/etc/hostname", "changed\n")
        assert not two.succeeds("test -e /etc/hostname")
        assert one.run("cat /etc/machine-id") != two.run("cat /etc/machine-id")
    assert not (base / "etc/hostname").exists()


def test_nothing_is_left_of_a_host_whose_test_failed(suite):
    with contextlib.suppress(ZeroDivisionError), hosts.boot(usable_base(suite), suite) as host:
        raise ZeroDivisionError
    assert not Path(f"/proc/{host.leader}").exists()
    assert traces_of(host.name) == []


def test_nothing_is_left_of_a_host_that_does_not_boot(suite):
    with (
        pytest.raises(hosts.HostError, match="/nowhere") as failure,
        hosts.boot(usable_base(suite), suite, {Path("/nowhere"): "/srv"}),
    ):
        pass
    (name,) = re.findall(rf"container ({suite}-\w+)", str(failure.value))
    assert traces_of(name) == []


def traces_of(name: str) -> list[str]:
    """Processes, mounts and control groups that carry the host's name."""
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    lines = processes.stdout + Path("/proc/mounts").read_text()
    groups = [str(group) for group in Path("/sys/fs/cgroup").rglob(f"*{name}*")]
    return groups + [line for line in lines.splitlines() if name in line]


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
