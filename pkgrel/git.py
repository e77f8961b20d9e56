"""Runs git on the repository of a folder, and not on that of a hook which called pkgrel, nor on one that
a stranger has put among the folder's files: git runs programs that a repository's config names.

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
"""Set in a git hook, about the repository of that (`git rev-parse --local-env-vars`)."""

_TRUSTING_NO_FILES = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")
"""The first is known to git 2.38; older ones are kept away by `_refuse_bare`."""


class GitError(PkgrelError):
    """git is not here, or failed: what it complained of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said."""

    status: int
    text: str
    """With surrogates for what is not UTF-8."""

    @property
    def line(self) -> str:
        """The text without blanks around it."""
        return self.text.strip()


def run(
    folder: Path,
    *arguments: str,
    accept: tuple[int, ...] = (0,),
    given: str = "",
    variables: dict[str, str] | None = None,
) -> Answer:
    """Run git in the folder, `given` on its standard input.

    GitError where there is no git, and for a status that is not accepted.
    """
    import subprocess  # most releases are packaged without asking git

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
    """A checkout may have files that are a repository without a work tree, where git would take over."""
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
    """That of this process, without what says which repository git is to work on."""
    return {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}


_SCP = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[A-Za-z0-9.-]{2,}):(?P<path>[^/\s][^\s]*)")


def public_url(remote: str) -> str:
    """Where a remote is, for whoever reads it elsewhere; nothing for a folder of this machine.

    Without user and password, and without a query, which may be secret as well.
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
