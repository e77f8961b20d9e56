"""Unit files of systemd: systemd.syntax(7)."""

import re
import shlex
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pkgrel.artifact import Entry
from pkgrel.check.subject import Subject, merged

_FOLDERS = (PurePosixPath("/usr/lib/systemd/system"), PurePosixPath("/etc/systemd/system"))
_KINDS = frozenset(
    ".service .socket .timer .path .mount .automount .target .slice .swap .scope .conf".split()
)
_CONTINUED = re.compile(r"\\\n(?:[#;].*\n)*")


class Directive(NamedTuple):
    """One line."""

    section: str
    name: str
    value: str


@lru_cache(maxsize=32)  # several rules look into each
def parse(text: str) -> tuple[Directive, ...]:
    """The directives in their order; what is none is passed over, as systemd does."""
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


def units(subject: Subject) -> Iterator[tuple[Entry, tuple[Directive, ...]]]:
    """The package's units of the system, and drop-ins of them."""
    for entry in subject.files:
        path = merged(entry.path)
        if path.suffix in _KINDS and not {path.parent, path.parent.parent}.isdisjoint(_FOLDERS):
            yield entry, parse(subject.text(entry.path))


def last(directives: tuple[Directive, ...], section: str, name: str) -> str:
    """The value that counts where only one does; empty for none."""
    values = [d.value for d in directives if (d.section, d.name) == (section, name)]
    return values[-1] if values else ""


def program(value: str) -> tuple[str, str]:
    """The prefixes, such as `-`, and the program of a value of ExecStart= and its like."""
    command = value.lstrip("@-:+!|")
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return value[: len(value) - len(command)], words[0] if words else ""
