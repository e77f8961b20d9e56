"""What a runtime.exs asks of the environment: which variables, which it cannot do without.

A variable counts as needed only where the line that asks is surely run: a release that is not started
because of a doubt is worse than one that says itself what it misses.

Source: Elixir's `System` and `Config`; what `mix phx.new` writes (1.5 to 1.8).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pkgrel.release.elixir import Sort, Token, tokens
from pkgrel.release.model import Variable

_CALLS = {
    ("System", "get_env"): False,
    ("System", "fetch_env"): False,
    ("System", "fetch_env!"): True,
    (":os", "getenv"): False,
}
"""Module and function, and whether it raises."""

# As the head of a block says it, without its strings.
_QUESTIONS = frozenset({"System.get_env()", ":os.getenv()", "System.get_env"})

# Who calls these fills the environment itself, from a file perhaps, before it asks.
_FILLS = frozenset({"put_env", "putenv", "Dotenv", "DotenvParser", "eval_file"})

_NAME = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_HEADS = frozenset({"if", "unless", "case"})
_HEAD_TOKENS = 16
_MOST = 8
"""Questions in one chain of `||`."""
_SHORT_CIRCUIT = frozenset({"||", "&&", "and", "or"})
# With one of these at its end or start, a line is a part of what is around it.
_GOES_ON = frozenset(
    "|| |> && -> <- == != =~ => :: <> ++ = , . + - * / | and or in not when".split()
)

# The environment that the release was built in, as the head of a block asks for it.
_ENVIRONMENT = re.compile(
    r"(?P<head>if|unless)\(?(?:config_env\(\)|config_env|Mix\.env\(\))"
    r"(?P<how>==|!=|in)(?P<names>:\w+|\[(?::\w+,?)*\])\)?"
)


@dataclass(slots=True)
class _Frame:
    """A part of the text that is run on a condition."""

    runs: bool | None
    """None: nobody knows before."""
    depth: int
    block: bool = False
    """It has an `end` of its own; what has none ends with its expression."""
    short: bool = False
    """The rest of `… || …`: a comma ends it too."""
    around: bool | None = True
    """Whether what is around it is run."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One question to the environment."""

    name: str
    line: int
    raises: bool
    default: str | None
    fallback: bool
    start: int
    end: int
    """Numbers of its first and last tokens."""


