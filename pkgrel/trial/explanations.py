"""Explains from its journal and systemd's messages why a service does not run."""

from __future__ import annotations

import re
from typing import NamedTuple


class Explanation(NamedTuple):
    """A pattern of a message, what it means and what to do about it; `{0}` is the first group of the pattern."""

    sign: re.Pattern[str]
    meaning: str
    look: str = ""
    """A command that shows details on the host."""


def _rows(*rows: tuple[str, ...]) -> tuple[Explanation, ...]:
    return tuple(Explanation(re.compile(sign, re.IGNORECASE), *more) for sign, *more in rows)


# The first match counts, so the most specific patterns come first.
EXPLANATIONS = _rows(
    (
        r"error while loading shared libraries: ([^\s:]+)",
        "the library `{0}` is not on the host: it is missing from the package's dependencies; `pkgrel check` says which package has it",
    ),
    (
        r"version `([A-Z]+_[0-9.]+)' not found",
        "the host's library has no `{0}`: the release was built on a newer distro; build it in an image of this one",
    ),
    (
        r"no space left on device|\benospc\b|you don't have enough free space",
        (
            "the host's disk is full: the daemon's, for which `docker system prune` makes room, or with nspawn half of this"
            " machine's memory"
        ),
    ),
    (
        r"nothing provides (lib[^\s(]*\.so[^\s(]*)",
        "no package of the distro has the library `{0}`: have the release bring it, or see `libraries` of [package]",
    ),
    (
        r"(?:Depends|nothing provides|Unable to locate package):? ([^\n,]+?)(?: but | needed by |[\n,]|$)",
        (
            "`{0}` cannot be had from the distro's own archive: see `depends` of [package]; a package of your own is tried"
            " together with it"
        ),
    ),
    (
        r"environment variable ([A-Z0-9_]+) is missing",
        "the release needs the variable `{0}`: give it with `--env-file`, and on hosts in /etc/NAME/environment",
    ),
    (
        r'could not fetch environment variable "([A-Z0-9_]+)"',
        "the release needs the variable `{0}`: give it with `--env-file`, and on hosts in /etc/NAME/environment",
    ),
    (
        r"not set: ([A-Z0-9_, ]+)",
        "the release needs `{0}`: give it with `--env-file`, and on hosts in /etc/NAME/environment",
    ),
    (
        # pkgrel's packages check them before the service starts.
        r"these variables, which are missing:\s+([A-Z0-9_]+)",
        "the release needs the variable `{0}`: give it with `--env-file`, and on hosts in /etc/NAME/environment",
    ),
    (
        r"eaddrinuse|address already in use",
        "the port that it wants is taken on the host",
        "ss -H -l -t -n -p",
    ),
    (
        r"cannot assign requested address|eaddrnotavail",
        "the host has no such address: have it listen on 0.0.0.0 or [::], or on one that every host has",
    ),
    (
        r"the migration failed",
        "its migration fails, and has said why; `when` of [migrations] and `on-failure` of [upgrade] decide what runs then",
    ),
    (
        r"end of file on stdin at conffile prompt|conffile difference|EOF on stdin at conffile prompt",
        (
            "dpkg asks what to do about a file in /etc that differs from the package's, and nobody answers: an upgrade by"
            " night would stop there too; have one owner for each file, the package or the administrator"
        ),
    ),
    (
        r"oom-kill|out of memory|killed by the OOM killer|Cannot allocate \d+ bytes of memory",
        "it takes more memory than it may: see `memory-max` in [service.limits]",
    ),
    (
        r"eafnosupport|address family not supported",
        (
            "it asks for a kind of address that the sandbox denies (`RestrictAddressFamilies` in [service.sandbox]), or for"
            " IPv6 on a host that has none"
        ),
    ),
    (
        r"start operation timed out",
        (
            'it did not become ready in the time that its unit gives it: with `type = "notify"` it has to tell systemd, see'
            " [service.ready] and `timeout-start-sec` of [service]"
        ),
    ),
    (
        r"status=31/SYS|SIGSYS|Bad system call",
        "the sandbox denies a system call: `SystemCallFilter` in [service.sandbox] widens it",
    ),
    (
        r"\beperm\b|operation not permitted|spawn_init: 1\b",
        "it may not do what it asks the kernel for: the sandbox denies a system call, see `SystemCallFilter` in [service.sandbox], or its user lacks a right",
    ),
    (
        r"(?:Failed to locate executable ([^\s:]+)|Failed at step EXEC spawning ([^\s:]+): No such file)",
        "`{0}`, which the unit starts, is not on the host, nor in the package",
    ),
    (
        r"Failed at step ([A-Z_]+) spawning",
        'systemd could not set the service up, at `{0}`: see systemd.exec(5), "Process Exit Codes"',
    ),
    (
        r"\b(erofs|read-only file ?system)",
        "it writes where the sandbox lets nobody write: name the path in `read-write-paths` of [service]",
    ),
    (
        r"\b(eacces|permission denied)",
        "it may not use a file or a port: its user has no rights there, or the sandbox hides it; ports below 1024 want `low-ports = true`",
    ),
    (
        r"\*\* \(([A-Z][\w.]*)\) ([^\n]+)",
        "the release's own code stops with {0}: {1}",
    ),
    (
        r"is started again(?![\s\S]*(?:code=exited, status=[1-9]|code=killed|code=dumped))[\s\S]*(?:Deactivated successfully|: Succeeded\.)",
        (
            "its first process ends, with success, and what it may have left in the background is ended too: run it in the"
            ' foreground, or set `type = "forking"` in [service]'
        ),
    ),
    (
        r"Start request repeated too quickly|Scheduled restart job|is started again",
        "it ends soon after each start: the lines of the journal before say why",
    ),
    (
        r"dpkg was interrupted|Could not get lock",
        "the package manager is busy or was interrupted on the host",
    ),
)

# What systemd logs if a host of this kind does not support a directive of the unit.
UNPROVEN = re.compile(
    r"(?:configures an? )?(IP firewall|device ACL|cgroup[^,]*|memory[^,]*)[^\n]*(?:not supported|does not support|proceeding without)",
    re.IGNORECASE,
)


def explain(text: str) -> tuple[str, str]:
    """The meaning of the first pattern found in the text and the command that shows details; both empty without one."""
    for sign, meaning, look in EXPLANATIONS:
        if found := sign.search(text):
            return meaning.format(*(group.strip() for group in found.groups() if group)), look
    return "", ""


def unproven(journal: str) -> tuple[str, ...]:
    """Parts of the sandbox that this host did not enforce."""
    return tuple(dict.fromkeys(found[1] for found in UNPROVEN.finditer(journal)))
