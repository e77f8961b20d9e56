"""Rules about systemd units: whether they can start, and what the services and others may do.

Whoever has compromised a service can replace any file in its directories at any time, by a link to a secret of another
service or by a program. So neither root nor PID 1 may read, run or write there.
"""

import posixpath
import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pkgrel.artifact import Entry, Kind
from pkgrel.check.files import writer
from pkgrel.check.subject import Hit, Rule, Severity, Subject, below, merged
from pkgrel.distro import directive_names as known
from pkgrel.distro import knows, knows_value

_FOLDERS = (PurePosixPath("/usr/lib/systemd/system"), PurePosixPath("/etc/systemd/system"))
_KINDS = frozenset(
    ".service .socket .timer .path .mount .automount .target .slice .swap .scope .conf".split()
)
_CONTINUED = re.compile(r"\\\n(?:[#;].*\n)*")
_SANDBOX = frozenset(
    """
    CapabilityBoundingSet NoNewPrivileges PrivateDevices PrivateTmp ProtectHome ProtectSystem
    RestrictAddressFamilies SystemCallFilter
    """.split()
)
_DIRECTORIES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}
_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
# Opened by systemd as root. Not PIDFile=: systemd checks the owner of the process.
_READ = ("EnvironmentFile", "LoadCredential", "LoadCredentialEncrypted")
_OPENED = ("StandardInput", "StandardOutput", "StandardError")
_OPENING = ("file:", "append:", "truncate:")
_TRUE = ("yes", "true", "1", "on")
_ROOT = ("", "root", "0")


class Directive(NamedTuple):
    """One line."""

    section: str
    name: str
    value: str


@lru_cache(maxsize=32)  # several rules look into each
def parse(text: str) -> tuple[Directive, ...]:
    """The directives in order; invalid lines are ignored, as by systemd."""
    found = []
    section = ""
    for line in _CONTINUED.sub(" ", text).split("\n"):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section and line[:1] not in ("", "#", ";") and "=" in line:
            name, _, value = line.partition("=")
            found.append(Directive(section, name.strip(), value.strip()))
    return tuple(found)


def units_of(subject: Subject) -> Iterator[tuple[Entry, tuple[Directive, ...]]]:
    """The package's system units and their drop-ins."""
    for entry in subject.files:
        path = merged(entry.path)
        if path.suffix in _KINDS and not {path.parent, path.parent.parent}.isdisjoint(_FOLDERS):
            yield entry, parse(subject.text(entry.path))


def last(directives: tuple[Directive, ...], section: str, name: str) -> str:
    """The effective value of a directive that can have only one; empty for none."""
    values = [d.value for d in directives if (d.section, d.name) == (section, name)]
    return values[-1] if values else ""


def _as_root(lines: tuple[Directive, ...]) -> bool:
    dynamic = last(lines, "Service", "DynamicUser") in _TRUE
    return last(lines, "Service", "User") in _ROOT and not dynamic


def program(value: str) -> tuple[str, str]:
    """The prefixes, such as `-`, and the program of ExecStart= and similar directives."""
    command = value.lstrip("@-:+!|")
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return value[: len(value) - len(command)], words[0] if words else ""


def _root(subject: Subject) -> Iterator[Hit]:
    """For long-running services only: oneshot services often set something up as root."""
    for entry, lines in units_of(subject):
        if entry.path.suffix != ".service" or last(lines, "Service", "Type") == "oneshot":
            continue
        if _as_root(lines) and not {line.name for line in lines} & _SANDBOX:
            yield entry.path, "runs as root without any sandbox"


def _programs(subject: Subject) -> Iterator[Hit]:
    for entry, lines in units_of(subject):
        for section, name, value in lines:
            if section != "Service" or not name.startswith("Exec"):
                continue
            prefixes, word = program(value)
            if set(word) & set("%$"):
                continue
            path = PurePosixPath(word)
            there = subject.find(path)
            if there and not there.mode & 0o111 and there.kind != "directory":
                yield (
                    entry.path,
                    f"starts `{path}`, which is not executable (mode {there.mode:04o})",
                )
            elif not there and subject.would_bring(path) and "-" not in prefixes:
                yield entry.path, f"starts `{path}`, which is not in the package"


def _directives(subject: Subject) -> Iterator[Hit]:
    for entry, lines in units_of(subject):
        for section, name, value in lines:
            if not known(section) or name.startswith(("X-", "-")):
                continue
            if name not in known(section):
                yield entry.path, f"has `{name}` in [{section}], which no systemd knows"
            elif subject.distro and not knows(subject.distro, section, name):
                yield entry.path, f"has `{name}`, {_unknown(subject)}"
            elif subject.distro and not knows_value(subject.distro, section, name, value):
                yield entry.path, f"has `{name}={value}`, {_unknown(subject)}"


