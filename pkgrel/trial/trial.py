"""The state of a trial of one package on one host, and the operations that several steps share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from shlex import quote
from typing import Any

from pkgrel.artifact import Artifact
from pkgrel.distro import Distro, Format, unsupported
from pkgrel.repository.kind import repository_kind
from pkgrel.trial import package_manager
from pkgrel.trial.host import Host, Machines, Ran


class Failed(Exception):
    """A step has failed; `ran` is the command that showed it, if there was one."""

    def __init__(self, message: str, ran: Ran | None = None) -> None:
        super().__init__(message)
        # Not `ran or …`: a failed command is false.
        self.ran = Ran("", 0, "") if ran is None else ran


class Unproven(Exception):
    """A host of this kind cannot show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The state of the service at one moment, as systemd and the kernel report it."""

    state: str
    """systemd's ActiveState; the following fields are SubState, Result, MainPID and NRestarts."""
    substate: str
    result: str
    pid: int
    restarts: str
    user: str
    """The user it runs as; empty for root."""
    listening: tuple[tuple[str, int], ...]
    """TCP addresses and ports on which its user listens, without those of Erlang distribution."""


_LOOK = """
state=$(systemctl show --property=ActiveState,SubState,Result,MainPID,NRestarts,User,Environment "$UNIT")
user=$(echo "$state" | sed -n s/^User=//p)
echo "$state"
echo uid=$(id --user "${user:-root}")
echo
ss -H -l -t -n -e
"""


# Ports of epmd and of the node, which units of pkgrel's packages set.
_EPMD = re.compile(r"ERL_EPMD_PORT=(\d+)|-erl_epmd_port (\d+)")
_NODE = re.compile(r"inet_dist_listen_(?:min|max) (\d+)")


def _node_ports(environment: str) -> Collection[int]:
    epmd = {int(one or other) for one, other in _EPMD.findall(environment)}
    node = [int(port) for port in _NODE.findall(environment)]
    return {4369, *epmd, *range(min(node, default=0), max(node, default=0) + 1)}


def _listening(sockets: str, uid: str) -> Iterator[tuple[str, int]]:
    """By user, since finding the process of a socket takes privileges that a container may not have."""
    for line in sockets.splitlines():
        owner = re.search(r"uid:(\d+)", line)
        if (owner[1] if owner else "0") == uid and len(words := line.split()) > 3:
            address, _, port = words[3].rpartition(":")
            yield re.sub(r"%.*", "", address), int(port)


