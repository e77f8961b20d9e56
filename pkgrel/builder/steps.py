"""The steps of a build with mix or rebar3, from the sources to the release."""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pkgrel.builder import executor as executors
from pkgrel.builder import hex_metadata
from pkgrel.builder.executor import (
    KEEP_DEPENDENCIES,
    Environment,
    Executor,
    Places,
    Step,
    command_steps,
    run_steps,
    variables,
)
from pkgrel.builder.failures import failed
from pkgrel.builder.hex_metadata import Licences
from pkgrel.builder.project import ReleaseRequest, Tool
from pkgrel.builder.secrets import Secrets
from pkgrel.builder.toolchain import Toolchain
from pkgrel.config.delivery import BuildSettings
from pkgrel.errors import BuildError

# The tarball has the files that relx only links to in the directory.
_UNPACK = """
set -- "_build/$MIX_ENV"/rel/*/*.tar.gz
if [ $# -ne 1 ] || [ ! -e "$1" ]; then
    echo "error: rebar3 made no tarball, or several: $*"
    exit 1
fi
mkdir -p "$PKGREL_RELEASE" && exec tar -xzf "$1" -C "$PKGREL_RELEASE"
"""


def build_by_rebar3(
    executor: Executor, settings: BuildSettings, say: Callable[[str], None]
) -> None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Facts of a mix project, from mix.exs and from earlier builds."""

    app: str
    """The application; empty for an umbrella."""
    releases: tuple[str, ...]
    default: str
    elixir: str
    """The version that runs."""
    otp: str
    """The major version of Erlang/OTP that runs."""
    wants: str
    """The requirement in mix.exs, if the running version does not meet it."""
    fetched: frozenset[str]
    """Sources of dependencies: `hex`, `git`; empty without any."""
    assets: tuple[str, ...]
    """Folders of projects with an alias `assets.deploy`."""
    npm: frozenset[str]
    """Those with an assets/package-lock.json."""
    complete: bool
    """Dependencies have been compiled by an earlier build with the same lock."""
    missing: tuple[str, ...]
    """Paths of path dependencies that are missing from the sources."""


@cache
def _script() -> str:
    return Path(__file__).with_name("describe.exs").read_text(encoding="utf-8")


def describe(executor: Executor, say: Callable[[str], None]) -> Description:
    """Have Elixir evaluate mix.exs."""
    title = "read mix.exs"
    say(title)
    executor.log.step(title)
    if status := executor.run(f"exec elixir -e {shlex.quote(_script())}"):
        raise failed(executor.name, title, executor.log, status)
    said: dict[str, list[str]] = {}
    for line in executor.log.text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "pkgrel":
            key, _, value = rest.partition(" ")
            said.setdefault(key, []).append(value)
    return Description(
        app=said.get("app", [""])[0],
        releases=tuple(said.get("release", ())),
        default=said.get("default", [""])[0],
        elixir=said.get("running", [""])[0],
        otp=said.get("otp", [""])[0],
        wants=said.get("wants", [""])[0],
        fetched=frozenset(said.get("fetched", ())),
        assets=tuple(said.get("assets", ())),
        npm=frozenset(said.get("npm", ())),
        complete="complete" in said,
        missing=tuple(said.get("missing", ())),
    )


def refuse_other_tools(said: Description, wanted: Toolchain, where: str) -> None:
    """BuildError if the running versions are not those that the project asks for or accepts."""
    if said.wants:
        raise BuildError(
            f"{where}: mix.exs wants Elixir `{said.wants}`, and Elixir {said.elixir} is there",
            hint="ask for another one with `elixir` in [build] or in .tool-versions, or change `elixir:` in mix.exs",
        )
    for tool, title, asked, there in (
        ("elixir", "Elixir", wanted.elixir, said.elixir),
        ("erlang", "Erlang/OTP", wanted.erlang.partition(".")[0], said.otp),
    ):
        if asked and f"{there}.".removeprefix(f"{asked}.") == f"{there}.":
            raise BuildError(
                f"{where}: {wanted.sources.get(tool, tool)} asks for {title} {asked}, and {there} is there",
                hint="with `--builder host`, run pkgrel where that version is on the PATH; with an `image` of "
                "your own in [build], see that it has that one or none",
            )


def refuse_missing(said: Description, where: str) -> None:
    """BuildError if a path dependency is missing."""
    if said.missing:
        raise BuildError(
            f"{where}: mix.exs has a dependency in `{said.missing[0]}`, which is not among the sources",
            hint="see that the folder is there, and name it in `include` of [build], relative to pkgrel.toml",
        )


def release_name(said: Description, wanted: str, where: str) -> str:
    """The release to build; BuildError if it does not exist, or if there are several.

    Empty for the default release of an application, when mix.exs defines none.
    """
    known = said.releases or ((said.app,) if said.app else ())
    if wanted:
        if wanted in known:
            return wanted if said.releases else ""
        raise BuildError(
            f"{where}: mix.exs has no release `{wanted}`",
            hint=f"it has {', '.join(known) or 'none'}",
        )
    if said.default:
        return said.default
    if len(known) == 1:
        return known[0] if said.releases else ""
    if known:
        raise BuildError(
            f"{where}: mix.exs has several releases: {', '.join(known)}",
            hint=f"choose one: `--release {known[0]}`, or `release` in [build]",
        )
    raise BuildError(
        f"{where}: the umbrella has no release",
        hint="name one in mix.exs: releases: [my_app: [applications: [my_app: :permanent]]]",
    )


def build_by_mix(
    executor: Executor,
    settings: BuildSettings,
    locked: bool,
    wanted: Toolchain,
    say: Callable[[str], None],
) -> None:
    """Make the release; BuildError for the first step that fails."""
    said = describe(executor, say)
    refuse_other_tools(said, wanted, executor.name)
    refuse_missing(said, executor.name)
    name = release_name(said, settings.release, executor.name)
    if said.fetched and not locked:
        executor.log.note("there is no mix.lock: the versions of dependencies are those of today")
    run_steps(executor, mix_steps(said, name, settings, locked), say)


# The same test as mix's: an archive may have any name, and be for another Erlang.
_HEX = """
elixir -e 'Mix.start()
Mix.Local.append_archives()
Mix.Local.append_paths()
unless Code.ensure_loaded?(Hex), do: System.halt(1)' || exec mix local.hex --force
"""
_REBAR3_THERE = """
if [ "${MIX_REBAR3:-}" ] && [ ! -f "$MIX_REBAR3" ]; then
    echo "pkgrel: MIX_REBAR3 names $MIX_REBAR3"
    exit 1
