"""The changelog that git has: the subjects of commits, by the tags of versions.

Source: git-log(1).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pkgrel import git
from pkgrel.config.package import PackageSettings
from pkgrel.errors import ConfigError
from pkgrel.package import Change
from pkgrel.plan.inputs import Inputs

_TAG = re.compile(r"tag: [^\d,]*(\d[^\s,]*)")
_SEPARATOR = "\x1f"
# Neither a terminal nor yum's XML is to get them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MOST_COMMITS = 1000
_MOST_LINES = 50


def git_changes(inputs: Inputs) -> Iterator[Change]:
    """Versions newest first; the newest may have no tag yet, and its version is empty then.

    ConfigError where there is no git, no repository, or only the end of its history.
    """
    settings, folder = inputs.config.package, inputs.folder
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ConfigError(
            f"`package.changelog`: {folder}: the git history is shallow",
            hint="fetch it all: `git fetch --unshallow --tags`, or `fetch-depth: 0` in the checkout step",
        )
    version, time, lines = "", inputs.build_time, list[str]()
    for commit in _commits(folder):
        when, names, parents, subject = commit.split(_SEPARATOR, 3)
        subject = " ".join(_CONTROL.sub(" ", subject).split())
        if tag := _TAG.search(names):
            if lines:
                yield _change(settings, version, time, lines)
            version, time, lines = tag[1], min(int(when), inputs.build_time), []
        if subject and " " not in parents:  # what a merge brings has commits of its own
            lines.append(subject)
    if lines:
        yield _change(settings, version, time, lines)


def _commits(folder: Path) -> list[str]:
    format = _SEPARATOR.join(("%ct", "%D", "%P", "%s"))
    log = _git(
        folder,
        "log",
        "--topo-order",
        "--no-show-signature",
        "--encoding=UTF-8",
        f"--max-count={_MOST_COMMITS}",
        "--decorate-refs=refs/tags/",
        f"--format={format}",
    )
    # Not splitlines(): a subject may have a line separator of Unicode in it.
    return [line for line in log.split("\n") if line]


def _change(settings: PackageSettings, version: str, time: int, lines: list[str]) -> Change:
    more = len(lines) - _MOST_LINES
    shown = [*lines[:_MOST_LINES], f"{more} more changes."] if more > 0 else lines
    return Change(version=version, author=settings.maintainer, time=time, lines=tuple(shown))


def _git(folder: Path, *arguments: str) -> str:
    try:
        text = git.run(folder, *arguments).text
    except git.GitError as e:
        raise ConfigError(
            f"`package.changelog`: {folder}: {e}",
            hint=e.hint or "run pkgrel in the project's git checkout, or name a CHANGELOG.md",
        ) from None
    return os.fsencode(text).decode(errors="replace")
