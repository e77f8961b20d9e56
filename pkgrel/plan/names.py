"""Checks the package's names and paths against what the distro's hosts already have.

Source: Debian Policy 9.2 (accounts), 10.7.4 (configuration of others), 10.1 (files of others);
systemd.exec(5), RuntimeDirectory=: the service gets the directory with everything in it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkgrel.config.service import RestartMethod
from pkgrel.distro import Distro
from pkgrel.distro.names import Taken, taken, taken_path
from pkgrel.errors import ConfigError
from pkgrel.package import Directory, Entry
from pkgrel.plan.entries import SYSTEM
from pkgrel.plan.inputs import Inputs

_WORDS = {
    "account": "the account {}",
    "group": "the group {}",
    "package": "the package {}",
    "etc": "/etc/{}",
    "run": "/run/{}",
    "state": "/var/lib/{}",
    "log": "/var/log/{}",
    "cache": "/var/cache/{}",
    "command": "the command {}",
    "unit": "the unit {}",
    "file": "/etc/{}",
    "sysusers": "/usr/lib/sysusers.d/{}",
    "tmpfiles": "/usr/lib/tmpfiles.d/{}",
    "logrotate": "/etc/logrotate.d/{}",
    "manual": "/usr/share/man/man1/{}.1.gz",
}
"""What messages call a name of each kind."""

_SHOWN = 3

_NOT_FOR_PACKAGES = {
    "/dev": "the kernel's",
    "/proc": "the kernel's",
    "/sys": "the kernel's",
    "/run": "empty when the host starts",
    "/var/run": "empty when the host starts",
    "/tmp": "empty when the host starts",
    "/var/tmp": "emptied from time to time",
    "/home": "the users'",
    "/root": "the administrator's",
}


class Claim(NamedTuple):
    """A name that the package uses as its own, and the setting that it comes from."""

    kind: str
    name: str
    key: str


def claims(inputs: Inputs) -> Iterator[Claim]:
    """Every name that must not belong to anything else on the host."""
    layout = inputs.layout
    service, directories, name = (
        inputs.config.service,
        inputs.config.service.directories,
        layout.name,
    )
    shared = ("root", *service.shared_accounts)
    user = "service.user" if service.user else "package.name"
    for kind, account, key in (
        ("account", layout.user, user),
        ("group", layout.group, "service.group" if service.group else user),
        ("account", service.deploy_user, "service.deploy-user"),
    ):
        if account and account not in shared:
            yield Claim(kind, account, key)
    for kind, directory, wanted in (
        ("etc", name, True),
        ("etc", f"{name}/", True),
        ("run", name, directories.runtime),
        ("run", layout.flag.parent.name, service.restart_method is RestartMethod.FLAG),
        ("state", name, directories.state),
        ("cache", name, directories.cache or directories.tmp),
        ("log", name, directories.logs),
        ("logrotate", name, directories.logs),
        ("file", f"init.d/{name}", True),
        ("sysusers", f"{name}.conf", True),
        ("tmpfiles", f"{name}.conf", service.restart_method is RestartMethod.FLAG),
        ("manual", name, True),
        ("command", name, True),
        ("package", name, True),
    ):
        if wanted:
            yield Claim(kind, directory, "package.name")
    # A socket, timer or path unit of this name would start the service.
    for suffix in ("service", "socket", "timer", "path"):
        yield Claim("unit", f"{name}.{suffix}", "package.name")


def refuse_taken(inputs: Inputs) -> None:
    """ConfigError for a name that exists on every host of the distro."""
    layout = inputs.layout
    found = [(claim, its) for claim, its in _taken(inputs) if its.base]
    if not found and layout.root in SYSTEM:
        raise ConfigError(
            f"`{layout.root}` is the system's own directory, and would be the release's",
            hint="set another `name` or `prefix` in [package]",
        )
    if not found:
        return
    key = found[0][0].key
    value = found[0][0].name.rstrip("/").removesuffix(".service")
    if any(claim.key == "package.name" for claim, _ in found):
        key, value = "package.name", layout.name
    theirs = _listed(its for claim, its in found if claim.key == key)
    raise ConfigError(
        f"`{key}` cannot be `{value}`: every host of {inputs.distro.title} has {theirs}",
        hint=_remedy(key, value, {claim.kind for claim, _ in found}),
    )


def _remedy(key: str, value: str, kinds: set[str]) -> str:
    table, _, setting = key.partition(".")
    other = f'set `{setting} = "{value}-app"` or the like in [{table}]'
    if table == "service":
        return (
            f'{other}; `shared-accounts = ["{value}"]` takes an account that is meant to be shared'
        )
    return f"{other}, or `user` in [service]" if kinds <= {"account", "group"} else other


def shared_with_services(inputs: Inputs) -> str:
    """A warning about names that exist on hosts with some other service; empty if there are none."""
    found = [its for _, its in _taken(inputs) if not its.base]
    if not found:
        return ""
    return (
        f"some hosts have {_listed(found)}: an installation will be refused there, or take them over;"
        " another `name` in [package] or `user` in [service] is safe everywhere"
    )


def strange_directories(inputs: Inputs) -> tuple[str, ...]:
    """Directories of the service that belong to another service on some hosts."""
    names = (
        (claim, taken(inputs.distro.format, claim.kind, claim.name)) for claim in claims(inputs)
    )
    return tuple(
        _WORDS[claim.kind].format(claim.name)
        for claim, its in names
        if its and claim.kind in ("run", "state", "log", "cache")
    )


def refuse_paths(entries: Iterable[Entry], distro: Distro) -> None:
    """ConfigError for the first path that exists on every host, or that packages must not use."""
    for entry in entries:
        if not isinstance(entry, Directory):
            _refuse_place(entry)
        its = taken_path(distro.format, entry.path, directory=isinstance(entry, Directory))
        if its and its.base:
            raise ConfigError(
                f"`{entry.path}` is there on every host of {distro.title}, a file {its.owner}",
                hint="give it another path; what is added to others' configuration has directories such as"
                " /etc/profile.d",
            )


def _refuse_place(entry: Entry) -> None:
    for folder, whose in _NOT_FOR_PACKAGES.items():
        if str(entry.path).startswith(f"{folder}/"):
            raise ConfigError(
                f"`{entry.path}` cannot be in a package: {folder} is {whose}",
                hint="put it below /usr or /etc, or have /usr/lib/tmpfiles.d make it",
            )


def _taken(inputs: Inputs) -> Iterator[tuple[Claim, Taken]]:
    for claim in claims(inputs):
        its = taken(inputs.distro.format, claim.kind, claim.name)
        # The deploy user gets permissions but no directory, so a person's account such as `ubuntu` will do.
        person = its and (not its.base or its.package == "cloud-init")
        if its and not (person and claim.key == "service.deploy-user"):
            yield claim, its


def _listed(found: Iterable[Taken]) -> str:
    words = [f"{_WORDS[its.kind].format(its.name)} {its.owner}" for its in found]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
