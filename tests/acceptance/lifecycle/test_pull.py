"""Hosts that ask the repository themselves: [deploy] `pull`, with apt and dnf."""

import json
import re

import pytest

from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import Machine, on
from tests.acceptance.lifecycle.published import Published
from tests.acceptance.lifecycle.test_change_version import BAD, GOOD, runs
from tests.packages import package
from tests.test_phases import draw

pytestmark = pytest.mark.acceptance

BUSY = 'import fcntl, time; files = [open(f"/var/lib/{name}", "w") for name in ("apt/lists/lock", "dpkg/lock-frontend")]; [fcntl.lockf(file, 2) for file in files]; time.sleep(2); files.pop(0).close(); time.sleep(6)'
"""What somebody else's installation is to the package manager."""
PULL = '[deploy]\npull = "2s"\njitter = "0s"\nreport = "http://127.0.0.1:8999/reports"\n'
COLLECTOR = """
import http.server, json, os
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        os.makedirs("/srv/reports/hello", exist_ok=True)
        with open(f"/srv/reports/hello/{json.loads(body)['result'].replace(' ', '-')}", "ab") as file:
            file.write(body)
        self.send_response(200 if self.headers["Authorization"] == "Bearer t0ken" else 403)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8999), Collector).serve_forever()
"""
"""Keeps what is sent to it, by what became of a version."""


def waits_for(published: Published, version: str) -> None:
    """The host comes to run it, without a word of ours."""
    published.machine.host.wait_until(
        f"curl -fs http://127.0.0.1:4000 | grep -x 'Hello from hello {version}'"
    )
    check = "dpkg --audit | grep ." if published.machine.deb else "false"
    published.machine.host.wait_until(f"! {check}")
    assert runs(published, version)


def strangers(published: Published) -> None:
    """Another repository, with a package of the same name and a higher version."""
    folder, host = published.machine.artifacts.folder, published.machine.host
    file = package(folder, "hello", "9.0.0")
    paragraph = (
        'dpkg-deb --field x.deb; echo "Filename: ./x.deb"; echo "Size: $(stat --format=%s x.deb)"; '
        'echo "SHA256: $(sha256sum x.deb | cut -c 1-64)"; echo'
    )
    host.run(
        f"mkdir /srv/other && cd /srv/other && cp {PACKAGES}/{file.name} x.deb && ( {paragraph} ) >Packages"
        " && echo 'deb [trusted=yes] file:/srv/other ./' >/etc/apt/sources.list.d/other.list"
    )
    host.run("apt-get update; apt-cache policy hello | grep 'Candidate: 9.0.0'")


def share(machine: Machine, version: str) -> int:
    """The smallest percentage that the host is among."""
    parts = 101 if machine.deb else 100
    revision = {"debian12": "1~debian12", "fedora44": "1.fc44"}[machine.distro_id]
    id = machine.host.run("cat /etc/machine-id").strip()
    return max(draw("hello", f"{version}-{revision}", id, parts) + 101 - parts, 1)


def upgraded_by_itself(machine: Machine) -> Published:
    """A host that has taken 1.1.0 when that was for it, and not before."""
    host = machine.host
    published = Published.on(machine)
    published.publish("1.0.0", GOOD + PULL)
    published.subscribe()
    host.http()
    host.write("/root/collector.py", COLLECTOR)
    host.write("/etc/hello/report", 'REPORT_HEADER="Authorization: Bearer t0ken"\n')
    host.run("systemd-run --quiet python3 /root/collector.py")
    if machine.deb:  # the others wait by themselves
        host.run(f"systemd-run --quiet python3 -c '{BUSY}'")
        # A host that only looks is in no roll-out's way.
        free = "flock --nonblock /usr/share/doc/hello true"
        host.run(f"for _ in $(seq 30); do {free} || exit 1; sleep 0.1; done")
    least = 100 if published.zypper else share(machine, "1.1.0")
    published.publish("1.1.0", GOOD + PULL, "--phase", str(max(least - 1, 1)))
    if least > 1:
        host.run("systemctl start hello-pull && sleep 4")
        if not machine.deb:  # apt's own upgrade is held against each percentage in test_phases
            published.unattended_upgrade()
        assert runs(published, "1.0.0")
    published.pkgrel("repo", "phase", "hello", "1.1.0", least)
    waits_for(published, "1.1.0")
    host.wait_until("grep -q 'wanted.:.1.1.0-' /srv/reports/hello/upgraded")
    return published


def beside_the_night(published: Published, version: str) -> None:
    """What else upgrades the host by itself does so at the same moment, and neither fails for the other."""
    host = published.machine.host
    host.run("systemctl stop hello-pull.timer")
    host.wait_until("! systemctl show --property=ActiveState hello-pull | grep activating")
    published.publish(version, GOOD + PULL)
    host.run("systemctl start hello-pull.timer")
    said = published.unattended_upgrade()
    waits_for(published, version)
    host.wait_until("! systemctl show --property=ActiveState hello-pull | grep activating")
    assert host.run("systemctl show --value --property=Result hello-pull") == "success\n", said
    failed = "Traceback|Could not get lock|transaction lock|^Error"
    assert not re.search(failed, said, re.MULTILINE), said


def erased(machine: Machine) -> None:
    """Nothing of it stays."""
    machine.host.wait_until("! systemctl show --property=ActiveState hello-pull | grep activating")
    machine.erase()
    assert not machine.host.succeeds("ls -d /var/lib/misc/hello.* /run/hello* /var/cache/hello.*")


@on("sid-rpm", "zypper-rpm")
def test_a_host_with_dnf_or_zypper_takes_what_is_for_it(machine: Machine) -> None:
    published = upgraded_by_itself(machine)
    beside_the_night(published, "1.2.0")
    machine.host.run("systemctl stop hello-pull.timer")
    erased(machine)


@on("nightly-deb")
def test_a_host_takes_each_version_that_works(machine: Machine) -> None:
    host, published = machine.host, upgraded_by_itself(machine)
    # Nor is it Debian's of the same name, even if our repository has this version no more.
    strangers(published)
    published.pkgrel("repo", "phase", "hello", "1.1.0", "stop")
    host.run("systemctl start hello-pull")
    assert runs(published, "1.1.0")
    # A file is not kept as a download is: the way back is by the repository.
    published.pkgrel("repo", "phase", "hello", "1.1.0", "100")
    published.publish("1.2.0", BAD + PULL)
    host.wait_until("grep -q 1.2.0 /var/lib/misc/hello.refused")
    waits_for(published, "1.1.0")
    host.run("systemctl start hello-pull")
    tried = "journalctl --unit hello-pull --output cat | grep -c '1.2.0.* is for this host'"
    assert host.run(tried) == "1\n"
    [told] = host.run("cat /srv/reports/hello/rolled-back").splitlines()
    report = json.loads(told)
    assert report["wanted"].startswith("1.2.0-")
    assert report["version"] == report["before"]
    assert report["version"].startswith("1.1.0-")
    assert any("4444" in line for line in report["journal"]), report["journal"]
    # A quiet host is one that speaks once.
    assert len(host.run("cat /srv/reports/hello/unchanged").splitlines()) <= 3

    # Its successor is taken though the host has gone back.
    beside_the_night(published, "1.3.0")
    # The last: it does not ask.
    published.publish("1.4.0", GOOD)
    waits_for(published, "1.4.0")
    assert host.run(tried) == "1\n"
    assert not host.succeeds("systemctl is-active hello-pull.timer")
    assert not host.succeeds("ls /var/lib/misc/hello.refused /var/lib/misc/hello.held")
    erased(machine)
