"""This machine's own root in namespaces of its own: what a test installs there is gone afterwards.

The files are an overlay whose upper layer is a tmpfs; processes, mounts and network are apart, so a
release can listen on its usual ports. It is not booted: nothing in it is systemd.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# All mounts are in the namespace, so they end with its first process.
_SETUP = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs -o mode=755 tmpfs /mnt/root/run
mount -t tmpfs -o mode=1777 tmpfs /mnt/root/tmp
ip link set lo up
echo ready
# Not exec: as the first process it has to take leave of all that end.
sleep infinity &
wait
"""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


def impossible() -> str:
    """Why there can be none here; empty if there can."""
    if os.geteuid() != 0:
        return "only root can have mounts of its own"
    missing = [tool for tool in ("unshare", "nsenter", "ip", "dpkg") if not shutil.which(tool)]
    return f"{', '.join(missing)} missing" if missing else ""


@dataclass
class Root:
    """Runs commands and looks at files there."""

    pid: int
    """Of the first process, in the namespace outside."""

    @property
    def path(self) -> Path:
        """The root directory as it is seen from outside."""
        return Path(f"/proc/{self.pid}/root/mnt/root")

    def command(self, *words: str, user: str = "", group: str = "", cwd: str = "/") -> list[str]:
        """What to execute for a command in there."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc"]
        # chroot goes to /, so that the command's directory is chosen inside.
        inside = ["chroot", "/mnt/root", "sh", "-c", 'cd "$0" && exec "$@"', cwd]
        become = ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--init-groups"]
        return [*enter, *inside, *(become if user else ()), *words]

    def run(
        self,
        *words: str,
        user: str = "",
        cwd: str = "/",
        stdin: str = "",
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words, user=user, cwd=cwd),
            env=_ENVIRONMENT | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
        )

    def ok(self, *words: str, user: str = "", stdin: str = "") -> str:
        """The output of a command that has to succeed."""
        done = self.run(*words, user=user, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(
        self, *words: str, env: dict[str, str], user: str, group: str, log: Path
    ) -> "subprocess.Popen[str]":
        """Start a command and go on."""
        with log.open("w") as output:
            return subprocess.Popen(
                self.command(*words, user=user, group=group),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )


@contextmanager
def private_root() -> Iterator[Root]:
    """A root that ends with the block."""
    holder = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            _SETUP,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
        yield Root(int(children.split()[0]))
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
