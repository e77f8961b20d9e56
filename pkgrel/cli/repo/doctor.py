"""`pkgrel repo doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    json_option,
    open_repository,
    repository_argument,
    signed_by_option,
    signing_options,
    store_options,
)
from pkgrel.cli.outputs import emit

if TYPE_CHECKING:
    from pkgrel.repository.doctor import Finding


@click.command("doctor")
@repository_argument
@store_options
@signed_by_option
@signing_options
@json_option
def command(url: str, as_json: bool, **values: Any) -> None:
    """Look for what will go wrong with REPOSITORY.

    The store's conditional writes, the clock, the dates of indices, the key, the public URL.

    \b
    pkgrel repo doctor s3://packages.example.org --signing-key key.asc
    """
    from pkgrel.errors import RepositoryError
    from pkgrel.operations.repositories import examine

    findings = examine(open_repository(url, values))
    if as_json:
        emit([_as_json(finding) for finding in findings])
    else:
        for finding in findings:
            console.out(f"{finding.check}: {_said(finding)}")
    if problems := [finding for finding in findings if finding.problem]:
        first = problems[0]
        raise RepositoryError(f"{url}: {first.check}: {first.problem}", hint=first.hint or None)


def _as_json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "problem": finding.problem,
        "remedy": finding.hint,
        "skipped": finding.skipped,
        "warning": finding.warning,
    }


def _said(finding: Finding) -> str:
    if finding.warning:
        return f"warning: {finding.warning}"
    return finding.problem or (f"not looked at: {finding.skipped}" if finding.skipped else "ok")
