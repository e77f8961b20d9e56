"""Brings the entries of a package together: parents added, sorted, collisions refused."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from pkgrel.errors import PlanError
from pkgrel.package import Directory, Entry

_ROOT = PurePosixPath("/")

# Directories that every system has, or that a package shares with others: an .rpm must not own them.
# Filesystem Hierarchy Standard 3.0; the contents of Fedora's `filesystem`, systemd and sudo packages.
SYSTEM = frozenset(
    PurePosixPath(path)
    for path in """
    / /bin /boot /dev /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp
    /etc /etc/apt /etc/apt/sources.list.d /etc/bash_completion.d /etc/cron.d /etc/cron.daily
    /etc/default /etc/ld.so.conf.d /etc/logrotate.d /etc/nginx /etc/nginx/conf.d
    /etc/profile.d /etc/rsyslog.d /etc/security /etc/security/limits.d /etc/skel /etc/ssl
    /etc/sudoers.d /etc/sysconfig /etc/sysctl.d /etc/systemd /etc/systemd/system /etc/tmpfiles.d
    /lib/systemd /lib/systemd/system
    /usr /usr/bin /usr/games /usr/include /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin
    /usr/local/etc /usr/local/lib /usr/local/sbin /usr/local/share /usr/sbin /usr/share /usr/src
    /usr/lib/modules-load.d /usr/lib/sysctl.d /usr/lib/systemd /usr/lib/systemd/system
    /usr/lib/systemd/system-preset /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/lib/udev
    /usr/lib/udev/rules.d /usr/share/applications /usr/share/bash-completion
    /usr/share/bash-completion/completions /usr/share/doc /usr/share/icons /usr/share/info
    /usr/share/licenses /usr/share/lintian /usr/share/lintian/overrides /usr/share/locale
    /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man7 /usr/share/man/man8
    /usr/share/zsh /usr/share/zsh/site-functions /usr/share/zsh/vendor-completions
    /var /var/backups /var/cache /var/crash /var/lib /var/local /var/lock /var/log /var/mail /var/opt
    /var/run /var/spool /var/spool/cron /var/tmp /var/www
    """.split()
)


def with_parents(entries: Iterable[Entry], known: Iterable[Entry] = ()) -> tuple[Entry, ...]:
    """Add the directories above the entries that neither they nor `known` have; sort by path."""
    entries = list(entries)
    present = {entry.path for entry in known} | {entry.path for entry in entries}
    for entry in tuple(entries):
        for parent in entry.path.parents:
            if parent in present:
                # `known` brings its own parents, and those of an entry are added as a whole.
                break
            present.add(parent)
            entries.append(Directory(path=parent, shared=parent in SYSTEM))
    return tuple(sorted(entries, key=lambda entry: str(entry.path).encode()))


def refuse_collisions(tree: Iterable[Entry], extra: Iterable[Entry]) -> None:
    """PlanError for a path that is there twice, or that lies below something that is no directory."""
    seen: dict[PurePosixPath, Entry] = {}
    for entry in (*tree, *extra):
        if entry.path in seen:
            raise PlanError(
                f"`{entry.path}` would be in the package twice",
                hint="give one of the two another path; [[file]] cannot replace what pkgrel makes",
            )
        seen[entry.path] = entry
    for entry in extra:
        parent = seen.get(entry.path.parent)
        if entry.path != _ROOT and not isinstance(parent, Directory):
            raise PlanError(
                f"`{entry.path}` lies below `{entry.path.parent}`, which is no directory"
            )
