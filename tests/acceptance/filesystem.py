"""Compares the files on a host with a package's plan, or with an earlier state."""

import shlex
from collections.abc import Iterable, Iterator

from pkgrel.package import Directory, Entry, File, HardLink, Package, Symlink
from tests.acceptance.hosts import Host

LOGS_AND_DATABASES = (
    "/etc/.pwd.lock /etc/group- /etc/gshadow- /etc/passwd- /etc/shadow- /etc/subgid- /etc/subuid- "
    "/root/.cache /run/dnf /run/log /run/systemd /run/udev /tmp /usr/lib/sysimage "
    "/var/cache/apt /var/cache/debconf /var/cache/dnf /var/cache/ldconfig /var/cache/libdnf5 "
    "/var/lib/apt /var/lib/dnf /var/lib/dpkg /var/lib/rpm /var/log /var/tmp"
).split()
"""Where packaging tools and systemd keep their own records; not a package's to clean."""


def planned(package: Package) -> dict[str, str]:
    """Path -> kind, mode, owner, group and content of everything that the package owns."""
    entries = {entry.path: entry for entry in package.entries}

    def describe(entry: Entry) -> str:
        match entry:
            case File(mode=mode, owner=owner, group=group, content=content):
                return f"f {mode:o} {owner} {group} {content.sha256}"
            case HardLink(target=target):
                return describe(entries[target])
            case Directory(mode=mode, owner=owner, group=group):
                return f"d {mode:o} {owner} {group} "
            case Symlink(target=target, owner=owner, group=group):
                return f"l 777 {owner} {group} {target}"

    return {str(entry.path): describe(entry) for entry in _owned(package)}


def installed(host: Host, package: Package) -> dict[str, str]:
    """The same of what is on the host there, and in the directories that the package owns."""
    paths = " ".join(shlex.quote(str(entry.path)) for entry in _tops(package))
    sums = host.run(f"find {paths} -type f -exec sha256sum {{}} +")
    content = {line[66:]: line[:64] for line in sums.splitlines()}
    found = host.run(rf"find {paths} -printf '%p\t%y %m %u %g \t%l\n'")
    rows = (line.split("\t") for line in found.splitlines())
    return {path: about + (content.get(path) or target) for path, about, target in rows}


def _owned(package: Package) -> Iterator[Entry]:
    for entry in package.entries:
        if not (isinstance(entry, Directory) and entry.shared):
            yield entry


def _tops(package: Package) -> Iterator[Entry]:
    owned = {entry.path for entry in _owned(package)}
    return (entry for entry in _owned(package) if entry.path.parent not in owned)


def snapshot(host: Host) -> set[str]:
    """Every path on the host's disk and in /run, but for LOGS_AND_DATABASES."""
    skipped = " -o ".join(f"-path {path}" for path in LOGS_AND_DATABASES)
    return set(host.run(rf"find / /run -xdev \( {skipped} \) -prune -o -print").splitlines())


def under(paths: Iterable[str], *parents: str) -> set[str]:
    """Those of the paths that are one of `parents` or below it."""
    return {path for path in paths if any(f"{path}/".startswith(f"{top}/") for top in parents)}