fi
"""
_GET = 'exec mix deps.get --only "$MIX_ENV"'
# Another version of Hex may write another checksum; only names and versions are compared.
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
""".replace("{keep}", KEEP_DEPENDENCIES)
# With `--path`, the step :tar writes its tarball into the release's directory.
_RELEASE = """
{command} --path "$PKGREL_RELEASE" && rm -f "$PKGREL_RELEASE"/*.tar.gz
"""
_NPM = "exec npm ci --prefix assets --no-audit --no-fund"


def mix_steps(
    said: Description, name: str, settings: BuildSettings, locked: bool
) -> Iterator[Step]:
    """The commands, in order, without needless downloads."""
    yield from command_steps("before", settings.before)
    if "hex" in said.fetched:
        yield Step("install Hex", _HEX)
    if said.fetched and not (said.complete and locked):
        yield Step("mix deps.get", _REBAR3_THERE + (_GET_LOCKED if locked else _GET))
        yield Step("mix deps.compile", _COMPILE)
    if said.assets:
        yield Step("mix compile", "exec mix compile")
    for folder in said.assets:
        if folder in said.npm:
            yield Step("npm ci", _NPM, folder)
        yield Step("mix assets.deploy", "exec mix assets.deploy", folder)
    command = f"mix release {shlex.quote(name)}" if name else "mix release"
    yield Step("mix release", _RELEASE.format(command=command))
    yield from command_steps("after", settings.after)


Say = Callable[[str], None]


def environment(
    request: ReleaseRequest, places: Places, secrets: Secrets, more: Mapping[str, str] | None = None
) -> Environment:
    """Environment variables of the steps; `more` are those of the executor."""
    settings = request.settings
    environment = variables(places, settings.mix_env, request.snapshot.date, settings.environment)
    # A digest of everything that the project's code may depend on, stored beside the compiled code.
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
    """Build the sources in the executor, and write the release to the request's file.

    Returns the licences of Hex packages.
    """
    executors.open_cache(executor, request.project.tool)
    if request.project.tool is Tool.MIX:
        build_by_mix(executor, request.settings, request.snapshot.locked, wanted, say)
    else:
        build_by_rebar3(executor, request.settings, say)
    executors.close_cache(executor)
    say("take the release out")
    executors.take_release(executor, request.file, request.snapshot.date)
    return hex_metadata.collect(executor)
