"""Erlang terms, as text and in Erlang's external format.

Sources: Erlang reference manual, "Data Types"; ERTS User's Guide, "External Term Format". Texts are read as
`file:consult/1` reads them: tuples become `tuple`, lists `list`, maps `dict`, strings `str`, atoms and binaries kinds of
`str`; funs, references and the like do not occur.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator


class Atom(str):
    """An atom: equal to its text."""

    __slots__ = ()


class Binary(str):
    """A binary of text."""

    __slots__ = ()


Term = str | int | float | tuple["Term", ...] | list["Term"] | dict[str, "Term"]

_TOKEN = re.compile(
    r"""
      (?P<space>   (?: \s | %[^\n]* )+ )
    | (?P<binary>  << (?: "(?: [^"\\] | \\. )*" (?:/utf8)? | [\d,\s]* ) >> )
    | (?P<string>  "(?: [^"\\] | \\. )*" (?: \s+ "(?: [^"\\] | \\. )*" )* )
    | (?P<quoted>  '(?: [^'\\] | \\. )*' )
    | (?P<atom>    [a-z][\w@]* )
    | (?P<float>   [+-]?\d+\.\d+(?:[eE][+-]?\d+)? )
    | (?P<integer> [+-]?\d{1,18} )
    | (?P<char>    \$ (?: \\. | [^\\] ) )
    | (?P<mark>    \#\{ | => | [][{},.] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x\{[0-9a-fA-F]{1,6}\}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "b": "\b", "e": "\x1b", "d": "\x7f"}
_MAX_DEPTH = 32
_CLOSING = {"[": "]", "{": "}", "#{": "}"}
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBER = re.compile(r"\d+")

Token = tuple[str, str]


class Malformed(Exception):
    """The text is not an Erlang term."""


def parse_term(text: str) -> Term:
    """Return the first term of `text`, which must end with a full stop; Malformed if there is none."""
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
    if kind != "mark":
        return _SIMPLE[kind](text)
    if text not in _CLOSING:
        raise Malformed(f"unexpected `{text}`")
    items = list(_items(text, tokens, depth + 1))
    if text == "#{":
        return {written(key): value for key, value in zip(items[::2], items[1::2], strict=True)}
    return items if text == "[" else tuple(items)


def _items(opening: str, tokens: Iterator[Token], depth: int) -> Iterator[Term]:
    token, closing = next(tokens), _CLOSING[opening]
    if token == ("mark", closing):
        return
    while True:
        yield _term(token, tokens, depth)
        if opening == "#{":
            if next(tokens) != ("mark", "=>"):
                raise Malformed("a key of a map without a value")
            yield _term(next(tokens), tokens, depth)
        match next(tokens):
            case "mark", ",":
                token = next(tokens)
            case "mark", mark if mark == closing:
                return
            case _, text:
                raise Malformed(f"`{text}` where a comma or `{closing}` belongs")


def _binary(text: str) -> Binary:
    if '"' in text:
        return Binary(_string(text))
    return Binary("".join(chr(int(number) & 0xFF) for number in _NUMBER.findall(text)))


def _string(text: str) -> str:
    """Adjacent strings are one string."""
    return "".join(map(_unescape, _PIECE.findall(text)))


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(min(int(code[2:-1], 16), 0x10FFFF))
    if code[0].isdigit() and code[0] < "8":
        return chr(int(code, 8))
    return _ESCAPES.get(code, code)


_SIMPLE: dict[str, Callable[[str], Term]] = {
    "atom": Atom,
    "quoted": lambda text: Atom(_unescape(text[1:-1])),
    "string": _string,
    "binary": _binary,
    "integer": int,
    "float": float,
    "char": lambda text: ord(_unescape(text[1:])),
}

_PLAIN_ATOM = re.compile(r"[a-z][A-Za-z0-9_@]*")


def written(term: Term) -> str:
    """The term in Erlang's syntax."""
    match term:
        case Atom():
            return str(term) if _PLAIN_ATOM.fullmatch(term) else f"'{_escape(term, chr(39))}'"
        case Binary():
            return f'<<"{_escape(term, chr(34))}">>'
        case str():
            return f'"{_escape(term, chr(34))}"'
        case tuple():
            return f"{{{','.join(map(written, term))}}}"
        case list():
            return f"[{','.join(map(written, term))}]"
        case dict():
            return f"#{{{','.join(f'{key} => {written(value)}' for key, value in term.items())}}}"
        case _:
            return str(term)


def _escape(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")


_ATOMS = {100: ">H", 118: ">H", 115: ">B", 119: ">B"}
_SEQUENCES = {104: ">B", 105: ">I", 108: ">I"}
_FIXED = {97: ">B", 98: ">i", 70: ">d"}


def external_term(data: bytes) -> Term:
    """Decode a term by `term_to_binary/1`; Malformed for maps, funs and the like."""
    try:
        if data[:1] != b"\x83":
            raise Malformed("it is in no external format")
        return _External(data, 1).term(0)
    except (struct.error, IndexError) as e:
        raise Malformed(str(e)) from e


class _External:
    """Reads from a position on."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def term(self, depth: int) -> Term:
        if depth > _MAX_DEPTH:
            raise Malformed(f"terms more than {_MAX_DEPTH} deep")
        tag = self._number(">B")
        if tag in _ATOMS:
            return Atom(self._text(self._number(_ATOMS[tag]), "utf-8"))
        if tag in _FIXED:
            return self._value(_FIXED[tag])
        if tag in _SEQUENCES:
            items = [self.term(depth + 1) for _ in range(self._number(_SEQUENCES[tag]))]
            if tag != 108:
                return tuple(items)
            if self.term(depth + 1) != []:
                raise Malformed("a list that does not end")
            return items
        if tag == 106:
            return []
        if tag == 107:
            return self._text(self._number(">H"), "latin-1")
        if tag == 109:
            return Binary(self._text(self._number(">I"), "latin-1"))
        if tag in (110, 111):  # a large integer, such as a `vsn`
            size = self._number(">B" if tag == 110 else ">I")
            sign = -1 if self._number(">B") else 1
            return sign * int.from_bytes(self._bytes(size), "little")
        raise Malformed(f"the tag {tag}")

    def _number(self, format: str) -> int:
        return int(self._value(format))

    def _value(self, format: str) -> int | float:
        (value,) = struct.unpack_from(format, self._data, self._at)
        self._at += struct.calcsize(format)
        number: int | float = value
        return number

    def _text(self, size: int, encoding: str) -> str:
        return self._bytes(size).decode(encoding, errors="replace")

    def _bytes(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise Malformed("it ends in the middle of a term")
        self._at += size
        return self._data[self._at - size : self._at]
