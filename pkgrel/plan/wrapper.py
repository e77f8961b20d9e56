"""The command /usr/bin/NAME, with its completions and its manual page."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.runtime import MigrateWhen, Reach
from pkgrel.content import Inline, gzipped
from pkgrel.distro.names import taken
from pkgrel.errors import ConfigError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import File
from pkgrel.plan.configuration import content_at
from pkgrel.plan.distribution import client_flags, guarded_ports
from pkgrel.plan.environment import COOKIE
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.settings import home, migration_failed, replaced
from pkgrel.plan.upgrade import deploy_values, hot_values, is_hot
from pkgrel.release.model import Kind
from pkgrel.templates import render, roff_quoted, shell_quoted

# Commands that act on the service, and those that are passed on to a mix release.
_SERVICE = ("start", "stop", "restart", "status", "logs", "upgrade", "rollback")
_REMOTE = ("remote", "rpc", "pid")
_LOCAL = ("eval", "version")
_TAKEN = {*_SERVICE, *_REMOTE, *_LOCAL, "config", "migrate", "help", "upgrades", "hot-upgrade"}

# Commands that only systemd or the package's scripts call, and the remaining ones of a mix release.
_UNLISTED = ("--as-service", "hot-upgrade", "start_iex", "daemon", "daemon_iex")

# The variable of each kind for the directory that it may write to.
_WRITABLE = {Kind.MIX: "RELEASE_TMP", Kind.DISTILLERY: "RELEASE_MUTABLE_DIR"}

# The command of each kind that evaluates an expression in the running system.
_REMOTELY = {Kind.MIX: "rpc", Kind.DISTILLERY: "rpc", Kind.RELX_EXTENDED: "eval"}

# Commands of start scripts other than mix's that make sense in a package, with what `help` says of them.
_SCRIPTS_OWN = {
    Kind.RELX_EXTENDED: {
        "remote_console": "a console in the running system",
        "rpc MODULE [FUNCTION [ARGS]]": "call a function in the running system",
        "eval 'EXPRESSION.'": "evaluate in the running system",
        "ping": "whether the running system answers",
        "pid": "the running system's process",
    },
    Kind.DISTILLERY: {
        "remote_console": "a console in the running system",
        "rpc EXPRESSION": "evaluate in the running system",
        "eval EXPRESSION": "evaluate in a system of its own",
        "ping": "whether the running system answers",
        "pid": "the running system's process",
    },
}
# relx's `extended_start_script_extensions`, as its script lists them.
_EXTENSIONS = re.compile(rb'^EXTENSIONS="([^"\n]*)"', re.MULTILINE)
_COMMAND = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SCRIPT_SIZE = 1 << 20

_FUNCTION = re.compile(r"[A-Z][A-Za-z0-9_]*(?:\.[A-Z][A-Za-z0-9_]*)*\.[a-z_][A-Za-z0-9_]*[?!]?")


def wrapper_files(
    inputs: Inputs,
    environment: Mapping[str, str],
    fetched: Mapping[str, str],
    *,
    check: bool,
) -> Iterator[File]:
    """The command, its completions and its manual page; `fetched` has files in /run/NAME and their helpers."""
    values = _values(inputs)
    values["environment"] = {name: shell_quoted(text) for name, text in environment.items()}
    values["fetched"] = fetched
    values["check"] = check
    name = inputs.layout.name
    zsh = package_format(inputs.distro.format).ZSH_COMPLETIONS
    command = replaced(inputs, "wrapper", render("wrapper", **values))
    yield _file(f"/usr/bin/{name}", command, mode=0o755)
    if not taken(inputs.distro.format, "completion", name):
        # Otherwise bash-completion already has one for a program of this name.
        yield _file(
            f"/usr/share/bash-completion/completions/{name}", render("completion/bash", **values)
        )
    yield _file(f"/usr/share/zsh/{zsh}/_{name}", render("completion/zsh", **values))
    page = gzipped(render("man/wrapper.1", **values).encode())
    yield File(
        path=PurePosixPath(f"/usr/share/man/man1/{name}.1.gz"), content=Inline(page), doc=True
    )


def _values(inputs: Inputs) -> dict[str, Any]:
    release, config, layout = inputs.release, inputs.config, inputs.layout
    guarded = guarded_ports(release, config.distribution, layout)
    migration = _migration(inputs) if config.migrations.function else ""
    commands = _commands(inputs)
    scripted = _script_commands(inputs)
    verbs = _verbs(inputs, bool(migration), (*commands, *(usage.split()[0] for usage in scripted)))
    return {
        **layout.names(),
        **hot_values(inputs),
        **deploy_values(inputs),
        "libexec": layout.libexec,
        "socket": layout.socket if config.service.listen else "",
        "script": release.start[0],
        "cookie": COOKIE[release.kind],
        "release": " ".join(shell_quoted(path) for path in _run(inputs)),
        "mix": release.kind is Kind.MIX,
        "verbs": verbs,
        "passed_on": [
            verb
            for verb in dict.fromkeys((*verbs, *_UNLISTED))
            if verb not in (*_SERVICE, "config")
        ],
        "own": scripted,
        "credentials": any(config.service.credentials.values()),
        "environment_files": [file.removeprefix("-") for file in config.service.environment_files],
        "working_directory": shell_quoted(config.service.working_directory or home(inputs)),
        "reachable": config.distribution.reach is not Reach.NONE,
        "console_hint": _console_hint(inputs),
        "guarded_ports": guarded,
        "client_flags": client_flags(release),
        "guarded_hex": "|".join(f"{port:04X}" for port in guarded),
        "writable": _WRITABLE.get(release.kind, "RELX_OUT_FILE_PATH"),
        "migration": migration,
        "migrates_at_start": bool(migration) and config.migrations.when is MigrateWhen.START,
        "migration_failed": migration_failed(inputs),
        "remotely": _REMOTELY.get(release.kind),
        "commands": {name: shell_quoted(text) for name, text in commands.items()},
        "roff": roff_quoted,
        "summary": config.package.summary,
        "version": config.package.version,
        "date": time.strftime("%Y-%m-%d", time.gmtime(release.newest)),
    }


def _verbs(inputs: Inputs, migrates: bool, more: Iterable[str]) -> list[str]:
    """The commands in the order in which `help` and completion offer them; `more` are the release's own."""
    mix = inputs.release.kind is Kind.MIX
    verbs = [
        *_SERVICE,
        *(_REMOTE if mix and inputs.config.distribution.reach is not Reach.NONE else ()),
        *(_LOCAL if mix else ()),
        *(("upgrades",) if is_hot(inputs) else ()),
        *(("migrate",) if migrates else ()),
        "config",
        *more,
    ]
    return list(dict.fromkeys(verbs))


