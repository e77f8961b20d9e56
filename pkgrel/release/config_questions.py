"""How a runtime.exs reads environment variables, and how it ends the start when one has no value.

Source: Elixir's `System`, `Map` and `Access`, `Kernel.raise/1`, `case/2`, `if/2`; `System.halt/1`; Dotenvy's and
Vapor's documentation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pkgrel.release.config_names import NAME, Listed, Words, level
from pkgrel.release.elixir import Sort

_SYSTEM = {"get_env": False, "fetch_env": False, "fetch_env!": True}
"""Functions of `System` that read a variable, and whether they raise."""
_MAP = {"get": False, "fetch": False, "fetch!": True}
"""Functions of `Map` that read a variable from `System.get_env()`, and whether they raise."""

ARGUMENT = "PKGREL_ARGUMENT"
"""Stands for the argument of a function of the script."""
_MOST_FUNCTIONS, _MOST_TOKENS = 20, 300


class Asker(NamedTuple):
    """What a function of the script does with the name of a variable."""

    raises: bool
    fallback: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One read of the environment."""

    names: tuple[str, ...]
    """All of them, in a loop."""
    line: int
    raises: bool
    default: str | None
    fallback: bool
    start: int
    end: int
    """Numbers of its first and last tokens."""


class _Arguments(NamedTuple):
    names: tuple[str, ...]
    second: int
    """Number of the token where the second argument begins; 0 for none."""
    end: int


