"""Why a step failed: the error that the user gets, with the lines of the log that matter."""

import re
from dataclasses import dataclass

from pkgrel.builder.log import Log
from pkgrel.errors import BuildError


@dataclass(frozen=True, slots=True)
class Cause:
    """What tools print when something is wrong that is not the project's code."""

    pattern: re.Pattern[str]
    reason: str
    hint: str


def _cause(pattern: str, reason: str, hint: str) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE), reason, hint)


CAUSES = (
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
        r"fatal error: \S+\.h(?:pp)?: No such file or directory",
        "a header of C is missing where it was built",
        "name the package that has it in `packages` of [build], such as `libpq-dev`",
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
    """The error for a step that exited with `status`; `where` is the distro or this machine."""
    text = log.text()
    cause = next((cause for cause in CAUSES if cause.pattern.search(text)), None)
    if status == 137 and not more:
        more = "it was killed, perhaps because memory ran out"
    reason = more or (cause.reason if cause else f"exited {status}")
    said = (
        "mend what the lines above name" if log.relevant() else "it printed nothing: run it by hand"
    )
    hint = cause.hint if cause else said
    return error(f"{where}: `{title}` failed: {reason}", log, hint=hint)


def error(message: str, log: Log, *, hint: str) -> BuildError:
    """An error with the relevant lines of the log below it, and the log's place in the hint."""
    lines = "".join(f"\n    {line}" for line in log.relevant())
    return BuildError(f"{message}{lines}", hint=f"{hint}; the whole log is {log.path}")
