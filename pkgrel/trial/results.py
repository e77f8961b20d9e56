"""The results of a trial, and their JUnit report for CI systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.etree import ElementTree

from pkgrel.artifact import Artifact
from pkgrel.distro import Distro


class Outcome(StrEnum):
    """The outcome of a step."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "not proven"
    """It cannot be tested on a host of this kind, or something that the test needs was not given."""
    SKIPPED = "skipped"
    """Not requested, or impossible after an earlier failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one step."""

    id: str
    title: str
    outcome: Outcome
    seconds: float = 0
    detail: str = ""
    command: str = ""
    """The command that failed."""
    output: str = ""
    """The end of its output."""
    journal: str = ""
    """The last lines of the service's journal."""
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A tested package and its results."""

    artifact: Artifact
    distro: Distro
    results: tuple[Result, ...]
    unproven: tuple[str, ...] = ()
    """Parts of the sandbox that the host did not enforce."""
    shell: tuple[str, ...] = ()
    """A command that opens a shell on the host, if it was kept."""
    removal: str = ""
    """A command that removes the host, if it was kept."""

    @property
    def passed(self) -> bool:
        """Whether no step failed."""
        return all(result.outcome is not Outcome.FAILED for result in self.results)


def junit(tried: Sequence[Tried]) -> str:
    """A JUnit report: one suite per package, one case per step.

    Source: the schema of Jenkins' xunit plugin, junit-10.xsd, which all CI systems accept.
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
    """The text without characters that XML does not allow."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t").strip()
