"""What is tried with a package, one step after another, as an administrator or a bad day would do it.

A step is a function of the trial and a row of STEPS. It returns a sentence about what it saw, raises Failed, or
Unproven where this host cannot show it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from shlex import quote

from pkgrel.artifact import Artifact, Kind
from pkgrel.distro import Distro, Format
from pkgrel.trial.host import Host, Ran

READY_SECONDS = 90
"""For a service to become ready, whatever its unit allows."""


class Failed(Exception):
    """A step has failed; the command that showed it, if one did."""

    def __init__(self, message: str, ran: Ran | None = None) -> None:
        super().__init__(message)
        self.ran = ran


class Unproven(Exception):
    """A host of this kind cannot show it."""


@dataclass(slots=True)
class Trial:
    """A package on a host, and what is known of it so far."""

    host: Host
    distro: Distro
    artifact: Artifact
    older: Artifact | None = None
    """The version before, if there is one to upgrade from."""
    environment: Mapping[str, str] = field(default_factory=dict)
    settle: float = 5
    """Seconds that a service without a port must run before it counts as ready."""
    script: str = ""
    """What the user runs at the end: a path on the host."""
    other: Callable[[], Host] | None = None
    """Boots a second host."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Where the files of the packages are on the host, by SHA-256."""
    port: int = 0
    """What the service listens on, once that is known."""
    before: frozenset[str] = frozenset()
    """What was on the host before anything was installed."""

    @property
    def name(self) -> str:
        """The package's, which is also that of its service and of its command."""
        return self.artifact.name

    @property
    def unit(self) -> str:
        """The service; empty if the package has none."""
        wanted = f"{self.name}.service"
        names = [e.path.name for e in self.artifact.entries if e.path.parent.name == "system"]
        services = [name for name in names if name.endswith(".service") and "@" not in name]
        return wanted if wanted in names else (services[0] if len(services) == 1 else "")

    @property
    def command(self) -> str:
        """The command of a package of pkgrel's; empty if it has none."""
        path = PurePosixPath("/usr/bin", self.name)
        return self.name if any(entry.path == path for entry in self.artifact.entries) else ""

    @property
    def mix(self) -> bool:
        """Whether its release was made by mix: its commands have other names than those of relx."""
        return any(
            re.search(r"/releases/[^/]+/elixir$", str(e.path)) for e in self.artifact.entries
        )

    def run(self, command: str, *, seconds: int = 120) -> Ran:
        """See Host."""
        return self.host.run(command, seconds=seconds)

    def must(self, command: str, why: str, *, seconds: int = 180) -> Ran:
        """Run a command that has to succeed; Failed with the reason if it does not."""
        done = self.run(command, seconds=seconds)
        if not done:
            raise Failed(f"{why} (exit status {done.status})", done)
        return done

    def state(self) -> dict[str, str]:
        """What systemd says of the service."""
        names = "ActiveState SubState Result MainPID NRestarts ExecMainStatus MemoryCurrent Type".split()
        shown = self.run(f"systemctl show --property={','.join(names)} {quote(self.unit)}").output
        return dict(line.partition("=")[::2] for line in shown.splitlines())

    def install(self, artifact: Artifact) -> Ran:
        """Install a file with its distro's package manager, or put it in the place of another version."""
        path = quote(self.paths[artifact.sha256])
        if artifact.format == Format.DEB:
            command = f"apt-get install --yes --allow-downgrades --reinstall {path}"
            done = self.run(command, seconds=300)
            if not done and "Depends" in done.output:
                # Its dependencies are in the distro's archive, whose lists no image has.
                self.run("apt-get update", seconds=120)
                done = self.run(command, seconds=300)
            return done
        # The same command whether the version is there already, older or newer.
        present = self.run(f"rpm --query {quote(artifact.name)}")
        if not present:
            return self.run(f"{self.distro.installer} install -y {path}", seconds=300)
        return self.run(f"rpm --upgrade --oldpackage --replacepkgs {path}", seconds=300)


def installs(trial: Trial) -> str:
    """Installed with nothing but its own dependencies."""
    done = trial.install(trial.artifact)
    if not done:
        raise Failed(f"the package manager ends with {done.status}", done)
    _configure(trial)
    version = trial.artifact.version
    return f"{trial.name} {version}"


def _configure(trial: Trial) -> None:
    """Write what the user gave for the service's environment, as an administrator does."""
    if not trial.environment or not trial.unit:
        return
    file = f"/etc/{trial.name}/environment"
    lines = "".join(f'{name}="{_quoted(text)}"\n' for name, text in trial.environment.items())
    trial.must(f"printf %s {quote(lines)} >>{quote(file)}", f"{file} cannot be written")
    trial.must(f"systemctl restart {quote(trial.unit)} || true", "systemd does not answer")


