"""`pkgrel bundle codedeploy`: revisions, whose hooks run on booted hosts as CodeDeploy's agent runs them."""

import subprocess
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import Machine
from tests.acceptance.test_rollouts import BAD, FAMILIES, GOOD, as_installed, boot_together
from tests.artifacts import Artifacts
from tests.packages import package
from tests.tools import need, pkgrel, run

pytestmark = pytest.mark.acceptance

EVENTS = """BeforeBlockTraffic AfterBlockTraffic ApplicationStop BeforeInstall AfterInstall ApplicationStart
    ValidateService BeforeAllowTraffic AfterAllowTraffic""".split()
OF_THE_LAST = {"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"}
"""Whose scripts are those of the revision that was deployed before."""


class Agent:
    """A stand-in for CodeDeploy's agent on a host: same order, same folders, same environment."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.folder = folder
        self.last: str | None = None
        self.said = ""

    def deploy(self, revision: Path) -> str:
        """Deploy a revision; the event whose hook failed, or nothing."""
        name = revision.stem
        new = self.folder / f"{self.host.name}-{name}"
        if not new.exists():
            with zipfile.ZipFile(revision) as archive:
                archive.extractall(new)
            # As the agent does.
            for hook in (new / "hooks").iterdir():
                hook.chmod(0o755)
        for event in EVENTS:
            where = self.last if event in OF_THE_LAST else name
            if where is None:
                continue
            appspec = yaml.safe_load(
                (self.folder / f"{self.host.name}-{where}/appspec.yml").read_text()
            )
            assert (appspec["version"], appspec["os"]) == (0.0, "linux")
            for hook in appspec["hooks"].get(event, []):
                assert hook["runas"] == "root"
                path = f"{PACKAGES}/{self.host.name}-{where}/{hook['location']}"
                line = f"cd / && LIFECYCLE_EVENT={event} timeout {hook['timeout']} {path} 2>&1"
                self.said = self.host.run(f"{line}; echo status $?", timeout=300)
                if not self.said.endswith("status 0\n"):
                    return event
        self.last = name
        return ""


def test_revisions_are_deployed_and_older_ones_again(
    artifacts: Artifacts, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        machines = []
        names = ("web1", "web3")
        booted = boot_together(stack, names, artifacts)
        for name, deb, host in zip(names, (True, False), booted, strict=True):
            machines.append(Machine(host, *FAMILIES[name], artifacts, hello_release))
            as_installed(host, deb=deb)

        def revision(version: str, settings: str = GOOD, patience: int = 60) -> Path:
            (tmp_path / "pkgrel.toml").write_text(
                '[package]\nmaintainer = "A <a@example.org>"\n[service]\non-upgrade = "wait"\n'
                f'[service.ready]\nhttp = "http://127.0.0.1:4000/health"\ntimeout-sec = {patience}\n'
            )
            files = [
                artifacts.folder / Path(machine.package(version, settings)).relative_to(PACKAGES)
                for machine in machines
            ]
            made = pkgrel("bundle", "codedeploy", *files, "--wait", 1, folder=tmp_path)
            assert made.returncode == 0, made.stderr
            assert made.stdout == f"hello-{version}-codedeploy.zip\n"
            return tmp_path / made.stdout.strip()

        first, second = revision("1.0.0"), revision("1.1.0")
        bad = revision("1.2.0", BAD, patience=3)

        def goes_on_and_back(machine: Machine) -> None:
            agent = Agent(machine.host, artifacts.folder)
            assert agent.deploy(first) == "", agent.said
            assert machine.host.http() == "Hello from hello 1.0.0\n"
            assert agent.deploy(second) == "", agent.said
            assert machine.host.http() == "Hello from hello 1.1.0\n"
            assert agent.deploy(bad) in ("AfterInstall", "ApplicationStart")
            # What CodeDeploy does then by itself, and what an operator may do.
            assert agent.deploy(second) == "", agent.said
            assert machine.host.http() == "Hello from hello 1.1.0\n"
            assert agent.deploy(first) == "", agent.said
            assert machine.host.http() == "Hello from hello 1.0.0\n"
            assert not machine.host.succeeds("ls /run/hello.codedeploy")

        with ThreadPoolExecutor(len(machines)) as pool:
            list(pool.map(goes_on_and_back, machines))


def test_a_revision_is_of_one_version_and_its_hooks_are_clean(tmp_path: Path) -> None:
    need("shellcheck")
    one = package(tmp_path, "hello", "1.0.0", "1~debian12")
    two = package(tmp_path, "hello", "1.1.0", "1.el9")
    refused = pkgrel("bundle", "codedeploy", one, two, folder=tmp_path)
    assert refused.returncode == 1
    assert "a revision has one version of one package" in refused.stderr
    (tmp_path / "other").mkdir()
    twin = package(tmp_path / "other", "hello", "1.0.0", "2~debian12")
    refused = pkgrel("bundle", "codedeploy", one, twin, folder=tmp_path)
    assert "is for debian12/amd64 as well" in refused.stderr
    assert not list(tmp_path.glob("*.zip"))
    made = [tmp_path / name for name in ("x.zip", "y.zip")]
    for file in made:
        assert pkgrel("bundle", "codedeploy", one, "-o", file, folder=tmp_path).returncode == 0
    assert made[0].read_bytes() == made[1].read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        archive.extractall(tmp_path / "x")
        assert archive.getinfo("hooks/install").external_attr >> 16 == 0o100755
    run("shellcheck", "--shell=sh", "--severity=warning", *(tmp_path / "x/hooks").iterdir())
    subprocess.run(["dash", "-n", tmp_path / "x/hooks/install"], check=True)
