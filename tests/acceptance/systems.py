"""Root file systems that are not booted, as image builders use them; changes are discarded."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The mounts go with the command.
_CHROOT = """
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --bind "$SHARED" "$ROOT/srv"
chroot "$ROOT" sh -eu -c "$SCRIPT"
"""


@contextmanager
def writable(base: Path, folder: Path) -> Iterator[Path]:
    """`base` with a layer to write to, in `folder`."""
    memory, merged = folder / "memory", folder / "merged"
    memory.mkdir()
    merged.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", memory], check=True)
    try:
        (memory / "upper").mkdir()
        (memory / "work").mkdir()
        options = f"lowerdir={base},upperdir={memory}/upper,workdir={memory}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", merged], check=True)
        try:
            yield merged
        finally:
            subprocess.run(["umount", merged], check=True)
    finally:
        subprocess.run(["umount", memory], check=True)


def chroot(root: Path, script: str, shared: Path) -> str:
    """What a script of sh prints, errors included, in `root`, which has the directory `shared` as /srv."""
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _CHROOT],
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            "ROOT": str(root),
            "SHARED": str(shared),
            "SCRIPT": script,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout
