"""Rules about files: paths, owners and permissions."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.artifact import Entry, Kind
from pkgrel.check.subject import Hit, Rule, Severity, Subject, below, merged
from pkgrel.distro import Format, unsupported

_STICKY, _SET_ID, _OTHERS_WRITE, _GROUP_WRITE = 0o1000, 0o6000, 0o002, 0o020

# base-passwd of Debian 13, setup of Fedora 43, and accounts that systemd creates.
_KNOWN = frozenset(
    """
    root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody
    adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp
    video sasl plugdev staff users nogroup input sgx kvm render crontab ssh_keys wheel lock dbus
    shutdown halt ftp mem cdrom messagebus tss systemd-journal systemd-network systemd-resolve
    systemd-timesync systemd-coredump systemd-oom
    """.split()
)
# type[modifiers] path [~:]mode
_TMPFILES = re.compile(r"^[a-zA-Z][+!=~^$-]*[ \t]+(\S+)[ \t]+[~:]*([0-7]{3,4})\b", re.MULTILINE)
_SYSUSERS = re.compile(r"^[ugm]!?\s+(\S+)", re.MULTILINE)
_BEFORE = ("preinst", "%pre", "%pretrans")

_SYSTEM_FOLDERS = {
    PurePosixPath(path): 0o755
    for path in """
    / /boot /etc /home /media /mnt /opt /srv /usr /usr/bin /usr/games /usr/include /usr/lib
    /usr/lib64 /usr/libexec /usr/sbin /usr/share /usr/share/doc /usr/share/man /usr/share/man/man1
    /usr/src /var /var/cache /var/lib /var/log /var/spool /etc/default /etc/init.d /etc/logrotate.d
    /etc/profile.d /etc/systemd /etc/systemd/system /usr/lib/systemd /usr/lib/systemd/system
    /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/share/bash-completion
    """.split()
} | {PurePosixPath("/tmp"): 0o1777, PurePosixPath("/var/tmp"): 0o1777}
# Fedora's are 0555, Red Hat's /etc/sudoers.d is 0750.
_SAME = {0o755: frozenset([0o755, 0o555]), 0o1777: frozenset([0o1777])}
_OTHERS = {
    "/usr/local": "belongs to the administrator",
    "/home": "belongs to the users",
    "/root": "belongs to the administrator",
    "/tmp": "is emptied when the host starts",
    "/var/tmp": "is emptied from time to time",
    "/run": "is empty when the host starts",
    "/var/run": "is empty when the host starts",
    "/dev": "belongs to the kernel",
    "/proc": "belongs to the kernel",
    "/sys": "belongs to the kernel",
}
_BUILD = ("/home", "/root", "/tmp", "/build", "/builds", "/builddir", "/github", "/workspace")


def _set_id(subject: Subject) -> Iterator[Hit]:
    for entry in subject.files:
        if entry.mode & _SET_ID:
            who = entry.owner if entry.mode & 0o4000 else f"the group {entry.group}"
            yield entry.path, f"runs as {who}, whoever starts it (mode {entry.mode:04o})"


def _world_writable(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is Kind.SYMLINK or not entry.mode & _OTHERS_WRITE:
            continue
        if entry.kind is not Kind.DIRECTORY or not entry.mode & _STICKY:
            yield entry.path, f"can be written by every user (mode {entry.mode:04o})"


def _opened_folders(subject: Subject) -> Iterator[Hit]:
    """Lines of tmpfiles.d, which systemd-tmpfiles applies at each boot."""
    for entry in subject.files:
        if merged(entry.path).parent != PurePosixPath("/usr/lib/tmpfiles.d"):
            continue
        for path, text in _TMPFILES.findall(subject.text(entry.path)):
            mode = int(text, 8)
            if mode & _OTHERS_WRITE and not mode & _STICKY:
                yield entry.path, f"makes `{path}`, which every user can write (mode {mode:04o})"


def _made(subject: Subject) -> frozenset[str]:
    """Users and groups that the package creates before its files are unpacked."""
    words = {
        word
        for name, script in subject.artifact.scripts.items()
        if name in _BEFORE
        for word in re.findall(r"[\w.-]+", script.text)
    }
    names = {
        name
        for entry in subject.files
        if merged(entry.path).parent == PurePosixPath("/usr/lib/sysusers.d")
        for name in _SYSUSERS.findall(subject.text(entry.path))
    }
    match subject.artifact.format:
        case Format.DEB:  # dpkg unpacks before anything else runs
            return frozenset(words)
        case Format.RPM:  # which makes those of sysusers.d first, from 4.19 on
            return frozenset(words | names)
        case format:
            raise unsupported(format)


def _unknown_owners(subject: Subject) -> Iterator[Hit]:
    known = _KNOWN | _made(subject)
    for entry in subject.artifact.entries:
        for kind, name in (("user", entry.owner), ("group", entry.group)):
            if name and name not in known:
                yield (
                    entry.path,
                    f"belongs to the {kind} `{name}`, which nothing makes before it is unpacked",
                )
                break


def _replaceable_code(subject: Subject) -> Iterator[Hit]:
    """Files that a compromised service could change to persist."""
    for entry in subject.artifact.entries:
        if (who := writer(entry)) and below(entry.path, *subject.releases):
            yield entry.path, f"is code that {who} can change"


def writer(entry: Entry) -> str:
    """Who besides root can change it, in words; empty for nobody."""
    if entry.kind is Kind.SYMLINK:
        return ""
    if entry.owner not in ("root", "0"):
        return f"the user {entry.owner}"
    writable = entry.mode & _GROUP_WRITE and entry.group not in ("root", "0")
    return f"the group {entry.group}" if writable else ""


def _system_folders(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        mode = _SYSTEM_FOLDERS.get(merged(entry.path))
        if mode is None or entry.kind is not Kind.DIRECTORY:
            continue
        if entry.mode not in _SAME[mode] or {entry.owner, entry.group} - {"root", "0"}:
            now = f"{entry.owner}:{entry.group} {entry.mode:04o}"
            yield entry.path, f"is a folder of the system, which would become {now}"


def _etc_without_conffile(subject: Subject) -> Iterator[Hit]:
    for entry in subject.files:
        if below(entry.path, "/etc") and not {"conffile", "ghost"} & set(entry.flags):
            yield entry.path, "would lose the administrator's edits in an upgrade"


def _lost_conffiles(subject: Subject) -> Iterator[Hit]:
    for line in subject.artifact.conffiles:
        if line.startswith("/") and merged(PurePosixPath(line)) not in subject.entries:
            yield line, "is listed as a conffile and is not in the package"


def _places_of_others(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        for place, why in _OTHERS.items():
            if str(entry.path).startswith(f"{place}/"):
                yield entry.path, f"is in {place}, which {why}"


def _doubles(subject: Subject) -> Iterator[Hit]:
    seen: dict[PurePosixPath, PurePosixPath] = {}
    for entry in subject.artifact.entries:
        there = seen.setdefault(merged(entry.path), entry.path)
        if there != entry.path and entry.kind is not Kind.DIRECTORY:
            yield entry.path, f"is the same file as `{there}` where /usr is merged"


def _links_to_the_builder(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is Kind.SYMLINK and entry.target.startswith("/"):
            end = subject.resolve(entry.path)
            if end and below(end, *_BUILD) and end not in subject.entries:
                yield entry.path, f"points to `{entry.target}`, which only its builder has"


def _dangling(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is not Kind.SYMLINK:
            continue
        end = subject.resolve(entry.path)
        if end is None:
            yield entry.path, f"points to `{entry.target}`, and so to itself"
        elif subject.would_bring(end) and end not in subject.entries and not subject.is_folder(end):
            yield entry.path, f"points to `{entry.target}`, which is not in the package"


def _absolute(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is not Kind.SYMLINK or not entry.target.startswith("/"):
            continue
        if below(entry.path, *subject.releases):
            end = subject.resolve(entry.path)
            if end and below(end, *subject.releases):
                yield entry.path, f"points to `{entry.target}` by an absolute path"


RULES = (
    Rule(
        "set-id",
        Severity.ERROR,
        "Debian Policy 10.9",
        "take the bit away; a port below 1024 or a device needs a capability of the unit, not this",
        _set_id,
    ),
    Rule(
        "world-writable", Severity.ERROR, "Debian Policy 10.9", "take `o+w` away", _world_writable
    ),
    Rule(
        "open-folder",
        Severity.ERROR,
        "tmpfiles.d(5)",
        "give it to the service's user with mode 0750",
        _opened_folders,
    ),
    Rule(
        "unknown-owner",
        Severity.ERROR,
        "deb-preinst(5); rpm-scriptlets(7)",
        "make the user in preinst or %pre, or let root own it",
        _unknown_owners,
    ),
    Rule(
        "replaceable-code",
        Severity.WARNING,
        "Debian Policy 10.9",
        "let root own the release, and give the service a folder below /var/lib",
        _replaceable_code,
    ),
    Rule(
        "system-folder",
        Severity.ERROR,
        "Filesystem Hierarchy Standard 3.0, chapter 3",
        "leave the folder out, or give it root:root and mode 0755",
        _system_folders,
    ),
    Rule(
        "etc-not-conffile",
        Severity.ERROR,
        "Debian Policy 10.7.3; rpm-spec(5), %config",
        "make it a conffile (%config(noreplace)), or put it below /usr",
        _etc_without_conffile,
    ),
    Rule(
        "conffile-missing",
        Severity.ERROR,
        "deb-conffiles(5)",
        "take the line out of conffiles, or ship the file",
        _lost_conffiles,
        formats=(Format.DEB,),
    ),
    Rule(
        "place-of-others",
        Severity.ERROR,
        "Debian Policy 9.1.1 and 9.1.2; Filesystem Hierarchy Standard 3.0",
        "put it below /usr, /opt or /var/lib; for /run say RuntimeDirectory= in the unit",
        _places_of_others,
    ),
    Rule(
        "duplicate-path",
        Severity.ERROR,
        "Debian Policy 10.1",
        "ship the one below /usr only",
        _doubles,
    ),
    Rule(
        "link-to-builder",
        Severity.ERROR,
        "Debian Policy 10.5",
        "replace the link with a copy of what it points to",
        _links_to_the_builder,
    ),
    Rule(
        "dangling-link",
        Severity.WARNING,
        "Debian Policy 10.5",
        "leave the link out, or ship what it points to",
        _dangling,
    ),
    Rule(
        "absolute-link",
        Severity.WARNING,
        "Debian Policy 10.5",
        "make the link relative, so that it is right below another root as well",
        _absolute,
    ),
)
