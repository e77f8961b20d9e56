"""What may be meant so and still deserves a word, once the settings are known."""

from collections.abc import Iterator

from pkgrel.config.runtime import Reach
from pkgrel.config.service import ServiceType
from pkgrel.distro import Distro, archive_names
from pkgrel.plan.configuration import server_variables
from pkgrel.plan.environment import (
    environment_variables,
    hides_cookie,
    say_unset,
    set_elsewhere,
    unset_variables,
)
from pkgrel.plan.identity import bound_to_name
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.names import shared_with_services
from pkgrel.plan.unit import notifies, silent_library
from pkgrel.release.model import Kind
from pkgrel.version import is_commit


def find_warnings(inputs: Inputs) -> Iterator[str]:
    """Sentences for people, each with what to do."""
    release = inputs.release
    service = inputs.config.service
    yield from _name_of_the_archive(inputs.layout.name, inputs.distro)
    if is_commit(inputs.config.package.version):
        yield (
            f"the version `{inputs.config.package.version}` is that of a commit, which does not grow: apt and dnf will take"
            " some later ones for older; `--version-from git` puts the number of commits in front"
        )
    if inputs.layout.user == "root":
        yield (
            "`service.user` is root: who breaks into the service has the host. Ports below 1024 take"
            " `low-ports = true`, files `extra-groups`, single programs `exec-start-pre` with `+`"
        )
    if word := shared_with_services(inputs):
        yield word
    if service.type is ServiceType.AUTO and (library := silent_library(release)):
        yield (
            f"nothing in the release calls notify or ready of `{library}`, so a start counts as done when the program"
            ' runs; `type = "notify"` in [service] is for one that tells systemd all the same'
        )
    for key, wanted, otherwise in (
        ('type = "notify"', service.type is ServiceType.NOTIFY, "a start never ends"),
        ("watchdog-sec", service.watchdog_sec, "systemd kills it again and again"),
    ):
        if wanted and not notifies(release):
            yield (
                f"`service.{key}` is for a release that notifies systemd, and none of the libraries for it"
                f" is in this one: unless it does so by itself, {otherwise}"
            )
    if not set_elsewhere(inputs.config):
        given = environment_variables(inputs) | server_variables(inputs)
        yield from say_unset(unset_variables(inputs, given), inputs.layout.name)
    if bound := bound_to_name(inputs):
        yield (
            f"`{bound}` keeps data of a node of one name, so the name that the release gives itself stays, and commands"
            " may not find it: if there are no data yet, or they move, `node` in [distribution] names it"
        )
    if inputs.config.distribution.reach is not Reach.NONE and not hides_cookie(inputs):
        reason = (
            "hooks in post_start.d"
            if release.kind is Kind.DISTILLERY
            else 'the start script of `type = "forking"`'
        )
        yield (
            f"the cookie will be an argument of the VM, which every local user can read: {reason}"
            " need it there; leave them out, or trust the users of the host"
        )


def _name_of_the_archive(name: str, distro: Distro) -> Iterator[str]:
    if suites := archive_names.taken(distro, name):
        others = f", {distro.name} has it from there" if distro.name != "Debian" else ""
        yield (
            f"Debian has a package `{name}` of its own ({', '.join(suites)}{others}), and apt installs the one with the"
            f' higher version: choose another name, such as `name = "{archive_names.free(distro, name)}"` in [package],'
            " or see that every host has the client files of your repository, which make apt prefer it"
        )
