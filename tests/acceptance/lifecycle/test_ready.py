"""A release with a notify library, on a socket that systemd holds across upgrades."""

import pytest

from tests import releases
from tests.acceptance import service
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import DISTROS, INSTALL, on
from tests.artifacts import Artifacts

pytestmark = pytest.mark.acceptance

SETTINGS = """
[service]
watchdog-sec = 5
[[unit]]
name = "ready.socket"
enable = true
content = '''
[Socket]
ListenStream=127.0.0.1:4321
[Install]
WantedBy=sockets.target
'''
"""

# A connection each tenth of a second, for as long as the installation takes.
KNOCK = """
exec 2>&1
( for i in $(seq 60); do bash -c 'exec 3<>/dev/tcp/127.0.0.1/4321 && cat <&3'; sleep 0.1; done ) >/tmp/answers &
{install}
wait
"""


@on("bookworm-rpm", "trixie-deb")
def test_a_release_that_notifies_is_started_when_it_says_so(
    host: Host, suite: str, family: str, artifacts: Artifacts
) -> None:
    def install(version: str) -> str:
        package = artifacts.build(releases.ready(version), DISTROS[family][suite], SETTINGS)
        return f"{INSTALL[family]} {PACKAGES}/{package}"

    host.run(install("1.0.0"))
    # The installation has waited for the two seconds that it takes its time.
    assert service.value(host, "Type", "ready") == "notify"
    assert service.value(host, "SubState", "ready") == "running"
    assert host.run("systemctl is-enabled ready.socket ready") == "enabled\nenabled\n"
    assert host.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/4321 && cat <&3'") == "ready 1.0.0\n"

    # Nobody is turned away while the new version starts.
    host.run(KNOCK.format(install=install("1.1.0")))
    answers = host.read("/tmp/answers").splitlines()
    assert set(answers) == {"ready 1.0.0", "ready 1.1.0"}
    assert len(answers) == 60

    # What hangs is restarted by systemd.
    before = service.value(host, "InvocationID", "ready")
    host.run("runuser -u ready -- touch /var/lib/ready/hang")
    host.wait_until("journalctl -u ready | grep -q 'Watchdog timeout'")
    host.run("rm /var/lib/ready/hang")
    host.wait_until(f"test $(systemctl show --value -p InvocationID ready) != {before}")
