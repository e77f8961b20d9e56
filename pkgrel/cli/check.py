"""`pkgrel check`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.console import one_line
from pkgrel.errors import ConfigError, PackageError, SigningError

if TYPE_CHECKING:
    from pkgrel.artifact import Artifact
    from pkgrel.check import Checked
    from pkgrel.distro import Distro

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
    from pkgrel import check

    if show_rules:
        _print_rules(as_json)
        return
    if not packages:
        raise click.UsageError("Missing argument 'PACKAGE...'.")
    _refuse_unknown(ignore)
    of, public_key = _distro_of(distro), _public_key(key)
    done = []
    for file in packages:
        checked = check.package(file, of, ignore, public_key)
        done.append(checked)
        if not as_json:
            _print(checked)
    if as_json:
        click.echo(json.dumps([_as_json(checked) for checked in done], indent=2))
    bad = {finding.severity for checked in done for finding in checked.findings}
    if check.Severity.ERROR in bad or (strict and bad):
        raise SystemExit(1)


def _distro_of(name: str | None) -> Callable[[Artifact], Distro | None]:
    """What is named; else what the revision of a package says."""
    from pkgrel import distro
    from pkgrel.repository.distribution import recognise

    if name is None:
        return recognise
    row = distro.find(name)

    def named(package: Artifact) -> Distro:
        if package.format != row.format:
            raise PackageError(
                f"{package.file}: a .{package.format} is not for `{row.id}`",
                hint="leave `--distro` out, or check packages of one format at a time",
            )
        return row

    return named


def _public_key(file: Path | None) -> bytes:
    if file is None:
        return b""
    from pkgrel.signing.keys import split

    data = file.read_bytes()
    try:
        split(data)
    except SigningError as e:
        raise SigningError(
            f"{file}: {e}", hint="name a file that `gpg --armor --export ID` wrote"
        ) from None
    return data


def _refuse_unknown(ignored: tuple[str, ...]) -> None:
    from pkgrel.check import RULES

    unknown = set(ignored) - {rule.id for rule in RULES}
    if unknown:
        raise ConfigError(
            f"--ignore: there is no rule `{min(unknown)}`", hint="`pkgrel check --rules` lists them"
        )


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
    from dataclasses import asdict

    return {
        "path": str(checked.artifact.file),
        "name": checked.artifact.name,
        "version": str(checked.artifact.version),
        "architecture": checked.artifact.architecture,
        "distro": checked.distro.id if checked.distro else None,
        "findings": [asdict(finding) for finding in checked.findings],
    }


def _print_rules(as_json: bool) -> None:
    from pkgrel.check import RULES
    from pkgrel.cli.table import table

    if as_json:
        names = ("id", "severity", "remedy", "source")
        rows = [{name: getattr(rule, name) for name in names} for rule in RULES]
        click.echo(json.dumps(rows, indent=2))
        return
    for line in table(_rule_rows()):
        console.out(line)


def _rule_rows() -> Iterator[tuple[str, ...]]:
    from pkgrel.check import RULES

    yield "RULE", "SEVERITY", "REMEDY", "SOURCE"
    for rule in RULES:
        yield rule.id, rule.severity, rule.remedy, rule.source
