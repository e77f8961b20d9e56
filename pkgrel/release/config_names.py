"""Values of the variables of a runtime.exs, as far as they are strings or lists of strings, and loops over lists.

Source: Elixir's `Kernel.SpecialForms`, `for/1`; its `Enum` and `Map`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pkgrel.release.elixir import Sort, Token

NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
"""A valid name of an environment variable."""

_MOST = 200
"""The number of elements of a list that are read."""
_COLLECTIONS = frozenset({"Enum", "Map", "MapSet", "Keyword", "Stream"})
# They call the function for every element, whatever it returns.
_ALL = frozenset(
    "each map flat_map map_join map_intersperse reduce into new filter reject group_by sort_by split_with".split()
)
_OPERATORS = frozenset({"and", "or", "not", "in", "when", "do", "else"})
_REACH = 12
"""The largest distance, in tokens, between a list and the function that is called for its elements."""


class Listed(NamedTuple):
    """A list of strings, or of tuples with strings."""

    rows: tuple[tuple[str, ...], ...]
    """The strings of each element by position; empty for other terms."""
    bare: bool
    """The elements are not tuples."""
    end: int
    """Number of its last token."""

    def names(self, place: int) -> tuple[str, ...]:
        return tuple(
            row[place] for row in self.rows if place < len(row) and NAME.fullmatch(row[place])
        )


class Loop(NamedTuple):
    """A call of a function for elements of a list."""

    listed: Listed
    all: bool
    """It is called for every element."""


def level(token: Token) -> int:
    """1 for a token that opens a bracket or block, -1 for one that closes one."""
    match token.sort, token.text:
        case (Sort.WORD, "do" | "fn") | (Sort.MARK, "(" | "[" | "{" | "#{"):
            return 1
        case (Sort.WORD, "end") | (Sort.MARK, ")" | "]" | "}"):
            return -1
        case _:
            return 0


@dataclass(slots=True)
class Words:
    """The tokens of a script, and the values of its variables."""

    all: Sequence[Token]
    held: dict[str, Listed] = field(default_factory=dict)
    opening: dict[int, int] = field(default_factory=dict)
    """The number of the opening bracket for each closing one."""

    def __post_init__(self) -> None:
        for number, token in enumerate(self.all):
            if token.last and token.sort is Sort.MARK:
                self.opening[token.last] = number

    def text(self, number: int) -> str:
        """The text of a token; empty for strings and past the end."""
        token = self.all[number] if 0 <= number < len(self.all) else None
        return token.text if token and token.sort is not Sort.STRING else ""

    def string(self, number: int) -> str | None:
        token = self.all[number] if 0 <= number < len(self.all) else None
        whole = token and token.sort is Sort.STRING and token.plain
        return token.text if token and whole else None

    def is_word(self, number: int) -> bool:
        return 0 <= number < len(self.all) and self.all[number].sort is Sort.WORD

    def listed(self, number: int) -> Listed | None:
        """The list that begins at `number`."""
        if not 0 <= number < len(self.all):
            return None
        token = self.all[number]
        if token.sort is Sort.STRING and token.sigil in ("w", "W"):
            return Listed(tuple((word,) for word in token.text.split()[:_MOST]), True, number)
        if token.sort is Sort.WORD and token.text in self.held:
            return self.held[token.text]._replace(end=number)
        if self.text(number) != "[" or not token.last:
            return None
        rows, tuples = [], set()
        for first, last in self.parts(number):
            inside = self.text(first) == "{" and self.all[first].last == last
            if inside:
                texts = tuple(self.whole(*part) for part in self.parts(first))
            elif self.all[first].sort is Sort.KEY:
                texts = ("", self.whole(first + 1, last))
            else:
                texts = (self.whole(first, last),)
            rows.append(texts)
            tuples.add(len(texts) > 1)
        return Listed(tuple(rows), True not in tuples, token.last) if len(tuples) == 1 else None

    def single(self, text: str, number: int) -> Listed:
        """One string, as a list."""
        return Listed(((text,),), True, number)

    def whole(self, first: int, last: int) -> str:
        """The string that these tokens are; empty if they are anything else."""
        return (self.string(first) or "") if first == last else ""

    def parts(self, number: int) -> Iterator[tuple[int, int]]:
        """First and last tokens of the comma-separated parts within the brackets that open at `number`."""
        first = at = number + 1
        end = self.all[number].last
        for _ in range(_MOST):
            while at < end and self.text(at) != ",":
                at = max(at, self.all[at].last) + 1
            if first < at <= end:
                yield first, at - 1
            if at >= end:
                return
            first = at = at + 1

    def list_ending(self, number: int) -> tuple[int, Listed] | None:
        """The list that ends at `number`, and where it begins."""
        start = self.opening.get(number, number)
        found = self.listed(start)
        return (start, found) if found and found.end == number else None

    def bind(self, first: int, last: int, listed: Listed | None) -> bool:
        """Bind the variables of a pattern to the list; whether the pattern matches every element."""
        for number in range(first, last + 1):
            if self.is_word(number):
                self.held.pop(self.text(number), None)
        if listed is None:
            return False
        if first == last and self.is_word(first) and listed.bare:
            places = [(first, first)]
        elif self.text(first) == "{" and self.all[first].last == last and not listed.bare:
            places = list(self.parts(first))
        else:
            return False
        for place, (at, end) in enumerate(places):
            if at != end or not self.is_word(at):
                return False
            rows = tuple((name,) for name in listed.names(place))
            if rows:
                self.held[self.text(at)] = Listed(rows, True, at)
        return True

    def loop(self, number: int) -> Loop | None:
        """The call whose argument is the function at `number`: `Enum.map(LIST, fn …`, `LIST |> Enum.map(fn …`."""
        function = number - 2 if self.text(number - 1) == "(" else number - 1
        if self.calls(function) and self.text(function - 3) == "|>":
            found = self.list_ending(function - 4)
            return Loop(found[1], self.calls_all(function)) if found else None
        for comma in range(number - 1, max(number - _REACH, 0), -1):
            found = self.list_ending(comma - 1) if self.text(comma) == "," else None
            if found:
                start, listed = found
                function = start - 2 if self.text(start - 1) == "(" else start - 1
                if self.calls(function):
                    return Loop(listed, self.calls_all(function))
        return None

    def calls(self, function: int) -> bool:
        return self.text(function - 1) == "." and self.text(function - 2) in _COLLECTIONS

    def calls_all(self, function: int) -> bool:
        return self.text(function) in _ALL and self.text(function - 2) != "Stream"

    def called(self, bracket: int) -> bool:
        """Whether the bracket begins the arguments of a call."""
        before = self.all[max(bracket - 1, 0)]
        name = before.sort is Sort.WORD and before.text not in _OPERATORS
        return name and before.line == self.all[bracket].line

    def generator(self, number: int) -> tuple[Loop | None, int, int]:
        """The generator of the `for` at `number`: its loop, and the first and last tokens of its pattern."""
        first = number + 2 if self.text(number + 1) == "(" else number + 1
        arrow = next((at for at in range(first, first + _REACH) if self.text(at) == "<-"), 0)
        if not arrow:
            return None, first, first - 1
        listed = self.listed(arrow + 1)
        if listed is None:
            return None, first, arrow - 1
        end = listed.end + 1
        filtered = self.text(end) == "," and self.all[end + 1].sort is not Sort.KEY
        plain = self.text(end) in (",", "do") and not filtered
        return Loop(listed, plain), first, arrow - 1

    def pattern(self, arrow: int) -> range:
        """The tokens before a `->`, on the same line."""
        first, line = arrow, self.all[arrow].line
        while first > 0 and self.all[first - 1].line == line:
            if self.text(first - 1) in ("do", ";", "fn"):
                break
            first -= 1
        return range(first, arrow)

    def expression_end(self, number: int, most: int) -> int:
        """The last token of what begins at `number`, up to a comma or the end of a line outside of brackets and blocks,
        or of the first `most`."""
        depth, end = 0, min(number + most, len(self.all))
        for at in range(number, end):
            depth += level(self.all[at])
            if depth < 0 or (not depth and self.text(at) == "," and at > number):
                return at - 1
            if not depth and self.ends_line(at):
                return at
        return end - 1

    def ends_line(self, number: int) -> bool:
        """Whether an expression may end with this token, and another one begin in the next line."""
        after = self.all[number + 1] if number + 1 < len(self.all) else None
        return after is None or (
            after.line > self.all[number].line
            and self.text(number) not in _GOES_ON
            and self.text(number + 1) not in _GOES_ON
            and self.text(number + 1) != "else:"
        )


# A line that ends or begins with one of these continues the previous or the next one.
_GOES_ON = frozenset(
    "|| |> && -> <- == != =~ => :: <> ++ = , . + - * / | and or in not when do: else:".split()
)
