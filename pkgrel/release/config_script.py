"""Which environment variables a runtime.exs reads, and which of them it needs.

A variable counts as needed only if the line that reads it is certain to run: refusing to start a release that would
have worked is worse than letting it report a missing variable itself.

Source: Elixir's `System` and `Config`; what `mix phx.new` writes (1.5 to 1.8).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pkgrel.release.config_names import NAME, Words
from pkgrel.release.config_questions import (
    ARGUMENT,
    HEAD_TOKENS,
    Asker,
    Call,
    Questions,
    Raises,
)
from pkgrel.release.elixir import Sort, Token, tokens
from pkgrel.release.model import Variable

# A script that calls these sets variables itself, perhaps from a file, before it reads them.
_FILLS = frozenset({"put_env", "putenv", "Dotenv", "DotenvParser", "Dotenvy", "eval_file"})

# The usual form of environment variables.
_WRITTEN_AS_ONE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")

_HEADS = frozenset({"if", "unless", "case", "for"})
_MOST = 8
"""The most reads in one chain of `||` that are understood."""
_SHORT_CIRCUIT = frozenset({"||", "&&", "and", "or"})

# Tests of the build environment (`config_env`) in the head of a block.
_ASKS = r"(?:Config\.)?config_env(?:\(\))?|Mix\.env\(\)"
_ENVIRONMENT = re.compile(
    rf"(?P<head>if|unless)\(?(?:(?:{_ASKS})"
    rf"(?P<how>==|!=|in|notin)(?P<names>:\w+|\[(?::\w+,?)*\])"
    rf"|(?P<first>:\w+)(?P<equal>==|!=)(?:{_ASKS}))\)?"
)
_CASE = re.compile(rf"case\(?(?:{_ASKS})\)?")

_REFUSE_NIL = {
    "String": {
        *("to_integer", "to_float", "to_atom", "to_existing_atom", "to_charlist", "split", "trim"),
        *("upcase", "downcase", "replace", "starts_with?", "trim_leading", "trim_trailing"),
    },
    "Integer": {"parse"},
    "Float": {"parse"},
    "URI": {"parse", "new!"},
    "Base": {"decode16!", "decode64!", "url_decode64!"},
}
"""Functions that raise if their first argument is nil. Elixir 1.10 to 1.19."""


@dataclass(slots=True)
class _Frame:
    """A part of the script that runs conditionally."""

    runs: bool | None
    """Whether it runs; None if unknown."""
    depth: int
    block: bool = False
    """It has an `end`; otherwise it ends with its expression."""
    short: bool = False
    """The right side of `… || …`, which a comma ends as well."""
    around: bool | None = True
    """Whether the enclosing code runs."""
    each: tuple[str, ...] = ()
    """What `&1` was before it."""
    clauses: int = -1
    """How many clauses of a `fn`, or of a `case` of the build environment, have begun; -1 for others."""
    environment: bool = False
    """It is a `case` of the build environment."""
    matched: bool = False
    """One of its clauses matched the build environment."""


@dataclass(slots=True)
class _Reading:
    words: Words
    questions: Questions
    raises: Raises
    path: str
    environment: str
    frames: list[_Frame] = field(default_factory=list)
    depth: int = 0
    head: int | None = None
    """Number of the token that the next block belongs to."""
    loop: bool | None = None
    """Whether the block of a `for` runs for all elements of a known list."""
    vapor: bool = False
    said: set[tuple[str, bool]] = field(default_factory=set)
    last_start: int = -1
    """Where the last read that was handled begins."""

    def text(self, number: int) -> str:
        return self.words.text(number)

    def surely(self) -> bool | None:
        """Whether the code at this point runs; None if unknown."""
        if not self.frames:
            return True
        both = (self.frames[-1].runs, self.frames[-1].around)
        return False if False in both else None if None in both else True

    def begin(self, runs: bool | None, *, block: bool = False, short: bool = False) -> _Frame:
        frame = _Frame(runs, self.depth, block, short, self.surely(), self.questions.each)
        self.frames.append(frame)
        return frame

    def end(self) -> _Frame:
        frame = self.frames.pop()
        self.questions.each = frame.each
        return frame

    def needed(self, names: Sequence[str], line: int, text: str) -> Iterator[Variable]:
        for name in names:
            yield Variable(name=name, needed=True, text=text, where=f"{self.path}:{line}")

    def read(self, start: int, end: int) -> Iterator[Variable]:
        for number in range(start, end):
            token = self.words.all[number]
            self.leave(number, token)
            if number > self.last_start and (call := self.questions.call(number)):
                yield from self.chain(number, call)
            if token.sort is Sort.WORD and token.text in self.raises.bound:
                yield from self.of_bound(number, token)
            if self.text(number) == "=":
                self.assign(number)
            yield from self.matched(number)
            yield from self.named(number)
            yield from self.enter(number, token)

    # Conditions

    def leave(self, number: int, token: Token) -> None:
        """End frames without an `end` where their expressions end."""
        over = number > 0 and self.words.ends_line(number - 1)
        closing = token.sort is Sort.MARK and token.text in ")]}"
        if closing:
            self.depth -= 1
        comma = self.text(number) in (",", "do", "do:", "else:")
        while self.frames and not self.frames[-1].block:
            frame = self.frames[-1]
            ends = over or (comma and frame.short)
            if self.depth < frame.depth or (ends and self.depth <= frame.depth):
                self.end()
            else:
                break

    def enter(self, number: int, token: Token) -> Iterator[Variable]:
        text = self.text(number)
        word = token.sort is Sort.WORD
        if token.sort is Sort.MARK and text in ("(", "[", "{", "#{"):
            self.depth += 1
        elif text in _HEADS and self.text(number - 1) != "." and word:
            self.head = number
            if text == "for":
                found, first, last = self.words.generator(number)
                self.forget(first, last)
                plain = self.words.bind(first, last, found.listed if found else None)
                self.loop = (found.all and plain) if found else None
        elif text in ("do", "do:"):
            yield from self.raised(number)
            frame = self.begin(self.verdict(number), block=text == "do")
            if _CASE.fullmatch(self.head_of(number).replace(" ", "")):
                frame.environment, frame.clauses = True, 0
            self.head = None
        elif text == "fn" and word:
            self.function(number)
        elif text == "&" and self.words.all[number + 1 : number + 2]:
            self.capture(number)
        elif text == "->":
            self.clause(number)
        elif text in ("else", "else:"):
            if self.frames and self.frames[-1].runs is not None:
                self.frames[-1].runs = not self.frames[-1].runs
        elif text == "end" and word:
            while self.frames and not self.end().block:
                pass
        elif text in _SHORT_CIRCUIT:
            self.begin(None, short=True)

    def function(self, number: int) -> None:
        """`fn`: it is certain to run if it is called for each element of a known list."""
        last = number
        while last < number + 12 and self.text(last + 1) not in ("->", "when", ""):
            last = max(last + 1, self.words.all[last + 1].last)
        first = number + 1
        # `Enum.reduce` passes the accumulator after the element.
        element = next((at for at in range(first, last + 1) if self.text(at) == ","), last + 1) - 1
        if self.words.all[first : first + 1] and self.words.all[first].last > element:
            element = self.words.all[first].last
        found = self.words.loop(number)
        self.forget(first, last)
        plain = self.words.bind(first, element, found.listed if found else None)
        runs = found is not None and found.all and plain and self.text(last + 1) == "->"
        self.begin(True if runs else None, block=True).clauses = 0

    def capture(self, number: int) -> None:
        """`&`: the same, without a name for the argument."""
        after = self.words.all[number + 1]
        if after.sort is Sort.NUMBER:
            return
        found = self.words.loop(number)
        self.begin(True if found and found.all else None, short=True)
        self.questions.each = found.listed.names(0) if found and found.listed.bare else ()

    def clause(self, number: int) -> None:
        """`->`: which of several clauses of a function runs is unknown; of a `case` of the build environment it is known."""
        frame = self.frames[-1] if self.frames else None
        if frame is None or frame.clauses < 0:
            return
        frame.clauses += 1
        if not frame.environment:
            frame.runs = None if frame.clauses > 1 else frame.runs
            return
        pattern = self.words.pattern(number)
        named = [self.text(at)[1:] for at in pattern if self.words.all[at].sort is Sort.ATOM]
        mine = self.environment in named if named else True
        frame.runs = mine and not frame.matched
        frame.matched |= mine

    def head_of(self, number: int) -> str:
        """The head of the block that begins at `number`, without white space; empty if it is long."""
        if self.head is None or not 0 < number - self.head <= HEAD_TOKENS:
            return ""
        parts = [
            "config_env"
            if self.text(at) in self.raises.bound and not self.raises.bound[self.text(at)]
            else self.text(at)
            for at in range(self.head, number)
        ]
        if parts[-1] == ",":
            parts.pop()
        # `:prod and a` must not become one name, `:prodanda`.
        apart = {"in": " in ", "not": " not ", "and": "&&", "or": "||"}
        return "".join(apart.get(part, part) for part in parts)

    def verdict(self, number: int) -> bool | None:
        if self.head is not None and self.text(self.head) == "for":
            return True if self.loop else None
        match = _ENVIRONMENT.fullmatch(self.head_of(number).replace(" ", ""))
        if not match:
            return None
        same = self.environment in re.findall(r":(\w+)", match["names"] or match["first"])
        differs = (match["how"] or match["equal"]) in ("!=", "notin")
        return same ^ differs ^ (match["head"] == "unless")

    # Questions

    def chained(self, call: Call) -> Iterator[Call]:
        """The reads that follow if this one has no value: `… || …`."""
        while (after := self.otherwise(call)) and (following := self.questions.call(after)):
            yield following
            call = following

    def otherwise(self, call: Call) -> int:
        """Number of the first token after its `||`; 0 without one."""
        start, end = call.start, call.end
        if self.text(start - 1) == "|>":
            start -= 2
        while self.text(end + 1) == ")" and self.words.opening.get(end + 1) == start - 1:
            if self.words.called(start - 1):
                break
            start, end = start - 1, end + 1
        if self.text(end + 1) != "||":
            return 0
        return end + 3 if self.text(end + 2) == "(" else end + 2

    def chain(self, number: int, first: Call) -> Iterator[Variable]:
        calls = [first, *self.chained(first)]
        last = calls[-1]
        self.last_start = last.start
        otherwise = self.otherwise(last)
        text = self.raises.raise_at(otherwise) if otherwise else None
        default = self.literal(otherwise) if otherwise else None
        if (runs := self.surely()) is False:
            return
        asserted = self.asserted(number, first) or self.converted(number, last)
        needed = bool(runs) and (last.raises or text is not None or asserted)
        needed &= len(calls) <= _MOST and not any(call.fallback for call in calls)
        needed &= len(calls) == 1 or all(len(call.names) == 1 for call in calls)
        names = [name for call in calls for name in call.names] if needed and len(calls) > 1 else []
        for call in calls:
            for name in call.names:
                # A loop may read the same ones many times.
                if len(call.names) > 1 and (name, needed) in self.said:
                    continue
                self.said.add((name, needed))
                yield Variable(
                    name=name,
                    needed=needed,
                    default=default if call.default is None else call.default,
                    fallback=call.fallback or (otherwise > 0 and text is None),
                    # In a loop the message has the current name.
                    text=(text or "").replace("…", name, 1 if len(call.names) > 1 else 0),
                    where=f"{self.path}:{call.line}",
                    instead=tuple(n for n in names if n != name),
                )
        start = number - 2 if self.text(number - 1) == "|>" else number
        if self.text(start - 1) == "=" and len(calls) == 1 and not otherwise and not first.fallback:
            self.raises.bound[self.text(start - 2)] = first.names

    def asserted(self, number: int, call: Call) -> bool:
        """`{:ok, value} = System.fetch_env("NAME")`."""
        opening = self.words.opening.get(number - 2, 0)
        written = [self.text(at) for at in (number - 1, opening, opening + 1)]
        return (
            written == ["=", "{", ":ok"] and not call.fallback and self.text(call.end + 1) != "||"
        )

    def converted(self, number: int, call: Call) -> bool:
        """`String.to_integer(System.get_env("NAME"))`, also with `|>`: of nil it is an error."""
        start = number - 2 if self.text(number - 1) == "|>" else number
        if call.start != number or call.fallback or self.otherwise(call):
            return False
        if self.text(call.end + 1) == "|>":
            return self.refuses_nil(call.end + 2)
        return (
            self.text(start - 1) == "("
            and self.text(call.end + 1) in (")", ",")
            and self.text(start - 5) != "."
            and self.refuses_nil(start - 4)
        )

    def refuses_nil(self, number: int) -> bool:
        return self.text(number + 1) == "." and self.text(number + 2) in _REFUSE_NIL.get(
            self.text(number), ()
        )

    def literal(self, number: int) -> str | None:
        """The string or the whole number that is all of an expression."""
        after = self.text(number + 1)
        token = self.words.all[number] if number < len(self.words.all) else None
        if token is None or token.sort is not Sort.NUMBER:
            return self.words.string(number)
        whole = self.words.ends_line(number) or after in (")", "]", "}", ",")
        written = token.text.replace("_", "")
        return written if whole and written.isdecimal() else None

    def matched(self, number: int) -> Iterator[Variable]:
        """`%{"NAME" => value} = System.get_env()`."""
        if self.text(number) != "%" or self.text(number + 1) != "{":
            return
        last = self.words.all[number + 1].last
        if not last or self.text(last + 1) != "=" or not self.questions.map_end(last + 2):
            return
        for first, _ in self.words.parts(number + 1):
            name = self.words.string(first)
            if name and NAME.fullmatch(name) and self.text(first + 1) == "=>" and self.surely():
                yield from self.needed([name], self.words.all[first].line, "")

    def named(self, number: int) -> Iterator[Variable]:
        """`{:system, "NAME"}`, and Vapor's `bindings: [key: "NAME"]`, which libraries read."""
        found: Iterable[str | None] = ()
        if self.text(number) == ":system" and self.text(number + 1) == ",":
            found = [self.words.string(number + 2)]
        elif self.text(number) == "bindings:" and self.text(number + 1) == "[" and self.vapor:
            found = map(self.words.string, range(number, self.words.all[number + 1].last))
        if self.surely() is not False:
            yield from self.optional(number, found)

    def optional(self, number: int, names: Iterable[str | None]) -> Iterator[Variable]:
        where = f"{self.path}:{self.words.all[number].line}"
        for name in names:
            if name and _WRITTEN_AS_ONE.fullmatch(name):
                yield Variable(name=name, needed=False, where=where)

    def computed(self) -> Iterator[Variable]:
        """If a computed name is read, every string in the form of a variable's name may be it."""
        for number, token in enumerate(self.words.all):
            if token.sort is Sort.STRING and "_" in token.text:
                yield from self.optional(number, [self.words.string(number)])

    # Names in the text

    def forget(self, first: int, last: int) -> None:
        """The variables of a pattern have other values from here on."""
        for number in range(first, last + 1):
            self.raises.bound.pop(self.text(number), None)
            self.questions.maps.discard(self.text(number))

    def assign(self, number: int) -> None:
        """`name = …`: remember what it holds."""
        words, name = self.words, self.text(number - 1)
        first = words.opening.get(number - 1, number - 1)
        # `name = name || raise …` keeps its meaning.
        if self.text(number + 1) != name:
            self.forget(first, number - 1)
            for at in range(first, number):
                words.held.pop(self.text(at), None)
        if not words.is_word(number - 1):
            return
        if end := self.questions.map_end(number + 1):
            if self.words.ends_line(end):
                self.questions.maps.add(name)
        elif self.text(number + 1) in ("config_env", "Mix") and self.surely():
            self.raises.bound[name] = ()
        elif (listed := words.listed(number + 1)) and words.ends_line(listed.end):
            words.held[name] = listed
        elif (
            (text := words.string(number + 1))
            and words.ends_line(number + 1)
            and NAME.fullmatch(text)
        ):
            words.held[name] = words.single(text, number + 1)

    def of_bound(self, number: int, token: Token) -> Iterator[Variable]:
        """`name || raise "text"`, where the name holds a variable."""
        if self.text(number + 1) != "||":
            return
        text = self.raises.raise_at(number + 2)
        names = self.raises.bound[token.text]
        if text is None and self.text(number - 1) == "=" and self.text(number - 2) == token.text:
            del self.raises.bound[token.text]
        elif text is not None and self.surely():
            yield from self.needed(names, token.line, text)

    def raised(self, number: int) -> Iterator[Variable]:
        """`if is_nil(name) do raise "text" end` and its like; `number` is the `do`."""
        head = self.head
        if head is None or number - head > HEAD_TOKENS or not self.surely():
            return
        for names, text in self.raises.of_block(head, number, self.condition(head, number)):
            yield from self.needed(names, self.words.all[head].line, text)

    def condition(self, head: int, number: int) -> int:
        """Where the condition of a block begins, behind `config_env() == :prod and`."""
        for at in range(head + 1, number):
            if self.text(at) in ("and", "&&") and self.text(head) == "if":
                return at + 1 if self.verdict(at) else head + 1
        return head + 1


def asked(
    text: str, path: str, environment: str, functions: Sequence[str] = ()
) -> Iterator[Variable]:
    """The variables that the script at `path` reads, in order.

    `environment` is the value of `config_env()`; `functions` are further functions that read a variable, and raise
    if it has no value.
    """
    found = tokens(text)
    fills = any(token.text in _FILLS for token in found if token.sort is Sort.WORD)
    words = Words(found)
    questions = Questions(words, [name.split(".") for name in functions])
    own: dict[str, Asker] = {}
    for name, start, end in questions.bodies():
        body = _Reading(words, questions, Raises(words, questions), path, environment)
        about = [item for item in body.read(start, end) if item.name == ARGUMENT]
        if about:
            raises = any(item.needed for item in about)
            own[name] = Asker(raises, not raises and any(item.fallback for item in about))
    questions.own = own
    reading = _Reading(words, questions, Raises(words, questions), path, environment)
    reading.vapor = any(token.text == "Vapor" for token in found if token.sort is Sort.WORD)
    items = list(reading.read(0, len(found)))
    if questions.computed:
        known = {item.name for item in items}
        items += [item for item in reading.computed() if item.name not in known]
    for item in items:
        yield replace(item, needed=False, instead=()) if fills else item
