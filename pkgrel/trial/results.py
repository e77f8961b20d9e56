"""What a trial showed, and the report of it that CI systems read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.etree import ElementTree

from pkgrel.artifact import Artifact
from pkgrel.distro import Distro


class Outcome(StrEnum):
    """How a step went."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "not proven"
    """A host of this kind cannot show it, or there was nothing to show it with."""
    SKIPPED = "skipped"
    """Not asked for, or not possible after what failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one step showed."""

    id: str
    title: str
    outcome: Outcome
    seconds: float = 0
    detail: str = ""
    command: str = ""
    """That failed."""
    output: str = ""
    """The end of what it printed."""
    journal: str = ""
    """The last lines of the service."""
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A package and what was seen of it."""

    artifact: Artifact
    distro: Distro
    results: tuple[Result, ...]
    unproven: tuple[str, ...] = ()
    """What of the sandbox the host did not enforce."""
    shell: tuple[str, ...] = ()
    """The command that enters the host, if it was kept."""
    removal: str = ""
    """The one that removes it."""

    @property
    def passed(self) -> bool:
        """Whether no step has failed."""
        return all(result.outcome is not Outcome.FAILED for result in self.results)


def junit(tried: Sequence[Tried]) -> str:
    """The report that CI systems read: a suite for each package, a case for each step.

    Source: the schema of Jenkins' xunit plugin, junit-10.xsd, which all take.
    """
    root = ElementTree.Element("testsuites", name="pkgrel try")
    for one in tried:
        outcomes = [result.outcome for result in one.results]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"{one.artifact.file.name} on {one.distro.id}",
            tests=str(len(one.results)),
            failures=str(outcomes.count(Outcome.FAILED)),
            errors="0",
            skipped=str(outcomes.count(Outcome.UNPROVEN) + outcomes.count(Outcome.SKIPPED)),
            time=f"{sum(result.seconds for result in one.results):.1f}",
        )
        for result in one.results:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{one.artifact.name}.{one.distro.id}",
                name=result.title,
                time=f"{result.seconds:.1f}",
            )
            detail = _plain(result.detail)
            match result.outcome:
                case Outcome.FAILED:
                    found = ElementTree.SubElement(case, "failure", type=result.id, message=detail)
                    found.text = _plain(
                        "\n".join((result.explanation, result.output, result.journal))
                    )
                case Outcome.UNPROVEN | Outcome.SKIPPED:
                    ElementTree.SubElement(case, "skipped", message=detail)
                case Outcome.PASSED:
                    ElementTree.SubElement(case, "system-out").text = detail
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    """Without what XML cannot say."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t").strip()