@dataclass(slots=True)
class Trial:
    """A package on a host, and what has been found out so far."""

    host: Host
    machines: Machines
    """Boots further hosts."""
    distro: Distro
    artifact: Artifact
    older: Artifact | None = None
    """The previous version, to upgrade from, if there is one."""
    beside: tuple[Artifact, ...] = ()
    """Dependencies that are tried in the same run and are in no archive yet."""
    environment: Mapping[str, str] = field(default_factory=dict)
    settle: float = 5
    """Seconds that a service without a port must run before it counts as ready."""
    script: str = ""
    """Path on the host of the user's script, which runs at the end."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Paths of the package files on the host, by SHA-256."""
    installation: Ran | None = None
    """The last run of the package manager."""
    address: str = "127.0.0.1"
    port: int = 0
    """Address and port where the service listens, once known."""
    asks: tuple[str, str] | None = None
    """A command that the running system answers, and the expected output; once known."""
    since: float = 0
    """When it was first seen active, by time.monotonic()."""
    kills: int = 0
    """How many kills systemd had to restart it after."""
    clones: Future[Any] | None = None
    """The result of `clones.start_clones`, which runs in parallel."""
    before: frozenset[str] = frozenset()
    """All paths on the host before the first installation."""

    @property
    def name(self) -> str:
        """The name of the package, which pkgrel's packages use for service and command too."""
        return self.artifact.name

    @property
    def unit(self) -> str:
        """The service's unit; empty if the package has none, or several."""
        wanted = f"{self.name}.service"
        names = [e.path.name for e in self.artifact.entries if e.path.parent.name == "system"]
        services = [name for name in names if name.endswith(".service") and "@" not in name]
        return wanted if wanted in names else (services[0] if len(services) == 1 else "")

    @property
    def command(self) -> str:
        """The command of a package made by pkgrel; empty if it has none."""
        path = PurePosixPath("/usr/bin", self.name)
        return self.name if any(entry.path == path for entry in self.artifact.entries) else ""

    @property
    def mix(self) -> bool:
        """Whether the release was made by mix: its commands have other names than relx's."""
        return any(
            re.search(r"/releases/[^/]+/elixir$", str(e.path)) for e in self.artifact.entries
        )

    def run(self, command: str, *, seconds: int = 120, online: bool = False) -> Ran:
        """See Host."""
        return self.host.run(command, seconds=seconds, online=online)

    def must(self, command: str, why: str, *, seconds: int = 180) -> Ran:
        """Run a command that must succeed; Failed with the reason otherwise."""
        done = self.run(command, seconds=seconds)
        if not done:
            raise Failed(f"{why} (exit status {done.status})", done)
        return done

    def look(self) -> Look:
        """The current state of the service, by a single command on the host."""
        shown = self.run(f"UNIT={quote(self.unit)}\n{_LOOK}").output
        said, _, sockets = shown.partition("\n\n")
        state = dict(line.partition("=")[::2] for line in said.splitlines())
        pid = state.get("MainPID", "0")
        return Look(
            state=state.get("ActiveState", ""),
            substate=state.get("SubState", ""),
            result=state.get("Result", ""),
            pid=int(pid) if pid.isdigit() else 0,
            restarts=state.get("NRestarts", "0"),
            user=state.get("User", ""),
            listening=tuple(
                (address, port)
                for address, port in _listening(sockets, state.get("uid", "0"))
                if port not in _node_ports(state.get("Environment", ""))
            ),
        )

    def journal(self, since: int = 0) -> str:
        """The service's last lines in the journal."""
        if not self.unit:
            return ""
        words = f"--no-pager --lines=30 --output=cat --since=@{since} --unit={quote(self.unit)}"
        return self.run(f"journalctl {words}", seconds=20).output.strip()

    def configure(self) -> None:
        """Write the environment that the user gave, as an administrator does before the installation."""
        if not self.environment or not self.unit:
            return
        file = quote(f"/etc/{self.name}/environment")
        lines = "".join(f'{name}="{_quoted(text)}"\n' for name, text in self.environment.items())
        folder = quote(f"/etc/{self.name}")
        self.must(
            f"mkdir -p {folder} && umask 077 && printf %s {quote(lines)} >{file}",
            f"{file} cannot be written",
        )

    def install(self, artifact: Artifact) -> Ran:
        """Install a package file over whatever version is installed: as an upgrade, downgrade or reinstallation."""
        self.installation = self._install(artifact)
        return self.installation

    def _install(self, artifact: Artifact) -> Ran:
        words = package_manager.words(self.distro)
        there = self.installed()
        if there:
            path = self.paths[artifact.sha256]
            order = repository_kind(artifact.format).version_key
            new, old = order(str(artifact.version)), order(there)
            template = words.newer if new > old else words.older if new < old else words.same
            return self.run(package_manager.command(template, path), seconds=300)
        paths = [self.paths[each.sha256] for each in (artifact, *self.beside)]
        done = self.run(package_manager.command(words.install, *paths), seconds=300)
        if done or not _lacks_others(done):
            return done
        # The dependencies are in the distro's archive, whose lists images do not have.
        fetch = package_manager.command(words.fetch, *paths)
        fetched = self.run(fetch, seconds=600, online=True)
        if not fetched and _lacks_others(fetched):
            return fetched  # not in the archive either
        return self.run(package_manager.command(words.fetched, *paths), seconds=300)

    def installed(self) -> str:
        """The installed version; empty if there is none."""
        name = quote(self.name)
        match self.artifact.format:
            case Format.DEB:
                asked = f"dpkg-query --show --showformat='${{Status}} ${{Version}}' {name}"
                status, _, version = self.run(asked).output.strip().rpartition(" ")
                return version if status == "install ok installed" else ""
            case Format.RPM:
                form = "%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}"
                shown = self.run(f"rpm --query --queryformat={quote(form)} {name}")
                return shown.output.strip() if shown else ""
            case other:
                raise unsupported(other)

    def paths_there(self) -> frozenset[str]:
        """All paths on the root file system."""
        shown = self.run("find / -xdev 2>/dev/null", seconds=60)
        return frozenset(shown.output.splitlines())


# Messages of apt-get, dnf 4 and 5, and zypper.
_LACKS = re.compile(
    r"Depends:|unmet dependencies|nothing provides|[Nn]o match for|is needed by|Problem:|needed to"
)


def _lacks_others(done: Ran) -> bool:
    return bool(_LACKS.search(done.output))


def _quoted(text: str) -> str:
    return re.sub(r'([\\"`$])', r"\\\1", text)
