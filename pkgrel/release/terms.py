"""Erlang terms as `file:consult/1` reads them, as far as `.rel` files use them.

Source: Erlang reference manual, "Data Types". Atoms and strings become `str`, tuples `tuple`,
lists `list`; funs, maps, references and the like do not occur.
"""

import re
from collections.abc import Iterator

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
    """The text is no term."""


def parse(text: str) -> Term:
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
