"""Tokens of Elixir source, enough to find calls and their arguments; nothing is executed.

Text that is not Elixir gives fewer tokens, never an error, and time is linear in its length.

Source: Elixir's syntax reference; its `elixir_tokenizer` and `elixir_interpolation`.
"""

import functools
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Sort(StrEnum):
    """What a token is."""

    WORD = "word"
    KEY = "key"
    """`name:` before a value."""
    ATOM = "atom"
    STRING = "string"
    NUMBER = "number"
    MARK = "mark"


class Token(NamedTuple):
    """A token; those within a string or brackets follow it."""

    sort: Sort
    text: str
    """The source text; of a string its value, with `…` for each interpolation."""
    line: int
    last: int = 0
    """Number of the last token within this one, if there are any."""
    plain: bool = True
    """A string without interpolation."""
    sigil: str = ""
    """The letter of a sigil; empty for other tokens."""


_CODE = re.compile(
    r"""
      (?P<space>     (?: [^\S\n] | \#[^\n]* | \\\n )+ )
    | (?P<newline>   \n )
    | (?P<sigil>     ~ (?: [a-z] | [A-Z][A-Z0-9]* ) (?: \"{3} | '{3} | [/|"'(\[{<] ) )
    | (?P<quote>     \"{3} | '{3} | ["'] )
    | (?P<number>    \? (?: \\. | [^\s\\] ) | \d\w* )
    | (?P<key>       [^\W\d]\w*[?!]?:(?=\s) )
    | (?P<word>      [^\W\d]\w*(?:[?!](?!=))? )
    | (?P<operator>  \|\| | \|> | && | -> | <- | == | != | =~ | => | :: | <> | \+\+ )
    | (?P<atom>      :[^\W\d]\w*[?!]? )
    | (?P<mark>      . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "\n": ""}


@dataclass(slots=True)
class _String:
    """A string that is being read."""

    number: int
    """Of its token."""
    closing: str
    interpolates: bool
    plain: bool
    pieces: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    text: str
    position: int = 0
    line: int = 1
    tokens: list[Token] = field(default_factory=list)
    opened: list[_String | int] = field(default_factory=list)
    """Strings, and numbers of the opening brackets."""

    def code(self) -> None:
        """Read one token outside of strings."""
        match = _CODE.match(self.text, self.position)
        assert match
        self.position = match.end()
        found = match[0]
        match match.lastgroup:
            case "space" | "newline":
                self.line += found.count("\n")
            case "quote":
                self.begin(found, interpolates=True)
            case "sigil":
                opening = found.lstrip("~" + _LETTERS)
                self.begin(opening, interpolates=found[1].islower(), sigil=found[1])
            case "mark":
                self.mark(found)
            case "operator":
                self.add(Sort.MARK, found)
            case name:
                self.add(Sort(name or ""), found)

    def add(self, sort: Sort, text: str) -> None:
        self.tokens.append(Token(sort, text, self.line))

    def begin(self, opening: str, *, interpolates: bool, sigil: str = "") -> None:
        closing = _CLOSING.get(opening, opening)
        # `~c"…"` is a charlist; other sigils are not text.
        plain = sigil in ("", *"sScC")
        self.opened.append(_String(len(self.tokens), closing, interpolates, plain))
        self.tokens.append(Token(Sort.STRING, "", self.line, sigil=sigil))

    def mark(self, found: str) -> None:
        self.add(Sort.MARK, found)
        if found in "([{":
            self.opened.append(len(self.tokens) - 1)
        elif found in ")]}" and self.opened:
            opening = self.opened.pop()
            assert isinstance(opening, int)
            self.tokens[opening] = self.tokens[opening]._replace(last=len(self.tokens) - 1)

    def inside(self, string: _String) -> None:
        """Read within a string, to its end or its next interpolation."""
        match = _special(string.closing, string.interpolates).search(self.text, self.position)
        end = match.start() if match else len(self.text)
        string.pieces.append(self.text[self.position : end])
        self.line += self.text.count("\n", self.position, match.end() if match else end)
        self.position = match.end() if match else end
        if match and match[0] == "#{":
            string.plain = False
            string.pieces.append("…")
            self.opened.append(len(self.tokens))
            self.add(Sort.MARK, "#{")
        elif match and match[0][0] == "\\":
            string.pieces.append(_ESCAPES.get(match[0][1:], match[0][1:]))
        else:
            self.opened.pop()
            self.tokens[string.number] = self.tokens[string.number]._replace(
                text="".join(string.pieces), last=len(self.tokens) - 1, plain=string.plain
            )


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@functools.cache
def _special(closing: str, interpolates: bool) -> re.Pattern[str]:
    end = re.escape(closing)
    # A sigil with an upper-case letter has one escape: that of its delimiter.
    return re.compile(rf"\\.|#\{{|{end}" if interpolates else rf"\\{end}|{end}", re.DOTALL)


def tokens(text: str) -> list[Token]:
    """All tokens; those of interpolations follow their string, between `#{` and `}`."""
    reader = _Reader(text)
    while reader.position < len(text):
        top = reader.opened[-1] if reader.opened else None
        if isinstance(top, _String):
            reader.inside(top)
        else:
            reader.code()
    return reader.tokens
