"""Explains why a step failed or an image could not be made, from what tools, Docker and package managers print."""

import re
from dataclasses import dataclass

from pkgrel.builder.log import Log
from pkgrel.builder.recipe import Recipe
from pkgrel.distro import Format, archive_contents, distros, unsupported
from pkgrel.errors import BuildError


@dataclass(frozen=True, slots=True)
class Cause:
    """Messages of tools for causes outside of the project's code."""

    pattern: re.Pattern[str]
    reason: str
    """For images `{0}` is the first group of the pattern."""
    hint: str
    shown: bool
    """Whether to quote lines of the log; a message of our own is sufficient by itself."""


def _cause(pattern: str, reason: str, hint: str, *, shown: bool = True) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE | re.MULTILINE), reason, hint, shown)


STEP_CAUSES = (
    _cause(
        r"no space left on device|\benospc\b|disk quota exceeded",
        "the disk is full",
        "make room: `pkgrel images prune`, `docker system prune`",
    ),
    _cause(
        r"nxdomain|could not resolve host|name resolution|network is unreachable|:econnrefused"
        r"|failed_connect|EAI_AGAIN|\bENOTFOUND\b|connection timed out|connection refused",
        "the network cannot be reached",
        "see that the machine, and containers on it, can reach the address in the log; a proxy goes into "
        "`environment` of [build]",
    ),
    _cause(
        r"it has declared in its mix\.exs file it supports only Elixir",
        "the project does not support this version of Elixir",
        "ask for another one: `elixir` in [build], or .tool-versions",
    ),
    _cause(
        r"could not read Username|Permission denied \(publickey|Host key verification failed"
        r"|authentication failed|HTTP/.* 40[13]|status code:? 40[13]|No authenticated",
        "a private dependency was refused",
        "give the build what it needs: `env`, `secrets` or `ssh` in [build]",
    ),
    _cause(
        r"fatal error: '?(?P<header>[^\s':]+)'?:? (?:No such file or directory|file not found)",
        "a header of C, `{0}`, is missing where it was built",
        "name the package that has it in `packages` of [build]",
    ),
    _cause(
        r"cannot find -l(?P<library>[\w+.-]+?)(?::|$)",
        "a library of C, `{0}`, is missing where it was built",
        "name the package that has it in `packages` of [build]",
    ),
    _cause(
        r"^pkgrel: MIX_REBAR3 names (?P<file>\S+)",
        "MIX_REBAR3 names `{0}`, and there is no such file where it was built",
        "leave MIX_REBAR3 out, and mix fetches rebar3; or have `before` of [build] put it there",
    ),
    _cause(
        r"\(File\.\w*Error\) could not [^\n]*: no such file or directory",
        "a file is missing where it was built",
        "what git ignores and what is outside of the project does not go in: name it in `include` of [build]",
    ),
    _cause(
        r"(?:\bgcc|\bcc|\bmake|\bc\+\+|\bg\+\+|\bcmake|\bcargo|\bgit|\bnpm|\brebar3)[\"'`:]*:? "
        r"(?:command )?not found|executable \"(?:make|cc|git)\" (?:was )?not found",
        "a program is missing where it was built",
        "name its package in `packages` of [build]",
    ),
)
"""The first that matches counts."""


def failed(where: str, title: str, log: Log, status: int, more: str = "") -> BuildError:
    """The error for a step that exited with `status`; `where` is the distro or `host`."""
    text = log.text()
    matches = ((cause, cause.pattern.search(text)) for cause in STEP_CAUSES)
    cause, match = next(((cause, match) for cause, match in matches if match), (None, None))
    if status == 137 and not more:
        more = "it was killed, perhaps because memory ran out"
    reason = more or (f"exited {status}" if cause is None else cause.reason)
    said = (
        "mend what the lines above name" if log.relevant() else "it printed nothing: run it by hand"
    )
    hint = cause.hint if cause else said
    for name, file in match.groupdict().items() if match else ():
        if name == "file":
            reason = reason.format(file)
        else:
            file = f"lib{file}.so" if name == "library" else file
            reason, hint = reason.format(file), _development(file, where, hint)
    return error(f"{where}: `{title}` failed: {reason}", log, hint=hint)


def _development(file: str, where: str, otherwise: str) -> str:
    """The package to install for a header or a library; Debian's name is mentioned for other distros, too."""
    names = " or ".join(f"`{name}`" for name in archive_contents.development(file))
    distro = distros().get(where)
    if distro is None:
        return f"install the package that has it{f', on Debian {names}' if names else ''}"
    match distro.format:
        case Format.DEB:
            return f"name {names} in `packages` of [build]" if names else otherwise
        case Format.RPM:
            of_debian = f"; Debian's is {names}" if names else ""
            return f"{otherwise}: `dnf provides '*/{file}'` on {distro.title} knows it{of_debian}"
        case _:
            raise unsupported(distro.format)


