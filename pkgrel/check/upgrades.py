"""What an upgrade from the version before makes of the package."""

from collections.abc import Iterator

from pkgrel.artifact.hot_upgrade import same_version_other_code
from pkgrel.check.subject import Hit, Rule, Severity, Subject


def _same_version(subject: Subject) -> Iterator[Hit]:
    if subject.before:
        for sentence in same_version_other_code(subject.before, subject.artifact):
            yield subject.artifact.name, sentence


RULES = (
    Rule(
        id="same-version-other-code",
        severity=Severity.WARNING,
        source="release_handler(3): an application is known by its version",
        remedy="give every build a version of its own, or the running system is restarted",
        find=_same_version,
    ),
)