def _quoted(text: str) -> str:
    return re.sub(r'([\\"`$])', r"\\\1", text)


def variables(trial: Trial) -> str:
    """Variables that the release needs are set."""
    if not trial.command or not trial.run(f"{trial.command} --help | grep -q 'config check'"):
        return "nothing is asked for"
    done = trial.run(f"{trial.command} config check")
    if not done:
        raise Failed("variables that it needs are not set", done)
    return "all are set"


def ready(trial: Trial) -> str:
    """The service becomes ready: it listens, or runs on without a restart."""
    begun = time.monotonic()
    settled = 0.0
    restarts = None
    while time.monotonic() - begun < READY_SECONDS:
        state = trial.state()
        restarts = state.get("NRestarts", "0") if restarts is None else restarts
        if state.get("ActiveState") == "failed":
            raise Failed(f"{trial.unit} has failed: {state.get('Result')}")
        if state.get("NRestarts", "0") != restarts:
            raise Failed(f"{trial.unit} ends and is started again")
        if state.get("ActiveState") == "active":
            settled = settled or time.monotonic()
            if port := _listening(trial):
                trial.port = port
                return f"listens on port {port}"
            if time.monotonic() - settled >= trial.settle:
                return f"has run for {trial.settle:g} s"
        time.sleep(0.2)
    raise Failed(f"{trial.unit} is `{trial.state().get('ActiveState')}` after {READY_SECONDS} s")


_EPMD = 4369
_NODE_PORTS = range(23000, 27000)
"""Where pkgrel puts nodes of Erlang, which speak to no client."""


def _listening(trial: Trial) -> int:
    """A port on which the service's user listens for clients; 0 if there is none yet."""
    user = _user(trial) or "root"
    # By the user: which process it is needs rights that a container may not have.
    uid = trial.run(f"id --user {quote(user)}").output.strip()
    found = []
    for line in trial.run("ss -H -l -t -n -e").output.splitlines():
        owner = re.search(r"uid:(\d+)", line)
        address = line.split()[3:4]
        if address and (owner[1] if owner else "0") == uid:
            port = int(address[0].rpartition(":")[2])
            if port != _EPMD and port not in _NODE_PORTS:
                found.append(port)
    return min(found, default=0)


def _user(trial: Trial) -> str:
    shown = trial.run(f"systemctl show --property=User --value {quote(trial.unit)}")
    return shown.output.strip()


def files(trial: Trial) -> str:
    """Contents, owners and permissions are those of the package."""
    if trial.artifact.format == Format.DEB:
        changed = trial.must(f"dpkg --verify {quote(trial.name)}", "dpkg --verify fails")
    else:
        changed = trial.run(f"rpm --verify --noconfig {quote(trial.name)}")
    lines = [line for line in changed.output.splitlines() if line.strip()]
    if lines and not trial.environment:
        raise Failed(f"{len(lines)} files are not as they were packaged", changed)
    return _compare_owners(trial)


def _compare_owners(trial: Trial) -> str:
    entries = [e for e in trial.artifact.entries if e.kind in (Kind.FILE, Kind.DIRECTORY)]
    if trial.artifact.format == Format.DEB:
        # Debian's directories of the system belong to other packages as well.
        entries = [e for e in entries if e.kind is Kind.FILE]
    listed = "\n".join(str(entry.path) for entry in entries)
    command = f"stat --format='%a %U %G %n' -- $(cat <<'PATHS'\n{listed}\nPATHS\n)"
    shown = trial.run(command)
    real = {line.split(" ", 3)[3]: line.split(" ", 3)[:3] for line in shown.output.splitlines() if line.count(" ") >= 3}  # fmt: skip
    own = trial.run(f"systemctl show --property=Group --value {quote(trial.unit)}").output.strip()
    for entry in entries:
        wanted = [f"{entry.mode:o}", entry.owner, entry.group]
        found = real.get(str(entry.path), wanted)
        # A .deb cannot name the service's group, so its scripts give it what the service alone may read.
        given = found[1] == entry.owner and found[2] == own and bool(own)
        if found != wanted and not given and not entry.path.is_relative_to("/etc"):
            raise Failed(f"{entry.path} is {' '.join(found)}, not {' '.join(wanted)} as packaged")
    return f"{len(entries)} files"


def commands(trial: Trial) -> str:
    """The package's own command speaks to the running system."""
    if not trial.command:
        return "the package has none"
    if trial.mix:
        said = trial.must(f"{trial.command} version", f"`{trial.command} version` fails")
        if "rpc" in trial.run(f"{trial.command} --help").output:
            asked = f"{trial.command} rpc 'IO.puts(6 * 7)'"
            if "42" not in trial.must(asked, f"`{trial.command} rpc` fails").output:
                raise Failed(f"`{trial.command} rpc` does not answer", said)
        return said.output.strip().splitlines()[-1] if said.output.strip() else "answers"
    trial.must(f"{trial.command} ping", f"`{trial.command} ping` fails")
    return "answers a ping"


