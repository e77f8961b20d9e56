"""`pkgrel completion`: what a real bash and a real zsh show when Tab is pressed."""

import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from pkgrel.repository.store.local import Local
from tests import packages, repositories
from tests.conftest import skip_unless
from tests.tools import PKGREL, pkgrel, run

PATIENCE = 30
"""Seconds of silence after which a shell hangs."""

BINARIES = Path(sys.executable).parent
COMMANDS = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"]}

Typed = Callable[[Path, str, str], str]


@pytest.fixture(scope="module", params=COMMANDS)
def typed(request, tmp_path_factory) -> Typed:
    """FOLDER, KEYS, WANTED -> what an interactive shell shows until WANTED is among it."""
    skip_unless(shutil.which(request.param), f"needs {request.param}")
    skip_unless((BINARIES / "pkgrel").exists(), "needs pkgrel itself installed")
    home = tmp_path_factory.mktemp(request.param)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PKGREL_")},
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "TERM": "dumb",
        "PS1": "$ ",
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
    }
    _install_as_taught(request.param, environment)
    if request.param == "bash":  # what the package bash-completion does
        rc = "source ~/.local/share/bash-completion/completions/pkgrel\n"
        (home / ".bashrc").write_text(rc)
    return lambda folder, keys, wanted: _screen(
        COMMANDS[request.param], {**environment, "PWD": str(folder)}, folder, keys, wanted
    )


def _install_as_taught(shell: str, environment: dict[str, str]) -> None:
    """Run the commands for the shell that --help prints."""
    paragraphs = run(*PKGREL, "completion", "--help").split("\n\n")
    (lesson,) = (text for text in paragraphs if f"pkgrel completion {shell} >" in text)
    subprocess.run(["sh", "-e", "-c", lesson], env=environment, check=True)


def _screen(
    command: list[str], environment: dict[str, str], folder: Path, keys: str, wanted: str
) -> str:
    """Press the keys at a shell in FOLDER; fails if what is wanted never comes."""
    terminal, line = pty.openpty()
    # A line that is wider than the terminal is not shown as one.
    termios.tcsetwinsize(line, (40, 400))
    seen = ""
    with subprocess.Popen(
        ["setsid", "--ctty", *command],
        **{"stdin": line, "stdout": line, "stderr": line},
        cwd=folder,
        env=environment,
    ) as shell:
        try:
            os.write(terminal, keys.encode())
            while wanted not in seen:
                if not select.select([terminal], [], [], PATIENCE)[0]:
                    pytest.fail(f"{wanted!r} never came; there was only {seen!r}")
                seen += os.read(terminal, 1 << 16).decode(errors="replace")
        finally:
            shell.kill()
            os.close(line)
            os.close(terminal)
    return seen


def test_commands(typed, tmp_path):
    assert "completion" in typed(tmp_path, "pkgrel comp\t", "pkgrel completion ")


def test_a_distro_by_its_id_and_by_its_alias(typed, tmp_path):
    typed(tmp_path, "pkgrel build --distro debian1\t\t", "debian13")
    typed(tmp_path, "pkgrel build --distro jam\t", "--distro jammy")
    assert "all " in typed(tmp_path, "pkgrel images build --distro \t\t", "ubuntu26")


def test_packages_and_no_other_files(typed, tmp_path):
    packages.package(tmp_path)
    (tmp_path / "hello.txt").touch()
    assert "hello.txt" not in typed(tmp_path, "pkgrel show he\t", "debian12_amd64.deb")


def test_a_repository_is_a_folder(typed, tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "report.txt").touch()
    for words in ("repo list", "publish x.deb --to", "repo remove"):
        typed(tmp_path, f"pkgrel {words} rep\t", f"pkgrel {words} repository")


def test_rules_that_can_be_ignored(typed, tmp_path):
    typed(tmp_path, "pkgrel check --ignore priv\t", "--ignore private-key")


def test_any_file_where_there_is_no_package(typed, tmp_path):
    (tmp_path / "distribution").mkdir()
    typed(tmp_path, "pkgrel show dist\t", "pkgrel show distribution/")


def test_channels_of_the_repository_here(typed, tmp_path):
    package = packages.package(tmp_path)
    repositories.put(repositories.make(Local(tmp_path / "repo")), package, channel="nightly")
    typed(tmp_path, "pkgrel repo list --channel ni\t", "--channel nightly")
    typed(tmp_path, f"pkgrel repo promote {tmp_path}/repo --from ni\t", "--from nightly")


def test_names_and_versions_of_the_repository(typed, tmp_path):
    for version in ("1.0.0", "1.1.0"):
        package = packages.package(tmp_path, version=version)
        store = Local(tmp_path / "repo")
        ours = repositories.again(store) if version == "1.1.0" else repositories.make(store)
        repositories.put(ours, package)
    typed(tmp_path, f"pkgrel repo remove {tmp_path}/repo he\t", "/repo hello ")
    typed(tmp_path, f"pkgrel repo promote {tmp_path}/repo hello 1.1\t", "hello 1.1.0-1")
    typed(tmp_path, "pkgrel repo list --name he\t", "--name hello")


def test_another_distro_behind_a_comma(typed, tmp_path):
    typed(tmp_path, "pkgrel build --distro debian12,ubuntu2\t\t", "ubuntu26")


def test_fish_and_a_shell_without_a_script():
    assert "complete --no-files --command pkgrel" in run(*PKGREL, "completion", "fish")
    done = pkgrel("completion", "csh")
    assert done.returncode == 2
    assert "`csh` is not one of `bash`, `zsh`, `fish`" in done.stderr
