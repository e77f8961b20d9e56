"""The versions of Elixir that mix.exs asks for, before anything runs: an image takes minutes.

mix.exs is a program; only `elixir: "~> 1.14"` as a text is understood, anything else is left to mix. Requirements
are those of Elixir's Version module.
"""

import re
from pathlib import Path

_REQUIREMENT = re.compile(r"^[^#\n]*\belixir:\s*\"([^\"#]+)\"", re.MULTILINE)
_CLAUSE = re.compile(r"(?P<op>==|!=|!|~>|>=|<=|>|<)?\s*(?P<version>\d+(?:\.\d+){0,2})")
_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_NEWEST = 10_000
"""Stands for the last patch of a version of which only the beginning is known."""

Number = tuple[int, ...]


def of_project(folder: Path) -> str:
    """What the mix.exs of a folder requires; empty if that is not said, or not in one text."""
    try:
        text = (folder / "mix.exs").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = set(_REQUIREMENT.findall(text))
    return found.pop() if len(found) == 1 else ""


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