def _script_commands(inputs: Inputs) -> Mapping[str, str]:
    """Commands of the release's start script: how each is called, and what it does."""
    release = inputs.release
    found: dict[str, str] = {}
    if inputs.config.distribution.reach is not Reach.NONE:
        found.update(_SCRIPTS_OWN.get(release.kind, {}))
    if release.kind is Kind.RELX_EXTENDED:
        found.update(dict.fromkeys(_extensions(inputs), "a command of the release"))
    # The wrapper's commands take precedence; relx writes `undefined` for none.
    hidden = {*_SERVICE, *inputs.config.commands, "help", "undefined"}
    return {
        usage: does
        for usage, does in found.items()
        if (name := usage.partition(" ")[0]) not in hidden and _COMMAND.fullmatch(name)
    }


def _extensions(inputs: Inputs) -> Iterator[str]:
    """Names of the commands that the project added to relx's start script."""
    content = content_at(inputs.release, inputs.release.start[0])
    text = b"".join(content.chunks()) if content and content.size <= _SCRIPT_SIZE else b""
    for match in _EXTENSIONS.findall(text):
        yield from match.decode(errors="replace").split("|")


def _console_hint(inputs: Inputs) -> str:
    """What a script should call instead of a console, if there is such a command."""
    if inputs.release.kind not in _REMOTELY or inputs.config.distribution.reach is Reach.NONE:
        return ""
    return f": from a script, {inputs.layout.name} {_REMOTELY[inputs.release.kind]} EXPRESSION"


def _run(inputs: Inputs) -> Iterator[str]:
    # Other start scripts need the cookie themselves while a command runs.
    if inputs.release.kind is Kind.MIX:
        yield f"{inputs.layout.libexec}/hide-cookie"
    yield f"{inputs.layout.root}/{inputs.release.start[0]}"


def _migration(inputs: Inputs) -> str:
    """The start script's arguments that migrate; ConfigError if the setting is neither a function nor a command."""
    wanted = inputs.config.migrations.function
    if _COMMAND.fullmatch(wanted):
        return _migration_command(inputs, wanted)
    function = wanted.removesuffix("()")
    if not _FUNCTION.fullmatch(function):
        raise ConfigError(
            f"`migrations.function` must be a function of a module, not `{wanted}`",
            hint="such as `MyApp.Release.migrate`, or the name of a command that Distillery or relx gave the release",
        )
    if inputs.release.kind not in (Kind.MIX, Kind.DISTILLERY):
        raise ConfigError(
            f"`migrations.function` needs a release that can evaluate it, which {inputs.release.kind} cannot",
            hint="name a command of the release, which relx makes of `extended_start_script_extensions`; or migrate from"
            " the application, or from [scripts]",
        )
    return f"eval {shell_quoted(f'{function}()')}"


def _migration_command(inputs: Inputs, name: str) -> str:
    """A command that the project added to the start script; PlanError if it does not exist."""
    release = inputs.release
    match release.kind:
        case Kind.RELX_EXTENDED:
            known = set(_extensions(inputs))
        case Kind.DISTILLERY:
            folder = PurePosixPath("releases", release.version, "commands")
            files = (PurePosixPath(entry.path) for entry in release.entries)
            known = {file.stem for file in files if file.parent == folder and file.suffix == ".sh"}
        case _:
            known = set()
    if name not in known:
        raise PlanError(
            f"`migrations.function`: the release has no command `{name}`",
            hint=f"it has {', '.join(f'`{other}`' for other in sorted(known))}"
            if known
            else "name a function, such as `MyApp.Release.migrate`; commands are those of Distillery and of relx's"
            " `extended_start_script_extensions`",
        )
    return name


def _commands(inputs: Inputs) -> Mapping[str, str]:
    config = inputs.config
    if not config.commands:
        return {}
    if config.distribution.reach is Reach.NONE or inputs.release.kind not in _REMOTELY:
        raise ConfigError(
            "`commands` are evaluated by the running system, which nobody can reach here",
            hint="they need a release of mix, Distillery or relx, and `reach` in [distribution]",
        )
    for name in config.commands:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name in _TAKEN:
            raise ConfigError(
                f"`commands.{name}` cannot be the name of a command",
                hint="lower case letters, digits and `-`, and none that the wrapper has already",
            )
    return config.commands


def _file(path: str, text: str, *, mode: int = 0o644) -> File:
    return File(path=PurePosixPath(path), content=Inline(text.encode()), mode=mode)
