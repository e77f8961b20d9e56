"""The way that all builds go: sources in, steps, release out."""

import hashlib
from collections.abc import Callable, Mapping

from pkgrel.builder import executor as executors
from pkgrel.builder import hex_metadata, mix, rebar3
from pkgrel.builder.executor import Environment, Executor, Places, variables
from pkgrel.builder.hex_metadata import Licences
from pkgrel.builder.project import Tool
from pkgrel.builder.request import ReleaseRequest
from pkgrel.builder.secrets import Secrets
from pkgrel.builder.toolchain import Toolchain

Say = Callable[[str], None]


def environment(
    request: ReleaseRequest, places: Places, secrets: Secrets, more: Mapping[str, str] | None = None
) -> Environment:
    """What the steps find in their environment; `more` are variables of the executor."""
    settings = request.settings
    environment = variables(places, settings.mix_env, request.snapshot.date, settings.environment)
    # All that the project's code may depend on, as a digest: it is kept beside what was compiled.
    state = hashlib.sha256(request.snapshot.digest.encode())
    for name, value in sorted({**environment, **secrets.variables}.items()):
        if name not in ("PKGREL_RELEASE", "PKGREL_SECRETS"):
            state.update(f"\0{name}={value}".encode(errors="surrogateescape"))
    marks = {
        "PKGREL_SOURCE": state.hexdigest(),
        "PKGREL_DEPENDENCIES": request.snapshot.dependencies,
    }
    return Environment({**(more or {}), **environment, **marks}, secrets.variables)


def execute(request: ReleaseRequest, executor: Executor, wanted: Toolchain, say: Say) -> Licences:
    """Build the sources that are in the executor, and write the release to the request's file.

    Returns the licences of what was fetched from Hex.
    """
    executors.open_cache(executor, request.project.tool)
    if request.project.tool is Tool.MIX:
        mix.build(executor, request.settings, request.snapshot.locked, wanted, say)
    else:
        rebar3.build(executor, request.settings, say)
    executors.close_cache(executor)
    say("take the release out")
    executors.take_release(executor, request.file, request.snapshot.date)
    return hex_metadata.collect(executor)