def restart(trial: Trial) -> str:
    """Stopped and started again by its administrator."""
    trial.must(f"systemctl restart {quote(trial.unit)}", "it does not start again")
    return ready(trial)


def recovery(trial: Trial) -> str:
    """Killed, it comes back by itself."""
    before = trial.state().get("MainPID", "0")
    trial.must(f"kill -KILL {quote(before)}", "it cannot be killed")
    deadline = time.monotonic() + 60
    begun = time.monotonic()
    while time.monotonic() < deadline:
        state = trial.state()
        if state.get("MainPID") not in (before, "0", None) and state.get("ActiveState") == "active":
            ready(trial)
            return f"after {time.monotonic() - begun:.1f} s"
        time.sleep(0.2)
    raise Failed("it stays down after `kill -KILL`: `restart` of [service] decides that")


def configuration(trial: Trial) -> str:
    """An edited setting survives the installation of the package over itself."""
    file = f"/etc/{trial.name}/environment"
    if not trial.run(f"test -e {quote(file)}"):
        return "the package has no settings of its own"
    mark = "# a line of the administrator's"
    trial.must(f"echo {quote(mark)} >>{quote(file)}", f"{file} cannot be written")
    done = trial.install(trial.artifact)
    if not done:
        raise Failed("it cannot be installed again", done)
    if not trial.run(f"grep -qxF {quote(mark)} {quote(file)}"):
        raise Failed(f"{file} has lost a line of the administrator's")
    ready(trial)
    return f"{file} keeps what was written"


def upgrade(trial: Trial) -> str:
    """From the version before to this one, while clients go on asking."""
    older = trial.older
    if older is None:
        raise Unproven("no version before it: name a repository with `--from`")
    if not (done := trial.install(older)):
        raise Failed(f"{older.version} cannot be installed", done)
    ready(trial)
    counting = _count_refused(trial)
    if not (done := trial.install(trial.artifact)):
        raise Failed(f"the upgrade from {older.version} fails", done)
    ready(trial)
    return f"from {older.version}{counting()}"


_CLIENT = """
while [ ! -e /tmp/pkgrel-try-stop ]; do
    curl --silent --output /dev/null --max-time 10 http://127.0.0.1:{port}/
    echo $? >>/tmp/pkgrel-try-asked
    sleep 0.02
done
"""


def _count_refused(trial: Trial) -> Callable[[], str]:
    """Begin to ask the service again and again; the result says how many requests were refused."""
    if not trial.port or not trial.run("command -v curl"):
        return lambda: ""
    trial.run("rm -f /tmp/pkgrel-try-*")
    script = quote(_CLIENT.format(port=trial.port))
    trial.run(f"setsid sh -c {script} >/dev/null 2>&1 </dev/null &")

    def stop() -> str:
        trial.run("touch /tmp/pkgrel-try-stop; sleep 0.2")
        # curl(1), EXIT CODES: could not connect, timed out.
        asked = trial.run("cat /tmp/pkgrel-try-asked").output.split()
        refused = sum(status in ("7", "28") for status in asked)
        return f"; {refused} of {len(asked)} requests refused"

    return stop


def downgrade(trial: Trial) -> str:
    """Back to the version before, and forth again."""
    older = trial.older
    if older is None:
        raise Unproven("no version before it: name a repository with `--from`")
    for artifact in (older, trial.artifact):
        if not (done := trial.install(artifact)):
            raise Failed(f"{artifact.version} cannot be installed in its place", done)
        ready(trial)
    return f"to {older.version} and back"


def reboot(trial: Trial) -> str:
    """The host boots again, and the service with it."""
    trial.host.reboot()
    return ready(trial)


def writes(trial: Trial) -> str:
    """The service has written nothing outside of its directories."""
    user = _user(trial)
    if user in ("", "root"):
        raise Unproven("it runs as root")
    own = " ".join(f"-not -path '{root}/{trial.name}*'" for root in ("/var/lib", "/var/log", "/var/cache", "/run"))  # fmt: skip
    found = trial.run(f"find / -xdev -user {quote(user)} -not -path '/proc/*' {own}", seconds=60)
    if found.output.strip():
        raise Failed(f"files of {user} are outside of its directories", found)
    return f"nothing of {user}'s elsewhere"


def memory(trial: Trial) -> str:
    """What its first process takes."""
    pid = trial.state().get("MainPID", "0")
    shown = trial.must(f"grep VmRSS /proc/{quote(pid)}/status", "it does not run").output
    return f"{int(shown.split()[1]) / 1024:.0f} MiB"


