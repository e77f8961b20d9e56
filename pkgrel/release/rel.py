"""Which release it is: `releases/start_erl.data` and the `.rel` file, an Erlang term.

Sources: rel(4) in OTP's SASL documentation; OTP Design Principles, "Release Handling"; Erlang reference
manual, "Data Types". Terms are read as `file:consult/1` reads them: atoms and strings become `str`, tuples
`tuple`, lists `list`; funs, maps, references and the like do not occur.

    start_erl.data   13.1.5 0.1.0
    hello.rel        {release, {"hello", "0.1.0"}, {erts, "13.1.5"}, [{kernel, "8.5.3", permanent}]}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pkgrel.console import is_plain
from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.model import Application
from pkgrel.release.tree import LANDMARK, Tree, read_text

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~+:-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a release says about itself."""

    name: str
    version: str
    erts: str
    applications: tuple[Application, ...]
    """Sorted by name."""


def identify(tree: Tree) -> Identity:
    """Find the one release that `tree` holds; ReleaseError if there is none or more than one."""
    erts, version = _start_data(tree)
    _refuse_other_versions(tree, version)
    path = _rel_file(tree, version)
    try:
        return _release(parse_term(read_text(tree, path, tree.limits.terms)), path, erts, version)
    except Malformed as e:
        raise ReleaseError(f"`{path}` is not an Erlang term: {e}", hint=hints.REBUILD) from e


def _start_data(tree: Tree) -> tuple[str, str]:
    match read_text(tree, LANDMARK, tree.limits.terms).split():
        case [erts, version] if _VERSION.fullmatch(erts) and _VERSION.fullmatch(version):
            return erts, version
        case words:
            raise ReleaseError(
                f"`{LANDMARK}` has `{' '.join(words)[:80]}` instead of the two versions,"
                " of the runtime system and of the release",
                hint=hints.REBUILD,
            )


def _refuse_other_versions(tree: Tree, version: str) -> None:
    """Several versions lie in a directory that was not cleaned between two builds."""
    boot_files = (path.split("/") for path in tree.entries if path.endswith(".boot"))
    found = {parts[1] for parts in boot_files if parts[0] == "releases" and len(parts) == 3}
    if found - {version}:
        versions = ", ".join(f"`{v}`" for v in sorted(found | {version}))
        raise ReleaseError(
            f"holds several versions: {versions}; `{LANDMARK}` names `{version}`",
            hint="remove the directory of the release and build it again (`mix release --overwrite`)",
        )


def _rel_file(tree: Tree, version: str) -> str:
    """mix, Distillery and relx write it below the version, systools beside it."""
    for folder in (f"releases/{version}/", "releases/"):
        found = [
            path
            for path in tree.entries
            if path.endswith(".rel") and path.startswith(folder) and "/" not in path[len(folder) :]
        ]
        named = [path for path in found if not path.endswith("/start_clean.rel")] or found
        if len(named) > 1:
            names = ", ".join(f"`{path}`" for path in named)
            raise ReleaseError(
                f"holds several releases: {names}", hint="give one release at a time"
            )
        if named:
            return named[0]
    raise ReleaseError(
        f"is not a complete release: there is no `releases/{version}/NAME.rel`", hint=hints.RELEASE
    )


def _release(term: Term, path: str, erts: str, version: str) -> Identity:
    match term:
        case ("release", (str(name), str(said)), ("erts", str(built)), list(items)):
            pass
        case _:
            _malformed(path, "is not `{release, {Name, Version}, {erts, Version}, [Application]}`")
    if not _NAME.fullmatch(name):
        _malformed(path, f"has the name `{name!a}`")
    for what, here, there in ("release", said, version), ("runtime system", built, erts):
        if here != there:
            _malformed(path, f"has version `{here}` of the {what}, `{LANDMARK}` has `{there}`")
    applications = tuple(sorted(_applications(items, path), key=lambda a: a.name))
    return Identity(name=name, version=version, erts=erts, applications=applications)


def _applications(items: list[Term], path: str) -> Iterator[Application]:
    for item in items:
        match item:
            case (str(name), str(version), *_) if _NAME.fullmatch(name) and is_plain(version):
                yield Application(name, version)
            case _:
                _malformed(path, f"has the application `{item!a:.80}`")


def _malformed(path: str, what: str) -> NoReturn:
    raise ReleaseError(f"`{path}` {what}", hint=hints.REBUILD)


Term = str | int | float | tuple["Term", ...] | list["Term"]

_TOKEN = re.compile(
    r"""
      (?P<space>   (?: \s | %[^\n]* )+ )
    | (?P<string>  "(?: [^"\\] | \\. )*" )
    | (?P<quoted>  '(?: [^'\\] | \\. )*' )
    | (?P<atom>    [a-z][\w@]* )
    | (?P<float>   [+-]?\d+\.\d+(?:[eE][+-]?\d+)? )
    | (?P<integer> [+-]?\d{1,18} )
    | (?P<mark>    [][{},.] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x\{[0-9a-fA-F]{1,6}\}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "b": "\b", "e": "\x1b", "d": "\x7f"}
_MAX_DEPTH = 32
_CLOSING = {"[": "]", "{": "}"}

Token = tuple[str, str]


class Malformed(Exception):
    """The text is not a term."""


def parse_term(text: str) -> Term:
    """Return the first term of `text`, which a full stop must end; Malformed if there is none."""
    tokens = _tokens(text)
    term = _term(next(tokens), tokens, 0)
    if next(tokens) != ("mark", "."):
        raise Malformed("no full stop behind the term")
    return term


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = match.lastgroup or ""
        if kind != "space":
            yield kind, match[0]
    if position < len(text):
        line = text.count("\n", 0, position) + 1
        raise Malformed(f"line {line}: unexpected `{text[position]!a}`")
    raise Malformed("it ends in the middle of a term")


def _term(token: Token, tokens: Iterator[Token], depth: int) -> Term:
    if depth > _MAX_DEPTH:
        raise Malformed(f"terms more than {_MAX_DEPTH} deep")
    kind, text = token
    if kind == "atom":
        return text
    if kind in ("quoted", "string"):
        return _unescape(text[1:-1])
    if kind == "integer":
        return int(text)
    if kind == "float":
        return float(text)
    if text not in _CLOSING:
        raise Malformed(f"unexpected `{text}`")
    items = list(_items(_CLOSING[text], tokens, depth + 1))
    return items if text == "[" else tuple(items)


def _items(closing: str, tokens: Iterator[Token], depth: int) -> Iterator[Term]:
    token = next(tokens)
    if token == ("mark", closing):
        return
    while True:
        yield _term(token, tokens, depth)
        match next(tokens):
            case "mark", ",":
                token = next(tokens)
            case "mark", mark if mark == closing:
                return
            case _, text:
                raise Malformed(f"`{text}` where a comma or `{closing}` belongs")


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(min(int(code[2:-1], 16), 0x10FFFF))
    if code[0].isdigit() and code[0] < "8":
        return chr(int(code, 8))
    return _ESCAPES.get(code, code)
