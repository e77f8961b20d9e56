"""Whether root or PID 1 reads, runs or writes where a service can put a link or a file of its own.

A directory that belongs to a service is the service's: whoever broke into it replaces any file there at any
moment, by a link to a secret of another service or by a program.
"""

import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.artifact import Kind
from pkgrel.check.finding import Hit, Rule, Severity
from pkgrel.check.permissions import writer
from pkgrel.check.subject import Subject, below, merged
from pkgrel.check.unit_file import Directive, last, program, units

_DIRECTORIES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
}
_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")
# Opened by systemd before it is anybody else. PIDFile= is not among them: systemd looks whose process it is.
_READ = ("EnvironmentFile", "LoadCredential", "LoadCredentialEncrypted")
_OPENED = ("StandardInput", "StandardOutput", "StandardError")
_OPENING = ("file:", "append:", "truncate:")
_TRUE = ("yes", "true", "1", "on")
_ROOT = ("", "root", "0")


def _untrusted_files(subject: Subject) -> Iterator[Hit]:
    found = list(units(subject))
    folders = (*_SHARED, *_folders_of_services(subject))
    for entry, lines in found:
        # A drop-in knows not whose unit it is about.
        root = last(lines, "Service", "User") in _ROOT and entry.path.suffix == ".service"
        root = root and last(lines, "Service", "DynamicUser") not in _TRUE
        for directive in lines:
            for path, what in _used(directive, root=root, lines=lines):
                if "%" not in path and below(_plain(path), *folders):
                    text = f"{what} `{path}` as root (`{directive.name}=`), and others can put a link or a file there"
                    yield entry.path, text


def _folders_of_services(subject: Subject) -> Iterator[str]:
    """Those of units that have a user, and those in the package that are not root's."""
    for _, lines in units(subject):
        dynamic = last(lines, "Service", "DynamicUser") in _TRUE
        if last(lines, "Service", "User") in _ROOT and not dynamic:
            continue
        for section, name, value in lines:
            if section == "Service" and name in _DIRECTORIES:
                # Behind `:` is a name of a link to it.
                words = (word.partition(":")[0] for word in value.split())
                yield from (f"{_DIRECTORIES[name]}/{word}" for word in words if "%" not in word)
    for entry in subject.artifact.entries:
        if entry.kind is Kind.DIRECTORY and writer(entry):
            yield str(merged(entry.path))


def _used(
    directive: Directive, *, root: bool, lines: tuple[Directive, ...]
) -> Iterator[tuple[str, str]]:
    """Paths that the line has root use, and how."""
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
        "untrusted-file",
        Severity.ERROR,
        "systemd.exec(5), EnvironmentFile=; CWE-59, Link Following",
        "keep it where only root can write, such as /etc, or let the service read it itself",
        _untrusted_files,
    ),
)
