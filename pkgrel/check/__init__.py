"""Checks a finished package, from pkgrel or other tools.

    for finding in check.package(Path("hello_1.0.0-1_amd64.deb"), distro).findings: ...

Each aspect is a module with RULES; a rule is a row with one small function over the package as it was read.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pkgrel import artifact
from pkgrel.artifact import Artifact
from pkgrel.check import file_format, files, names, release, scripts, secrets, units
from pkgrel.check.subject import Finding, Rule, Severity, Subject, keeping
from pkgrel.console import one_line
from pkgrel.distro import Distro
from pkgrel.errors import PackageError

__all__ = ["RULES", "Checked", "Finding", "Rule", "Severity", "package"]

RULES: tuple[Rule, ...] = (
    *secrets.RULES,
    *files.RULES,
    *names.RULES,
    *release.RULES,
    *units.RULES,
    *scripts.SUDOERS_RULES,
    *scripts.RULES,
    *file_format.RULES,
    *release.UPGRADE_RULES,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A package and its findings, errors first."""

    artifact: Artifact
    distro: Distro | None
    findings: tuple[Finding, ...]


def package(
    file: Path,
    distro_of: Callable[[Artifact], Distro | None],
    ignored: Container[str] = (),
    key: bytes = b"",
    before: Sequence[Artifact] = (),
) -> Checked:
    """Read the package and apply every rule that is not ignored.

    `distro_of` gives the package's distro; for None, rules that depend on it are skipped. `key` has public keys, one
    of which should have signed an .rpm. PackageError if the file is not a valid package, or if none of the given
    packages of previous versions has its name, format and architecture.
    """
    with keeping() as (contents, take):
        read = artifact.read(file, take=take)
        contents.add_hard_links(read.entries)
        subject = Subject(read, distro_of(read), contents, key, _version_before(read, before))
        found = [
            finding
            for rule in RULES
            if read.format in rule.formats and rule.id not in ignored
            for finding in _apply(rule, subject)
        ]
    found.sort(key=lambda finding: finding.severity is not Severity.ERROR)
    return Checked(read, subject.distro, tuple(found))


def _version_before(read: Artifact, before: Sequence[Artifact]) -> Artifact | None:
    for other in before:
        if (other.name, other.format, other.architecture) == (
            read.name,
            read.format,
            read.architecture,
        ):
            return other
    if not before:
        return None
    raise PackageError(
        f"{read.file}: is held against none of {', '.join(other.file.name for other in before)}",
        hint="name a package of the same name, format and architecture as well: `--against` repeats",
    )


def _apply(rule: Rule, subject: Subject) -> Iterator[Finding]:
    for path, what in rule.find(subject):
        yield Finding(
            severity=rule.severity,
            rule=rule.id,
            path=str(path),
            what=one_line(what),
            remedy=rule.remedy,
            source=rule.source,
        )
