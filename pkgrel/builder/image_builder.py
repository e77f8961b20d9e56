"""Makes build images from Dockerfiles, explains failures, and removes unfinished images.

Docker's classic builder, through the API: https://docs.docker.com/reference/api/engine/ (ImageBuild).
It streams JSON objects with one of `stream`, `status`, `error` and `aux`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pkgrel.builder import docker_daemon, facts, log, parallel
from pkgrel.builder.facts import Facts
from pkgrel.builder.failures import image_failed, toolchain_sources
from pkgrel.builder.image_inventory import (
    ARCHITECTURE,
    BASE,
    DISTRO,
    FACTS,
    TOOLS,
    Image,
    find,
    remove,
)
from pkgrel.builder.log import Log
from pkgrel.builder.recipe import MIRRORS, Recipe
from pkgrel.errors import BuildError, PkgrelError
from pkgrel.reporter import Reporter

if TYPE_CHECKING:
    from docker import DockerClient


def ensure(
    client: DockerClient,
    recipe: Recipe,
    say: Callable[[str], None],
    *,
    force: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Image:
    """The image of the recipe, built if it is missing; `say` is called with each step.

    The build ends soon after `stopped` returns True, for use in threads. `force` builds in any case, from the
    base image that the registry has now. An image is named only when it is complete and its facts have been
    read, so a named one can be used. BuildError with the relevant lines of the log.
    """
    before = find(client, recipe)
    if before and not force:
        return before
    with log.opened(f"image-{recipe.distro.id}-{recipe.architecture}") as kept:
        say(f"image: {recipe.tools} on {recipe.base}")
        made = make(client, recipe, kept, say, stopped=stopped, pull=force)
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
        finish(client, made[-1], recipe, labels)
    except BaseException:
        discard(client, made)
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
    """BuildError for what Docker and distros can silently get wrong.

    An older daemon uses a base image of another architecture if it already has that; and a distro may
    have incompatible packages, such as Ubuntu 18.04's Elixir and Erlang.
    """
    architecture = docker_daemon.DOCKER_NAMES.get(real.architecture, real.architecture)
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
                hint=f"ask for another version in {toolchain_sources(recipe)}",
            )


_CHATTER = ("Removing intermediate container", " ---> ")
_STEP = re.compile(r"Step (\d+/\d+) : (.*)", re.DOTALL)
_LAYER = re.compile(r" ---> ([0-9a-f]{12,64})\s*")
_STATUS = re.compile(r"returned a non-zero code: (\d+)")
_OURS = re.compile(r"^pkgrel: (?!error: )(.*)", re.MULTILINE)
_SECONDS_TO_END = 5
"""Seconds for the container of an interrupted build to end."""

_TITLES = (
    (re.compile(r"RUN /usr/local/lib/pkgrel/(\S+) (\S+)"), r"install \1 \2"),
    (re.compile(r"RUN .*(?:apt-get|dnf|yum|zypper)\b.* install"), "install packages of the distro"),
)
"""Slow instructions, and their titles; others are not reported."""


def make(
    client: DockerClient,
    recipe: Recipe,
    log: Log,
    say: Callable[[str], None],
    *,
    stopped: Callable[[], bool],
    pull: bool,
) -> tuple[str, ...]:
    """Build an image without a name; returns the ids of its layers, the base image first.

    `pull` fetches the base image again, and ignores the cache of earlier builds. BuildError with the relevant
    lines of the log; after an error or an interrupt no layer and no container is left.
    """
    layers: list[str] = []
    done = False
    try:
        # Closing the response ends the build in the daemon.
        with contextlib.closing(_events(client, recipe, pull)) as events:
            _follow(_until(stopped, events), recipe, log, say, layers)
        done = True
    finally:
        if not done:
            discard(client, layers)
    return tuple(layers)


def finish(client: DockerClient, image: str, recipe: Recipe, labels: Mapping[str, str]) -> str:
    """Name and label the image; returns the id of the result."""
    pairs = " ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    text = f"FROM {image}\nLABEL {pairs}\n"
    events = client.api.build(
        fileobj=_context({"Dockerfile": text.encode()}),
        custom_context=True,
        tag=recipe.name,
        platform=f"linux/{recipe.architecture}",
        rm=True,
        forcerm=True,
        decode=True,
        timeout=None,
    )
    for event in events:
        if "error" in event:
            raise BuildError(
                f"the image `{recipe.name}` cannot be named: {event['error'].strip()}",
                hint="see that the Docker daemon has room and works",
            )
    return str(client.images.get(recipe.name).id)


def _events(client: DockerClient, recipe: Recipe, pull: bool) -> Generator[dict[str, Any]]:
    import docker
    import requests

    label = f"LABEL {DISTRO}={recipe.distro.id}"
    first, _, rest = recipe.dockerfile.partition("\nENV ")
    text = f"{first}\n{label}\nENV {rest}"
    try:
        yield from client.api.build(
            fileobj=_context({"Dockerfile": text.encode(), **recipe.files}),
            custom_context=True,
            platform=f"linux/{recipe.architecture}",
            buildargs={name: os.environ[name] for name in MIRRORS if os.environ.get(name)},
            pull=pull,
            nocache=pull,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=None,  # compiling may be silent for many minutes
        )
    except docker.errors.APIError as e:
        yield {"error": e.explanation or str(e)}
    except (requests.RequestException, OSError) as e:
        yield {"error": f"the Docker daemon went away: {e}"}


def _follow(
    events: Iterable[dict[str, Any]],
    recipe: Recipe,
    log: Log,
    say: Callable[[str], None],
    layers: list[str],
) -> None:
    """Write the log, report the steps, and collect the layers."""
    instruction = f"FROM {recipe.base}"
    for event in events:
        text = str(event.get("stream", ""))
        if "error" in event:
            status = _STATUS.search(str(event["error"]))
            log.note(f"exited {status[1]}" if status else str(event["error"]))
            raise image_failed(recipe, instruction, log)
        if step := _STEP.match(text):
            instruction = " ".join(step[2].split())
            log.step(instruction)
            if title := _title(instruction):
                say(f"image: {title}")
        elif layer := _LAYER.fullmatch(text.rstrip("\n")):
            layers.append(layer[1])
        elif text and not text.startswith(_CHATTER):
            log.write(text.encode())
            for ours in _OURS.finditer(text):
                say(f"image: {ours[1].rstrip()}")
        elif str(event.get("status", "")).startswith("Pulling from"):
            say(f"image: fetch {recipe.base}")


def _until(
    stopped: Callable[[], bool], events: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for event in events:
        if stopped():
            raise BuildError("interrupted")
        yield event


def _title(instruction: str) -> str:
    for pattern, title in _TITLES:
        if found := pattern.match(instruction):
            return found.expand(title)
    return ""


def discard(client: DockerClient, layers: Sequence[str]) -> None:
    """Remove the layers of an unfinished build, except the first, which is the base image."""
    import docker
    import requests

    deadline = time.monotonic() + _SECONDS_TO_END
    for layer in reversed(layers[1:]):
        with contextlib.suppress(docker.errors.APIError, requests.RequestException, OSError):
            if not client.images.get(layer).tags:
                _remove_layer(client, layer, deadline)


def _remove_layer(client: DockerClient, layer: str, deadline: float) -> None:
    """Remove a layer as soon as the container of the interrupted build is gone, which may take a moment."""
    import docker

    while time.monotonic() < deadline:
        try:
            client.images.remove(layer, noprune=True)
            return
        except docker.errors.APIError as e:
            if "container" not in (e.explanation or ""):
                return  # another build uses it now
            time.sleep(0.1)


def _context(files: Mapping[str, bytes]) -> io.BytesIO:
    """The build context: the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out


def ensure_all(
    recipes: Iterable[Recipe], reporter: Reporter, *, jobs: int = 0, force: bool = False
) -> tuple[list[Image], list[PkgrelError]]:
    """The images of the recipes, without duplicates and in order, and the errors of the others.

    `jobs` at a time; 0: by the number of processors. On an interrupt running builds are stopped.
    """
    wanted = {recipe.name: recipe for recipe in recipes}.values()
    stopping = threading.Event()
    tasks = [partial(_ensure, recipe, force, stopping, reporter) for recipe in wanted]
    with reporter.parts():
        results = parallel.run(tasks, jobs, stopping.set)
    return (
        [image for image in results if isinstance(image, Image)],
        [problem for problem in results if isinstance(problem, PkgrelError)],
    )


def _ensure(
    recipe: Recipe, force: bool, stopping: threading.Event, reporter: Reporter
) -> Image | PkgrelError:
    name = recipe.distro.id
    try:
        with docker_daemon.connected() as client:
            image = ensure(
                client,
                recipe,
                lambda text: reporter.step(name, text),
                force=force,
                stopped=stopping.is_set,
            )
    except PkgrelError as e:
        reporter.ended(name, "failed")
        return e
    reporter.ended(name, "there")
    return image
