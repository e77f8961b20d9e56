"""Runs a Dockerfile and says what went wrong; nothing stays of a build that was not finished.

Docker's classic builder, through the API: https://docs.docker.com/reference/api/engine/ (ImageBuild).
It streams JSON objects with one of `stream`, `status`, `error` and `aux`.
"""

import contextlib
import io
import json
import os
import re
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pkgrel.builder.image_failure import failed
from pkgrel.builder.log import Log
from pkgrel.builder.recipe import MIRRORS, Recipe
from pkgrel.errors import BuildError

if TYPE_CHECKING:
    from docker import DockerClient

DISTRO = "io.pkgrel.distro"
"""Label of every layer of ours."""

_CHATTER = ("Removing intermediate container", " ---> ")
_STEP = re.compile(r"Step (\d+/\d+) : (.*)", re.DOTALL)
_LAYER = re.compile(r" ---> ([0-9a-f]{12,64})\s*")
_STATUS = re.compile(r"returned a non-zero code: (\d+)")
_OURS = re.compile(r"^pkgrel: (?!error: )(.*)", re.MULTILINE)
_SECONDS_TO_END = 5
"""For the container of an interrupted build."""

_TITLES = (
    (re.compile(r"RUN /usr/local/lib/pkgrel/(\S+) (\S+)"), r"install \1 \2"),
    (re.compile(r"RUN .*(?:apt-get|dnf|yum|zypper)\b.* install"), "install packages of the distro"),
)
"""Instructions that take their time, and what they are called; others are not worth a line."""


def make(
    client: "DockerClient",
    recipe: Recipe,
    log: Log,
    say: Callable[[str], None],
    *,
    stopped: Callable[[], bool],
    pull: bool,
) -> tuple[str, ...]:
    """Build an image without a name; the ids of its layers, the base image first.

    `pull` fetches the base image anew, and uses nothing of an earlier build.
    BuildError with the lines of the log that matter; then, or when interrupted, no layer and no
    container is left.
    """
    layers: list[str] = []
    done = False
    try:
        # Closing the answer is what ends the build in the daemon.
        with contextlib.closing(_events(client, recipe, pull)) as events:
            _follow(_until(stopped, events), recipe, log, say, layers)
        done = True
    finally:
        if not done:
            discard(client, layers)
    return tuple(layers)


def finish(client: "DockerClient", image: str, recipe: Recipe, labels: Mapping[str, str]) -> str:
    """Give the image its name and labels; the id of the result."""
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


def _events(client: "DockerClient", recipe: Recipe, pull: bool) -> Generator[dict[str, Any]]:
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
    """Write the log, say the steps, and collect the layers."""
    instruction = f"FROM {recipe.base}"
    for event in events:
        text = str(event.get("stream", ""))
        if "error" in event:
            status = _STATUS.search(str(event["error"]))
            log.note(f"exited {status[1]}" if status else str(event["error"]))
            raise failed(recipe, instruction, log)
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


def discard(client: "DockerClient", layers: Sequence[str]) -> None:
    """Remove the layers of an unfinished build, but not the first, which is the base image."""
    import docker
    import requests

    deadline = time.monotonic() + _SECONDS_TO_END
    for layer in reversed(layers[1:]):
        with contextlib.suppress(docker.errors.APIError, requests.RequestException, OSError):
            if client.images.get(layer).tags:
                continue
            while time.monotonic() < deadline:
                try:
                    client.images.remove(layer, noprune=True)
                    break
                except docker.errors.APIError as e:
                    if "container" not in (e.explanation or ""):
                        break  # another build uses it by now
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
