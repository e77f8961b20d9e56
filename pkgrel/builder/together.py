"""Several build images side by side."""

import os
import queue
import threading
from collections.abc import Iterable

from pkgrel.builder import daemon, images
from pkgrel.builder.images import Image
from pkgrel.builder.progress import Progress
from pkgrel.builder.recipe import Recipe
from pkgrel.errors import PkgrelError

_SECONDS_TO_STOP = 10

Result = Image | BaseException


def ensure(
    recipes: Iterable[Recipe], *, jobs: int = 0, anew: bool = False
) -> tuple[list[Image], list[PkgrelError]]:
    """The images of the recipes, each once and in their order, and what went wrong with others.

    `jobs` at a time; 0: by the number of processors. When interrupted, builds that run are given up.
    """
    wanted = list({recipe.name: recipe for recipe in recipes}.values())
    stopping = threading.Event()
    with Progress() as progress:
        results = _run(wanted, jobs or max(1, (os.cpu_count() or 2) // 2), anew, stopping, progress)
    made = [results[recipe.name] for recipe in wanted]
    for result in made:
        if isinstance(result, BaseException) and not isinstance(result, PkgrelError):
            raise result
    return (
        [image for image in made if isinstance(image, Image)],
        [problem for problem in made if isinstance(problem, PkgrelError)],
    )


def _run(
    wanted: list[Recipe], jobs: int, anew: bool, stopping: threading.Event, progress: Progress
) -> dict[str, Result]:
    waiting: queue.SimpleQueue[Recipe] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Result]] = queue.SimpleQueue()
    for recipe in wanted:
        waiting.put(recipe)

    def work() -> None:
        while not stopping.is_set():
            try:
                recipe = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((recipe.name, _ensure(recipe, anew, stopping, progress)))
            except BaseException as e:
                done.put((recipe.name, e))

    threads = [threading.Thread(target=work, daemon=True) for _ in wanted[:jobs]]
    results: dict[str, Result] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(wanted):
            name, result = done.get()
            results[name] = result
    finally:
        stopping.set()
        for thread in threads:
            thread.join(_SECONDS_TO_STOP)
    return results


def _ensure(recipe: Recipe, anew: bool, stopping: threading.Event, progress: Progress) -> Image:
    name = recipe.distro.id
    try:
        with daemon.connected() as client:
            image = images.ensure(
                client,
                recipe,
                lambda text: progress.say(name, text),
                anew=anew,
                stopped=stopping.is_set,
            )
    except BaseException:
        progress.end(name, "failed")
        raise
    progress.end(name, "there")
    return image
