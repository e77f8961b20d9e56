"""`pkgrel check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import packages_alone
from pkgrel.cli.outputs import emit

FORMATS = ("text", "json", "github", "sarif")

if TYPE_CHECKING:
    pass


@click.command("check")
@click.argument(
    "packages",
    metavar="PACKAGE...",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
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
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key that should have signed the .rpm files.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="PACKAGE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
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
    from pkgrel.cli.findings import print_all, print_one
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
