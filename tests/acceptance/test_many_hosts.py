"""A roll-out to many hosts: each a few namespaces over one base, with an sshd of its own and a stub in place of apt."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bases import usable_base
from tests.tools import PKGREL, need, run

pytestmark = pytest.mark.acceptance

HOSTS = 12
STUBS = {
    "usr/libexec/hello/change-version": """
        sleep 1
        [ ! -e /broken ] || exit 1
        echo "$2-1~debian12" >/var/lib/version
    """,
    "usr/bin/dpkg-query": """
        case "$*" in *Status*) printf 'installed ' ;; esac
        cat /var/lib/version
    """,
    "usr/bin/apt-cache": ":",
    "usr/bin/journalctl": ":",
    "usr/bin/systemctl": """
        case "$*" in
        *ActiveState*) echo ActiveState=active ;;
        *LoadState*) echo LoadState=loaded ;;
        *MainPID*) echo MainPID=1 ;;
        esac
    """,
}
"""The programs that a roll-out calls."""


@contextmanager
def mounted(target: Path, *options: str) -> Iterator[None]:
    run("mount", *options, target)
    try:
        yield
    finally:
        run("umount", "--lazy", target)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With an ssh_config for h0, h1 ..."""
    need("ssh", "ssh-keygen", "unshare")
    base = usable_base("bookworm-ssh")
    with ExitStack() as stack:
        stack.enter_context(mounted(tmp_path, "-t", "tmpfs", "tmpfs"))
        common = tmp_path / "common"
        for path, text in STUBS.items():
            (common / path).parent.mkdir(parents=True, exist_ok=True)
            (common / path).write_text(f"#!/bin/sh\n{text}\n")
            (common / path).chmod(0o755)
        for name in ("usr/share/doc/hello", "etc/ssh", "run/sshd", "var/lib"):
            (common / name).mkdir(parents=True, exist_ok=True)
        (common / "var/lib/version").write_text("1.0.0-1~debian12\n")
        for key in (tmp_path / "id", common / "etc/ssh/key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        (common / "etc/keys").write_text((tmp_path / "id.pub").read_text())
        (common / "etc/ssh/sshd_config").write_text(
            "HostKey /etc/ssh/key\nAuthorizedKeysFile /etc/keys\nStrictModes no\nUsePAM no\n"
        )
        config = ""
        for number in range(HOSTS):
            here = tmp_path / f"h{number}"
            for name in ("upper", "work", "root"):
                (here / name).mkdir(parents=True)
            layers = f"lowerdir={common}:{base},upperdir={here}/upper,workdir={here}/work"
            root = here / "root"
            stack.enter_context(mounted(root, "-t", "overlay", "-o", layers, "overlay"))
            for device, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
                if not (root / "dev" / device).exists():
                    os.mknod(root / "dev" / device, 0o020666, os.makedev(1, minor))
            config += (
                f"Host h{number}\n  ProxyCommand unshare -mnpf --mount-proc={root}/proc "
                f"chroot {root} /usr/sbin/sshd -i 2>/dev/null\n"
            )
        (tmp_path / "ssh_config").write_text(
            f"{config}Host *\n  User root\n  IdentityFile {tmp_path}/id\n  IdentitiesOnly yes\n"
            "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        )
        names = ", ".join(f'"h{number}"' for number in range(HOSTS))
        (tmp_path / "pkgrel.toml").write_text(
            '[package]\nmaintainer = "A <a@example.org>"\n'
            f'[deploy.all]\nhosts = [{names}]\nssh-config = "ssh_config"\nwait = 0\nbatch = "50%"\n'
        )
        yield tmp_path


def test_half_of_them_at_a_time_until_one_fails(folder: Path) -> None:
    def deploy(version: str, status: int) -> Counter[str]:
        line = [*map(str, PKGREL), "deploy", f"hello={version}", "--to", "all", "--json"]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        return Counter(one["outcome"] for one in json.loads(done.stdout))

    # One has no inodes left, another one a clock that nobody has set, a third one is left out.
    full = "echo; case $1 in -Pi) echo x 9 8 1 ;; *) echo x 9999999 1 9999998 ;; esac"
    stubs = {"h0": ("df", full), "h1": ("date", "echo 1700000000")}
    for host, (name, text) in stubs.items():
        (folder / host / "root/usr/bin" / name).rename(folder / host / "root/usr/bin/real")
        (folder / host / "root/usr/bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / host / "root/usr/bin" / name).chmod(0o755)
    line = [
        *map(str, PKGREL),
        "deploy",
        "hello=1.1.0",
        "--to",
        "all",
        "--except",
        "h2",
        "--dry-run",
    ]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "error: h0: has room for only 1 file more in /usr or /var" in done.stderr, done.stderr
    assert "h1: its clock is " in done.stderr
    assert "1 host of 11 cannot take part" in done.stderr
    for host, (name, _) in stubs.items():
        (folder / host / "root/usr/bin/real").rename(folder / host / "root/usr/bin" / name)
    assert deploy("1.1.0", 0) == {"upgraded": HOSTS}
    (folder / "h3/root/broken").touch()
    assert deploy("1.2.0", 1) == {"upgraded": 5, "failed": 1, "untouched": 6}
