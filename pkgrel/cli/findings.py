"""What `pkgrel check` found: for people, for programs, for a workflow of GitHub, and as SARIF.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions;
SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import click

from pkgrel import __version__, console
from pkgrel.check import RULES, Checked, Finding, Severity
from pkgrel.cli.outputs import emit
from pkgrel.console import counted, one_line

SHOWN = 10
"""Findings of one rule in one package that people are shown: a wrong owner may be that of every file."""


def print_one(checked: Checked, format: str) -> None:
    """What can be said before the other packages are read."""
    if format == "text":
        _print(checked)
    elif format == "github":
        for finding in checked.findings:
            click.echo(_annotation(checked, finding))


def print_all(done: Sequence[Checked], format: str) -> None:
    """What is said when all packages are read."""
    if format == "json":
        emit([_as_json(checked) for checked in done])
    elif format == "sarif":
        click.echo(json.dumps(_sarif(done), indent=2))
    elif len(done) > 1:
        found = [finding for checked in done for finding in checked.findings]
        console.note(f"{counted(len(done), 'package')}: {_count(found)}")


def _print(checked: Checked) -> None:
    file = checked.artifact.file
    for rule, group in groupby(checked.findings, key=lambda finding: finding.rule):
        found = list(group)
        for each in found[:SHOWN]:
            what = f"{one_line(each.path)} {each.what}: {each.remedy}"
            console.out(f"{file}: {each.severity}: {what} [{rule}]")
        if (more := len(found) - SHOWN) > 0:
            console.out(f"{file}: {found[0].severity}: {more} more, which --json has [{rule}]")
    target = f"for {checked.distro.id}" if checked.distro else "for no distro in particular"
    console.note(f"{file}: {_count(checked.findings)}, checked {target}")


def _count(findings: Sequence[Finding]) -> str:
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    counts = ((errors, "error"), (len(findings) - errors, "warning"))
    return ", ".join(counted(count, word) for count, word in counts if count) or "nothing found"


def _as_json(checked: Checked) -> dict[str, Any]:
    return {
        "path": checked.artifact.file,
        "format": checked.artifact.format,
        "name": checked.artifact.name,
        "version": checked.artifact.version,
        "architecture": checked.artifact.architecture,
        "distro": checked.distro.id if checked.distro else None,
        "findings": checked.findings,
    }


def _annotation(checked: Checked, finding: Finding) -> str:
    text = f"{finding.path} {finding.what}: {finding.remedy}"
    file, title = _property(str(checked.artifact.file)), _property(finding.rule)
    return f"::{finding.severity} file={file},title={title}::{_data(text)}"


def _data(text: str) -> str:
    """As the toolkit's escapeData: a line end would begin another command."""
    return console.visible(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(done: Sequence[Checked]) -> dict[str, Any]:
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.remedy},
            "help": {"text": f"{rule.remedy} ({rule.source})"},
            "defaultConfiguration": {"level": str(rule.severity)},
        }
        for rule in RULES
    ]
    driver = {"name": "pkgrel", "version": __version__, "rules": rules}
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{"tool": {"driver": driver}, "results": list(_results(done))}],
    }


def _results(done: Iterable[Checked]) -> Iterator[dict[str, Any]]:
    number = {rule.id: index for index, rule in enumerate(RULES)}
    for checked in done:
        uri = quote(checked.artifact.file.as_posix())
        for finding in checked.findings:
            yield {
                "ruleId": finding.rule,
                "ruleIndex": number[finding.rule],
                "level": str(finding.severity),
                "message": {"text": f"{one_line(finding.path)} {finding.what}: {finding.remedy}"},
                "locations": [
                    {
                        "physicalLocation": {"artifactLocation": {"uri": uri}},
                        "logicalLocations": [{"fullyQualifiedName": one_line(finding.path)}],
                    }
                ],
            }
