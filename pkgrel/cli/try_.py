"""`pkgrel try`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli import candidates
from pkgrel.cli.options import (
    config_option,
    packages_alone,
    separate,
    signer_given,
    signing_options,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.trial.results import Result, Tried

_FILE = FilePath(exists=True, dir_okay=False)


@click.command("try")
@click.argument(
    "given",
    metavar="PACKAGE|SOURCE...",
    nargs=-1,
    required=True,
    type=FilePath(exists=True),
    callback=packages_alone,
    shell_complete=candidates.packages,
)
@click.option(
    "--distro",
    "distros",
    multiple=True,
    metavar="ID",
    callback=separate,
    shell_complete=candidates.distros_or_all,
    help="What to build SOURCE for; of a PACKAGE, where the revision does not say it; repeats.",
)
@click.option(
    "-o",
    "--output",
    type=FilePath(file_okay=False),
    default="dist",
    show_default=True,
    help="Folder for packages that are built.",
)
@config_option
@click.option(
    "--from",
    "older",
    multiple=True,
    metavar="WHERE",
    help="Upgrade from the version before, and go back to it: a package or a repository; repeats.",
)
@click.option(
    "--channel",
    metavar="NAME",
    help="Of the repository; by default all.",
    shell_complete=candidates.channels,
)
@click.option("--env-file", type=_FILE, help="Variables for the service, NAME=VALUE, one a line, besides those of [try].")  # fmt: skip
@click.option("--script", type=_FILE, help="A script of sh to run on the host at the end.")
@click.option("--only", multiple=True, metavar="STEP", help="Only this step; repeats.")
@click.option("--skip", multiple=True, metavar="STEP", help="Not this step; repeats.")
@click.option(
    "--settle",
    type=click.FloatRange(0, 3600),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="How long a service without a port must run.",
)
@click.option(
    "--on",
    type=click.Choice(["docker", "nspawn"]),
    default="docker",
    show_default=True,
    help="What boots the hosts; nspawn is for root on Linux, without a daemon, and so without [try.services].",
)
@click.option(
    "--image",
    metavar="NAME",
    help="A base image in place of the distro's official one; for nspawn a directory, or a tar of one.",
)
@click.option("--network", is_flag=True, help="Leave the service a network.")
@click.option(
    "--keep",
    is_flag=True,
    help="Leave the hosts running, and say how to enter and to remove them.",
)
@signing_options
@click.option(
    "--shell", is_flag=True, help="Look around on each host before the package is removed."
)
@click.option("--junit", type=FilePath(dir_okay=False), help="Write a report for CI.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=None, metavar="N", help="Hosts side by side; default: half the cores.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    junit: Path | None, as_json: bool, jobs: int | None, on: str, shell: bool, **values: Any
) -> None:
    """Try each PACKAGE on a fresh host, before anybody has it.

    Of a SOURCE, which is what `pkgrel build` takes, packages are built first. The host is a container that boots
    the distro's own systemd, by the Docker daemon. The package is installed by apt, dnf or zypper, started, asked,
    killed, upgraded, removed; what is left behind is told. After the installation the host has no network. The
    exit status is 1 if a step fails. With a signing key, PACKAGE.intoto.jsonl says so for `pkgrel publish --tried`.

    \b
    pkgrel try dist/*
    pkgrel try . --distro debian12 --distro el9
    pkgrel try dist/hello_1.1.0-1~debian12_amd64.deb --from s3://packages.example.org
    pkgrel try dist/*.deb --env-file try.env --script smoke.sh --junit report.xml
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations import trials
    from pkgrel.trial import results

    if shell and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--shell needs a terminal.")
    signer = signer_given(values)
    for name in ("signing_key", "signing_passphrase", "gpg_key"):
        values.pop(name, None)
    request = trials.TryRequest(
        jobs=jobs or 0,
        image=values.pop("image") or "",
        on=trials.On(on),
        shell=shell,
        signer=signer,
        **values,
    )
    tried = trials.try_packages(request, Terminal())
    if junit:
        junit.write_text(results.junit(tried), encoding="utf-8")
    if as_json:
        emit([_as_json(one) for one in tried])
    else:
        for one in tried:
            _print(one)
    if not all(one.passed for one in tried):
        raise SystemExit(1)


_SIGNS = {"passed": "ok", "failed": "FAILED", "not proven": "not proven"}


def _print(one: Tried) -> None:
    console.out(f"{one.artifact.file.name} on {one.distro.title}")
    skipped = sum(result.outcome == "skipped" for result in one.results)
    for result in one.results:
        if result.outcome == "skipped":
            continue
        detail = f": {one_line(result.detail)}" if result.detail else ""
        time = f"{result.seconds:5.1f} s" if result.seconds else " " * 7
        console.out(f"  {_SIGNS[result.outcome]:<10} {time}  {result.title}{detail}")
        if result.outcome == "failed":
            _explain(result)
    if skipped:
        console.out(
            f"  {skipped} more steps make no sense after that, or for a package without a service"
        )
    for what in one.unproven:
        console.out(f"  not proven here: {what}, which containers of this daemon do not have")
    if one.shell:
        console.note(f"enter the host with: {shlex.join(one.shell)}; remove it with: {one.removal}")


def _explain(result: Result) -> None:
    if result.explanation:
        console.out(f"    why: {one_line(result.explanation)}")
    if result.command:
        console.out(f"    $ {one_line(result.command)}")
    for title, text in (("", result.output), ("journal", result.journal)):
        if title and text:
            console.out(f"    {title}:")
        for line in text.splitlines():
            console.out(f"    | {one_line(line)}")


def _as_json(one: Tried) -> dict[str, Any]:
    return {
        "path": one.artifact.file,
        "format": one.artifact.format,
        "name": one.artifact.name,
        "version": one.artifact.version,
        "architecture": one.artifact.architecture,
        "distro": one.distro.id,
        "sha256": one.artifact.sha256,
        "passed": one.passed,
        "steps": one.results,
        "unproven": one.unproven,
    }
