"""From the sources of a mix project to its release, step by step."""

import shlex
from collections.abc import Callable, Iterator

from pkgrel.builder import kept
from pkgrel.builder.description import (
    Description,
    describe,
    refuse_missing,
    refuse_other_tools,
    release_name,
)
from pkgrel.builder.steps import Step, own_steps, run
from pkgrel.builder.toolchain import Toolchain
from pkgrel.builder.workplace import Workplace
from pkgrel.config.build import BuildSettings


def build(
    place: Workplace,
    settings: BuildSettings,
    locked: bool,
    wanted: Toolchain,
    say: Callable[[str], None],
) -> None:
    """Make the release; BuildError for the first step that fails."""
    said = describe(place, say)
    refuse_other_tools(said, wanted, place.name)
    refuse_missing(said, place.name)
    name = release_name(said, settings.release, place.name)
    if said.fetched and not locked:
        place.log.note("there is no mix.lock: the versions of dependencies are those of today")
    run(place, steps(said, name, settings, locked), say)


_HEX = (
    'ls -d "${MIX_HOME:-$HOME/.mix}"/archives/hex-* >/dev/null 2>&1 || exec mix local.hex --force'
)
_GET = 'exec mix deps.get --only "$MIX_ENV"'
# Another version of Hex may write another checksum; names and versions are what counts.
_GET_LOCKED = """
locked() { cut -d, -f1-3 mix.lock | sort; }
before=$(locked)
mix deps.get --only "$MIX_ENV" || exit
if [ "$before" != "$(locked)" ]; then
    echo "error: mix.lock is not up to date with mix.exs: run mix deps.get and commit it"
    exit 1
fi
"""
_COMPILE = """
wanted=
for dependency in deps/*/; do
    if [ -e "${dependency}rebar.config" ] && [ ! -e "${dependency}mix.exs" ]; then wanted=yes; fi
done
home=${MIX_HOME:-$HOME/.mix}
if [ "$wanted" ] && [ -z "${MIX_REBAR3:-}" ] && ! ls "$home"/rebar3 "$home"/elixir/*/rebar3 2>/dev/null | grep -q .
then
    mix local.rebar --force || exit
fi
mix deps.compile && {keep}
""".replace("{keep}", kept.KEEP_DEPENDENCIES)
# With `--path`, the step :tar puts its tarball into the release itself.
_RELEASE = """
{command} --path "$PKGREL_RELEASE" && rm -f "$PKGREL_RELEASE"/*.tar.gz
"""
_NPM = "exec npm ci --prefix assets --no-audit --no-fund"


def steps(said: Description, name: str, settings: BuildSettings, locked: bool) -> Iterator[Step]:
    """All that is to be run, in order; nothing is fetched that is not needed."""
    yield from own_steps("before", settings.before)
    if "hex" in said.fetched:
        yield Step("install Hex", _HEX)
    if said.fetched and not (said.complete and locked):
        yield Step("mix deps.get", _GET_LOCKED if locked else _GET)
        yield Step("mix deps.compile", _COMPILE)
    if said.assets:
        yield Step("mix compile", "exec mix compile")
    for folder in said.assets:
        if folder in said.npm:
            yield Step("npm ci", _NPM, folder)
        yield Step("mix assets.deploy", "exec mix assets.deploy", folder)
    command = f"mix release {shlex.quote(name)}" if name else "mix release"
    yield Step("mix release", _RELEASE.format(command=command))
    yield from own_steps("after", settings.after)
