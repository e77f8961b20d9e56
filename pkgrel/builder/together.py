"""Several build images side by side."""

import threading
from collections.abc import Iterable
from functools import partial

from pkgrel.builder import daemon, images, side_by_side
from pkgrel.builder.recipe import Recipe
from pkgrel.builder.stock import Image
from pkgrel.errors import PkgrelError
from pkgrel.reporter import Reporter


def ensure(
    recipes: Iterable[Recipe], reporter: Reporter, *, jobs: int = 0, anew: bool = False
) -> tuple[list[Image], list[PkgrelError]]:
    """The images of the recipes, each once and in their order, and what went wrong with others.

    `jobs` at a time; 0: by the number of processors. When interrupted, builds that run are given up.
    """
    wanted = {recipe.name: recipe for recipe in recipes}.values()
    stopping = threading.Event()
    tasks = [partial(_ensure, recipe, anew, stopping, reporter) for recipe in wanted]
    with reporter.parts():
        results = side_by_side.run(tasks, jobs, stopping.set)
    return (
        [image for image in results if isinstance(image, Image)],
        [problem for problem in results if isinstance(problem, PkgrelError)],
    )


def _ensure(
    recipe: Recipe, anew: bool, stopping: threading.Event, reporter: Reporter
) -> Image | PkgrelError:
    name = recipe.distro.id
    try:
        with daemon.connected() as client:
            image = images.ensure(
                client,
                recipe,
                lambda text: reporter.step(name, text),
                anew=anew,
                stopped=stopping.is_set,
            )
    except PkgrelError as e:
        reporter.ended(name, "failed")
        return e
    reporter.ended(name, "there")
    return image
