"""What mix.exs asks for, before anything runs: an image takes minutes.

mix.exs is a program: only texts such as `elixir: "~> 1.14"` and `System.get_env("APP_VERSION")` are understood,
anything else is left to mix. Requirements are those of Elixir's Version module.
"""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

_REQUIREMENT = re.compile(r"^[^#\n]*\belixir:\s*\"([^\"#]+)\"", re.MULTILINE)
_VARIABLE = re.compile(r"^[^#\n]*?\bSystem\.(?:get_env|fetch_env!?)\(\s*\"(\w+)\"", re.MULTILINE)
_FILES = ("mix.exs", "apps/*/mix.exs", "config/*.exs", "apps/*/config/*.exs")
_AT_RUN_TIME = ("runtime.exs", "releases.exs")
_EVERYWHERE = frozenset(
    {"CI", "HOME", "LANG", "MIX_ENV", "PATH", "PWD", "SOURCE_DATE_EPOCH", "TERM", "USER"}
)
"""Variables that every build has, or that are other things there."""
_CLAUSE = re.compile(r"(?P<op>==|!=|!|~>|>=|<=|>|<)?\s*(?P<version>\d+(?:\.\d+){0,2})")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_NEWEST = 10_000
"""Stands for the last patch of a version of which only the beginning is known."""

Number = tuple[int, ...]


def elixir(folder: Path) -> str:
    """The version that the mix.exs of a folder requires; empty if that is not said, or not in one text."""
    try:
        text = (folder / "mix.exs").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = set(_REQUIREMENT.findall(text))
    return found.pop() if len(found) == 1 else ""


def withheld(folder: Path, given: Collection[str]) -> Iterator[str]:
    """Variables that are set here, are read when the project is built, and are not `given` to it."""
    asked = set()
    for file in (file for pattern in _FILES for file in folder.glob(pattern)):
        if file.name not in _AT_RUN_TIME and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            asked.update(_VARIABLE.findall(text))
    for name in sorted(asked - _EVERYWHERE - set(given)):
        if os.environ.get(name):
            yield name


def may_meet(version: str, requirement: str) -> bool:
    """Whether a version, or one that begins so, can meet a requirement; True where that is not known."""
    if not _VERSION.fullmatch(version):
        return True
    clauses = [part.split(" and ") for part in requirement.split(" or ")]
    parsed = [[_CLAUSE.fullmatch(text.strip()) for text in every] for every in clauses]
    if not all(match for every in parsed for match in every):
        return True
    first = _number(version)
    candidates = [_filled(first, 0), *([] if len(first) == 3 else [_filled(first, _NEWEST)])]
    return any(
        all(_meets(number, match["op"] or "==", match["version"]) for match in every if match)
        for every in parsed
        for number in candidates
    )


def _meets(there: Number, operator: str, version: str) -> bool:
    wanted = _number(version)
    full = _filled(wanted, 0)
    match operator:
        case "==":
            return there[: len(wanted)] == wanted
        case "!=" | "!":
            return there != full
        case ">=":
            return there >= full
        case "<=":
            return there <= full
        case ">":
            return there > full
        case "<":
            return there < full
        case _:  # ~> 1.14 is before 2, ~> 1.14.2 before 1.15
            fixed = wanted[:-1] or wanted
            return there >= full and there[: len(fixed)] == fixed


def _number(version: str) -> Number:
    return tuple(int(part) for part in version.split("."))


def _filled(number: Number, rest: int) -> Number:
    return (*number, *[rest] * (3 - len(number)))
