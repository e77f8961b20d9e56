"""`pkgrel deploy --setup`: options, and what is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel import console
from pkgrel.cli.options import (
    channel_option,
    fingerprint_given,
    open_repository,
    reading_options,
    separate,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.tables import table
from pkgrel.console import one_line
from pkgrel.errors import ConfigError

if TYPE_CHECKING:
    from pkgrel.config import Document
    from pkgrel.operations.host_setups import SetUp

F = TypeVar("F", bound=Callable[..., Any])


def setup_options(command: F) -> F:
    """What `--setup` takes beside the options of a roll-out."""
    for option in reversed(
        (
            click.option("--setup", "setup", multiple=True, metavar="HOST", callback=separate, help="Install repository, package and key on this host, as who may do so; repeats."),
            click.option("--from", "repository", metavar="REPOSITORY", envvar="PKGREL_REPO", help="With --setup: the repository, as `publish --to` has it."),
            click.option("--url", "public", metavar="URL", default="", help="With --setup: where hosts see the repository, if not as it says."),
            channel_option("--channel", default="", help="With --setup: what is installed from."),
            click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With --setup: the public key of a CI job, for upgrade, rollback, status, version and logs."),
            click.option("--signed-by", metavar="FINGERPRINT", envvar="PKGREL_SIGNED_BY", callback=fingerprint_given, help="With --setup: of the key that must have signed the repository."),
            reading_options,
        )
    ):  # fmt: skip
        command = option(command)
    return command


def set_up(
    name: str, version: str, document: Document, ssh_config: Path | None, given: dict[str, Any]
) -> bool:
    """Set hosts up and print what was done; whether all went well."""
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations import host_setups
    from pkgrel.operations.repositories import client_file
    from pkgrel.rollout.hosts import parse_host

    if not given["repository"]:
        raise ConfigError(
            "which repository shall they install from?", hint="name it: `--from s3://bucket`"
        )
    hosts = [parse_host(text, "--setup") for text in given["setup"]]
    key = host_setups.read_key(given["key"]) if given["key"] else ""
    channel = given["channel"]
    repository = open_repository(given["repository"], given)
    made = client_file(
        repository, format="install", channel=channel, url=given["public"], reporter=Terminal()
    )
    request = host_setups.SetupRequest(
        name=name,
        version=version,
        hosts=hosts,
        script=made.text,
        channel=channel,
        deploy_user=document.base.service.deploy_user,
        key=key,
        dry_run=given["dry_run"],
        ssh_config=ssh_config,
    )
    done = host_setups.set_up(request, Terminal())
    if given["as_json"]:
        emit([_as_json(one) for one in done])
    else:
        _print(done)
    return not any(one.problem for one in done)


def _print(done: tuple[SetUp, ...]) -> None:
    rows = [("HOST", "VERSION", "")]
    for one in done:
        rows.append((one.host.name, one.version or "-", one.problem or "ready"))
    for line in table([[one_line(cell) for cell in row] for row in rows]):
        console.out(line)
    for one in done:
        for change in one.changes:
            console.out(f"{one.host.name}: {one_line(change)}")
        for line in one.output.splitlines()[-20:]:
            console.out(f"{one.host.name}:  | {one_line(line)}")
        if one.hint:
            console.note(f"{one.host.name}: {one.hint}")


def _as_json(one: SetUp) -> dict[str, Any]:
    return {
        "host": one.host.name,
        "changes": list(one.changes),
        "version": one.version,
        "problem": one.problem,
        "hint": one.hint,
        "output": one.output,
    }