@dataclass(slots=True)
class Questions:
    """Finds reads of the environment in one script: by Elixir's functions, and by the script's own."""

    words: Words
    functions: Sequence[Sequence[str]] = ()
    """Further functions that read the environment, split at dots."""
    own: dict[str, Asker] = field(default_factory=dict)
    each: tuple[str, ...] = ()
    """The values of `&1`."""
    modules: set[str] = field(default_factory=lambda: {"System"})
    imported: bool = False
    computed: bool = False
    """A variable was read by a name that is computed."""
    maps: set[str] = field(default_factory=set)
    """Variables that hold the result of `System.get_env()`."""

    def __post_init__(self) -> None:
        words, named = self.words, list(self.functions)
        for number, token in enumerate(words.all):
            if token.sort is not Sort.WORD or token.text not in ("import", "alias"):
                continue
            module = words.text(number + 1)
            if token.text == "import" and words.text(number + 2) != ".":
                self.imported |= module == "System"
                named += [["env!"]] * (module == "Dotenvy")
            if module == "System" and words.text(number + 3) == "as:":
                self.modules.add(words.text(number + 4))
        self.functions = [*named, ["Dotenvy", "env!"]]

    def call(self, number: int) -> Call | None:
        """The read of the environment that begins at `number`."""
        words = self.words
        before = words.text(number - 1)
        if before == "." and words.text(number - 2) != "Elixir":
            return None
        return (
            self.by_function(number)
            or self.by_system(number)
            or self.by_map(number)
            or self.by_own(number)
        )

    def by_system(self, number: int) -> Call | None:
        words = self.words
        if words.text(number) in self.modules and words.text(number + 1) == ".":
            function = number + 2
            raises = _SYSTEM.get(words.text(function))
        elif words.text(number) == ":os" and words.text(number + 2) == "getenv":
            function, raises = number + 2, False
        elif self.imported and words.text(number - 1) not in ("def", "defp"):
            function, raises = number, _SYSTEM.get(words.text(number))
        else:
            return None
        if raises is None:
            return None
        found = self.arguments(number, function)
        if not found and words.string(function + 2) is None and not self.map_end(number):
            self.computed = True
        return self.made(number, found, raises) if found else None

    def arguments(self, start: int, function: int) -> _Arguments | None:
        """The arguments of the function at `function`, in a call that begins at `start`."""
        words = self.words
        first, end = function + 1, function
        if words.text(first) == "/" and words.text(start - 1) == "&":
            return _Arguments(self.each, 0, first + 1) if self.each else None
        bracket = words.text(first) == "("
        if bracket:
            end, first = words.all[first].last, first + 1
            if not end:
                return None
        if words.text(start - 1) == "|>":
            names = self.named(start - 2)
            second = first if first < end else 0
            return _Arguments(names, second, end) if names else None
        names = self.named(first)
        width = 2 if words.text(first) == "&" else 1
        after = first + width
        if not names or (bracket and after < end and words.text(after) != ","):
            return None
        second = after + 1 if words.text(after) == "," and (not bracket or after < end) else 0
        if not bracket:
            end = second or after - 1
        return _Arguments(names, second, end)

    def named(self, number: int) -> tuple[str, ...]:
        """The environment variables that a token may name."""
        words = self.words
        text = words.string(number)
        if text is not None:
            return (text,) if NAME.fullmatch(text) else ()
        if words.text(number) == "&" and words.text(number + 1) == "1":
            return self.each
        listed = words.held.get(words.text(number)) if words.is_word(number) else None
        return listed.names(0) if listed and listed.bare else ()

    def made(self, start: int, found: _Arguments, raises: bool) -> Call:
        words, second = self.words, found.second
        whole = second in (found.end, found.end - 1)
        default = words.string(second) if second and whole else None
        fallback = bool(second) and words.text(second) != "nil"
        line = words.all[start].line
        return Call(found.names, line, raises, default, fallback, start, found.end)

    def by_map(self, number: int) -> Call | None:
        """`env["NAME"]`, `Map.fetch!(env, "NAME")` and the like, of all variables."""
        words = self.words
        if words.text(number) == "Map" and words.text(number + 3) == "(":
            raises = _MAP.get(words.text(number + 2))
            map_end, end = self.map_end(number + 4), words.all[number + 3].last
            if raises is None or not map_end or words.text(map_end + 1) != ",":
                return None
            return self.taken(number, map_end + 2, end, raises)
        map_end = self.map_end(number)
        if not map_end:
            return None
        if words.text(map_end + 1) == "[":
            return self.taken(number, map_end + 2, words.all[map_end + 1].last, False)
        raises = _MAP.get(words.text(map_end + 4))
        piped = [words.text(map_end + at) for at in (1, 2, 3, 5)] == ["|>", "Map", ".", "("]
        if raises is None or not piped:
            return None
        return self.taken(number, map_end + 6, words.all[map_end + 5].last, raises)

    def taken(self, start: int, key: int, end: int, raises: bool) -> Call | None:
        names = self.named(key)
        if not names or end <= key:
            return None
        second = key + 2 if self.words.text(key + 1) == "," else 0
        return self.made(start, _Arguments(names, second, end), raises)

    def map_end(self, number: int) -> int:
        """Number of the last token of an expression that is the whole environment; 0 for any other."""
        words = self.words
        if words.is_word(number) and words.text(number) in self.maps:
            return number
        written = [words.text(number + at) for at in range(1, 5)]
        whole = words.text(number) in self.modules and written == [".", "get_env", "(", ")"]
        return number + 4 if whole else 0

    def by_own(self, number: int) -> Call | None:
        """`env.("NAME")` and `Env.fetch("NAME")`, by a function of the script."""
        words = self.words
        function = number
        if words.text(number + 1) == "." and words.is_word(number):
            function = number + 1 if words.text(number + 2) == "(" else number + 2
        asker = self.own.get(words.text(function if words.text(function) != "." else number))
        if not asker or words.text(number - 1) in ("def", "defp"):
            return None
        found = self.arguments(number, function)
        if not found:
            return None
        call = self.made(number, found, asker.raises)
        fallback = asker.fallback or (call.fallback and not asker.raises)
        return Call(call.names, call.line, asker.raises, call.default, fallback, number, call.end)

    def by_function(self, number: int) -> Call | None:
        """`MyApp.Env.fetch!("NAME")`; a second argument that is an atom is a type, and another is an answer."""
        words = self.words
        for parts in self.functions:
            size = 2 * len(parts) - 1
            written = "".join(words.text(number + at) for at in range(size))
            if written != ".".join(parts):
                continue
            first = number + size
            end = words.all[first].last if words.text(first) == "(" else first
            first += words.text(first) == "("
            names = self.named(first)
            if not end or not names:
                return None
            rest = [token for token in words.all[first + 1 : end] if token.text != ","]
            answered = len(rest) > 1 or any(token.sort is not Sort.ATOM for token in rest)
            default = words.string(end - 1) if answered else None
            line = words.all[number].line
            return Call(names, line, not answered, default, answered, number, end)
        return None

    def bodies(self) -> Iterator[tuple[str, int, int]]:
        """The script's own functions that may read a variable named by their argument: name, start and end of the body.

        Until the generator goes on, the first parameter has the value ARGUMENT.
        """
        words, found = self.words, 0
        for number, token in enumerate(words.all):
            if found == _MOST_FUNCTIONS:
                return
            body = parameter = 0
            name = words.text(number - 2)
            if words.text(number - 1) == "=" and words.is_word(number - 2):
                if token.text == "fn" and token.sort is Sort.WORD:
                    parameter, body = number + 1, number
                elif token.text == "&" and words.text(number + 1) != "&":
                    body = number
            elif token.text in ("def", "defp") and words.text(number + 2) == "(":
                name, parameter = words.text(number + 1), number + 3
                body = words.all[number + 2].last
            if not body or (parameter and not words.is_word(parameter)):
                continue
            found += 1
            if words.text(body) == ")":
                body += 2 if words.text(body + 1) == "," else 1
                if words.text(body) not in ("do", "do:"):
                    continue
            held = Listed(((ARGUMENT,),), True, body)
            self.each = () if parameter else (ARGUMENT,)
            if parameter:
                words.held[words.text(parameter)] = held
            within = body + 1 if words.text(body) == "do:" else body
            end = words.expression_end(within, _MOST_TOKENS)
            yield name, body + 1, end + 1
            self.each = ()
            if parameter:
                words.held.pop(words.text(parameter), None)


