"""Lists and removes the build images and cache volumes of a daemon.

Everything about an image is in its labels, so that listing does not run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pkgrel.builder import facts
from pkgrel.builder.facts import Facts
from pkgrel.builder.recipe import REPOSITORY, Recipe

if TYPE_CHECKING:
    from docker import DockerClient


DISTRO, ARCHITECTURE, TOOLS, FACTS, BASE = (
    f"io.pkgrel.{name}" for name in ("distro", "architecture", "tools", "facts", "base")
)
"""Labels of images; the first is on each of our layers."""

HOST = "io.pkgrel.host"
"""Label of an image for hosts of `pkgrel try`: their distro."""

HOST_REPOSITORY = "pkgrel-host"
"""The name of these images, `pkgrel-host:DISTRO-HASH`."""

CACHE = "io.pkgrel.cache"
"""Label of a volume; its value describes the contents."""


@dataclass(frozen=True, slots=True)
class Image:
    """A build image, or the image of a host for trials."""

    id: str
    name: str
    """`pkgrel/DISTRO:HASH`; empty for layers that an interrupted build left."""
    facts: Facts
    distro: str = ""
    architecture: str = ""
    tools: str = ""
    base: str = ""
    """Id of the image that it was made from."""
    created: datetime = datetime.min.replace(tzinfo=UTC)
    size: int = 0
    """The size in bytes, including layers shared with other images."""

    @property
    def title(self) -> str:
        """Its name, or its id if it has none."""
        return self.name or self.id.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True)
class Volume:
    """A cache volume; see `caches`."""

    title: str
    """Its name."""
    created: datetime


def registry_digest(client: DockerClient, image: str) -> str:
    """The image's `NAME@sha256:…` in a registry; empty if it is gone, or not from a registry."""
    import docker

    try:
        known = client.images.get(image).attrs.get("RepoDigests") if image else None
    except docker.errors.ImageNotFound:
        return ""
    return str(min(known)) if known else ""


def find(client: DockerClient, recipe: Recipe) -> Image | None:
    """The image of the recipe; None if there is none."""
    import docker

    try:
        return _image(client.images.get(recipe.name).attrs)
    except docker.errors.ImageNotFound:
        return None


def find_all(client: DockerClient) -> list[Image]:
    """All build images, newest first, including unnamed ones of interrupted builds."""
    found = client.images.list(filters={"label": DISTRO})
    return _newest_first(found)


def _newest_first(found: Iterable[Any]) -> list[Image]:
    images = [_image(image.attrs) for image in found]
    return sorted(images, key=lambda image: image.created, reverse=True)


def prunable(
    client: DockerClient, before: datetime | None, distros: Collection[str] = ()
) -> list[Image | Volume]:
    """Images and volumes that were made before that time, or all of them; of these distros, or of all.

    Images of hosts for trials, and what an interrupted build left, are among them.
    """
    images = dict.fromkeys(find_all(client))
    images |= dict.fromkeys(_newest_first(client.images.list(filters={"label": HOST})))
    things: list[Image | Volume] = [
        image for image in images if not distros or image.distro in distros
    ]
    for volume in client.volumes.list(filters={"label": CACHE}):
        if not distros or any(volume.name.startswith(f"pkgrel-{name}-") for name in distros):
            things.append(Volume(volume.name, _time(volume.attrs["CreatedAt"])))
    return [thing for thing in things if before is None or _is_old(thing, before)]


def _is_old(thing: Image | Volume, before: datetime) -> bool:
    return thing.created < before or (isinstance(thing, Image) and not thing.name)


def remove(client: DockerClient, things: Iterable[Image | Volume]) -> list[Image | Volume]:
    """Remove them, except those that a container uses; returns those that were removed."""
    import docker

    gone = []
    for thing in things:
        with suppress(docker.errors.APIError):
            if isinstance(thing, Image):
                client.images.remove(thing.name or thing.id)
            else:
                client.volumes.get(thing.title).remove()
            gone.append(thing)
    return gone


def _image(attrs: dict[str, Any]) -> Image:
    """From what `docker image inspect` says."""
    labels = (attrs.get("Config") or {}).get("Labels") or {}
    ours = (f"{REPOSITORY}/", f"{HOST_REPOSITORY}:")
    names = [name for name in attrs.get("RepoTags") or [] if name.startswith(ours)]
    return Image(
        id=attrs["Id"],
        name=names[0] if names else "",
        facts=facts.from_json(json.loads(labels.get(FACTS, "{}"))),
        distro=labels.get(DISTRO) or labels.get(HOST, ""),
        architecture=labels.get(ARCHITECTURE, ""),
        tools=labels.get(TOOLS, ""),
        base=labels.get(BASE, ""),
        created=_time(attrs["Created"]),
        size=attrs.get("Size", 0),
    )


def _time(text: str) -> datetime:
    """Parse Docker's time: with nanoseconds, 2026-11-21T03:42:05.123456789Z; for volumes it may have a time zone."""
    time = datetime.fromisoformat(re.sub(r"\.\d+", "", text))
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
