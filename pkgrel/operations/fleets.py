"""`pkgrel fleet status`: which version each host runs.

hosts = operations.hosts_of(document, "production")
for one in operations.fleet_status("hello", hosts): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pkgrel.builder import parallel
from pkgrel.config import Document
from pkgrel.console import one_line
from pkgrel.errors import ConfigError, did_you_mean
from pkgrel.operations.rollouts import AT_A_TIME
from pkgrel.reporter import SILENT, Reporter
from pkgrel.rollout import steps
from pkgrel.rollout.hosts import Host, address, parse_host
from pkgrel.rollout.inventory import read_inventory
from pkgrel.rollout.ssh import Ssh, connected, remedy
from pkgrel.rollout.steps import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A host and its state."""

    host: Host
    seen: Seen = Seen()
    problem: str = ""
    """Why its state could not be read."""
    hint: str = ""
    """What to do about it, if known."""

    @property
    def ready(self) -> bool:
        """Whether it runs the package's service, or has the package if that has no service."""
        return bool(self.seen.installed) and self.seen.state in ("active", "")


def fleet_status(
    name: str, hosts: Sequence[Host], ssh_config: Path | None = None, reporter: Reporter = SILENT
) -> tuple[Fleet, ...]:
    """Read the state of every host; one that does not answer is in the results as well."""
    if not steps.PACKAGE.fullmatch(name):
        raise ConfigError(f"`{name}` is not the name of a package")
    with connected(ssh_config) as ssh, reporter.parts():
        tasks = [partial(_asked, ssh, host, name, reporter) for host in hosts]
        return parallel.run(tasks, min(AT_A_TIME, max(1, len(tasks))), lambda: None)


def _asked(ssh: Ssh, host: Host, name: str, reporter: Reporter) -> Fleet:
    reporter.step(host.name, "asking")
    ran, seen = steps.look(ssh, host, name)
    problem = "" if seen.distro else one_line(ran.last) or "no answer"
    reporter.ended(host.name, problem or seen.installed or f"no {name}")
    return Fleet(host=host, seen=seen, problem=problem, hint=remedy(host, ran) if problem else "")


def hosts_of(
    document: Document,
    group: str,
    hosts: Sequence[str] = (),
    inventory: Path | None = None,
    without: Sequence[str] = (),
) -> tuple[Host, ...]:
    """The named hosts and those of a group of the inventory or pkgrel.toml; without duplicates and those excluded."""
    found = [parse_host(text, "--host") for text in hosts]
    groups = document.base.deploy.groups
    if inventory:
        found += read_inventory(inventory, group or "all")
    elif group:
        if group not in groups:
            raise ConfigError(
                f"{document.file}: there is no [deploy.{group}]",
                hint=did_you_mean(
                    group,
                    groups,
                    otherwise=f'write [deploy.{group}] with `hosts = ["web1"]` there, or use `--inventory`',
                ),
            )
        settings = groups[group]
        where = document.where.at(f"deploy.{group}.hosts")
        found += [parse_host(text, where) for text in settings.hosts]
        if settings.inventory:
            found += read_inventory(
                document.folder / settings.inventory, settings.inventory_group or group
            )
    named = {host.name: host for host in found}
    for text in without:
        # By its name there, or without the user.
        left = [name for name, host in named.items() if text in (name, address(host))]
        if not left:
            otherwise = f"there are {', '.join(sorted(named)[:20])}"
            raise ConfigError(
                f"--except: there is no host `{text}` here",
                hint=did_you_mean(text, named, otherwise=otherwise),
            )
        for name in left:
            del named[name]
    return tuple(named.values())
