"""/usr/bin/NAME, with its completions and its manual page."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.model import Config
from pkgrel.config.runtime import Reach
from pkgrel.content import Inline
from pkgrel.errors import ConfigError
from pkgrel.package import File
from pkgrel.plan.layout import Layout
from pkgrel.plan.quoting import shell_quoted
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render

# What each kind calls the directory that it may write to.
_WRITABLE = {Kind.MIX: "RELEASE_TMP", Kind.DISTILLERY: "RELEASE_MUTABLE_DIR"}

# What the wrapper does with the service itself, and what it passes on to a mix release.
_SERVICE = ("start", "stop", "restart", "status", "logs")
_MIX = ("remote", "rpc", "eval", "pid", "version")

_FUNCTION = re.compile(r"[A-Z][A-Za-z0-9_]*(?:\.[A-Z][A-Za-z0-9_]*)*\.[a-z_][A-Za-z0-9_]*[?!]?")


def wrapper(
    release: Release,
    config: Config,
    place: Layout,
    environment: Mapping[str, str],
    environment_files: tuple[str, ...],
) -> Iterator[File]:
    """The command and what makes it comfortable."""
    mix = release.kind is Kind.MIX
    values: dict[str, Any] = {
        **place.names(),
        "script": release.start[0],
        "mix": mix,
        "deploy_user": config.service.deploy_user,
        "environment": {name: shell_quoted(value) for name, value in environment.items()},
        "environment_files": [file.removeprefix("-") for file in environment_files],
        "epmdless": config.distribution.reach is not Reach.NONE and not config.distribution.epmd,
        "writable": _WRITABLE.get(release.kind, "RELX_OUT_FILE_PATH"),
        "migration": shell_quoted(_migration(config)) if config.migrations.function else "",
        "commands": {name: shell_quoted(text) for name, text in _commands(config).items()},
        "summary": config.package.summary,
    }
    values["verbs"] = [
        *_SERVICE,
        *(_MIX if mix else ()),
        *(("migrate",) if values["migration"] else ()),
        *values["commands"],
    ]
    name = place.name
    yield _file(f"/usr/bin/{name}", render("wrapper", **values), mode=0o755)
    yield _file(
        f"/usr/share/bash-completion/completions/{name}", render("completion/bash", **values)
    )
    yield _file(f"/usr/share/zsh/vendor-completions/_{name}", render("completion/zsh", **values))
    yield _file(
        f"/usr/share/man/man1/{name}.1.gz", render("man/wrapper.1", **values), compress=True
    )


def _migration(config: Config) -> str:
    """The expression that migrates; ConfigError if the setting is no function."""
    function = config.migrations.function.removesuffix("()")
    if not _FUNCTION.fullmatch(function):
        raise ConfigError(
            f"`migrations.function` must be a function of a module, not `{config.migrations.function}`",
            hint="such as `MyApp.Release.migrate`",
        )
    return f"{function}()"


def _commands(config: Config) -> Mapping[str, str]:
    for name in config.commands:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name in (
            *_SERVICE,
            *_MIX,
            "migrate",
            "help",
        ):
            raise ConfigError(
                f"`commands.{name}` cannot be the name of a command",
                hint="lower case letters, digits and `-`, and none that the wrapper has already",
            )
    return config.commands


def _file(path: str, text: str, *, mode: int = 0o644, compress: bool = False) -> File:
    data = text.encode()
    if compress:
        import gzip

        data = gzip.compress(data, compresslevel=9, mtime=0)
    manual = path.startswith("/usr/share/man/")
    return File(path=PurePosixPath(path), content=Inline(data), mode=mode, doc=manual)
