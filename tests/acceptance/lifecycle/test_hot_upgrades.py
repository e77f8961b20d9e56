"""`on-upgrade = "hot"`: the VM becomes the new version, and what cannot be done so is restarted."""

from dataclasses import dataclass
from pathlib import Path

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
on-upgrade = "hot"
"""

OLD = "1.0.0 | Hello | one | anything | Connections,Counter,Leaving,Server"
NEW = "1.1.0 | Good day | number one | an atom | Arriving,Connections,Counter,Server"


@dataclass(frozen=True)
class Hot:
    """A host with tests/data/hot on it."""

    host: Host
    family: str
    distro_id: str
    artifacts: Artifacts

    def install(self, release: Path, settings: str = SETTINGS) -> str:
        """What the installation prints."""
        return self.host.run(f"{self.command(release, settings)} 2>&1", timeout=300)

    def command(self, release: Path, settings: str = SETTINGS) -> str:
        package = f"{PACKAGES}/{self.artifacts.build(release, self.distro_id, settings)}"
        return f"{INSTALL[self.family]} {package}"

    def pid(self) -> str:
        return service.value(self.host, "MainPID", "hot")

    def page(self) -> str:
        return self.host.http().strip().replace("Elixir.Hot.", "")

    def count(self) -> int:
        return int(self.host.http("/count"))


@pytest.fixture
def hot(host: Host, suite: str, family: str, artifacts: Artifacts) -> Hot:
    """A machine to install tests/data/hot on."""
    return Hot(host, family, DISTROS[family][suite], artifacts)


@on("bookworm-deb", "trixie-rpm")
def test_the_running_system_becomes_the_new_version(hot: Hot) -> None:
    hot.install(releases.hot("1.0.0"))
    assert hot.page() == OLD
    assert [hot.count(), hot.count()] == [1, 2]
    pid = hot.pid()

    out = hot.install(releases.hot("1.1.0", config="polite"))
    assert "restarted" not in out
    assert hot.page().startswith(NEW)
    assert hot.count() == 3
    assert hot.pid() == pid
