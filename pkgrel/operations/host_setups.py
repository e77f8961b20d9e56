"""`pkgrel deploy --setup`: configures the repository on hosts, installs the package, and authorizes a CI job's key.

The repository's configuration is the same as `pkgrel repo client` prints; it is made here, from settings with a
verified signature, and not downloaded from the repository.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pkgrel.builder import parallel
from pkgrel.console import one_line
from pkgrel.errors import ConfigError, PkgrelError
from pkgrel.operations.rollouts import AT_A_TIME, package_and_version
from pkgrel.reporter import SILENT, Reporter
from pkgrel.rollout import steps
from pkgrel.rollout.hosts import Host
from pkgrel.rollout.ssh import Ran, Ssh, connected, remedy

_SECONDS = 120
_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" [A-Za-z0-9+/]{40,4000}={0,2}( [A-Za-z0-9@._+-]{1,100})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRequest:
    """What to set up, and on which hosts."""

    name: str
    version: str = ""
    """The version to install if the package is missing; empty: the newest."""
    hosts: Sequence[Host]
    script: str
    """install.sh, which configures the repository."""
    channel: str = ""
    deploy_user: str = ""
    key: str = ""
    """A line of authorized_keys without options; the key may only run /usr/libexec/NAME/deploy."""
    dry_run: bool = False
    timeout: int = 1800
    ssh_config: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """The result for a host."""

    host: Host
    changes: tuple[str, ...] = ()
    """What was changed, or would be; empty if everything was there."""
    version: str = ""
    """The installed version."""
    problem: str = ""
    hint: str = ""
    """What to do about the problem, if known."""
    output: str = field(default="", repr=False)


def read_key(file: Path) -> str:
    """Read a public key as a line of authorized_keys without options; ConfigError for anything else."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"{file}: {getattr(e, 'strerror', None) or 'is not a public key'}"
        ) from None
    if "PRIVATE KEY" in text:
        raise ConfigError(f"{file}: is the secret key", hint=f"the public one is {file}.pub")
    words = text.split(None, 2)
    comment = re.sub(r"[^A-Za-z0-9@._+-]", "-", words[2])[:100] if len(words) > 2 else ""
    line = " ".join([*words[:2], *([comment] if comment else [])])
    if "\n" in text or not _KEY.fullmatch(line):
        raise ConfigError(
            f"{file}: is not one public key of OpenSSH", hint="`ssh-keygen -t ed25519` makes one"
        )
    return line


def set_up(request: SetupRequest, reporter: Reporter = SILENT) -> tuple[SetUp, ...]:
    """Set up the repository, the package and the key on every host; what is already there is kept.

    PkgrelError for invalid arguments, before any host is touched.
    """
    package_and_version(request.name, request.version)
    if not request.hosts:
        raise ConfigError("there are no hosts", hint="name some with `--setup HOST`")
    if request.key and not request.deploy_user:
        raise ConfigError(
            "a key needs the deploy user, whose it is",
            hint="set `deploy-user` in [service] of pkgrel.toml",
        )
    with connected(request.ssh_config) as ssh, reporter.parts():
        tasks = [partial(_set_up, request, ssh, host, reporter) for host in request.hosts]
        return parallel.run(tasks, min(AT_A_TIME, len(tasks)), lambda: None)


class _Failed(PkgrelError):
    """A step failed; ssh's output has the reason."""


def _set_up(request: SetupRequest, ssh: Ssh, host: Host, reporter: Reporter) -> SetUp:
    changes: list[str] = []
    output: list[str] = []
    problem = hint = ""
    lost = False

    def did(ran: Ran) -> Ran:
        nonlocal lost
        output.append(ran.said)
        lost = ran.lost
        if ran.status:
            why = one_line(ran.last) or f"exited {ran.status}"
            raise _Failed(f"cannot be reached: {why}" if ran.lost else why, hint=remedy(host, ran))
        return ran

    try:
        changes += _repository(request, ssh, host, did, reporter)
        changes += _package(request, ssh, host, did, reporter)
        if request.key:
            reporter.step(host.name, "the key")
            user, command = request.deploy_user, f"/usr/libexec/{request.name}/deploy"
            task = steps.authorize(request.name, user, command, request.key, dry=request.dry_run)
            if did(ssh.run(host, task, seconds=_SECONDS)).told.get("authorized") != "already":
                changes.append(f"{'would let' if request.dry_run else 'let'} the key in as {user}")
    except _Failed as e:
        problem, hint = str(e), e.hint or ""
    # After a lost connection, do not wait for another timeout.
    version = "" if lost else steps.look(ssh, host, request.name)[1].installed
    reporter.ended(host.name, problem or ", ".join(changes) or "nothing to do")
    return SetUp(
        host=host,
        changes=tuple(changes),
        version=version,
        problem=problem,
        hint=hint,
        output="\n".join(output) if problem else "",
    )


def _repository(
    request: SetupRequest, ssh: Ssh, host: Host, did: steps.Did, reporter: Reporter
) -> list[str]:
    reporter.step(host.name, "the repository")
    words = [
        *(("--channel", request.channel) if request.channel else ()),
        *(("--dry-run",) if request.dry_run else ()),
    ]
    ran = did(ssh.run(host, steps.script(request.script, *words), seconds=_SECONDS))
    lines = ran.output.splitlines()
    return [one_line(line) for line in lines if line.startswith(("wrote ", "would write "))]


def _package(
    request: SetupRequest, ssh: Ssh, host: Host, did: steps.Did, reporter: Reporter
) -> list[str]:
    ran, seen = steps.look(ssh, host, request.name)
    did(ran)
    if seen.installed:
        return []
    what = f"{request.name} {request.version}".strip()
    if request.dry_run:
        return [f"would install {what}"]
    reporter.step(host.name, f"installing {what}")
    did(steps.change(ssh, host, request.name, "upgrade", request.version, request.timeout))
    return [f"installed {what}"]
