"""Runs git on the repository of a folder.

Not on the repository whose hook has called pkgrel, and not on one that somebody has hidden among the folder's files: git
runs programs that a repository's configuration names.

Source: https://git-scm.com/docs/git-config (safe.bareRepository, core.fsmonitor).
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pkgrel.errors import PkgrelError

_ELSEWHERE = frozenset(
    f"GIT_{name}"
    for name in (
        "ALTERNATE_OBJECT_DIRECTORIES",
        "COMMON_DIR",
        "DIR",
        "INDEX_FILE",
        "NAMESPACE",
        "OBJECT_DIRECTORY",
        "PREFIX",
        "WORK_TREE",
    )
)
"""Variables that describe the repository to a git hook (`git rev-parse --local-env-vars`)."""

_TRUSTING_NO_FILES = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")
"""The first option exists from git 2.38 on; for older versions there is `_refuse_bare`."""


class GitError(PkgrelError):
    """git is missing, or failed with this message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of git."""

    status: int
    text: str
    """As text, with surrogates for bytes that are not UTF-8."""

    @property
    def line(self) -> str:
        """The text without surrounding white space."""
        return self.text.strip()


def run(
    folder: Path,
    *arguments: str,
    accept: tuple[int, ...] = (0,),
    given: str = "",
    variables: dict[str, str] | None = None,
) -> Answer:
    """Run git in the folder, with `given` as standard input.

    GitError if git is missing, and for an exit status that is not accepted.
    """
    import subprocess  # imported here: most releases are packaged without git

    _refuse_bare(folder)
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_TRUSTING_NO_FILES, *arguments],
            input=os.fsencode(given),
            capture_output=True,
            env=environment() | {"LC_ALL": "C"} | (variables or {}),
            check=False,
        )
    except FileNotFoundError:
        raise GitError("there is no git here", hint="install git") from None
    if done.returncode not in accept:
        complaint = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise GitError(complaint[0])
    return Answer(done.returncode, os.fsdecode(done.stdout))


def _refuse_bare(folder: Path) -> None:
    """GitError inside of a bare repository: a checkout may contain one, and git would use its configuration."""
    here = folder.absolute()
    for place in (here, *here.parents):
        if (place / ".git").exists():
            return
        if (place / "HEAD").is_file() and all((place / n).is_dir() for n in ("objects", "refs")):
            raise GitError(
                f"{place}: its files look like a git repository, whose settings git would obey",
                hint="remove `HEAD`, `objects` and `refs`, or build elsewhere",
            )


def environment() -> dict[str, str]:
    """The environment of this process, without variables that select a repository."""
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}


_SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[A-Za-z0-9.-]{2,}):(?P<path>[^/\s][^\s]*)")


def public_url(remote: str) -> str:
    """The URL of a remote, fit for publication; empty for a local folder.

    Without user, password and query, which may be secret.
    """
    if "://" not in remote and (match := _SCP.fullmatch(remote)):
        return f"ssh://{match['host']}/{match['path']}"
    try:
        parts = urlsplit(remote)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"
