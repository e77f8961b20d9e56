"""A release's version as dpkg and rpm order it.

    1.4.0-rc.1+git.abc  ->  1.4.0~rc.1+git.abc     sorts before 1.4.0

The result has only characters that both formats allow in an upstream version (letters, digits, `.`, `+`
and `~`), so that the .deb and the .rpm of one release have the same version.

Source: Semantic Versioning 2.0.0 section 11, deb-version(7), rpm-version(7). One rule of SemVer cannot be
kept: `alpha.1` sorts before `alpha.beta` there and in dpkg, but in rpm a number is newer than a word.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pkgrel import git
from pkgrel.errors import ConfigError

_SEMVER = re.compile(r"(?P<core>\d[0-9A-Za-z.]*)(?:-(?P<pre>[^+]+))?(?:\+(?P<build>.+))?")
_UPSTREAM = re.compile(r"\d[0-9A-Za-z.+~]*")
_DESCRIBE = re.compile(r"(?P<tag>.+)-(?P<commits>\d+)-g(?P<commit>[0-9a-f]+)")


class Source(StrEnum):
    """Where the version comes from."""

    RELEASE = "release"
    GIT = "git"
    DATE = "date"


def upstream(version: str) -> str:
    """Turn a release's version into the upstream version of a package.

    A pre-release follows `~`; `-` and `_`, which one of the formats forbids, become `.`.
    ConfigError if the result is not a version, as for `latest`.
    """
    match = _SEMVER.fullmatch(version)
    if match is None and not re.match("[0-9]", version):
        raise ConfigError(
            f"version `{version}` does not start with a digit",
            hint="set `version` in the release, or in [package] of pkgrel.toml, or use `--version-from git`",
        )
    if match is None:
        odd = " ".join(sorted(set(re.sub(r"[0-9A-Za-z.+-]", "", version)))) or version[-1:]
        raise ConfigError(
            f"version `{version}` has `{odd}` where no version of SemVer has it",
            hint="what comes after the numbers stands behind `-` if it is before them, as in `1.0.0-rc.1`, and behind"
            " `+` if it is after them, as in `1.0.0+1`; packaging it again is `revision` in [package]",
        )
    text = match["core"]
    if match["pre"]:
        text += "~" + match["pre"]
    if match["build"]:
        text += "+" + match["build"]
    text = re.sub("[-_]", ".", text)
    if not _UPSTREAM.fullmatch(text):
        wrong = sorted(set(re.sub(r"[0-9A-Za-z.+~]", "", text)))
        raise ConfigError(
            f"version `{version}` has characters that no package version may have: {' '.join(wrong)}",
            hint="use letters, digits, `.`, `+` and `-`",
        )
    return text


def is_commit(version: str) -> bool:
    """Whether it looks like a commit's hash, `48dcbccd`: a valid version, but one that does not grow."""
    return bool(re.fullmatch(r"(?=.*[a-f])[0-9a-f]{7,40}", version))


def from_date(version: str, now: datetime) -> str:
    """Append the time, so that the later of two builds of one version is newer."""
    return _with_build(version, now.astimezone(UTC).strftime("%Y%m%d.%H%M%S"))


def from_git(version: str, project: Path) -> str:
    """Make a version that grows with every commit of the branch in `project`.

    5 commits after the tag `v1.2.3` it is `1.2.3+5.gabcdef0`, and on the tag the tag's. Without tags the
    number of commits is added so that it sorts before `version` itself, which will be the first tag.
    """
    if _git(project, "rev-parse", "--is-shallow-repository") == "true":
        raise ConfigError(
            f"{project}: the git history is shallow, so commits cannot be counted",
            hint="fetch it all: `git fetch --unshallow --tags`, or `fetch-depth: 0` in the checkout step",
        )
    described = _git(project, "describe", "--tags", "--long", "--match", "*[0-9]*", missing="")
    if match := _DESCRIBE.fullmatch(described):
        tag = re.sub(r"^\D*", "", match["tag"])
        if match["commits"] == "0":
            return tag
        return _with_build(tag, f"{match['commits']}.g{match['commit']}")
    commit = _git(project, "rev-parse", "--short", "HEAD")
    return _before(version, f"{_git(project, 'rev-list', '--count', 'HEAD')}.g{commit}")


def _before(version: str, build: str) -> str:
    """A version that sorts before `version`: `1.0.0-5.gabcdef0`, or `1.0.0-rc.1~5.gabcdef0` for a pre-release."""
    core, plus, own = version.partition("+")
    return f"{core}{'~' if '-' in core else '-'}{build}{plus}{own}"


def _with_build(version: str, build: str) -> str:
    return f"{version}{'.' if '+' in version else '+'}{build}"


def _git(project: Path, *arguments: str, missing: str | None = None) -> str:
    """The output of git; ConfigError with its message if it fails, unless `missing` is given to return instead."""
    try:
        return git.run(project, *arguments).line
    except git.GitError as e:
        if missing is not None and not e.hint:
            return missing
        raise ConfigError(
            f"`--version-from git`: {project}: {e}",
            hint=e.hint or "run pkgrel in the project's git checkout, or use `--version-from date`",
        ) from None
