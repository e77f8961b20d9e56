"""contrib/ansible: the collection, built by ansible-galaxy, its role played on booted hosts of both families."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import PACKAGES
from tests.acceptance.lifecycle.machines import Machine
from tests.acceptance.lifecycle.test_change_version import Published
from tests.acceptance.test_rollouts import (
    FAMILIES,
    GOOD,
    as_installed,
    boot_together,
    let_in,
    sshd,
)
from tests.artifacts import Artifacts
from tests.tools import need, pkgrel, run

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
PLAYBOOK = """
- hosts: all
  gather_facts: false
  roles:
    - role: pkgrel.release.service
      vars:
        service_name: hello
        service_repository_script: packages.sh
        service_environment: { GREETING: "it's \\"100 $HOME\\"" }
        service_ready_url: http://127.0.0.1:4000/health
"""


def test_the_role_installs_changes_nothing_upgrades_and_goes_back(
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    need("ansible-playbook", "ansible-galaxy", "ssh", "ssh-keygen")
    # The path of a socket may not be long.
    sockets = tempfile.mkdtemp(prefix="pkgrel-", dir="/tmp")
    request.addfinalizer(lambda: shutil.rmtree(sockets, ignore_errors=True))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        "ANSIBLE_PIPELINING": "True",
        # It would try sftp and scp first, for each file.
        "ANSIBLE_SSH_TRANSFER_METHOD": "piped",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        # One connection a host, which ends with the host.
        "ANSIBLE_SSH_ARGS": f"-F {tmp_path}/ssh_config -o ControlMaster=auto -o ControlPersist=60",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "LC_ALL": "C.UTF-8",
    }
    built = run(
        "ansible-galaxy", "collection", "build", ROOT / "contrib/ansible", "--output-path", tmp_path
    )
    [archive] = tmp_path.glob("pkgrel-release-*.tar.gz")
    assert archive.name in built
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "--offline", archive],
        env=environment,
        check=True,
    )
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id")
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    with ExitStack() as stack:
        machines: list[Machine] = []
        published: Published | None = None
        config = ""
        names = ("web1", "web3")
        booted = boot_together(stack, names, artifacts)
        for name, deb, host in zip(names, (True, False), booted, strict=True):
            family, distro = FAMILIES[name]
            machines.append(Machine(host, family, distro, artifacts, hello_release))
            config += f"Host {name}\n  ProxyCommand {sshd(host)}\n"
            let_in(host, "root", (tmp_path / "id.pub").read_text())
            as_installed(host, deb=deb)
        published = Published.on(machines[0])
        for version in ("1.0.0", "1.1.0"):
            for machine in machines:
                package = Path(machine.package(version, GOOD)).relative_to(PACKAGES)
                published.add(artifacts.folder / package)
        (tmp_path / "ssh_config").write_text(
            f"{config}Host *\n  User root\n  IdentityFile {tmp_path}/id\n  IdentitiesOnly yes\n"
            f"  StrictHostKeyChecking accept-new\n  UserKnownHostsFile {tmp_path}/known\n"
        )
        url = f"file://{PACKAGES}/{published.repository.name}"
        script = pkgrel("repo", "client", published.repository, "--format", "install", "--url", url)
        (tmp_path / "packages.sh").write_text(script.stdout)

        def play(*words: str) -> list[int]:
            """Run it; on how much was changed on each host."""
            line = ["ansible-playbook", "-i", "web1,web3,", "play.yml", *words]
            log = tmp_path / "log"
            with log.open("w") as out:
                done = subprocess.run(
                    line,
                    cwd=tmp_path,
                    env=environment,
                    stdin=-3,
                    stdout=out,
                    stderr=out,
                    timeout=300,
                )
            assert done.returncode == 0, log.read_text()
            return [int(number) for number in re.findall(r"changed=([0-9]+)", log.read_text())]

        def answers() -> list[str]:
            return [machine.host.http().split()[-1] for machine in machines]

        pinned = "-eservice_version=1.0.0"
        assert min(play(pinned, "--check")) > 0
        assert not any(machine.host.succeeds("ls /usr/bin/hello") for machine in machines)
        assert min(play(pinned)) > 0
        assert answers() == ["1.0.0"] * 2
        before = [machine.invocation() for machine in machines]
        assert play(pinned) == [0, 0]
        assert [machine.invocation() for machine in machines] == before
        for machine in machines:
            main = machine.host.run("systemctl show --value --property=MainPID hello").strip()
            variables = machine.host.run(f"tr '\\0' '\\n' </proc/{main}/environ | grep GREETING=")
            assert variables == 'GREETING=it\'s "100 $HOME"\n'
        # What a command line says is text, which is true.
        assert play("-eservice_version=1.1.0", "-eservice_rollback=false") == [1, 1]
        assert answers() == ["1.1.0"] * 2
        assert play("-eservice_version=1.0.0", "-eservice_rollback=true") == [1, 1]
        assert answers() == ["1.0.0"] * 2
        assert play("-eservice_version=latest") == [1, 1]
        assert play("-eservice_version=latest") == [0, 0]
        assert answers() == ["1.1.0"] * 2
