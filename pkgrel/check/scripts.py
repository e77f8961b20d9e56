"""Rules about what runs as root: maintainer scripts, and commands that a file in /etc/sudoers.d allows, sudoers(5)."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pkgrel.artifact import Entry, Script
from pkgrel.check.subject import Hit, Rule, Severity, Subject
from pkgrel.distro import Format

_PATIENCE = 10
"""Seconds for a shell to parse a script."""

_SHELLS = {"sh": "sh", "dash": "sh", "bash": "bash"}
_SHELL = r"(?:sudo\s+(?:-\w+\s+){0,8})?(?:/usr)?(?:/bin/)?(?:ba|da|z|k)?sh\b"
_FETCH = r"\b(?:curl|wget)\b"
_PIPED = re.compile(
    rf"{_FETCH}[^\n|;&]{{0,999}}\|\s*{_SHELL}|{_SHELL}\s+(?:-\w+\s+){{0,8}}(?:-c\s+)?[\"']?(?:\$\(|<\(|`)\s*{_FETCH}"
    rf"|\beval\b[^\n]{{0,99}}(?:\$\(|`)\s*{_FETCH}"
)
_SET_E = re.compile(
    r"^[ \t]*set[ \t]+(?:-\w+[ \t]+){0,8}-(?:\w*e\w*|o[ \t]+errexit)\b", re.MULTILINE
)
_OPEN = re.compile(
    r"\bchmod\s+(?:-\w+\s+){0,8}(?:[ugoa]*\+[rwxXt]*s|a?o?\+[rxX]*w|[0-7]?[0-7]{2}[2367]\b|[2467][0-7]{3}\b)[^\n]*"
)


def _scripts(subject: Subject) -> Iterator[tuple[str, Script, str]]:
    """Name, script, and the base name of its interpreter."""
    for name, script in subject.artifact.scripts.items():
        words = script.interpreter.split()
        yield name, script, words[0].rpartition("/")[2] if words else ""


def _without_interpreter(subject: Subject) -> Iterator[Hit]:
    for name, script, interpreter in _scripts(subject):
        if not interpreter and script.text.strip():
            yield name, "has no `#!` line, so dpkg cannot start it"


def _syntax(subject: Subject) -> Iterator[Hit]:
    for name, script, interpreter in _scripts(subject):
        shell = shutil.which(_SHELLS.get(interpreter, ""))
        if shell and (problem := _problem(shell, script.text)):
            yield name, f"is not what {interpreter} understands: {problem}"


def _problem(shell: str, text: str) -> str:
    """The shell's errors when it parses the script without running it; empty for none."""
    try:
        done = subprocess.run(
            [shell, "-n"],
            input=text.encode(errors="surrogateescape"),
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return " ".join(lines[0].split()) if done.returncode and lines else ""


def _goes_on(subject: Subject) -> Iterator[Hit]:
    for name, script, interpreter in _scripts(subject):
        if interpreter not in _SHELLS or name == "config":
            continue
        by_option = any(re.fullmatch(r"-\w*e\w*", word) for word in script.interpreter.split()[1:])
        if not by_option and not _SET_E.search(script.text):
            yield name, "goes on after a command that fails: it has no `set -e`"


def _downloads(subject: Subject) -> Iterator[Hit]:
    for name, script, _ in _scripts(subject):
        if match := _PIPED.search(_without_comments(script.text)):
            yield name, f"runs as root what a server sends: `{' '.join(match[0].split())}`"


def _opens(subject: Subject) -> Iterator[Hit]:
    for name, script, _ in _scripts(subject):
        for match in _OPEN.finditer(_without_comments(script.text)):
            yield (
                name,
                f"opens a file to every user, or lets it run as its owner: `{match[0].strip()}`",
            )


def _without_comments(text: str) -> str:
    return re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)


RULES = (
    Rule(
        "script-interpreter",
        Severity.ERROR,
        "Debian Policy 6.1",
        "begin it with `#!/bin/sh`",
        _without_interpreter,
        formats=(Format.DEB,),
    ),
    Rule(
        "script-syntax",
        Severity.ERROR,
        "Debian Policy 10.4; POSIX.1-2024, Shell Command Language",
        "mend it: a script that fails leaves the package half-installed",
        _syntax,
    ),
    Rule(
        "script-goes-on",
        Severity.WARNING,
        "Debian Policy 10.4",
        "write `set -e` below its first line",
        _goes_on,
        formats=(Format.DEB,),
    ),
    Rule(
        "script-downloads",
        Severity.ERROR,
        "CWE-494, Download of Code Without Integrity Check",
        "ship what it needs in the package, or depend on a package that brings it",
        _downloads,
    ),
    Rule(
        "script-opens",
        Severity.ERROR,
        "Debian Policy 10.9",
        "give the service's user what it needs, and nobody else",
        _opens,
    ),
)


_FOLDER = PurePosixPath("/etc/sudoers.d")
_SUDOERS_PATIENCE = 10
"""Seconds for visudo to check a file."""

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
    """All commands that the file allows."""
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


def _sudoers_syntax(subject: Subject) -> Iterator[Hit]:
    """A syntax error in one file disables sudo."""
    visudo = shutil.which("visudo") or shutil.which("visudo", path="/usr/sbin")
    for entry in _files(subject) if visudo else ():
        if not _understood(str(visudo), subject.text(entry.path)):
            yield entry.path, "is nothing that sudo understands"


def _understood(visudo: str, text: str) -> bool:
    """Checked by visudo, which changes nothing with `-c`."""
    command = [visudo, "-cqf", "-"]
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            capture_output=True,
            timeout=_SUDOERS_PATIENCE,
            check=False,
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
SUDOERS_RULES = (
    Rule("sudoers-mode", Severity.ERROR, _SOURCE, "make it root:root 0440", _mode),
    Rule("sudoers-name", Severity.ERROR, _SOURCE, "give it a name without a dot", _name),
    Rule(
        "sudoers-syntax", Severity.ERROR, _SOURCE, "mend it; visudo -cf says where", _sudoers_syntax
    ),
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
