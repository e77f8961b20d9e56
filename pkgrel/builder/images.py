"""Build images: made when missing, found again by their name, removed when nobody wants them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pkgrel.builder.facts import Facts
from pkgrel.builder.recipe import Recipe

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True, slots=True)
class Image:
    """A build image that is there."""

    id: str
    name: str
    facts: Facts


def ensure(client: "DockerClient", recipe: Recipe, say: Callable[[str], None]) -> Image:
    """The image of the recipe, built first if it is missing; `say` gets a line for each step."""
    raise NotImplementedError
