"""`pkgrel check`, and the output of its findings: as text, JSON, GitHub workflow commands, or SARIF.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions; SARIF 2.1.0,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from pkgrel import __version__, console
from pkgrel.cli import candidates
from pkgrel.cli.options import packages_alone
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.console import counted, one_line

SHOWN = 10
"""The most findings of one rule in one package that are shown: a wrong owner may affect every file."""


def print_one(checked: Checked, format: str) -> None:
    """The output for one package, before the others are read."""
    if format == "text":
        _print(checked)
    elif format == "github":
        for finding in checked.findings:
            click.echo(_annotation(checked, finding))


def print_all(done: Sequence[Checked], format: str) -> None:
    """The output after all packages have been read."""
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
    from pkgrel.check import Severity

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
    """As by the toolkit's escapeData: a newline would begin another command."""
    return console.visible(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(done: Sequence[Checked]) -> dict[str, Any]:
    from pkgrel.check import RULES

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
    from pkgrel.check import RULES

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


FORMATS = ("text", "json", "github", "sarif")

if TYPE_CHECKING:
    from pkgrel.check import Checked, Finding

    pass


@click.command("check")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    type=FilePath(exists=True, dir_okay=False),
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@click.option(
    "--distro",
    metavar="ID",
    shell_complete=candidates.distros,
    help="Target, where the revision does not say it.",
)
@click.option(
    "--key",
    type=FilePath(exists=True, dir_okay=False),
    help="Public key that should have signed the .rpm files.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="PACKAGE",
    type=FilePath(exists=True, dir_okay=False),
    shell_complete=candidates.packages,
    help="The version before, for what an upgrade makes of it; repeats.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULE",
    shell_complete=candidates.rules,
    help="Leave this rule out; repeats.",
)
@click.option("--strict", is_flag=True, help="Exit 1 on warnings, too.")
@click.option("--rules", "show_rules", is_flag=True, help="Print every rule and who says so.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="github: annotations of a workflow; sarif: what code scanning and editors read.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(
    packages: tuple[Path, ...],
    distro: str | None,
    key: Path | None,
    against: tuple[Path, ...],
    ignore: tuple[str, ...],
    strict: bool,
    show_rules: bool,
    format_: str,
    as_json: bool,
) -> None:
    """Look for what is wrong with each PACKAGE.

    It is a .deb or .rpm file from pkgrel or from anyone, and what matters is a release and the host
    that installs it: secrets inside, files that others can change, units that cannot start, native
    code that the distro cannot run, scripts that fail. lintian and rpmlint know the rest.

    Findings are printed, one a line; the exit status is 1 if there is an error among them.

    \b
    pkgrel check dist/*
    pkgrel check --distro debian12 --strict hello_1.0.0_amd64.deb
    pkgrel check --format sarif dist/* >pkgrel.sarif
    pkgrel check --json dist/* | jq '.[].findings[] | select(.rule == "private-key").path'
    """
    from pkgrel.check import Severity
    from pkgrel.operations.artifacts import check as operation
    from pkgrel.operations.artifacts import read_public_key

    chosen = "json" if as_json else format_
    if show_rules:
        _print_rules(chosen == "json")
        return
    if not packages:
        raise click.UsageError("Missing argument 'PACKAGE...'.")
    public_key = read_public_key(key) if key else b""
    done = []
    checks = operation(packages, distro=distro, ignore=ignore, key=public_key, against=against)
    for checked in checks:
        done.append(checked)
        print_one(checked, chosen)
    print_all(done, chosen)
    bad = {finding.severity for checked in done for finding in checked.findings}
    if Severity.ERROR in bad or (strict and bad):
        raise SystemExit(1)


def _print_rules(as_json: bool) -> None:
    from pkgrel.check import RULES
    from pkgrel.cli.tables import table

    if as_json:
        names = ("id", "severity", "remedy", "source")
        rows = [{name: getattr(rule, name) for name in names} for rule in RULES]
        emit(rows)
        return
    for line in table(_rule_rows()):
        console.out(line)


def _rule_rows() -> Iterator[tuple[str, ...]]:
    from pkgrel.check import RULES

    yield "RULE", "SEVERITY", "REMEDY", "SOURCE"
    for rule in RULES:
        yield rule.id, rule.severity, rule.remedy, rule.source
