"""A real sshd, on the pipes of the connection: ssh's own configuration names it as a ProxyCommand.

The system's `ssh` is found through PATH: a word of three lines that adds `-F` with that configuration, since ssh asks
the account for its home, and not the environment.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.tools import need

ALIAS = "Vps.example"
OLD, READ_ONLY, CUT = "old.example", "read-only.example", "cut.example"
"""One that cannot replace a file at once; one for readers; one whose connections end as CUTS says."""
_SFTP = {
    ALIAS: "internal-sftp",
    OLD: "internal-sftp -P posix-rename",
    READ_ONLY: "internal-sftp -R",
    CUT: "internal-sftp",
}
CUTS = "PKGREL_TEST_CUTS"
"""Names a file of numbers, a line for each connection: after so many bytes it ends, 0 for never."""
# The first line is taken away while nobody else looks: as many clients as you like.
_CUT = """
import fcntl, os, subprocess, sys, threading
with open(os.environ[CUTS], "r+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    first, *others = file.read().splitlines() or ["0"]
    file.seek(0)
    file.truncate()
    file.write("\\n".join(others))
left = int(first) or 1 << 62
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
threading.Thread(target=lambda: (server.wait(), os._exit(0)), daemon=True).start()
while data := os.read(0, min(left, 1 << 16)):
    server.stdin.write(data)
    server.stdin.flush()
    left -= len(data)
    if not left:
        break
server.kill()
"""


@cache
def alias() -> str:
    """The host's name, once `ssh` knows how to reach it."""
    need("ssh", "ssh-keygen")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="pkgrel-sshd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())
    (folder / "authorized").chmod(0o600)
    public = (folder / "host.pub").read_text().split()[:2]
    (folder / "known").write_text("".join(f"{name} {' '.join(public)}\n" for name in _SFTP))
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "cut.py").write_text(_CUT.replace("CUTS", repr(CUTS)))
    hosts = []
    for name, sftp in _SFTP.items():
        (folder / f"{name}.sshd").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
            "PermitRootLogin yes\nUsePAM no\nPasswordAuthentication no\n"
            f"Subsystem sftp internal-sftp\nForceCommand {sftp}\n"
        )
        command = f"{sshd} -i -f {folder}/{name}.sshd"
        if name == CUT:
            command = f"{sys.executable} {folder}/cut.py {command}"
        hosts.append(
            f"Host {name}\n  ProxyCommand {command}\n  IdentityFile {folder}/user\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n  BatchMode yes\n"
        )
    (folder / "config").write_text("".join(hosts))
    (folder / "bin").mkdir()
    ssh = folder / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    os.environ["PATH"] = f"{ssh.parent}:{os.environ['PATH']}"
    return ALIAS
