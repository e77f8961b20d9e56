"""Metadata of a project for its first pkgrel.toml: `project` and `package` of mix.exs, or rebar3's `.app.src`.

Both are untrusted and are not executed. Only string literals are understood, attributes with one, and functions that
only return one.

Source: `mix help hex.publish`, "Package metadata"; rebar3_hex, "Publishing packages".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkgrel.console import is_plain
from pkgrel.limits import LIMITS
from pkgrel.release.elixir import Sort, Token, tokens
from pkgrel.release.terms import Malformed, Term, parse_term

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_URL = re.compile(r"https?://[^\s\"<>]+")
_MAINTAINER = re.compile(r"[^<>@\n]+ <[^<>@\s]+@[^<>@\s]+>")
_SENTENCE = re.compile(r"(?<=[.!?])\s")

# The first words of the most common licences.
_LICENCES = {
    "Apache License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD 3-Clause": "BSD-3-Clause",
    "Mozilla Public License": "MPL-2.0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The metadata; fields that were not found are empty."""

    summary: str = ""
    """The first sentence of the description, without its full stop."""
    description: str = ""
    """The whole description, if it has more than the summary."""
    homepage: str = ""
    license: str = ""
    """An SPDX identifier."""
    license_file: str = ""
    maintainer: str = ""
    """`Name <address>`."""


def read_metadata(folder: Path) -> Metadata:
    """From mix.exs, or from the application of a rebar3 project; the licence by its text if neither names it."""
    said = _of_mix(folder) or _of_rebar3(folder)
    description = " ".join(said.get("description", [""])[0].split())
    first = _SENTENCE.split(description)[0]
    urls = [url for key in _HOMEPAGES for url in said.get(key, []) if _URL.fullmatch(url)]
    spdx = [name for name in said.get("licenses", []) if _SPDX.fullmatch(name)]
    by_text, file = _licence(folder)
    return Metadata(
        summary=first.rstrip("."),
        description=description if first != description else "",
        homepage=urls[0] if urls else "",
        license=spdx[0] if len(spdx) == 1 else by_text,
        license_file=file,
        maintainer=next(filter(_MAINTAINER.fullmatch, said.get("maintainers", [])), ""),
    )


_HOMEPAGES = ("homepage_url", "source_url", "links")
_KEYS = ("description", "licenses", "maintainers", *_HOMEPAGES)


def _of_mix(folder: Path) -> dict[str, list[str]]:
    """The texts behind each key, wherever it stands first."""
    code = tokens(_read(folder / "mix.exs"))
    named = _definitions(code)
    found: dict[str, list[str]] = {}
    for number, token in enumerate(code):
        key = token.text.rstrip(":")
        if token.sort is Sort.KEY and key in _KEYS and key not in found:
            texts = list(_texts(code, number + 1, named))
            if texts:
                found[key] = texts
    return found


def _definitions(code: list[Token]) -> dict[str, int]:
    """Where the value of each attribute and the body of each function begins, the attributes by `@name`."""
    found: dict[str, int] = {}
    for number in range(len(code) - 2):
        before, name, behind = code[number : number + 3]
        if before.text == "@" and (behind.sort is Sort.STRING or behind.text == "["):
            found.setdefault(f"@{name.text}", number + 2)
        elif before.text in ("def", "defp"):
            start = number + 2
            while start < len(code) and code[start].text in ("(", ")", "do", "do:", ","):
                start += 1
            found.setdefault(name.text, start)
    return found


def _texts(code: list[Token], at: int, named: Mapping[str, int]) -> Iterator[str]:
    """The texts of the value that begins there: one, those in a list or map, those that a name stands for.

    Without `named` names stand for nothing.
    """
    if at >= len(code):
        return
    token = code[at]
    if token.sort is Sort.STRING:
        if token.plain and is_plain(" ".join(token.text.split())):
            yield token.text
    elif token.text in ("[", "%", "{"):
        inner = at + 1 if token.text == "%" else at
        for position in range(inner + 1, code[inner].last if inner < len(code) else 0):
            if code[position].sort is Sort.STRING or code[position].text == "@":
                yield from _texts(code, position, named)
    elif token.text == "@" and at + 1 < len(code):
        yield from _texts(code, named.get(f"@{code[at + 1].text}", len(code)), {})
    elif token.sort is Sort.WORD:
        yield from _texts(code, named.get(token.text, len(code)), {})


def _of_rebar3(folder: Path) -> dict[str, list[str]]:
    files = [*sorted(folder.glob("src/*.app.src")), *sorted(folder.glob("apps/*/src/*.app.src"))]
    try:
        term = parse_term(_read(files[0])) if files else None
    except Malformed:
        return {}
    match term:
        case ("application", _, list(properties)):
            return {
                str(each[0]): list(_strings(each[1]))
                for each in properties
                if isinstance(each, tuple) and len(each) == 2 and each[0] in _KEYS
            }
        case _:
            return {}


def _strings(term: Term) -> Iterator[str]:
    """A text, or the texts of a list; of pairs, as links are, the second."""
    match term:
        case str() if is_plain(" ".join(term.split())):
            yield str(term)
        case (_, str(second)):
            yield from _strings(second)
        case list():
            for each in term:
                yield from _strings(each)
        case _:
            pass


def _licence(folder: Path) -> tuple[str, str]:
    """The SPDX identifier of a licence file, recognised by its first words, and the file; empty if there is none."""
    for name in ("LICENSE", "LICENSE.md", "LICENSE.txt"):
        start = _read(folder / name)[:400]
        for words, spdx in _LICENCES.items():
            if words in start:
                return spdx, name
    return "", ""


def _read(file: Path) -> str:
    return (
        file.read_text(encoding="utf-8", errors="replace")[: LIMITS.script]
        if file.is_file()
        else ""
    )
