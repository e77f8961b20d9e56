"""`pkgrel doctor`."""

from __future__ import annotations

import click

from pkgrel import console
from pkgrel.cli.outputs import emit
from pkgrel.console import one_line


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(as_json: bool) -> None:
    """Say what this machine has, and lacks for which command.

    For building, signing, publishing and trying. Nobody needs all of it; the exit status is 0.
    `pkgrel repo doctor` looks at a repository.

    \b
    pkgrel doctor
    pkgrel doctor --json | jq -r '.[] | select(.found | not).what'
    """
    from pkgrel.operations.machine import examine_machine

    needs = list(examine_machine())
    if as_json:
        emit(needs)
        return
    for need in needs:
        console.out(f"{'ok' if need.found else 'missing':<8} {need.what}: {one_line(need.detail)}")
        if not need.found:
            console.out(f"         for `{need.purpose}`: {need.remedy}")