HEAD_TOKENS = 24
"""The longest head of a block that is analysed."""
_BLOCK_TOKENS = 200
"""How far into a block a `raise` is looked for."""


@dataclass(slots=True)
class Raises:
    """Finds where one script raises because a variable has no value."""

    words: Words
    questions: Questions
    bound: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Variables of the script, and the environment variables whose values they hold."""

    def text(self, number: int) -> str:
        return self.words.text(number)

    def of_block(self, head: int, number: int, first: int) -> Iterator[tuple[tuple[str, ...], str]]:
        """`if is_nil(name) do raise "text" end` and its like: variables, and the text; `number` is the `do`.

        The condition begins at `first`, behind what is true in any case.
        """
        last = number - 1
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
        """The range without brackets around it."""
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
        """The environment variables that this condition tests for nil."""
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
        """The environment variables whose value an expression is."""
        if self.words.is_word(first) and self.text(first + 1) == "=":
            first += 2
        if first == last:
            return self.bound.get(self.text(first), ())
        if self.text(first + 1) == "|>":
            first += 2
        call = self.questions.call(first)
        return call.names if call and call.end == last and not call.fallback else ()

    def raise_of_clauses(self, number: int) -> str | None:
        """What the `case` with the `do` at `number` raises if there is no value."""
        for at, depth in self.inside(number):
            if depth or self.text(at) != "->":
                continue
            if self.takes_nil([self.text(n) for n in self.words.pattern(at)]):
                return self.raise_at(at + 1)
        return None

    def takes_nil(self, pattern: list[str]) -> bool:
        """Whether a clause matches a missing value."""
        if "when" not in pattern:
            return re.fullmatch(r":error|[a-z_]\w*", "".join(pattern)) is not None
        name = re.escape(pattern[0])
        guard = "".join(pattern[pattern.index("when") + 1 :])
        nil = rf"is_nil\({name}\)|{name}==nil|{name}in\[(?:nil,?|,)+\]"
        return re.fullmatch(nil, guard) is not None

    def raise_in(self, number: int) -> str | None:
        """What the block with the `do` at `number` raises unconditionally."""
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
        """The tokens of a block, each with its depth of blocks and brackets within it."""
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
