"""`pkgrel deploy`.

`pkgrel deploy --setup`: options, and what is printed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel import console
from pkgrel.cli.fleet import document_of, hosts_options, ssh_config_of
from pkgrel.cli.options import (
    channel_option,
    fingerprint_given,
    open_repository,
    reading_options,
    separate,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import table
from pkgrel.console import counted, one_line
from pkgrel.errors import ConfigError

if TYPE_CHECKING:
    from pkgrel.config import Document
    from pkgrel.config.delivery import GroupSettings
    from pkgrel.operations.host_setups import SetUp
    from pkgrel.operations.rollouts import RolledOut, RolloutRequest


F = TypeVar("F", bound=Callable[..., Any])


def setup_options(command: F) -> F:
    """What `--setup` takes beside the options of a roll-out."""
    for option in reversed(
        (
            click.option("--setup", "setup", multiple=True, metavar="HOST", callback=separate, help="Install repository, package and key on this host, as who may do so; repeats."),
            click.option("--from", "repository", metavar="REPOSITORY", envvar="PKGREL_REPO", help="With --setup: the repository, as `publish --to` has it."),
            click.option("--url", "public", metavar="URL", default="", help="With --setup: where hosts see the repository, if not as it says."),
            channel_option("--channel", default="", help="With --setup: what is installed from."),
            click.option("--key", type=FilePath(exists=True, dir_okay=False), help="With --setup: the public key of a CI job, for upgrade, rollback, status, version and logs."),
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
        emit([_setup_as_json(one) for one in done])
    else:
        _print_setups(done)
    return not any(one.problem for one in done)


def _print_setups(done: tuple[SetUp, ...]) -> None:
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


def _setup_as_json(one: SetUp) -> dict[str, Any]:
    return {
        "host": one.host.name,
        "changes": list(one.changes),
        "version": one.version,
        "problem": one.problem,
        "hint": one.hint,
        "output": one.output,
    }


@click.command("deploy")
@click.argument("what", metavar="[NAME[=VERSION]]", default="")
@hosts_options
@click.option("--batch", metavar="N", help="Hosts at a time: `5` or `25%`; by default 1.")
@click.option(
    "--wait",
    type=click.IntRange(0, 86400),
    metavar="SECONDS",
    help="How long a batch must stay ready before the next one; by default 10.",
)
@click.option(
    "--rollback-all",
    is_flag=True,
    help="After a failure go back on every host, not only on that one.",
)
@setup_options
@click.option("--dry-run", is_flag=True, help="Only look at the hosts.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each host as JSON.")
def command(what: str, **given: Any) -> None:
    """Roll a published version out to hosts, batch by batch.

    All hosts are looked at first. On each, `NAME upgrade` installs the version with apt or dnf; when the service
    has been ready for a while, the next batch follows. The first failure is taken back on its host and ends the
    roll-out. The connection is OpenSSH's, with your configuration, agent and keys. Ctrl-C finishes the hosts that
    it is at. The exit status is 1 unless every host has the version.

    With --setup a host gets what it needs first: the repository, whose signature is verified here, the package if
    it is not there, and a key of a CI job that can do no more than upgrade, go back and tell.

    \b
    pkgrel deploy hello=1.1.0 --to production
    pkgrel deploy hello --host deploy@web1 --host deploy@web2 --wait 60
    pkgrel deploy hello=1.1.0 --inventory hosts.ini --to web --batch 25%
    pkgrel deploy hello --setup root@web3 --from s3://packages.example.org --key ci.pub
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.config.delivery import GroupSettings
    from pkgrel.operations import rollouts

    name, separator, version = what.partition("=")
    if separator and not version:
        raise ConfigError(
            f"`{what}` names no version", hint=f"write {name}=VERSION; {name} alone is the newest"
        )
    document = document_of(given["config_file"])
    name = name or document.base.package.name
    if not name:
        raise click.UsageError("Missing argument 'NAME[=VERSION]'.")
    settings = document.base.deploy.groups.get(given["group"] or "", GroupSettings())
    if given["setup"]:
        ssh_config = ssh_config_of(given["ssh_config"], document, settings)
        if not set_up(name, version, document, ssh_config, given):
            raise SystemExit(1)
        return
    request = _request(name, version, document, settings, given)
    with _finishing(request.stop):
        done = rollouts.roll_out(request, Terminal())
    if given["as_json"]:
        emit([_as_json(one) for one in done])
    else:
        _print(done)
    if request.stop.is_set():
        console.warn("interrupted: no further host was begun")
    if request.dry_run:
        return
    if document.base.notify:
        from pkgrel.operations.notifying import notify, rolled_out

        if event := rolled_out(document, name, version, given["group"] or "", done):
            notify(document, event, Terminal())
    if not all(one.outcome in ("upgraded", "unchanged") for one in done):
        raise SystemExit(1)


def _request(
    name: str, version: str, document: Document, settings: GroupSettings, given: dict[str, Any]
) -> RolloutRequest:
    """What the options say, and where they say nothing the group."""
    from pkgrel.operations import fleets, rollouts
    from pkgrel.rollout.steps import Ready

    ready = document.base.service.ready
    return rollouts.RolloutRequest(
        name=name,
        version=version,
        hosts=fleets.hosts_of(
            document, given["group"] or "", given["hosts"], given["inventory"], given["without"]
        ),
        batch=given["batch"] or settings.batch,
        wait=settings.wait if given["wait"] is None else given["wait"],
        ready=Ready(url=ready.http, tcp=ready.tcp, patience=ready.timeout_sec),
        timeout=settings.timeout,
        rollback_all=given["rollback_all"],
        dry_run=given["dry_run"],
        ssh_config=ssh_config_of(given["ssh_config"], document, settings),
    )


@contextmanager
def _finishing(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C, or the SIGTERM of a CI job, end it after the hosts that it is at; the second ends it at once."""

    def asked(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.warn(
            "finishing the hosts that are being changed; once more leaves them as they are"
        )

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(done: tuple[RolledOut, ...]) -> None:
    rows = [("HOST", "BEFORE", "NOW", "", "SECONDS", "")]
    for one in done:
        before, now = one.seen.installed or "-", one.now or "-"
        seconds = f"{one.seconds:.1f}" if one.seconds else ""
        rows.append((one.host.name, before, now, one.outcome, seconds, one.detail))
    for line in table([[one_line(cell) for cell in row] for row in rows]):
        console.out(line)
    for one in done:
        for title, text in (("output", one.output), ("journal", one.journal)):
            if text:
                console.out(f"{one.host.name}: {title}:")
            for line in text.splitlines()[-20:]:
                console.out(f"  | {one_line(line)}")
    changed = sum(one.outcome == "upgraded" for one in done)
    console.note(f"{changed} of {counted(len(done), 'host')} upgraded")


def _as_json(one: RolledOut) -> dict[str, Any]:
    return {
        "host": one.host.name,
        "distro": one.seen.distro,
        "before": one.seen.installed,
        "version": one.now,
        "outcome": one.outcome,
        "seconds": one.seconds,
        "detail": one.detail,
        "output": one.output,
        "journal": one.journal,
    }
