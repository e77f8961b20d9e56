"""Where files lie: settings, links, places that belong to others."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.artifact import Kind
from pkgrel.check.finding import Hit, Rule, Severity
from pkgrel.check.subject import Subject, below, merged
from pkgrel.distro import Format

_OTHERS = {
    "/usr/local": "belongs to the administrator",
    "/home": "belongs to the users",
    "/root": "belongs to the administrator",
    "/tmp": "is emptied when the host starts",
    "/var/tmp": "is emptied from time to time",
    "/run": "is empty when the host starts",
    "/var/run": "is empty when the host starts",
    "/dev": "belongs to the kernel",
    "/proc": "belongs to the kernel",
    "/sys": "belongs to the kernel",
}
_BUILD = ("/home", "/root", "/tmp", "/build", "/builds", "/builddir", "/github", "/workspace")


def _etc_without_conffile(subject: Subject) -> Iterator[Hit]:
    for entry in subject.files:
        if below(entry.path, "/etc") and not {"conffile", "ghost"} & set(entry.flags):
            yield entry.path, "would lose the administrator's edits in an upgrade"


def _lost_conffiles(subject: Subject) -> Iterator[Hit]:
    for line in subject.artifact.conffiles:
        if line.startswith("/") and merged(PurePosixPath(line)) not in subject.entries:
            yield line, "is listed as a conffile and is not in the package"


def _places_of_others(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        for place, why in _OTHERS.items():
            if str(entry.path).startswith(f"{place}/"):
                yield entry.path, f"is in {place}, which {why}"


def _doubles(subject: Subject) -> Iterator[Hit]:
    seen: dict[PurePosixPath, PurePosixPath] = {}
    for entry in subject.artifact.entries:
        there = seen.setdefault(merged(entry.path), entry.path)
        if there != entry.path and entry.kind is not Kind.DIRECTORY:
            yield entry.path, f"is the same file as `{there}` where /usr is merged"


def _links_to_the_builder(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is Kind.SYMLINK and entry.target.startswith("/"):
            end = subject.resolve(entry.path)
            if end and below(end, *_BUILD) and end not in subject.entries:
                yield entry.path, f"points to `{entry.target}`, which only its builder has"


def _dangling(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is not Kind.SYMLINK:
            continue
        end = subject.resolve(entry.path)
        if end is None:
            yield entry.path, f"points to `{entry.target}`, and so to itself"
        elif subject.own(end) and end not in subject.entries and not subject.is_folder(end):
            yield entry.path, f"points to `{entry.target}`, which is not in the package"


def _absolute(subject: Subject) -> Iterator[Hit]:
    for entry in subject.artifact.entries:
        if entry.kind is not Kind.SYMLINK or not entry.target.startswith("/"):
            continue
        if below(entry.path, *subject.releases):
            end = subject.resolve(entry.path)
            if end and below(end, *subject.releases):
                yield entry.path, f"points to `{entry.target}` by an absolute path"


RULES = (
    Rule(
        "etc-not-conffile",
        Severity.ERROR,
        "Debian Policy 10.7.3; rpm-spec(5), %config",
        "make it a conffile (%config(noreplace)), or put it below /usr",
        _etc_without_conffile,
    ),
    Rule(
        "conffile-missing",
        Severity.ERROR,
        "deb-conffiles(5)",
        "take the line out of conffiles, or ship the file",
        _lost_conffiles,
        formats=(Format.DEB,),
    ),
    Rule(
        "place-of-others",
        Severity.ERROR,
        "Debian Policy 9.1.1 and 9.1.2; Filesystem Hierarchy Standard 3.0",
        "put it below /usr, /opt or /var/lib; for /run say RuntimeDirectory= in the unit",
        _places_of_others,
    ),
    Rule(
        "duplicate-path",
        Severity.ERROR,
        "Debian Policy 10.1",
        "ship the one below /usr only",
        _doubles,
    ),
    Rule(
        "link-to-builder",
        Severity.ERROR,
        "Debian Policy 10.5",
        "replace the link with a copy of what it points to",
        _links_to_the_builder,
    ),
    Rule(
        "dangling-link",
        Severity.WARNING,
        "Debian Policy 10.5",
        "leave the link out, or ship what it points to",
        _dangling,
    ),
    Rule(
        "absolute-link",
        Severity.WARNING,
        "Debian Policy 10.5",
        "make the link relative, so that it is right below another root as well",
        _absolute,
    ),
)
