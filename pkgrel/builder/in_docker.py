"""Builds a release in an image of its distro."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pkgrel.builder import (
    container,
    docker_daemon,
    facts,
    image_builder,
    image_inventory,
    log,
    recipe,
    secrets,
    sources,
)
from pkgrel.builder.docker_daemon import docker_errors
from pkgrel.builder.hex_metadata import Licences
from pkgrel.builder.image_inventory import Image
from pkgrel.builder.project import ReleaseRequest
from pkgrel.builder.reaper import ContainerReaper
from pkgrel.builder.steps import Say, environment, execute
from pkgrel.distro import Distro, Format, Libraries, unsupported
from pkgrel.resources import BUILD_IMAGES

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a build, with what the image has."""

    distro: Distro
    """The distro, with the versions of the image."""
    drift: tuple[str, ...]
    """Differences from the table."""
    image: Image
    licences: Licences
    base: str
    """`NAME@sha256:…` of the base image; empty if it is gone, or not from a registry."""


def build(request: ReleaseRequest, distro: Distro, reaper: ContainerReaper, say: Say) -> Measured:
    """Build in an image of the distro, which is made first if it is missing."""
    with docker_daemon.connected() as client, docker_errors(distro.id):
        private = secrets.read(request.settings, request.folder)
        ssh = secrets.ssh_agent(client) if request.settings.ssh else ""
        architecture = request.architecture or docker_daemon.architecture(client)
        made = recipe.for_project(
            request.project, request.settings, distro, architecture, request.folder
        )
        image = image_builder.ensure(client, made, say, stopped=lambda: reaper.stopped)
        user = sources.owner(agent=bool(ssh))
        design = container.Design(
            image=image.id,
            name=distro.id,
            caches=container.NONE
            if request.fresh
            else container.names(
                request.project, made, request.snapshot, request.settings.mix_env, user
            ),
            places=container.places(request.snapshot.project),
            user=user,
            platform=f"linux/{made.architecture}" if request.architecture else "",
            agent=ssh,
        )
        variables = environment(
            request, design.places, private, distro.utf_8 | _variables(made, client, ssh)
        )
        with (
            log.opened(request.log_name(distro.id), private.values()) as kept_log,
            container.started(client, design, kept_log, variables, reaper, say) as place,
        ):
            say("put the sources in")
            with request.snapshot.file.open("rb") as packed:
                place.put(packed)
            known = secrets.known_hosts() if ssh else {}
            for name, content in {**known, **private.files}.items():
                place.put_secret(name, content)
            licences = execute(request, place, made.toolchain, say)
            libraries = _libraries(place, distro)
        actual = replace(facts.actual(distro, image.facts), libraries=libraries)
        base = image_inventory.registry_digest(client, image.base)
        return Measured(actual, facts.drift(distro, image.facts), image, licences, base)


def _libraries(place: container.Container, distro: Distro) -> Libraries:
    """The packages of the container's shared libraries, including those that the project added."""
    match distro.format:
        case Format.DEB:
            script = (BUILD_IMAGES / "libraries").read_text(encoding="utf-8")
            return facts.libraries(place.output(script))
        case Format.RPM:
            return Libraries()  # an .rpm asks for the library itself
        case _:
            raise unsupported(distro.format)


def _variables(made: recipe.Recipe, client: DockerClient, ssh: str) -> dict[str, str]:
    """Cache directories of tools; their credentials stay in the container's home."""
    variables = {
        "MIX_HOME": f"{container.DOWNLOADS}/mix",
        "HEX_HOME": f"{container.HOME}/.hex",
        "REBAR_CACHE_DIR": f"{container.DOWNLOADS}/rebar3",
        "npm_config_cache": f"{container.DOWNLOADS}/npm",
        "YARN_CACHE_FOLDER": f"{container.DOWNLOADS}/yarn",
    }
    if ssh:
        variables["SSH_AUTH_SOCK"] = container.AGENT
    if made.architecture != docker_daemon.architecture(client):
        # QEMU does not run what the JIT writes to two mappings of one memory (mix release's manual).
        variables["ERL_AFLAGS"] = "+JMsingle true"
    return variables
