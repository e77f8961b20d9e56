"""From the sources of a rebar3 project to its release."""

import shlex
from collections.abc import Callable, Iterator

from pkgrel.builder.executor import Executor, Step, command_steps, run_steps
from pkgrel.config.delivery import BuildSettings

# The tarball has what relx links to in its directory.
_UNPACK = """
set -- "_build/$MIX_ENV"/rel/*/*.tar.gz
if [ $# -ne 1 ] || [ ! -e "$1" ]; then
    echo "error: rebar3 made no tarball, or several: $*"
    exit 1
fi
mkdir -p "$PKGREL_RELEASE" && exec tar -xzf "$1" -C "$PKGREL_RELEASE"
"""


def build(executor: Executor, settings: BuildSettings, say: Callable[[str], None]) -> None:
    """Make the release; BuildError for the first step that fails."""
    run_steps(executor, _steps(settings), say)


def _steps(settings: BuildSettings) -> Iterator[Step]:
    yield from command_steps("before", settings.before)
    chosen = f" --relname {shlex.quote(settings.release)}" if settings.release else ""
    yield Step(
        f"rebar3 as {settings.mix_env} tar",
        f'rm -rf "_build/$MIX_ENV/rel" && exec rebar3 as "$MIX_ENV" tar{chosen}',
    )
    yield Step("unpack the tarball", _UNPACK)
    yield from command_steps("after", settings.after)
