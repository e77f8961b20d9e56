"""`pkgrel completion`: what a real bash and a real zsh show when Tab is pressed."""

import hashlib
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pkgrel.repository.store.local import Local
from tests import packages, repositories, s3_servers
from tests.conftest import skip_unless
from tests.tools import PATIENCE, PKGREL, pkgrel, run

BINARIES = Path(sys.executable).parent
COMMANDS = {"bash": ["bash", "-i"], "zsh": ["zsh", "-i"]}


@dataclass
class Typed:
    """A shell of one kind."""

    name: str
    environment: dict[str, str]
    cache: Path

    def __call__(self, folder: Path, keys: str, wanted: str, **variables: str) -> str:
        """What an interactive shell shows until WANTED is among it."""
        environment = {**self.environment, "PWD": str(folder), **variables}
        return _screen(COMMANDS[self.name], environment, folder, keys, wanted)


@pytest.fixture(scope="module", params=COMMANDS)
def typed(request, tmp_path_factory) -> Typed:
    skip_unless(shutil.which(request.param), f"needs {request.param}")
    skip_unless((BINARIES / "pkgrel").exists(), "needs pkgrel itself installed")
    home = tmp_path_factory.mktemp(request.param)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PKGREL_")},
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TERM": "dumb",
        "PS1": "$ ",
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
    }
    _install_as_taught(request.param, environment)
    if request.param == "bash":  # what the package bash-completion does
        rc = "source ~/.local/share/bash-completion/completions/pkgrel\n"
        (home / ".bashrc").write_text(rc)
    return Typed(request.param, environment, home / "cache")


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
    typed(tmp_path, "pkgrel publish x.deb --to ./repo --channel ni\t", "--channel nightly")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    typed(elsewhere, f"pkgrel repo promote {tmp_path}/repo --from ni\t", "--from nightly")


def test_names_and_versions_of_the_repository(typed, tmp_path):
    for version in ("1.0.0", "1.1.0"):
        package = packages.package(tmp_path, version=version)
        store = Local(tmp_path / "repo")
        ours = repositories.again(store) if version == "1.1.0" else repositories.make(store)
        repositories.put(ours, package)
    typed(tmp_path, f"pkgrel repo remove {tmp_path}/repo he\t", "/repo hello ")
    typed(tmp_path, f"pkgrel repo promote {tmp_path}/repo hello 1.1\t", "hello 1.1.0-1")
    typed(tmp_path, "pkgrel repo list --name he\t", "--name hello")


def test_a_bucket_is_asked_and_what_it_said_is_remembered(typed, tmp_path, monkeypatch):
    for name, text in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    store = s3_servers.store("moto", tmp_path)
    ours = repositories.make(store)
    for version in ("1.0.0", "1.1.0"):
        package = packages.package(tmp_path, version=version)
        repositories.put(ours, package, channel="nightly")
        ours = repositories.again(store)
    with_bucket = {
        **s3_servers.CREDENTIALS,
        "PKGREL_ENDPOINT": s3_servers.endpoint("moto"),
        "PKGREL_COMPLETION_TIMEOUT": str(PATIENCE),
    }
    typed(tmp_path, f"pkgrel repo remove {store.url} he\t", f"{store.url} hello ", **with_bucket)
    typed(tmp_path, f"pkgrel repo list {store.url} --channel ni\t", "--channel nightly", **with_bucket)  # fmt: skip
    typed(tmp_path, f"pkgrel repo promote {store.url} hello 1.1\t", "hello 1.1.0-1", **with_bucket)
    # Nobody answers there now; a manifest does not change.
    (file,) = typed.cache.rglob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    file.rename(file.with_name(hashlib.sha256(f"{store.url} http://127.0.0.1:9".encode()).hexdigest() + ".json"))  # fmt: skip
    nobody = {**with_bucket, "PKGREL_ENDPOINT": "http://127.0.0.1:9"}
    typed(tmp_path, f"pkgrel repo promote {store.url} hello 1.1\t", "hello 1.1.0-1", **nobody)


def test_a_bucket_that_does_not_answer_is_not_waited_for(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        done = pkgrel(
            **{"_PKGREL_COMPLETE": "bash_complete", "COMP_CWORD": "7", **s3_servers.CREDENTIALS},
            COMP_WORDS="pkgrel repo list s3 : //bucket --channel ",
            PKGREL_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
            XDG_CACHE_HOME=str(tmp_path),
        )
        took = time.monotonic() - begun
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
    assert took < 45  # and not a minute, as a command would


def test_groups_and_hosts_of_the_settings(typed, tmp_path):
    text = '[deploy.production]\nhosts = ["deploy@web1", "deploy@db1"]\n'
    (tmp_path / "pkgrel.toml").write_text(text)
    typed(tmp_path, "pkgrel deploy hello --to pro\t", "--to production ")
    typed(tmp_path, "pkgrel fleet status --host deploy@d\t", "deploy@db1")


def test_another_distro_behind_a_comma(typed, tmp_path):
    typed(tmp_path, "pkgrel build --distro debian12,ubuntu2\t\t", "ubuntu26")


def test_fish_and_a_shell_without_a_script():
    assert "complete --no-files --command pkgrel" in run(*PKGREL, "completion", "fish")
    done = pkgrel("completion", "csh")
    assert done.returncode == 2
    assert "`csh` is not one of `bash`, `zsh`, `fish`" in done.stderr
