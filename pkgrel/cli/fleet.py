"""`pkgrel fleet`: who runs what."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel import console
from pkgrel.cli import Group, candidates
from pkgrel.cli.options import config_option, reading_options, store_given
from pkgrel.cli.outputs import emit, plain
from pkgrel.cli.paths import FilePath
from pkgrel.cli.tables import table, wide_option
from pkgrel.console import one_line

if TYPE_CHECKING:
    from pkgrel.config import Document
    from pkgrel.config.delivery import GroupSettings
    from pkgrel.operations.fleets import Fleet

F = TypeVar("F", bound=Callable[..., Any])
_FILE = FilePath(exists=True, dir_okay=False)


def hosts_options(command: F) -> F:
    """Which hosts, and how to reach them."""
    for option in reversed(
        (
            click.option("--to", "group", metavar="GROUP", shell_complete=candidates.groups, help="The hosts of [deploy.GROUP] in pkgrel.toml, or of the inventory's group."),
            click.option("--host", "hosts", multiple=True, metavar="HOST", shell_complete=candidates.hosts, help="A host as ssh knows it: `web1`, `deploy@web2:2222`; repeats."),
            click.option("--except", "without", multiple=True, metavar="HOST", help="A host of these that is left out, as it is named there; repeats."),
            click.option("--inventory", type=_FILE, help="An Ansible inventory: INI, YAML if PyYAML is installed, or what `ansible-inventory --list` prints, as .json."),
            click.option("--ssh-config", type=_FILE, help="For ssh, in place of your own configuration."),
            config_option,
        )
    ):  # fmt: skip
        command = option(command)
    return command


def document_of(file: Path | None) -> Document:
    """The pkgrel.toml that is named, or that of this folder; none is as good as an empty one."""
    from pkgrel import config

    found = file or config.find_file(Path())
    return config.load(found) if found else config.Document()


def ssh_config_of(given: Path | None, document: Document, settings: GroupSettings) -> Path | None:
    """The file of the option, or of the group."""
    return given or (document.folder / settings.ssh_config if settings.ssh_config else None)


@click.group("fleet", cls=Group)
def command() -> None:
    """See which hosts run which version.

    \b
    pkgrel fleet status --to production
    """


@command.command("status")
@click.argument("name", metavar="[NAME]", default="")
@hosts_options
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print each host as JSON.")
def status(
    name: str, group: str | None, hosts: tuple[str, ...], without: tuple[str, ...], inventory: Path | None,
    ssh_config: Path | None, config_file: Path | None, wide: bool, as_json: bool,
) -> None:  # fmt: skip
    """Ask each host what it runs of a package.

    Told are the version of NAME, how it came there, since when it runs, and whether it is ready.
    NAME is the `name` of [package] if it is left out. Nothing is changed. The exit status is 1 if a host
    could not be asked, or is not ready.

    \b
    pkgrel fleet status --to production
    pkgrel fleet status hello --host web1 --host web2
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.config.delivery import GroupSettings
    from pkgrel.errors import ConfigError
    from pkgrel.operations import fleets

    document = document_of(config_file)
    name = name or document.base.package.name
    if not name:
        raise ConfigError(
            "no package is named",
            hint="write `pkgrel fleet status NAME`, or set `name` in [package]",
        )
    chosen = fleets.hosts_of(document, group or "", hosts, inventory, without)
    if not chosen:
        raise ConfigError(
            "there are no hosts", hint="name some with `--host`, or a group with `--to`"
        )
    settings = document.base.deploy.groups.get(group or "", GroupSettings())
    found = fleets.fleet_status(
        name, chosen, ssh_config_of(ssh_config, document, settings), Terminal()
    )
    if as_json:
        emit([_as_json(one) for one in found])
    else:
        _print(found, wide=wide)
    if not all(one.ready for one in found):
        raise SystemExit(1)


@command.command("reports")
@click.argument("name", metavar="[NAME]", default="")
@click.option(
    "--from",
    "prefix",
    metavar="PREFIX",
    envvar="PKGREL_REPORTS",
    help="s3://, gs:// or az:// with a bucket and a folder, or a directory; by default `report` of [deploy].",
)
@config_option
@wide_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print each report as JSON.")
def reports(
    name: str,
    prefix: str | None,
    config_file: Path | None,
    wide: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Show what hosts have told of themselves.

    These are hosts that ask the repository by themselves, with `pull` and `report` in [deploy]: what they run,
    what became of the last version that they tried, and when they said so. NAME is a package; without it all.

    \b
    pkgrel fleet reports --from s3://acme-reports/production
    pkgrel fleet reports shop --from s3://acme-reports --json
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.errors import ConfigError
    from pkgrel.operations.reports import read_reports

    prefix = prefix or document_of(config_file).base.deploy.report
    if not prefix or prefix.startswith("http"):
        raise ConfigError(
            "there is no prefix to read reports from",
            hint="name it with `--from`; what hosts send to an address with https is for who is there to show",
        )
    found = read_reports(prefix, name, store=store_given(values), reporter=Terminal())
    if as_json:
        emit([plain(one) for one in found])
        return
    rows = [("HOST", "DISTRO", "PACKAGE", "VERSION", "RESULT", "TOLD (UTC)", "STATE")]
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.time))
        result = (
            f"{one.result}, {one.wanted}" if one.wanted not in ("", one.version) else one.result
        )
        rows.append((one.host, one.distro, one.package, one.version, result, when, one.state))
    for line in table([[one_line(cell) for cell in row] for row in rows], wide=wide):
        console.out(line)
    for one in found:
        for text in one.journal:
            console.note(f"{one.host}: {one_line(text)}")


def _print(found: tuple[Fleet, ...], *, wide: bool) -> None:
    rows = [("HOST", "DISTRO", "VERSION", "HOW", "SINCE (UTC)", "STATE")]
    for one in found:
        seen = one.seen
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(seen.since)) if seen.since else "-"
        state = one.problem or seen.state or ("installed" if seen.installed else "not installed")
        if seen.holder:
            state += f", a roll-out by {seen.holder} goes on"
        rows.append(
            (
                one.host.name,
                seen.distro or "-",
                seen.installed or "-",
                seen.how or "-",
                since,
                state,
            )
        )
    for line in table([[one_line(cell) for cell in row] for row in rows], wide=wide):
        console.out(line)
    for one in found:
        if one.hint:
            console.note(f"{one.host.name}: {one.hint}")


def _as_json(one: Fleet) -> dict[str, Any]:
    seen = one.seen
    return {
        "host": one.host.name,
        "distro": seen.distro,
        "version": seen.installed,
        "candidate": seen.candidate,
        "ready": one.ready,
        "state": seen.state,
        "how": seen.how,
        "since": seen.since,
        "held": seen.held,
        "rollout": seen.holder,
        "problem": one.problem,
        "hint": one.hint,
    }
