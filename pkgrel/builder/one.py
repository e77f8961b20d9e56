"""One build: the sources in, the steps, the tarball out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pkgrel.builder import (
    caches,
    container,
    daemon,
    facts,
    host,
    images,
    kept,
    leftovers,
    log,
    mix,
    rebar,
    recipe,
    secrets,
    source,
    tarball,
    toolchain,
)
from pkgrel.builder.project import Project, Tool
from pkgrel.builder.workplace import Environment, Places, Workplace, variables
from pkgrel.config.build import BuildSettings
from pkgrel.distro import Distro
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be built."""

    project: Project
    snapshot: source.Snapshot
    settings: BuildSettings
    architecture: str
    """As Docker calls it; empty: the daemon's own."""
    file: Path
    """Where the tarball goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of it."""

    file: Path
    distro: Distro | None
    """The distro with the image's real numbers; None when this machine built it."""
    drift: tuple[str, ...]
    """Where they differ from the table."""
    log: Path


def in_docker(order: Order, distro: Distro, own: leftovers.Own, say: Say) -> Built:
    """Build in an image of the distro, which is made first if it is not there."""
    settings = order.settings
    client = daemon.connect()
    try:
        private = secrets.read(settings)
        agent = container.agent_socket(client) if settings.ssh else ""
        made = _recipe(order, distro, client)
        image = images.ensure(client, made, say)
        environment = _environment(order, container.PLACES, private, _caches(agent))
        _refuse_foreign(made, image)
        user = source.owner(agent=bool(agent))
        volumes = caches.names(made, order.snapshot, settings.mix_env, user)
        with (
            log.opened(_log_name(order, distro.id), private.values()) as kept_log,
            container.started(
                client,
                image.id,
                distro.id,
                volumes,
                kept_log,
                environment,
                user=user,
                platform=f"linux/{made.architecture}" if order.architecture else "",
                agent=agent,
                own=own,
            ) as place,
        ):
            say("put the sources in")
            with order.snapshot.file.open("rb") as sources:
                place.put(sources)
            for name, content in {**_known_hosts(agent), **private.files}.items():
                place.put_secret(name, content)
            _build(order, place, say)
            return Built(
                file=order.file,
                distro=facts.actual(distro, image.facts),
                drift=facts.drift(distro, image.facts),
                log=kept_log.path,
            )
    finally:
        client.close()


def on_host(order: Order, say: Say) -> Built:
    """Build with the tools of this machine."""
    private = secrets.read(order.settings)
    with (
        log.opened(_log_name(order, host.NAME), private.values()) as kept_log,
        host.places(order.project, private.files) as places,
    ):
        host.put(order.snapshot, places.project)
        _build(order, host.Host(places, kept_log, _environment(order, places, private, {})), say)
        return Built(file=order.file, distro=None, drift=(), log=kept_log.path)


def _build(order: Order, place: Workplace, say: Say) -> None:
    kept.begin(place, order.project.tool)
    if order.project.tool is Tool.MIX:
        mix.build(place, order.settings, order.snapshot.locked, say)
    else:
        rebar.build(place, order.settings, say)
    kept.finish(place)
    say("take the release out")
    tarball.take(place, order.file, order.snapshot.date)


def _recipe(order: Order, distro: Distro, client: "DockerClient") -> recipe.Recipe:
    settings = order.settings
    wanted = {
        "erlang": settings.erlang,
        "elixir": settings.elixir,
        "nodejs": settings.nodejs,
    }
    tools = toolchain.read(order.project.folder, wanted)
    packages = settings.packages
    if order.project.tool is Tool.REBAR3 and distro.format == "deb":
        packages = tuple(dict.fromkeys((*packages, "rebar3")))
    architecture = order.architecture or _DOCKER_NAMES.get(
        client.info()["Architecture"], client.info()["Architecture"]
    )
    return recipe.recipe(
        distro,
        tools,
        architecture,
        packages,
        settings.image,
        elixir=order.project.tool is Tool.MIX,
    )


_DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def _refuse_foreign(made: recipe.Recipe, image: images.Image) -> None:
    """An old daemon takes a base image of any architecture that it has under the name."""
    actual = _DOCKER_NAMES.get(image.facts.architecture, image.facts.architecture)
    if actual and actual != made.architecture:
        raise BuildError(
            f"{made.distro.id}: the image `{made.base}` is for {actual}, and {made.architecture} was asked for",
            hint=f"pull the other one: `docker pull --platform linux/{made.architecture} {made.base}`, "
            "then `pkgrel images build`, or set DOCKER_HOST to a machine of that architecture",
        )


def _known_hosts(agent: str) -> dict[str, bytes]:
    """With the agent go the hosts that the user trusts: ssh cannot ask in a container."""
    file = Path("~/.ssh/known_hosts").expanduser()
    return {"~/.ssh/known_hosts": file.read_bytes()} if agent and file.is_file() else {}


def _caches(agent: str) -> dict[str, str]:
    """Where tools keep what they fetch; credentials of theirs stay in the container's home."""
    places = container.PLACES
    return {
        "MIX_HOME": f"{places.cache}/mix",
        "HEX_HOME": f"{places.home}/.hex",
        "REBAR_CACHE_DIR": f"{places.cache}/rebar3",
        "npm_config_cache": f"{places.cache}/npm",
        "YARN_CACHE_FOLDER": f"{places.cache}/yarn",
        **({"SSH_AUTH_SOCK": container.AGENT} if agent else {}),
    }


def _environment(
    order: Order, places: Places, private: secrets.Secrets, more: dict[str, str]
) -> Environment:
    settings = order.settings
    own = variables(places, settings.mix_env, order.snapshot.date, settings.environment)
    # What a build may depend on; a digest, because it is kept beside what was compiled.
    state = hashlib.sha256(order.snapshot.digest.encode())
    for name, value in sorted({**own, **private.variables}.items()):
        if name not in ("PKGREL_RELEASE", "PKGREL_SECRETS"):
            state.update(f"\0{name}={value}".encode(errors="surrogateescape"))
    marks = {
        "PKGREL_SOURCE": state.hexdigest(),
        "PKGREL_DEPENDENCIES": order.snapshot.dependencies,
    }
    return Environment({**more, **own, **marks}, private.variables)


def _log_name(order: Order, where: str) -> str:
    architecture = f"-{order.architecture}" if order.architecture else ""
    return f"{order.project.name}-{where}{architecture}"