@dataclass(slots=True)
class _Reading:
    all: list[Token]
    path: str
    environment: str
    functions: tuple[tuple[str, ...], ...] = ()
    """Others that ask, in their parts."""
    frames: list[_Frame] = field(default_factory=list)
    depth: int = 0
    head: int | None = None
    """Number of the token that the next block belongs to."""
    bound: dict[str, str] = field(default_factory=dict)
    """Names in the text, and the variables that they hold."""
    last_start: int = -1
    """Where the last question begins that has been answered."""

    def text(self, number: int) -> str:
        """Of a token that is not a string; empty for others and behind the end."""
        token = self.all[number] if 0 <= number < len(self.all) else None
        return token.text if token and token.sort is not Sort.STRING else ""

    def surely(self) -> bool | None:
        """Whether what stands here is run."""
        if not self.frames:
            return True
        both = (self.frames[-1].runs, self.frames[-1].around)
        return False if False in both else None if None in both else True

    def begin(self, runs: bool | None, *, block: bool = False, short: bool = False) -> None:
        self.frames.append(_Frame(runs, self.depth, block, short, self.surely()))

    def needed(self, name: str, line: int, text: str) -> Variable:
        return Variable(name=name, needed=True, text=text, where=f"{self.path}:{line}")

    def read(self) -> Iterator[Variable]:
        number = 0
        while number < len(self.all):
            token = self.all[number]
            self.leave(number, token)
            if number > self.last_start and (call := self.call(number)):
                yield from self.chain(number, call)
            if token.sort is Sort.WORD and token.text in self.bound:
                yield from self.of_bound(number, token)
            yield from self.enter(number, token)
            number += 1

    # Conditions

    def leave(self, number: int, token: Token) -> None:
        """End what has no `end` of its own where its expression is over."""
        before = self.all[number - 1] if number else token
        over = (
            token.line > before.line
            and self.text(number - 1) not in _GOES_ON
            and self.text(number) not in _GOES_ON
            and self.text(number) != "else:"
        )
        closing = token.sort is Sort.MARK and token.text in ")]}"
        if closing:
            self.depth -= 1
        comma = self.text(number) in (",", "do", "do:", "else:")
        while self.frames and not self.frames[-1].block:
            frame = self.frames[-1]
            ends = over or (comma and frame.short)
            if self.depth < frame.depth or (ends and self.depth <= frame.depth):
                self.frames.pop()
            else:
                break

    def enter(self, number: int, token: Token) -> Iterator[Variable]:
        text = self.text(number)
        if token.sort is Sort.MARK and text in ("(", "[", "{", "#{"):
            self.depth += 1
        elif text in _HEADS and self.text(number - 1) != "." and token.sort is Sort.WORD:
            self.head = number
        elif text in ("do", "do:"):
            yield from self.raised(number)
            self.begin(self.verdict(number), block=text == "do")
            self.head = None
        elif text == "fn":
            self.begin(None, block=True)
        elif text in ("else", "else:"):
            if self.frames and self.frames[-1].runs is not None:
                self.frames[-1].runs = not self.frames[-1].runs
        elif text == "end" and token.sort is Sort.WORD:
            while self.frames and not self.frames.pop().block:
                pass
        elif text in _SHORT_CIRCUIT:
            self.begin(None, short=True)

    def head_of(self, number: int) -> str:
        """The head of the block that begins with `number`, without blanks; empty if it is long."""
        if self.head is None or not 0 < number - self.head <= _HEAD_TOKENS:
            return ""
        parts = [self.text(at) for at in range(self.head, number)]
        if parts[-1] == ",":
            parts.pop()
        return "".join(f" {part} " if part in ("in", "not") else part for part in parts)

    def verdict(self, number: int) -> bool | None:
        match = _ENVIRONMENT.fullmatch(self.head_of(number).replace(" ", ""))
        if not match:
            return None
        same = self.environment in re.findall(r":(\w+)", match["names"])
        return same ^ (match["how"] == "!=") ^ (match["head"] == "unless")

    # Questions

    def call(self, number: int) -> _Call | None:
        if found := self.other_call(number):
            return found
        if self.text(number + 1) != "." or number + 3 > len(self.all):
            return None
        raises = _CALLS.get((self.text(number), self.text(number + 2)))
        if raises is None:
            return None
        first, end = number + 3, number + 2
        bracket = self.text(first) == "("
        if bracket:
            end, first = self.all[first].last, first + 1
            if not end:
                return None
        piped = self.text(number - 1) == "|>"
        name = self.string(number - 2) if piped else self.string(first)
        if name is None or not _NAME.fullmatch(name):
            return None
        second = first if piped else first + 2
        has_second = second < end if bracket else self.text(first + 1) == "," and not piped
        if not bracket:
            end = second if has_second else number + 2 if piped else first
        default = self.string(second) if has_second else None
        if has_second and bracket and end != second + 1:
            default = None
        return _Call(name, self.all[number].line, raises, default, has_second, number, end)

    def other_call(self, number: int) -> _Call | None:
        """`MyApp.Env.fetch!("NAME")`; a second argument that is an atom is a type, and another is an answer."""
        for parts in self.functions:
            size = 2 * len(parts) - 1
            written = [self.text(number + at) for at in range(-1, size)]
            if written[0] == "." or "".join(written[1:]) != ".".join(parts):
                continue
            first = number + size
            end = self.all[first].last if self.text(first) == "(" else first
            first += self.text(first) == "("
            name = self.string(first)
            if not end or name is None or not _NAME.fullmatch(name):
                return None
            rest = [token for token in self.all[first + 1 : end] if token.text != ","]
            answered = len(rest) > 1 or any(token.sort is not Sort.ATOM for token in rest)
            default = self.string(end - 1) if answered else None
            return _Call(name, self.all[number].line, not answered, default, answered, number, end)
        return None

    def string(self, number: int) -> str | None:
        token = self.all[number] if 0 <= number < len(self.all) else None
        whole = token and token.sort is Sort.STRING and token.plain
        return token.text if token and whole else None

    def chained(self, call: _Call) -> Iterator[_Call]:
        """The questions that are asked if this one has no answer: `… || …`."""
        while self.text(call.end + 1) == "||":
            after = self.call(call.end + 2)
            if after is None:
                return
            yield after
            call = after

    def chain(self, number: int, first: _Call) -> Iterator[Variable]:
        calls = [first, *self.chained(first)]
        last = calls[-1]
        self.last_start = last.start
        otherwise = last.end + 2 if self.text(last.end + 1) == "||" else len(self.all)
        text, default = self.raise_at(otherwise), self.string(otherwise)
        if (runs := self.surely()) is False:
            return
        needed = bool(runs) and (last.raises or text is not None) and last.default is None
        needed &= len(calls) <= _MOST
        names = [call.name for call in calls] if needed else []
        for call in calls:
            yield Variable(
                name=call.name,
                needed=needed,
                default=default if call.default is None else call.default,
                fallback=call.fallback or (otherwise < len(self.all) and text is None),
                text=text or "",
                where=f"{self.path}:{call.line}",
                instead=tuple(n for n in names if n != call.name),
            )
        start = number - 2 if self.text(number - 1) == "|>" else number
        if self.text(start - 1) == "=" and len(calls) == 1 and text is None and default is None:
            self.bound[self.text(start - 2)] = first.name

    def of_bound(self, number: int, token: Token) -> Iterator[Variable]:
        """`name || raise "text"`, where the name holds a variable."""
        text = self.raise_at(number + 2) if self.text(number + 1) == "||" else None
        if text is not None and self.surely():
            yield self.needed(self.bound[token.text], token.line, text)

    def raised(self, number: int) -> Iterator[Variable]:
        """`if is_nil(name) do raise "text" end` and its like; `number` is the `do`."""
        head = self.head_of(number).replace(" ", "")
        at = number + 1
        if head.startswith("case") and self.text(at) == "nil" and self.text(at + 1) == "->":
            at, head = at + 2, head.removeprefix("case")
        elif head.startswith("unless"):
            head = head.removeprefix("unless")
        elif match := re.fullmatch(r"if(?:is_nil\((.+)\)|\(?(?:!|not)(.+?)\)?|(.+)==nil)", head):
            head = match[1] or match[2] or match[3]
        else:
            return
        text = self.raise_at(at)
        if text is None or not self.surely() or self.head is None:
            return
        head = head.strip("()") if "." not in head else head
        name = self.bound.get(head)
        if head in _QUESTIONS:
            asked_here = map(self.call, range(self.head, number))
            name = next((call.name for call in asked_here if call), None)
        if name:
            yield self.needed(name, self.all[self.head].line, text)

    def raise_at(self, number: int) -> str | None:
        """The text of a `raise` at `number`: empty without one, None if there is no raise."""
        if self.text(number) != "raise":
            return None
        for at in range(number + 1, min(number + 9, len(self.all))):
            token = self.all[at]
            if token.sort is Sort.STRING:
                return token.text
            if token.text not in ("(", ",", ".", "message:") and token.sort is not Sort.WORD:
                break
        return ""


def asked(
    text: str, path: str, environment: str, functions: Sequence[str] = ()
) -> Iterator[Variable]:
    """Each question of the script at `path`, as it stands; `environment` is what `config_env()` says, and `functions`
    ask as well, raising if there is no answer."""
    found = tokens(text)
    fills = any(token.text in _FILLS for token in found if token.sort is Sort.WORD)
    parts = tuple(tuple(name.split(".")) for name in functions)
    for item in _Reading(found, path, environment, parts).read():
        yield replace(item, needed=False, instead=()) if fills else item
