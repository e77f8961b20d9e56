"""Whether systemd can start the units, and what the services may do."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.check.finding import Hit, Rule, Severity
from pkgrel.check.subject import Subject, below
from pkgrel.check.unit_file import last, program, units
from pkgrel.distro.directives import directives as known
from pkgrel.distro.directives import knows, knows_value

_SANDBOX = frozenset(
    """
    CapabilityBoundingSet NoNewPrivileges PrivateDevices PrivateTmp ProtectHome ProtectSystem
    RestrictAddressFamilies SystemCallFilter
    """.split()
)


def _root(subject: Subject) -> Iterator[Hit]:
    """Of services that stay: what is done in a moment is often there to set something up."""
    for entry, lines in units(subject):
        if entry.path.suffix != ".service" or last(lines, "Service", "Type") == "oneshot":
            continue
        dynamic = last(lines, "Service", "DynamicUser") in ("yes", "true", "1")
        root = last(lines, "Service", "User") in ("", "root", "0") and not dynamic
        if root and not {line.name for line in lines} & _SANDBOX:
            yield entry.path, "runs as root without any sandbox"


def _programs(subject: Subject) -> Iterator[Hit]:
    for entry, lines in units(subject):
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
            elif not there and subject.own(path) and "-" not in prefixes:
                yield entry.path, f"starts `{path}`, which is not in the package"


def _directives(subject: Subject) -> Iterator[Hit]:
    for entry, lines in units(subject):
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
    for entry, lines in units(subject):
        for _, name, value in lines:
            path = PurePosixPath(value.lstrip("-"))
            file = subject.find(path) if name == "EnvironmentFile" else None
            # Those have been readable for ever, and nobody expects a secret there.
            shared = below(path, "/etc/default", "/etc/sysconfig")
            if file and file.mode & 0o004 and not shared:
                yield (
                    file.path,
                    f"is the environment of `{entry.path.name}`, and every user can read it",
                )


def _in_etc(subject: Subject) -> Iterator[Hit]:
    for entry, _ in units(subject):
        if below(entry.path, "/etc"):
            yield (
                entry.path,
                "is where the administrator's own units are, which win over the package's",
            )


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
)
