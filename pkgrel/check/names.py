"""Rules about names that hosts or archives already have: files, directories of services, accounts, packages, and what
scripts remove."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.artifact import Kind
from pkgrel.check.subject import Hit, Rule, Severity, Subject, merged
from pkgrel.check.units import units_of
from pkgrel.distro import Format, names
from pkgrel.distro.names import FOLDERS, Taken, taken, taken_path

_DIRECTORIES = {
    "RuntimeDirectory": "run",
    "StateDirectory": "state",
    "CacheDirectory": "cache",
    "LogsDirectory": "log",
}
_ACCOUNTS = {"User": "account", "Group": "group"}
_SYSUSERS = re.compile(r"^([ug])!?[ \t]+\"?([a-z_][a-z0-9_-]{0,30})\"?(?=\s)", re.MULTILINE)
_MAKES_ACCOUNT = re.compile(
    r"\b(useradd|groupadd|adduser[ \t][^\n;&|]{0,99}--system|addgroup[ \t][^\n;&|]{0,99}--system)\b([^\n;&|]{1,999})"
)
_REMOVES_ACCOUNT = re.compile(
    r"\b(userdel|deluser|groupdel|delgroup)(?:[ \t]+-\S{1,40}){0,8}[ \t]+([a-z_][a-z0-9_-]{0,30})\b"
)
_REMOVES = re.compile(
    r"\brm(?:[ \t]+-\S{1,20}){0,8}[ \t]+-\w{0,9}[rR]\w{0,9}[ \t]([^\n;&|]{1,999})"
)
_PLACE = re.compile(r"(/etc|/run|/var/lib|/var/log|/var/cache)/([A-Za-z0-9._+-]+)/?\*?")


def _others(subject: Subject, its: Taken | None) -> Taken | None:
    """The same, unless the package is the owner of the name, replaces it, or belongs to the base system."""
    artifact = subject.artifact
    if taken(artifact.format, "package", artifact.name):
        return None
    if its and not its.package and not its.base and its.name in artifact.name:
        return None
    successor = re.compile(rf"(?<![\w.+-]){re.escape(its.package)}(?![\w.+-])") if its else None
    if its and its.package and successor:
        replaced = " ".join(
            map(
                str,
                (*artifact.relations.get("Replaces", ()), *artifact.relations.get("Obsoletes", ())),
            )
        )
        if its.package == artifact.name or successor.search(replaced):
            return None
    return its


def _files(subject: Subject) -> Iterator[tuple[object, Taken]]:
    for entry in subject.artifact.entries:
        directory = entry.kind is Kind.DIRECTORY
        its = taken_path(subject.artifact.format, merged(entry.path), directory=directory)
        if its := _others(subject, its):
            yield entry.path, its


def _directories(subject: Subject) -> Iterator[tuple[object, str, Taken]]:
    for entry, lines in units_of(subject):
        for section, name, value in lines:
            if section != "Service" or name not in _DIRECTORIES:
                continue
            for word in value.split():
                top = word.partition(":")[0].partition("/")[0]
                if its := _others(subject, taken(subject.artifact.format, _DIRECTORIES[name], top)):
                    yield entry.path, f"{name}={word}", its


def _accounts(subject: Subject) -> Iterator[tuple[object, str, Taken]]:
    for entry, lines in units_of(subject):
        for section, name, value in lines:
            if section == "Service" and name in _ACCOUNTS and value not in ("root", "0"):
                its = taken(subject.artifact.format, _ACCOUNTS[name], value)
                if its := _others(subject, its):
                    yield entry.path, f"{name}={value}", its


def _made(subject: Subject) -> Iterator[tuple[object, str, str]]:
    """Accounts that scripts and sysusers.d create: source, kind, name."""
    for entry in subject.files:
        if merged(entry.path).parent == PurePosixPath("/usr/lib/sysusers.d"):
            for letter, name in _SYSUSERS.findall(subject.text(entry.path)):
                yield entry.path, "account" if letter == "u" else "group", name
    for script, text in _texts(subject):
        for command, rest in _MAKES_ACCOUNT.findall(text):
            words = [word for word in rest.split() if not word.startswith((">", "2>"))]
            if words:
                yield script, "group" if "group" in command else "account", words[-1].strip("\"'")


def _texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Maintainer scripts without comments, with each command on one line."""
    for name, script in subject.artifact.scripts.items():
        text = script.text.replace("\\\n", " ")
        yield name, re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)


