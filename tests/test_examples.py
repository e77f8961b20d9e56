"""The releases that the other tests are given really run."""

import os
import signal
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.s3_servers import free_port
from tests.tools import PATIENCE


def answer(url: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
                return reply.read().decode()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def run(tarball: Path, root: Path, command: list[str], url: str, **env: str) -> str:
    """Unpack, start, ask, terminate; the release must stop by itself with status 0."""
    with tarfile.open(tarball) as tar:
        tar.extractall(root, filter="tar")
    # The VM starts an epmd of its own there, which would outlive it.
    env["ERL_EPMD_PORT"] = str(free_port())
    program = subprocess.Popen(
        [root / command[0], *command[1:]], env=os.environ | env, start_new_session=True
    )
    try:
        text = answer(url)
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=PATIENCE) == 0
        return text
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
        (epmd,) = root.glob("erts-*/bin/epmd")
        subprocess.run([epmd, "-port", env["ERL_EPMD_PORT"], "-kill"], capture_output=True)


@pytest.mark.parametrize("version", ["1.0.0", "1.2.0-rc.1"])
def test_hello_answers_with_its_version(hello_release, tmp_path, version):
    port = free_port()
    command = ["bin/hello", "start"]
    url = f"http://127.0.0.1:{port}/"

    text = run(hello_release(version), tmp_path, command, url, PORT=str(port))

    assert text == f"Hello from hello {version}\n"


def test_relx_nif_answers_with_the_hash_that_c_computed(relx_release, tmp_path):
    port = free_port()
    command = ["bin/relx_nif", "foreground"]
    url = f"http://127.0.0.1:{port}/hello"

    text = run(relx_release, tmp_path, command, url, PORT=str(port), RELX_REPLACE_OS_VARS="1")

    assert text == "4f9f2cab\n"


def test_distillery_fills_in_its_configuration_outside_the_release(distillery_release, tmp_path):
    root, mutable = tmp_path / "root", tmp_path / "mutable"
    port = free_port()
    vm_args = tmp_path / "vm.args"
    vm_args.write_text(
        f"-name hello@127.0.0.1\n-setcookie secret\n-hello http [{{port,{port}}},{{socket,[]}}]\n"
    )

    text = run(
        distillery_release,
        root,
        ["bin/hello", "foreground"],
        f"http://127.0.0.1:{port}/",
        REPLACE_OS_VARS="true",
        RELEASE_MUTABLE_DIR=str(mutable),
        VMARGS_PATH=str(vm_args),
        GREETING="Hej & goddag",
    )

    assert text == "Hej & goddag from hello 1.0.0\n"
    assert not (root / "var").exists()
    assert {path.name for path in mutable.iterdir()} == {"log", "sys.config", "vm.args"}
