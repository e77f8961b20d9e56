"""Steps that test the package with its package manager: installation, upgrade, downgrade and removal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote

from pkgrel.artifact import Artifact, Kind
from pkgrel.distro import Format
from pkgrel.trial import package_manager
from pkgrel.trial.host import Ran, other_distro
from pkgrel.trial.running import SHORTLY, ready
from pkgrel.trial.trial import Failed, Trial, Unproven


def of_its_kind(trial: Trial) -> str:
    """The host has the package's distro and architecture."""
    takes = trial.run(package_manager.architectures(trial.distro)).output.split()
    if trial.artifact.architecture not in (*takes, "all", "noarch"):
        raise Failed(
            f"it is for {trial.artifact.architecture}, and this host takes {', '.join(takes)}: set DOCKER_HOST to the"
            " daemon of a machine of that architecture"
        )
    said = trial.run("cat /etc/os-release").output
    if other := other_distro(said, trial.distro):
        raise Unproven(f"it is {other}: what follows says little of {trial.distro.title}")
    return trial.distro.title


def installs(trial: Trial) -> str:
    """The package installs with only its dependencies."""
    done = trial.install(trial.artifact)
    if not done:
        raise Failed(f"the package manager ends with {done.status}", done)
    return f"{trial.name} {trial.artifact.version}"


def files(trial: Trial) -> str:
    """Contents, owners and permissions of files are as packaged."""
    if trial.artifact.format == Format.DEB:
        changed = trial.must(f"dpkg --verify {quote(trial.name)}", "dpkg --verify fails")
    else:
        changed = trial.run(f"rpm --verify --noconfig {quote(trial.name)}")
    lines = [line for line in changed.output.splitlines() if line.strip()]
    if lines:
        raise Failed(f"{len(lines)} files are not as they were packaged", changed)
    return _compare_owners(trial)


def _compare_owners(trial: Trial) -> str:
    entries = [e for e in trial.artifact.entries if e.kind in (Kind.FILE, Kind.DIRECTORY)]
    if trial.artifact.format == Format.DEB:
        # On Debian, system directories belong to other packages as well.
        entries = [e for e in entries if e.kind is Kind.FILE]
    listed = "\n".join(str(entry.path) for entry in entries)
    group = f'echo "$(systemctl show --property=Group --value {quote(trial.unit or "-.mount")})"'
    command = f"{group}\nxargs -d '\\n' stat --format='%a %U %G %n' -- <<'PATHS'\n{listed}\nPATHS"
    own, _, stats = trial.run(command).output.partition("\n")
    real = {line.split(" ", 3)[3]: line.split(" ", 3)[:3] for line in stats.splitlines() if line.count(" ") >= 3}  # fmt: skip
    wrong: list[str] = []
    for entry in entries:
        wanted = [f"{entry.mode:o}", entry.owner, entry.group]
        found = real.get(str(entry.path), wanted)
        # A .deb cannot name the service's group, so its scripts change the group of files that only the service may read.
        given = found[1] == entry.owner and found[2] == own and bool(own)
        if found != wanted and not given:
            wrong.append(f"{entry.path} is {' '.join(found)}, not {' '.join(wanted)} as packaged")
    wrong += _settings_of_others(trial)
    if wrong:
        raise Failed(wrong[0], Ran("stat", 1, "\n".join(wrong)))
    return f"{len(entries)} files"


def _settings_of_others(trial: Trial) -> Iterator[str]:
    """Files that scripts create in /etc belong to root, and the service cannot write them unless packaged that way."""
    packaged = {str(entry.path) for entry in trial.artifact.entries}
    user = (trial.look().user if trial.unit else "") or "root"
    writes = "" if user == "root" else f"-o -group {quote(user)} -perm -g+w"
    found = trial.run(
        f"find {quote(f'/etc/{trial.name}')} ! -type l '(' ! -user root -o -perm -o+w {writes} ')'"
        " -printf '%u %g %m %p\\n' 2>/dev/null"
    )
    for line in found.output.splitlines():
        owner, group, mode, path = line.split(" ", 3)
        if path not in packaged:
            yield f"{path} is {owner} {group} {mode}, and settings are root's alone to write"


def configuration(trial: Trial) -> str:
    """An edited setting survives a reinstallation of the package."""
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
    ready(trial, SHORTLY)
    return f"{file} keeps what was written"


def downgrade(trial: Trial) -> str:
    """The package can be downgraded to the previous version."""
    older = _older(trial)
    if not (done := trial.install(older)):
        raise Failed(f"{older.version} cannot be installed in its place", done)
    ready(trial, SHORTLY)
    return f"to {older.version}"


