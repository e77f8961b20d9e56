"""Build images, made when they are missing, and only named when they are complete."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pkgrel.builder import daemon, facts, log, making
from pkgrel.builder.facts import Facts
from pkgrel.builder.image_failure import sources
from pkgrel.builder.making import DISTRO
from pkgrel.builder.recipe import Recipe
from pkgrel.builder.stock import ARCHITECTURE, BASE, FACTS, TOOLS, Image, find, remove
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient


def ensure(
    client: "DockerClient",
    recipe: Recipe,
    say: Callable[[str], None],
    *,
    anew: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Image:
    """The image of the recipe, built first if it is missing; `say` gets a line for each step.

    It is given up soon after `stopped` says so, which makes sense for a thread. `anew` builds it in any
    case, from the base image as it is in its registry now. An image gets its name when it is complete
    and its facts are read: one that has it can be used. BuildError with the lines of the log that matter.
    """
    before = find(client, recipe)
    if before and not anew:
        return before
    with log.opened(f"image-{recipe.distro.id}-{recipe.architecture}") as kept:
        say(f"image: {recipe.tools} on {recipe.base}")
        made = making.make(client, recipe, kept, say, stopped=stopped, pull=anew)
    try:
        real = facts.read(client, made[-1])
        _refuse_wrong(recipe, real)
        labels = {
            DISTRO: recipe.distro.id,
            ARCHITECTURE: recipe.architecture,
            TOOLS: recipe.tools,
            FACTS: json.dumps(facts.to_json(real), sort_keys=True),
            BASE: str(client.images.get(made[0]).id),
        }
        making.finish(client, made[-1], recipe, labels)
    except BaseException:
        making.discard(client, made)
        raise
    for sentence in facts.drift(recipe.distro, real):
        say(f"image: {sentence}")
    image = find(client, recipe)
    if before and image and before.id != image.id:
        remove(client, [replace(before, name="")])  # the name is the new one's
    if image is None:
        raise BuildError(
            f"{recipe.distro.id}: the image `{recipe.name}` was removed while it was being made",
            hint="run the command again",
        )
    return image


def _refuse_wrong(recipe: Recipe, real: Facts) -> None:
    """What Docker and a distro may get wrong without a word.

    An older daemon takes a base image of another architecture if it has that one already; and a
    distro may have packages that do not go together, such as Ubuntu 18.04's Elixir and Erlang.
    """
    architecture = daemon.DOCKER_NAMES.get(real.architecture, real.architecture)
    if architecture != recipe.architecture:
        raise BuildError(
            f"{recipe.distro.id}: no build image from `{recipe.base}`: the daemon has it for "
            f"{architecture}, not for {recipe.architecture}",
            hint=f"fetch the other one: `docker pull --platform linux/{recipe.architecture} {recipe.base}`",
        )
    versions = {"Erlang/OTP": real.erlang, "Elixir": real.elixir, "Node.js": real.nodejs}
    for name, version in versions.items():
        if name in recipe.tools and not version:
            raise BuildError(
                f"{recipe.distro.id}: no build image from `{recipe.base}`: its {name} does not run",
                hint=f"ask for another version in {sources(recipe)}",
            )
