"""Maintainer scripts: what runs as root on every host."""

import re
import shutil
import subprocess
from collections.abc import Iterator

from pkgrel.artifact import Script
from pkgrel.check.subject import Hit, Rule, Severity, Subject
from pkgrel.distro import Format

_PATIENCE = 10
"""Seconds for a shell to read a script."""

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
    """Name, script, and the name of its interpreter without folder and arguments."""
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
    """What the shell says to the script when it reads and does not run it; empty for nothing."""
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