def upgrade(trial: Trial) -> str:
    """The package upgrades from the previous version, while clients keep sending requests."""
    older = _older(trial)
    if trial.installed() != str(older.version) and not (done := trial.install(older)):
        raise Failed(f"{older.version} cannot be installed", done)
    ready(trial, SHORTLY)
    counting = _count_refused(trial)
    if not (done := trial.install(trial.artifact)):
        raise Failed(f"the upgrade from {older.version} fails", done)
    ready(trial)
    return f"from {older.version}{counting()}"


def _older(trial: Trial) -> Artifact:
    if trial.older is None:
        raise Unproven("no version before it: name a repository with `--from`")
    return trial.older


_CLIENT = """
while [ ! -e /tmp/pkgrel-try-stop ]; do
    curl --silent --output /dev/null --max-time 10 http://{where}/
    echo $? >>/tmp/pkgrel-try-asked
    sleep 0.02
done
"""


def _count_refused(trial: Trial) -> Callable[[], str]:
    """Start a client that keeps requesting; the result stops it and says how many requests were refused."""
    if not trial.port or not trial.run("command -v curl"):
        return lambda: ""
    trial.run("rm -f /tmp/pkgrel-try-*")
    script = quote(_CLIENT.format(where=f"{trial.address}:{trial.port}"))
    trial.run(f"setsid sh -c {script} >/dev/null 2>&1 </dev/null &")

    def stop() -> str:
        trial.run("touch /tmp/pkgrel-try-stop; sleep 0.2")
        # Exit codes of curl(1): connection failed, timeout.
        asked = trial.run("cat /tmp/pkgrel-try-asked").output.split()
        refused = sum(status in ("7", "28") for status in asked)
        return f"; {refused} of {len(asked)} requests refused"

    return stop


def removal(trial: Trial) -> str:
    """After a removal, the service is stopped and its files are gone."""
    words = package_manager.words(trial.distro)
    trial.must(package_manager.command(words.remove, trial.name), "it cannot be removed")
    if trial.unit and trial.run(f"systemctl is-active --quiet {quote(trial.unit)}"):
        raise Failed(f"{trial.unit} runs on without its files")
    kept = {path.lstrip("-") for path in trial.artifact.conffiles}
    paths = [str(e.path) for e in trial.artifact.entries if e.kind is Kind.FILE and str(e.path) not in kept]  # fmt: skip
    listed = "\n".join(paths)
    there = 'while IFS= read -r path; do [ ! -e "$path" ] || echo "$path"; done'
    left = trial.run(f"{there} <<'PATHS'\n{listed}\nPATHS")
    if left.output.strip():
        raise Failed("files of the package are left", left)
    return "nothing but settings is left"


def purge(trial: Trial) -> str:
    """After a purge, nothing is left behind."""
    if trial.artifact.format != Format.DEB:
        raise Unproven("an .rpm has no purge; settings that were edited stay as .rpmsave")
    # apt-get does not know a removed package that has no configuration files left.
    names = " ".join(quote(each.name) for each in (trial.artifact, *trial.beside))
    trial.must(f"dpkg --purge {names}", "it cannot be purged")
    # Its dependencies may stay.
    others = trial.run("cat /var/lib/dpkg/info/*.list").output.splitlines()
    now = trial.paths_there() - trial.before - frozenset(others)
    left = sorted(
        path for path in now if not path.startswith(_OTHERS) and "/__pycache__" not in path
    )
    if left:
        listed = Ran("find /", 0, "\n".join(left[:40]))
        raise Failed(f"{len(left)} paths are left that were not there before", listed)
    return "nothing is left"


# Files of the package manager, systemd and this trial, and files generated for installed dependencies.
_OTHERS = (
    *(f"/var/lib/{name}/" for name in ("dpkg", "apt", "systemd", "private", "ucf")),
    *(f"/var/cache/{name}" for name in ("apt", "debconf", "ldconfig", "man", "private", "fontconfig")),
    *(f"/var/log/{name}" for name in ("apt", "dpkg.log", "alternatives.log", "journal", "private")),
    *(f"/var/log/{name}" for name in ("btmp", "wtmp", "lastlog", "faillog")),
    *(f"/etc/{name}" for name in (".pwd.lock", "passwd-", "shadow-", "group-", "gshadow-", "subuid", "subgid")),
    *(f"/etc/{name}" for name in ("ld.so.cache", "ssl/certs", "alternatives")),
    *(f"/usr/share/{name}" for name in ("mime", "glib-2.0", "icons", "fonts", "info/dir", "applications")),
    "/var/tmp/systemd-private-",
    "/usr/lib/locale",
    "/root/try",
    "/root/image",
)  # fmt: skip
