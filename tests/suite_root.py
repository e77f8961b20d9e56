"""The root of a Debian suite, for one command at a time: what it writes there is gone afterwards.

Not booted: what the suite's apt, sqv, rpm and dnf make of a repository or a signature needs no systemd.
The network is that of this machine, so that a server of the test's can be reached.
"""

import subprocess
from pathlib import Path

from tests.bases import usable_base

# Mounts and processes are in namespaces of their own, so they end with the command: dnf leaves agents of
# gpg behind.
_SETUP = """
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs -o mode=1777 tmpfs /mnt/root/tmp
mkdir -p /mnt/root/srv
mount --bind "$SHARED" /mnt/root/srv
exec chroot /mnt/root sh -eu -c "$SCRIPT"
"""


def shell(suite: str, script: str, shared: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of sh in the suite's root, which has the directory `shared` as /srv."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "BASE": str(usable_base(suite)),
        "SHARED": str(shared),
        "SCRIPT": script,
    }
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _SETUP],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ok(suite: str, script: str, shared: Path) -> str:
    """The output of a script that has to succeed."""
    done = shell(suite, script, shared)
    assert done.returncode == 0, f"{suite}: {script}\n{done.stdout}"
    return done.stdout
