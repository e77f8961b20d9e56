"""Temporary files of a killed process are removed by the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import PKGREL, wait_until

HOLDS = """
import os, signal, sys
from pkgrel import scratch
with scratch.folder() as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a folder cannot be locked there")
def test_what_a_killed_one_left_goes_with_the_next_and_what_is_in_use_stays(
    tmp_path: Path, relx_release: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def start() -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        return process, Path(process.stdout.readline().strip())

    killed, left = start()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (left / "secret").exists()
    running, used = start()
    assert not left.exists()
    strangers = tmp_path / "pkgrel-of-somebody"
    strangers.mkdir()

    subprocess.run([*PKGREL, "inspect", relx_release], env=environment, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {used.name, strangers.name}
    running.communicate("")
    assert not used.exists()

    # A command that reads and writes much.
    build = [*PKGREL, "build", relx_release, "--distro", "debian12", "--output", tmp_path / "dist"]
    (tmp_path / "pkgrel.toml").write_text('[package]\nmaintainer = "T <t@example.org>"\n')
    with subprocess.Popen(build, env=environment, cwd=tmp_path) as process:
        found = tmp_path.glob
        wait_until(lambda: process.poll() is not None or list(found("pkgrel-run-*/*")), every=0.001)
        process.kill()
    assert list(tmp_path.glob("pkgrel-run-*"))
    subprocess.run([*PKGREL, "inspect", relx_release], env=environment, check=True)
    assert not list(tmp_path.glob("pkgrel-run-*/*"))
