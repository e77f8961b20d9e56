"""A build in an image of its distro."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgrel.builder import (
    agent,
    archive,
    caches,
    container,
    daemon,
    facts,
    images,
    leftovers,
    log,
    recipe,
    secrets,
    startup,
)
from pkgrel.builder.order import Order, Say, carry_out, environment
from pkgrel.builder.refusal import refused
from pkgrel.distro import Distro

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Measured:
    """What the image turned out to have."""

    distro: Distro
    """The distro with the image's real numbers."""
    drift: tuple[str, ...]
    """Where they differ from the table."""


def build(order: Order, distro: Distro, own: leftovers.Own, say: Say) -> Measured:
    """Build in an image of the distro, which is made first if it is not there."""
    with daemon.connected() as client, refused(distro.id):
        private = secrets.read(order.settings, order.folder)
        ssh = agent.at(client) if order.settings.ssh else ""
        architecture = order.architecture or daemon.architecture(client)
        made = recipe.for_project(order.project, order.settings, distro, architecture)
        image = images.ensure(client, made, say, stopped=lambda: own.stopped)
        user = archive.owner(agent=bool(ssh))
        design = startup.Design(
            image=image.id,
            name=distro.id,
            caches=caches.NONE
            if order.fresh
            else caches.names(order.project, made, order.snapshot, order.settings.mix_env, user),
            places=container.places(order.snapshot.project),
            user=user,
            platform=f"linux/{made.architecture}" if order.architecture else "",
            agent=ssh,
        )
        variables = environment(
            order, design.places, private, distro.utf_8 | _variables(made, client, ssh)
        )
        with (
            log.opened(order.log_name(distro.id), private.values()) as kept_log,
            startup.started(client, design, kept_log, variables, own, say) as place,
        ):
            say("put the sources in")
            with order.snapshot.file.open("rb") as sources:
                place.put(sources)
            known = agent.known_hosts() if ssh else {}
            for name, content in {**known, **private.files}.items():
                place.put_secret(name, content)
            carry_out(order, place, made.toolchain, say)
        return Measured(facts.actual(distro, image.facts), facts.drift(distro, image.facts))


def _variables(made: recipe.Recipe, client: "DockerClient", ssh: str) -> dict[str, str]:
    """Where tools keep what they fetch; credentials of theirs stay in the container's home."""
    variables = {
        "MIX_HOME": f"{container.DOWNLOADS}/mix",
        "HEX_HOME": f"{container.HOME}/.hex",
        "REBAR_CACHE_DIR": f"{container.DOWNLOADS}/rebar3",
        "npm_config_cache": f"{container.DOWNLOADS}/npm",
        "YARN_CACHE_FOLDER": f"{container.DOWNLOADS}/yarn",
    }
    if ssh:
        variables["SSH_AUTH_SOCK"] = container.AGENT
    if made.architecture != daemon.architecture(client):
        # QEMU does not run what the JIT writes to two mappings of one memory (mix release's manual).
        variables["ERL_AFLAGS"] = "+JMsingle true"
    return variables
