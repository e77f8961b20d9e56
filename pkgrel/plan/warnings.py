"""Warnings about settings and releases that may be intended, but often are not."""

import re
from collections.abc import Iterator

from pkgrel.config.runtime import Reach
from pkgrel.config.service import Hardening, ServiceType, Upgrade
from pkgrel.distro import Distro, names
from pkgrel.plan.auxiliary_units import pulls
from pkgrel.plan.configuration import content_at, server_variables
from pkgrel.plan.environment import (
    environment_variables,
    hides_cookie,
    say_unset,
    set_elsewhere,
    unset_variables,
)
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.names import shared_with_services
from pkgrel.plan.start_files import bound_to_name
from pkgrel.plan.unit import notifies, silent_library
from pkgrel.plan.upgrade import is_hot, never_hot
from pkgrel.plan.validation import below_directories, split_command
from pkgrel.release import shell_script
from pkgrel.release.model import Kind
from pkgrel.version import is_commit

_SCRIPT_SIZE = 1 << 20


def find_warnings(inputs: Inputs) -> Iterator[str]:
    """Warnings, each with what to do."""
    yield from _name_of_the_archive(inputs.layout.name, inputs.distro)
    yield from _version_of_a_commit(inputs)
    yield from _service_as_root(inputs)
    if sentence := shared_with_services(inputs):
        yield sentence
    yield from _hot_upgrades(inputs)
    yield from _pull(inputs)
    yield from _powerless_commands(inputs)
    yield from _missing_files(inputs)
    yield from _silent_releases(inputs)
    if not set_elsewhere(inputs.config):
        given = environment_variables(inputs) | server_variables(inputs)
        yield from say_unset(unset_variables(inputs, given), inputs.layout.name)
    yield from _node_and_cookie(inputs)


def _version_of_a_commit(inputs: Inputs) -> Iterator[str]:
    version = inputs.config.package.version
    if is_commit(version):
        yield (
            f"the version `{version}` is that of a commit, which does not grow: apt and dnf will take"
            " some later ones for older; `--version-from git` puts the number of commits in front"
        )


def _service_as_root(inputs: Inputs) -> Iterator[str]:
    if inputs.layout.user == "root":
        yield (
            "`service.user` is root: who breaks into the service has the host. Ports below 1024 take"
            " `low-ports = true`, files `extra-groups`, single programs `exec-start-pre` with `+`"
        )


def _hot_upgrades(inputs: Inputs) -> Iterator[str]:
    if why := never_hot(inputs):
        yield (
            f'`on-upgrade = "hot"`: every upgrade restarts the service, since {why}; mix and the extended start script'
            " of relx can"
        )
    elif is_hot(inputs) and inputs.config.package.version != inputs.release.version:
        yield (
            f'`on-upgrade = "hot"` goes by the version of the release, {inputs.release.version}, and not by the'
            " package's: builds of the same one restart the service; let mix.exs number every build, by `git` perhaps"
        )


def _silent_releases(inputs: Inputs) -> Iterator[str]:
    """Releases that do not notify systemd: despite a library for it, or despite settings that need it."""
    service = inputs.config.service
    if service.type is ServiceType.AUTO and (library := silent_library(inputs.release)):
        yield (
            f"nothing in the release calls notify or ready of `{library}`, so a start counts as done when the program"
            ' runs; `type = "notify"` in [service] is for one that tells systemd all the same'
        )
    for key, wanted, otherwise in (
        ('type = "notify"', service.type is ServiceType.NOTIFY, "a start never ends"),
        ("watchdog-sec", service.watchdog_sec, "systemd kills it again and again"),
    ):
        if wanted and not notifies(inputs.release):
            yield (
                f"`service.{key}` is for a release that notifies systemd, and none of the libraries for it"
                f" is in this one: unless it does so by itself, {otherwise}"
            )


def _node_and_cookie(inputs: Inputs) -> Iterator[str]:
    if bound := bound_to_name(inputs):
        yield (
            f"`{bound}` keeps data of a node of one name, so the name that the release gives itself stays, and commands"
            " may not find it: if there are no data yet, or they move, `node` in [distribution] names it"
        )
    if inputs.config.distribution.reach is not Reach.NONE and not hides_cookie(inputs):
        reason = (
            "hooks in post_start.d"
            if inputs.release.kind is Kind.DISTILLERY
            else 'the start script of `type = "forking"`'
        )
        yield (
            f"the cookie will be an argument of the VM, which every local user can read: {reason}"
            " need it there; leave them out, or trust the users of the host"
        )


def _pull(inputs: Inputs) -> Iterator[str]:
    config, distro = inputs.config, inputs.distro
    if config.deploy.pull and not pulls(inputs):
        yield (
            f"`deploy.pull` knows apt, dnf and zypper, and {distro.title} has {distro.installer}: hosts"
            " of it do not ask by themselves"
        )
    elif config.deploy.pull and config.service.on_upgrade not in (Upgrade.WAIT, Upgrade.HOT):
        yield (
            f'`deploy.pull`: with `on-upgrade = "{config.service.on_upgrade}"` nobody sees that a version fails, and every'
            ' host takes it: set `on-upgrade = "wait"` and [service.ready]'
        )


def _powerless_commands(inputs: Inputs) -> Iterator[str]:
    service = inputs.config.service
    if service.hardening is Hardening.OFF or inputs.layout.user == "root":
        return
    for number, command in enumerate(service.exec_start_pre):
        prefix, rest = split_command(command)
        if "!" in prefix.replace("!!", "") and "+" not in prefix:
            yield (
                f"`service.exec-start-pre[{number}]`: with `!` it is root within the sandbox, which leaves root no"
                f" capability: it can neither change owners nor read what is not its own; with `+{rest}` it can"
            )


def _missing_files(inputs: Inputs) -> Iterator[str]:
    """Files that env.sh sources but that the package does not ship: if one is missing the start script exits."""
    release, config = inputs.release, inputs.config
    path = f"releases/{release.version}/env.sh"
    content = content_at(release, path) if release.kind is Kind.MIX else None
    if not content or content.size > _SCRIPT_SIZE:
        return
    text = b"".join(content.chunks()).decode(errors="replace")
    known = {"ROOT": "", "VSN": release.version, "NAME": release.name}
    brought = {entry.path for entry in release.entries} | {item.path for item in config.file}
    for word, line in shell_script.read(text, path).sourced:
        file = re.sub(r"\$\{?RELEASE_(ROOT|VSN|NAME)\b\}?", lambda m: known[m[1]], word)
        inside = "RELEASE_ROOT" in word
        if (
            re.search(r"[$`]", file)
            or not file.startswith("/")
            or (file.lstrip("/") if inside else file) in brought
            or (not inside and below_directories(file, inputs.layout))
        ):
            continue
        yield (
            f"{path}:{line} reads `{word}`, and nothing in the package brings it: where it is missing the service does"
            " not start. Remove the line (the unit and `NAME COMMAND` set the same variables), or write"
            f" `[ ! -r {word} ] || . {word}`"
        )


def _name_of_the_archive(name: str, distro: Distro) -> Iterator[str]:
    if suites := names.archive_has(distro, name):
        others = f", {distro.name} has it from there" if distro.name != "Debian" else ""
        yield (
            f"Debian has a package `{name}` of its own ({', '.join(suites)}{others}), and apt installs the one with the"
            f' higher version: choose another name, such as `name = "{names.free(distro, name)}"` in [package],'
            " or see that every host has the client files of your repository, which make apt prefer it"
        )
