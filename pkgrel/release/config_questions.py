"""The forms in which a runtime.exs asks for a variable of the environment.

Source: Elixir's `System`, `Map` and `Access`; Dotenvy's and Vapor's documentation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pkgrel.release.config_names import NAME, Listed, Words
from pkgrel.release.elixir import Sort

_SYSTEM = {"get_env": False, "fetch_env": False, "fetch_env!": True}
"""Functions of `System`, and whether they raise."""
_MAP = {"get": False, "fetch": False, "fetch!": True}
"""What takes a variable out of `System.get_env()`."""

ARGUMENT = "PKGREL_ARGUMENT"
"""Stands for what a function of the script is given."""
_MOST_FUNCTIONS, _MOST_TOKENS = 20, 300


class Asker(NamedTuple):
    """What a function does that is given the name of a variable."""

    raises: bool
    fallback: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One question to the environment."""

    names: tuple[str, ...]
    """Of a loop, all that are asked for."""
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
    """The forms that one script has: Elixir's own, and its own functions."""

    words: Words
    functions: Sequence[Sequence[str]] = ()
    """Others that ask, in their parts."""
    own: dict[str, Asker] = field(default_factory=dict)
    each: tuple[str, ...] = ()
    """What `&1` is."""
    modules: set[str] = field(default_factory=lambda: {"System"})
    imported: bool = False
    computed: bool = False
    """Something was asked for by a name that is not known."""
    maps: set[str] = field(default_factory=set)
    """Words that hold all variables."""

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
        """The question that begins at `number`."""
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
        """Of the function at `function`, in a call that begins at `start`."""
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
        """The variables that a token may name."""
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
        """Number of the last token of an expression that is all variables; 0 for another one."""
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
        """Functions of the script's own that are given a name: what they are called, where their bodies begin and end;
        until the next one is asked for, the first argument holds ARGUMENT."""
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
