"""`dpkg --root=DIR --force-script-chrootless`: the scripts touch that system and never this one."""

import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance import systems
from tests.bases import usable_base

pytestmark = pytest.mark.acceptance


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Path]:
    """A bookworm that is not booted; what is written to it is gone afterwards."""
    with systems.writable(usable_base("bookworm"), tmp_path) as root:
        yield root


def dpkg(system: Path, *arguments: str) -> None:
    command = ["dpkg", f"--root={system}", "--force-script-chrootless", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scripts_stay_in_their_system(
    system: Path, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = '[package]\nname = "chrootless-hello"\nmaintainer = "T <t@example.org>"\n'
    (tmp_path / "pkgrel.toml").write_text(settings)
    command = ["pkgrel", "build", str(hello_release("1.0.0")), "--distro", "debian12"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    dpkg(system, "--install", str(tmp_path / done.stdout.strip()))

    assert "\nchrootless-hello:x:" in (system / "etc/passwd").read_text()
    # What starts it first makes them.
    assert not (system / "etc/chrootless-hello/secrets").exists()
    wants = system / "etc/systemd/system/multi-user.target.wants"
    assert (wants / "chrootless-hello.service").is_symlink()
    with pytest.raises(KeyError):
        pwd.getpwnam("chrootless-hello")
    assert not Path("/etc/chrootless-hello").exists()

    dpkg(system, "--purge", "chrootless-hello")
    assert not (system / "etc/chrootless-hello").exists()
