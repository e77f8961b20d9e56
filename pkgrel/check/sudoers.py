"""What a file in /etc/sudoers.d allows: sudoers(5)."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pkgrel.artifact import Entry
from pkgrel.check.subject import Hit, Rule, Severity, Subject

_FOLDER = PurePosixPath("/etc/sudoers.d")
_PATIENCE = 10
"""Seconds for visudo to read a file."""

_ALIAS = re.compile(r"\s*Cmnd_Alias\s")
_NO_SPEC = re.compile(r"\s*(Defaults|User_Alias|Host_Alias|Runas_Alias|[@#]include)")
_RUN_AS = re.compile(r"\([^()\n]*\)")
_TAG = re.compile(r"\s*([A-Z_]+)\s*:\s*")


@dataclass(frozen=True, slots=True)
class Allowed:
    """One command of a line."""

    command: str
    password: bool
    """Whether the user has to give a password."""


def allowed(text: str) -> Iterator[Allowed]:
    """Every command that the file names."""
    for line in text.replace("\\\n", " ").split("\n"):
        line = line.partition("#")[0]
        if _NO_SPEC.match(line) or "=" not in line:
            continue
        password = True
        for part in _RUN_AS.sub("", line.partition("=")[2]).replace("\\,", " ").split(","):
            command = part
            while not _ALIAS.match(line) and (tag := _TAG.match(command)):
                password = {"NOPASSWD": False, "PASSWD": True}.get(tag[1], password)
                command = command[tag.end() :]
            if command := command.strip().lstrip("!"):
                yield Allowed(command, password)


def _files(subject: Subject) -> Iterator[Entry]:
    return (entry for entry in subject.files if entry.path.parent == _FOLDER)


def _mode(subject: Subject) -> Iterator[Hit]:
    for entry in _files(subject):
        if entry.mode != 0o440 or (entry.owner, entry.group) not in (("root", "root"), ("0", "0")):
            yield entry.path, f"is {entry.owner}:{entry.group} {entry.mode:04o}"


def _name(subject: Subject) -> Iterator[Hit]:
    for entry in _files(subject):
        if "." in entry.path.name or entry.path.name.endswith("~"):
            yield entry.path, "is passed over by sudo: its name has a dot or ends with `~`"


def _syntax(subject: Subject) -> Iterator[Hit]:
    """One bad file, and nobody can use sudo any more."""
    visudo = shutil.which("visudo") or shutil.which("visudo", path="/usr/sbin")
    for entry in _files(subject) if visudo else ():
        if not _understood(str(visudo), subject.text(entry.path)):
            yield entry.path, "is nothing that sudo understands"


def _understood(visudo: str, text: str) -> bool:
    """By sudo's own checker, which changes nothing with `-c`."""
    command = [visudo, "-cqf", "-"]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode == 0


def _everything(subject: Subject) -> Iterator[Hit]:
    for entry in _files(subject):
        if Allowed("ALL", password=False) in allowed(subject.text(entry.path)):
            yield entry.path, "allows everything without a password"


def _absent(subject: Subject) -> Iterator[Hit]:
    for entry in _files(subject):
        for path in _programs(subject, entry):
            if subject.would_bring(path) and not subject.find(path):
                yield entry.path, f"allows `{path}`, which is not in the package"


def _replaceable(subject: Subject) -> Iterator[Hit]:
    for entry in _files(subject):
        for path in _programs(subject, entry):
            program = subject.find(path)
            if program and (program.owner not in ("root", "0") or program.mode & 0o022):
                who = f"{program.owner}:{program.group} {program.mode:04o}"
                yield entry.path, f"allows `{path}`, which others than root can replace ({who})"


def _programs(subject: Subject, entry: Entry) -> Iterator[PurePosixPath]:
    """Absolute paths without wildcards, each once."""
    commands = (each.command.split()[0] for each in allowed(subject.text(entry.path)))
    for word in dict.fromkeys(commands):
        if word.startswith("/") and not set(word) & set("*?["):
            yield PurePosixPath(word)


_SOURCE = "sudoers(5)"
RULES = (
    Rule("sudoers-mode", Severity.ERROR, _SOURCE, "make it root:root 0440", _mode),
    Rule("sudoers-name", Severity.ERROR, _SOURCE, "give it a name without a dot", _name),
    Rule("sudoers-syntax", Severity.ERROR, _SOURCE, "mend it; visudo -cf says where", _syntax),
    Rule("sudoers-all", Severity.ERROR, _SOURCE, "name the commands with their paths", _everything),
    Rule("sudoers-absent", Severity.ERROR, _SOURCE, "name a path that there is", _absent),
    Rule(
        "sudoers-replaceable",
        Severity.ERROR,
        _SOURCE,
        "let root alone own and write the program",
        _replaceable,
    ),
)