def error(message: str, log: Log, *, hint: str) -> BuildError:
    """An error with the relevant lines of the log, and the path of the log in the hint."""
    lines = "".join(f"\n    {line}" for line in log.relevant())
    return BuildError(f"{message}{lines}", hint=f"{hint}; the whole log is {log.path}")


_SHOWN = 60
"""The most characters of an instruction that are shown."""

_TOOLS = "ask for another version in {sources}"
_NETWORK = "see that containers can reach the network; HEX_BUILDS_URL, OTP_GITHUB_URL and NODEJS_ORG_MIRROR name mirrors"

IMAGE_CAUSES = (
    _cause(
        r"no space left on device|disk quota exceeded",
        "the disk of the Docker daemon is full",
        "make room: `pkgrel images prune --all`, `docker system prune`",
    ),
    _cause(r"^pkgrel: error: (.* cannot be built: .*)", "{0}", _TOOLS),
    _cause(
        r"^pkgrel: error: (.* cannot be reached|.* answered with .*)", "{0}", _NETWORK, shown=False
    ),
    _cause(
        r"^pkgrel: error: (.* is not what was published.*)",
        "{0}",
        "try again; if it stays so, a mirror or proxy on the way changes files",
        shown=False,
    ),
    _cause(r"^pkgrel: error: (.*)", "{0}", _TOOLS, shown=False),
    _cause(
        r"unable to locate package (\S+)|unable to find a match: (\S+)|no match for argument: (\S+)"
        r"|no provider of '(\S+)' found|package '?(\S+?)'? has no installation candidate",
        "the distro has no package `{0}`",
        "correct `packages` in [build] of pkgrel.toml",
    ),
    _cause(
        r"manifest for (\S+) not found|pull access denied for (\S+?),|manifest unknown|no such image",
        "the base image does not exist",
        "correct `image` in [build] of pkgrel.toml, or `docker pull` or `docker import` one with that name",
    ),
    _cause(
        r"^(?:Get|Head) \"?https?://[^\"]+/v\d/",
        "its registry cannot be reached",
        "see that the Docker daemon can reach it, or `docker load` the image from a file",
    ),
    _cause(
        r"exec format error|no match for platform|does not match the (?:specified|detected) (?:host )?platform"
        r"|does not provide the specified platform",
        "the Docker daemon's machine does not run {architecture}",
        "use a daemon on such a machine (DOCKER_HOST), or install qemu-user-static with binfmt there",
    ),
    _cause(
        r"failed to fetch \S+ +404",
        "a mirror of the distro lacks what its index names",
        "try again; a distro past its end may have moved to an archive: give an image that knows where, `image` in [build]",
    ),
    _cause(
        r"temporary failure (?:in name resolution|resolving)|could not resolve|cannot resolve|dial tcp|i/o timeout"
        r"|network is unreachable|connection (?:timed out|refused)|tls handshake|unable to fetch some archives"
        r"|failed to download metadata|unable to connect",
        "the network cannot be reached",
        _NETWORK,
    ),
)
"""The first that matches counts."""


def toolchain_sources(recipe: Recipe) -> str:
    """The files that set, or could set, the versions of its tools."""
    files = dict.fromkeys(recipe.toolchain.sources.values())
    return " or ".join(files) or ".tool-versions or [build] of pkgrel.toml"


def image_failed(recipe: Recipe, instruction: str, log: Log) -> BuildError:
    """The error for an instruction of the Dockerfile, with the reason from the log."""
    text = log.text()
    for cause in IMAGE_CAUSES:
        if match := cause.pattern.search(text):
            group = next((g for g in match.groups() if g), "")
            reason = cause.reason.format(group, architecture=recipe.architecture)
            hint = cause.hint.format(sources=toolchain_sources(recipe))
            return _image_error(recipe, reason, log, hint, shown=cause.shown)
    shown = instruction if len(instruction) <= _SHOWN else f"{instruction[:_SHOWN]}…"
    return _image_error(recipe, f"`{shown}` failed", log, "mend what the lines above name")


def _image_error(
    recipe: Recipe, reason: str, log: Log, hint: str, *, shown: bool = True
) -> BuildError:
    message = f"{recipe.distro.id}: no build image from `{recipe.base}`: {reason}"
    if shown:
        return error(message, log, hint=hint)
    return BuildError(message, hint=f"{hint}; the whole log is {log.path}")
