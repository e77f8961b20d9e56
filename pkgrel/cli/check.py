"""`pkgrel check`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.outputs import emit
from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.check import Checked

SHOWN = 10
"""Findings of one rule in one package that are printed: a wrong owner may be that of every file."""


@click.command("check")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key that should have signed the .rpm files.",
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
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    packages: tuple[Path, ...],
    distro: str | None,
    key: Path | None,
    ignore: tuple[str, ...],
    strict: bool,
    show_rules: bool,
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
    pkgrel check --json dist/* | jq '.[].findings[] | select(.rule == "private-key").path'
    """
    from pkgrel.check import Severity
    from pkgrel.operations.artifacts import check as operation
    from pkgrel.operations.artifacts import read_public_key

    if show_rules:
        _print_rules(as_json)
        return
    if not packages:
        raise click.UsageError("Missing argument 'PACKAGE...'.")
    public_key = read_public_key(key) if key else b""
    done = []
    for checked in operation(packages, distro=distro, ignore=ignore, key=public_key):
        done.append(checked)
        if not as_json:
            _print(checked)
    if as_json:
        emit([_as_json(checked) for checked in done])
    bad = {finding.severity for checked in done for finding in checked.findings}
    if Severity.ERROR in bad or (strict and bad):
        raise SystemExit(1)


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
    console.note(f"{file}: {_count(checked)}, checked {target}")


def _count(checked: Checked) -> str:
    from pkgrel.check import Severity

    errors = sum(finding.severity is Severity.ERROR for finding in checked.findings)
    counts = ((errors, "error"), (len(checked.findings) - errors, "warning"))
    said = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return ", ".join(said) or "nothing found"


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
