"""A real sshd, on the pipes of the connection: ssh's own configuration names it as a ProxyCommand.

The system's `ssh` is found through PATH: a word of three lines that adds `-F` with that configuration, since ssh asks
the account for its home, and not the environment.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.tools import need

ALIAS = "Vps.example"


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
    (folder / "known").write_text(f"{ALIAS} {' '.join(public)}\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\n"
        "PermitRootLogin yes\nUsePAM no\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\nForceCommand internal-sftp\n"
    )
    (folder / "config").write_text(
        f"Host {ALIAS}\n  ProxyCommand {sshd} -i -f {folder}/sshd_config\n  IdentityFile {folder}/user\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n  BatchMode yes\n"
    )
    (folder / "bin").mkdir()
    ssh = folder / "bin/ssh"
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    os.environ["PATH"] = f"{ssh.parent}:{os.environ['PATH']}"
    return ALIAS
