"""What a Docker daemon refuses, as errors of one line with a way out."""

import contextlib
from collections.abc import Iterator

from pkgrel.errors import BuildError

FOREIGN = (
    "the daemon's machine cannot run this architecture: install QEMU's binfmt support there, or set DOCKER_HOST "
    "to a machine of that architecture"
)


@contextlib.contextmanager
def refused(name: str) -> Iterator[None]:
    """Say in one line what the daemon refused, or that it is gone."""
    import docker
    import requests
    import urllib3

    try:
        yield
    except docker.errors.APIError as e:
        text = str(e.explanation or e).strip()
        if e.status_code in (404, 409) and "ontainer" in text:
            raise BuildError(
                f"{name}: the container was removed during the build: {text}",
                hint="run the build again",
            ) from e
        raise BuildError(f"{name}: the Docker daemon says: {text}", hint=_hint(text)) from e
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as e:
        raise BuildError(
            f"{name}: the connection to the Docker daemon broke: {e}",
            hint="see that the daemon is running, and run the build again",
        ) from e


def _hint(text: str) -> str | None:
    if "exec format" in text or "platform" in text:
        return FOREIGN
    if "no space left" in text.lower():
        return "make room: `pkgrel images prune`, `docker system prune`"
    return None