def _taken_paths(subject: Subject) -> Iterator[Hit]:
    for path, its in _files(subject):
        if its.base:
            yield path, f"is there on every host already, a file {its.owner}"


def _taken_directories(subject: Subject) -> Iterator[Hit]:
    for path, said, its in _directories(subject):
        if its.base:
            yield path, f"has `{said}`, which gives the service a directory {its.owner}"


def _taken_accounts(subject: Subject) -> Iterator[Hit]:
    for path, said, its in _accounts(subject):
        if its.base:
            yield path, f"has `{said}`, an account {its.owner} that other things run as, too"
    for where, kind, name in _made(subject):
        there = _others(subject, taken(subject.artifact.format, kind, name))
        if there and there.base and name != "root":
            yield where, f"makes the {kind} `{name}`, which is there already, {there.owner}"


def _of_services(subject: Subject) -> Iterator[Hit]:
    for path, its in _files(subject):
        if not its.base:
            yield path, f"is there on hosts with a certain service, a file {its.owner}"
    for path, said, its in (*_directories(subject), *_accounts(subject)):
        if not its.base:
            yield path, f"has `{said}`, which is {its.owner} on some hosts"


def _removed(subject: Subject) -> Iterator[Hit]:
    for name, text in _texts(subject):
        yield from ((name, what) for what in _removed_accounts(subject, text))
        yield from ((name, what) for what in _removed_paths(subject, text))


def _removed_accounts(subject: Subject, text: str) -> Iterator[str]:
    for match in _REMOVES_ACCOUNT.finditer(text):
        kind = "account" if "user" in match[1] else "group"
        its = _others(subject, taken(subject.artifact.format, kind, match[2]))
        if its and its.base:
            yield f"removes the {kind} `{match[2]}` {its.owner}"


def _removed_paths(subject: Subject, text: str) -> Iterator[str]:
    format = subject.artifact.format
    words = (word.strip("\"'") for match in _REMOVES.finditer(text) for word in match[1].split())
    for place in filter(None, map(_PLACE.fullmatch, words)):
        kind = FOLDERS[place[1]]
        its = taken(format, kind, place[2]) or taken(format, kind, f"{place[2]}/")
        if (its := _others(subject, its)) and its.base:
            yield f"removes `{PurePosixPath(place[1], place[2])}` {its.owner}"


def _of_the_archive(subject: Subject) -> Iterator[Hit]:
    name = subject.artifact.name
    if suites := names.archive_has(subject.distro, name):
        where = f"a package of Debian's own archive ({', '.join(suites)})"
        yield name, f"is the name of {where} too: apt installs the one with the higher version"


RULES = (
    Rule(
        "taken-path",
        Severity.ERROR,
        "Debian Policy 10.1 and 10.7.4",
        "give it another name: the package manager replaces what is there, or refuses the package",
        _taken_paths,
    ),
    Rule(
        "taken-directory",
        Severity.ERROR,
        "systemd.exec(5), RuntimeDirectory=",
        "name a directory that is the service's alone: all that is in it becomes the service's",
        _taken_directories,
    ),
    Rule(
        "taken-account",
        Severity.WARNING,
        "Debian Policy 9.2",
        "give the service a user of its own",
        _taken_accounts,
    ),
    Rule(
        "shared-name",
        Severity.WARNING,
        "Debian Policy 10.1 and 9.2",
        "give it another name, or conflict with the other package",
        _of_services,
    ),
    Rule(
        "removes-of-others",
        Severity.ERROR,
        "Debian Policy 6.8 and 10.7.4",
        "remove only what the package made",
        _removed,
    ),
    Rule(
        "name-of-the-archive",
        Severity.WARNING,
        "apt_preferences(5); Debian's Packages indices",
        "give it a name that no archive has, or have hosts prefer your repository for it, as the client files of "
        "`pkgrel repo client` do",
        _of_the_archive,
        formats=(Format.DEB,),
    ),
)
