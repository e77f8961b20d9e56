"""Where a runtime.exs ends the start: what is raised where a variable has no value.

Source: Elixir's `Kernel.raise/1`, `case/2`, `if/2`; `System.halt/1`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pkgrel.release.config_names import Words, level
from pkgrel.release.config_questions import Questions
from pkgrel.release.elixir import Sort

HEAD_TOKENS = 24
"""How long the head of a block may be that is understood."""
_BLOCK_TOKENS = 200
"""How far a block is looked through for a `raise`."""


@dataclass(slots=True)
class Raises:
    """The ends of one script."""

    words: Words
    questions: Questions
    bound: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names in the text, and the variables that they hold."""

    def text(self, number: int) -> str:
        return self.words.text(number)

    def of_block(self, head: int, number: int) -> Iterator[tuple[tuple[str, ...], str]]:
        """`if is_nil(name) do raise "text" end` and its like: variables, and the text; `number` is the `do`."""
        first, last = head + 1, number - 1
        if self.text(last) == ",":
            last -= 1
        first, last = self.stripped(first, last)
        match self.text(head):
            case "case" if names := self.asked(first, last):
                text = self.raise_of_clauses(number)
                found = [names]
            case "unless" if names := self.asked(first, last):
                text = self.raise_in(number)
                found = [names]
            case "if":
                parts = (self.asked_for_nil(*part) for part in self.alternatives(first, last))
                found = [names for names in parts if names]
                text = self.raise_in(number) if found else None
            case _:
                return
        if text is not None:
            yield from ((names, text) for names in found)

    def stripped(self, first: int, last: int) -> tuple[int, int]:
        """Without brackets around it."""
        while self.text(first) == "(" and self.words.all[first].last == last and first < last:
            first, last = first + 1, last - 1
        return first, last

    def alternatives(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The parts of `… or …`; nothing if another operator joins some."""
        parts, start, at = [], first, first
        while at <= last:
            if self.text(at) in ("or", "||"):
                parts.append((start, at - 1))
                start = at + 1
            elif self.text(at) in ("and", "&&"):
                return
            at = max(at, self.words.all[at].last) + 1
        yield from (self.stripped(*part) for part in (*parts, (start, last)))

    def asked_for_nil(self, first: int, last: int) -> tuple[str, ...]:
        """The variables of which this says that they are missing."""
        if self.text(first) == "is_nil" and self.text(first + 1) == "(":
            return self.asked(first + 2, last - 1)
        if self.text(first) in ("!", "not"):
            return self.asked(*self.stripped(first + 1, last))
        if self.text(first) == "nil" and self.text(first + 1) == "==":
            return self.asked(first + 2, last)
        if self.text(last) == "nil" and self.text(last - 1) == "==":
            return self.asked(first, last - 2)
        opening = self.words.opening.get(last, 0)
        if self.text(opening) == "[" and self.text(opening - 1) == "in":
            has_nil = "nil" in map(self.text, range(opening, last))
            return self.asked(first, opening - 2) if has_nil else ()
        return ()

    def asked(self, first: int, last: int) -> tuple[str, ...]:
        """The variables that an expression is the value of."""
        if self.words.is_word(first) and self.text(first + 1) == "=":
            first += 2
        if first == last:
            return self.bound.get(self.text(first), ())
        if self.text(first + 1) == "|>":
            first += 2
        call = self.questions.call(first)
        return call.names if call and call.end == last and not call.fallback else ()

    def raise_of_clauses(self, number: int) -> str | None:
        """What the `case` that begins with the `do` at `number` raises where there is no value."""
        for at, depth in self.inside(number):
            if depth or self.text(at) != "->":
                continue
            if self.takes_nil([self.text(n) for n in self.words.pattern(at)]):
                return self.raise_at(at + 1)
        return None

    def takes_nil(self, pattern: list[str]) -> bool:
        """Whether a clause is for what has no value."""
        if "when" not in pattern:
            return re.fullmatch(r":error|[a-z_]\w*", "".join(pattern)) is not None
        name = re.escape(pattern[0])
        guard = "".join(pattern[pattern.index("when") + 1 :])
        nil = rf"is_nil\({name}\)|{name}==nil|{name}in\[(?:nil,?|,)+\]"
        return re.fullmatch(nil, guard) is not None

    def raise_in(self, number: int) -> str | None:
        """What the block that begins with the `do` at `number` raises in any case."""
        if (text := self.raise_at(number + 1)) is not None or self.text(number) == "do:":
            return text
        for at, depth in self.inside(number):
            if self.text(at) in ("else", "rescue", "catch") and not depth:
                return None
            begins = not depth and self.words.ends_line(at - 1)
            if begins and (text := self.raise_at(at)) is not None:
                return text
        return None

    def inside(self, number: int) -> Iterator[tuple[int, int]]:
        """The tokens of a block, and in how many blocks and brackets of its own each is."""
        depth = 0
        for at in range(number + 1, min(number + _BLOCK_TOKENS, len(self.words.all))):
            step = level(self.words.all[at])
            depth += min(step, 0)
            if depth < 0:
                return
            yield at, depth
            depth += max(step, 0)

    def raise_at(self, number: int) -> str | None:
        """The text of a `raise` at `number`: empty without one, None if there is no raise."""
        written = [self.text(number + at) for at in range(3)]
        if written in (["System", ".", "halt"], ["System", ".", "stop"]):
            return ""
        if written[0] not in ("raise", "exit", "throw"):
            return None
        for at in range(number + 1, min(number + 9, len(self.words.all))):
            token = self.words.all[at]
            if token.sort is Sort.STRING:
                return token.text
            if token.text not in ("(", ",", ".", "message:") and token.sort is not Sort.WORD:
                break
        return ""