def secrets(trial: Trial) -> str:
    """Another host makes secrets of its own."""
    file = quote(f"/etc/{trial.name}/secrets")
    if not trial.run(f"test -s {file}"):
        return "the package has none"
    if trial.other is None:
        raise Unproven("there is no second host")
    second = Trial(trial.other(), trial.distro, trial.artifact, paths=trial.paths)
    if not (done := second.install(trial.artifact)):
        raise Failed("it cannot be installed on a second host", done)
    mine, others = (each.run(f"grep -o '=.*' {file} | sort").output.split() for each in (trial, second))  # fmt: skip
    if shared := set(mine) & set(others):
        raise Failed(f"{len(shared)} secrets are the same on two hosts")
    return f"{len(mine)} differ between two hosts"


def smoke(trial: Trial) -> str:
    """The user's own script."""
    if not trial.script:
        raise Unproven("no script: name one with `--script`")
    words = {"NAME": trial.name, "VERSION": str(trial.artifact.version), "PORT": str(trial.port)}
    given = " ".join(f"PKGREL_{name}={quote(text)}" for name, text in words.items())
    done = trial.must(f"env {given} sh {quote(trial.script)}", "the script fails", seconds=600)
    return done.output.strip().splitlines()[-1] if done.output.strip() else "succeeds"


def removal(trial: Trial) -> str:
    """Removed: the service is gone, and so are its files."""
    commands = {"apt": "apt-get remove --yes", "zypper": "zypper --non-interactive remove"}
    remove = commands.get(trial.distro.installer, f"{trial.distro.installer} remove -y")
    trial.must(f"{remove} {quote(trial.name)}", "it cannot be removed")
    if trial.unit and trial.run(f"systemctl is-active --quiet {quote(trial.unit)}"):
        raise Failed(f"{trial.unit} runs on without its files")
    kept = {path.lstrip("-") for path in trial.artifact.conffiles}
    paths = [str(e.path) for e in trial.artifact.entries if e.kind is Kind.FILE and str(e.path) not in kept]  # fmt: skip
    listed = "\n".join(paths)
    left = trial.run(f"for path in $(cat <<'PATHS'\n{listed}\nPATHS\n); do [ ! -e $path ] || echo $path; done")  # fmt: skip
    if left.output.strip():
        raise Failed("files of the package are left", left)
    return "nothing but settings is left"


def purge(trial: Trial) -> str:
    """Purged: nothing of it is left behind."""
    if trial.artifact.format != Format.DEB:
        raise Unproven("an .rpm has no purge; settings that were edited stay as .rpmsave")
    trial.must(f"apt-get purge --yes {quote(trial.name)}", "it cannot be purged")
    now = paths_of(trial)
    left = sorted(path for path in now - trial.before if not path.startswith(_OTHERS))
    if left:
        listed = Ran("find /", 0, "\n".join(left[:40]))
        raise Failed(f"{len(left)} paths are left that were not there before", listed)
    return "nothing is left"


_OTHERS = (
    "/var/lib/dpkg",
    "/var/lib/apt",
    "/var/lib/systemd",
    "/var/cache",
    "/var/log",
    "/etc/.pwd.lock",
    "/etc/ld.so.cache",
    "/root",
    "/usr/share",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
)
"""What is the package manager's, systemd's, or of packages that it needs."""


def paths_of(trial: Trial) -> frozenset[str]:
    """What is in the places where packages and services write."""
    shown = trial.run("find /etc /usr /var /srv /opt /root -xdev", seconds=60)
    return frozenset(shown.output.splitlines())


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is tried."""

    id: str
    title: str
    run: Callable[[Trial], str]
    service: bool = True
    """Whether it is about a service, which not every package has."""
    fatal: bool = False
    """Whether there is nothing to be tried after it has failed."""


STEPS = (
    Step("install", "installs with its own dependencies", installs, service=False, fatal=True),
    Step("variables", "the variables that it needs are set", variables),
    Step("ready", "the service becomes ready", ready, fatal=True),
    Step("files", "files, owners and modes are as packaged", files, service=False),
    Step("command", "its command reaches the running system", commands),
    Step("configuration", "edited settings survive", configuration),
    Step("restart", "it restarts", restart),
    Step("recovery", "it comes back when it is killed", recovery),
    Step("upgrade", "it upgrades from the version before", upgrade),
    Step("downgrade", "it goes back to the version before", downgrade),
    Step("reboot", "it runs after a reboot", reboot),
    Step("writes", "it writes in its own directories only", writes),
    Step("memory", "it uses", memory),
    Step("secrets", "each host has secrets of its own", secrets),
    Step("script", "your own script succeeds", smoke, service=False),
    Step("remove", "it is removed", removal, service=False),
    Step("purge", "nothing is left when it is purged", purge, service=False),
)
