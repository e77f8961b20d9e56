"""Why an image cannot be made: what Docker, package managers and our own scripts print about it."""

import re
from dataclasses import dataclass

from pkgrel.builder.failure import error
from pkgrel.builder.log import Log
from pkgrel.builder.recipe import Recipe
from pkgrel.errors import BuildError

_SHOWN = 60
"""Characters of an instruction."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """What Docker and package managers print; `{0}` is the first group."""

    pattern: re.Pattern[str]
    reason: str
    hint: str
    shown: bool
    """With the lines of the log; a line of ours says all by itself."""


def _cause(pattern: str, reason: str, hint: str, *, shown: bool = True) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE | re.MULTILINE), reason, hint, shown)


_TOOLS = "ask for another version in {sources}"
_NETWORK = "see that containers can reach the network; HEX_BUILDS_URL, OTP_GITHUB_URL and NODEJS_ORG_MIRROR name mirrors"

_CAUSES = (
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


def sources(recipe: Recipe) -> str:
    """Where the versions of its tools stand, or could."""
    files = dict.fromkeys(recipe.toolchain.sources.values())
    return " or ".join(files) or ".tool-versions or [build] of pkgrel.toml"


def failed(recipe: Recipe, instruction: str, log: Log) -> BuildError:
    """The error for a step of the Dockerfile; the log says why it failed."""
    text = log.text()
    for cause in _CAUSES:
        if match := cause.pattern.search(text):
            group = next((g for g in match.groups() if g), "")
            reason = cause.reason.format(group, architecture=recipe.architecture)
            hint = cause.hint.format(sources=sources(recipe))
            return _error(recipe, reason, log, hint, shown=cause.shown)
    shown = instruction if len(instruction) <= _SHOWN else f"{instruction[:_SHOWN]}…"
    return _error(recipe, f"`{shown}` failed", log, "mend what the lines above name")


def _error(recipe: Recipe, reason: str, log: Log, hint: str, *, shown: bool = True) -> BuildError:
    message = f"{recipe.distro.id}: no build image from `{recipe.base}`: {reason}"
    if shown:
        return error(message, log, hint=hint)
    return BuildError(message, hint=f"{hint}; the whole log is {log.path}")