def _unknown(subject: Subject) -> str:
    assert subject.distro
    return f"which systemd {subject.distro.systemd} of {subject.distro.title} does not know"


def _environment_files(subject: Subject) -> Iterator[Hit]:
    for entry, lines in units_of(subject):
        for _, name, value in lines:
            path = PurePosixPath(value.lstrip("-"))
            file = subject.find(path) if name == "EnvironmentFile" else None
            # These have always been world-readable, and nobody expects a secret there.
            shared = below(path, "/etc/default", "/etc/sysconfig")
            if file and file.mode & 0o004 and not shared:
                yield (
                    file.path,
                    f"is the environment of `{entry.path.name}`, and every user can read it",
                )


def _in_etc(subject: Subject) -> Iterator[Hit]:
    for entry, _ in units_of(subject):
        if below(entry.path, "/etc"):
            yield (
                entry.path,
                "is where the administrator's own units are, which win over the package's",
            )


def _untrusted_files(subject: Subject) -> Iterator[Hit]:
    found = list(units_of(subject))
    folders = (*_SHARED, *_folders_of_services(subject))
    for entry, lines in found:
        # A drop-in does not show whose unit it is for.
        root = entry.path.suffix == ".service" and _as_root(lines)
        for directive in lines:
            for path, what in _used(directive, root=root, lines=lines):
                if "%" not in path and below(_plain(path), *folders):
                    text = f"{what} `{path}` as root (`{directive.name}=`), and others can put a link or a file there"
                    yield entry.path, text


def _folders_of_services(subject: Subject) -> Iterator[str]:
    """Directories of units that have a user, and directories in the package that root does not own."""
    for _, lines in units_of(subject):
        if _as_root(lines):
            continue
        for section, name, value in lines:
            if section == "Service" and name in _DIRECTORIES:
                # After `:` is the name of a link to it.
                words = (word.partition(":")[0] for word in value.split())
                yield from (f"{_DIRECTORIES[name]}/{word}" for word in words if "%" not in word)
    for entry in subject.artifact.entries:
        if entry.kind is Kind.DIRECTORY and writer(entry):
            yield str(merged(entry.path))


def _used(
    directive: Directive, *, root: bool, lines: tuple[Directive, ...]
) -> Iterator[tuple[str, str]]:
    """Paths that the directive makes root use, and how."""
    section, name, value = directive
    if section != "Service" or not value:
        return
    if name in _READ:
        path = value.lstrip("-") if name == "EnvironmentFile" else value.partition(":")[2]
        yield path, "reads"
    elif name in _OPENED and value.startswith(_OPENING):
        yield value.partition(":")[2], "opens"
    elif name.startswith("Exec"):
        prefixes, word = program(value)
        started = name == "ExecStart" or last(lines, "Service", "PermissionsStartOnly") not in _TRUE
        if root or not started or not {"+", "!"}.isdisjoint(prefixes):
            yield word, "runs"


def _plain(path: str) -> PurePosixPath:
    plain = merged(PurePosixPath(posixpath.normpath(path)))
    if plain.parts[1:3] in (("var", "run"), ("var", "lock")):
        plain = PurePosixPath("/run", *plain.parts[2 if plain.parts[2] == "lock" else 3 :])
    return plain


RULES = (
    Rule(
        "unit-root",
        Severity.WARNING,
        "systemd.exec(5), User= and Sandboxing",
        "give it a user of its own, or at least NoNewPrivileges=, ProtectSystem= and PrivateTmp=",
        _root,
    ),
    Rule(
        "unit-program",
        Severity.ERROR,
        "systemd.service(5), Command lines",
        "name a program of the package, with its mode 0755",
        _programs,
    ),
    Rule(
        "unit-directive",
        Severity.WARNING,
        "systemd.directives(7); NEWS of systemd",
        "leave it out for this distro, or put it where it belongs",
        _directives,
    ),
    Rule(
        "readable-environment",
        Severity.WARNING,
        "systemd.exec(5), EnvironmentFile=",
        "give it mode 0640 and the service's group: it is where secrets end up",
        _environment_files,
    ),
    Rule(
        "unit-in-etc",
        Severity.WARNING,
        "systemd.unit(5), Unit File Load Path",
        "put it into /usr/lib/systemd/system",
        _in_etc,
    ),
    Rule(
        "untrusted-file",
        Severity.ERROR,
        "systemd.exec(5), EnvironmentFile=; CWE-59, Link Following",
        "keep it where only root can write, such as /etc, or let the service read it itself",
        _untrusted_files,
    ),
)
