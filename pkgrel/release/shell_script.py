"""Which variables env.sh reads, and which it sets.

Source: POSIX.1-2017, Shell Command Language: "Token Recognition", "Parameter Expansion", "Reserved Words".
"""

import re
from dataclasses import dataclass, field

from pkgrel.release.model import Variable

_EXPANSION = r"""
      (?P<escape>   \\. )
    | (?P<open>     \$\{ (?P<name>[A-Za-z_]\w{0,99}) (?P<how>:?[-=?+]|\#\#?|%%?)? )
    | (?P<variable> \$ (?P<plain>[A-Za-z_]\w{0,99}) )
    | (?P<double>   " )
"""
_CODE = re.compile(
    rf"""
      (?P<newline>  \n | ;;? )
    | (?P<blank>    (?: [^\S\n] | \\\n )+ )
    | {_EXPANSION}
    | (?P<comment>  (?<![^\s;&|(]) \#[^\n]* )
    | (?P<single>   '[^']*(?:'|\Z) )
    | (?P<here>     <<-?[ \t]* (?: ' (?P<tag>[^'\n]+) ' | \\ (?P<bare>\w+) ) )
    | (?P<target>   [A-Za-z_]\w{{0,99}} (?==) )
    | (?P<word>     \.(?=\s) | [A-Za-z_]\w*(?:\(\))? )
    | (?P<mark>     \|\|? | && | . )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_QUOTED = re.compile(
    rf"{_EXPANSION} | (?P<text> [^\\$\"}}]+ | . )", re.VERBOSE | re.DOTALL | re.ASCII
)
_ENDS = {
    "if": "fi",
    "case": "esac",
    "while": "done",
    "until": "done",
    "for": "done",
    "{": "}",
    "(": ")",
}
_BEFORE_COMMANDS = {*_ENDS.values(), "if", "while", "until", "{", "(", "!"} | set(
    "then do else elif".split()
)
_SOURCED = re.compile(
    r"""[ \t]+ (?: "(?P<quoted>[^"\n]*)" | '(?P<single>[^'\n]*)' | (?P<plain>[^\s;&|"']+) ) [^\n;&|]* (?P<guard>\|\|?|&)?""",
    re.VERBOSE,
)
# `[ -n "$NAME" ] || exit`, `[ -z "$NAME" ] && { …; exit 1; }`, `if [ -z "$NAME" ]; then …; exit 1; fi`.
_TEST = re.compile(
    r"""(?P<if>if\s+)?(?:\[\[?|test)\s+-(?P<how>[zn])\s+"?\$(?:(?P<plain>[A-Za-z_]\w{0,99})|\{(?P<name>[A-Za-z_]\w{0,99})(?:[-+][^}\n]*|:-)?\})"?"""
    r"""(?:\s+\]\]?)?\s*(?P<then>;\s*then\b|\n\s*then\b|&&|\|\|)""",
    re.ASCII,
)
_EXIT = re.compile(r"(?:^|[;\n{])[ \t]*exit\b")
_SAID = re.compile(r"""\b(?:echo|printf)[ \t]+(?:"([^"$`\\]*)"|'([^']*)')""")
_BODY_ENDS = {
    "then": re.compile(r"(?:^|[;\n])[ \t]*(?:fi|elif|else|if|case|for|while|until)\b"),
    "{": re.compile(r"[;\n][ \t]*\}|(?:^|[;\n])[ \t]*(?:if|case|for|while|until)\b"),
    "": re.compile(r"[;\n]|&&|\|\|"),
}
_BODY = 800

_FOR = re.compile(r"[ \t]+([A-Za-z_]\w{0,99})")
_VALUE = re.compile(r"""[^"'`$\\{}\n]*""")


@dataclass(slots=True)
class Script:
    """A shell script, parsed and not executed."""

    found: list[Variable] = field(default_factory=list)
    """Variables that it reads before it sets them."""
    sets: set[str] = field(default_factory=set)
    """Variables that it sets unconditionally."""
    may_set: set[str] = field(default_factory=set)
    """Variables that it sets under a condition, or if they are unset."""
    sources: bool = False
    """It sources other files, which may set anything."""
    sourced: list[tuple[str, int]] = field(default_factory=list)
    """Files that it sources without a test, as written, with their lines: if one is missing the shell exits."""


def read(text: str, path: str) -> Script:
    """Read the script at `path`."""
    reader = _Reader(text, path)
    while reader.position < len(text):
        reader.step()
    reader.assigned()
    script = reader.script
    asked = {item.name for item in script.found}
    script.may_set |= script.sets & asked
    script.sets -= script.may_set
    return script


@dataclass(slots=True)
class _Reader:
    text: str
    path: str
    script: Script = field(default_factory=Script)
    position: int = 0
    line: int = 1
    quoted: bool = False
    groups: list[str] = field(default_factory=list)
    """The word that ends each open condition or group."""
    command: bool = True
    """At the start of a command."""
    word: bool = True
    """At the start of a word."""
    short: bool = False
    """After `&&` or `||`."""
    target: str = ""
    """The variable whose value is being read, and the number of open groups there."""
    target_groups: int = 0
    words: list[int] = field(default_factory=list)
    """For each open expansion, the number of enclosing words that are expanded conditionally, including its own."""
    here: str = ""
    """The delimiter of a here-document `<<'EOF'`, which begins on the next line."""

    def step(self) -> None:
        """Read one token."""
        match = (_QUOTED if self.quoted else _CODE).match(self.text, self.position)
        assert match
        self.position = match.end()
        if match["open"]:
            self.expansion(match)
        elif match["variable"]:
            self.ask(Variable(name=match["plain"], needed=False))
        elif match["double"]:
            self.quoted = not self.quoted
        elif self.words and match[0] == "}":
            self.words.pop()
        elif not self.quoted:
            self.token(match)
        between = not self.quoted and match.lastgroup in ("blank", "newline")
        self.command &= between or match.lastgroup in ("word", "mark", "comment", "target")
        self.word = between
        self.line += match[0].count("\n")

    def token(self, match: re.Match[str]) -> None:
        found = match[0]
        match match.lastgroup:
            case "newline":
                self.assigned()
                self.command, self.short = True, False
                if self.here and found == "\n":
                    self.skip_text()
            case "here":
                self.here = match["tag"] or match["bare"]
            case "blank":
                self.assigned()
            case "target" if self.word or self.command:
                self.target, self.target_groups = found, len(self.groups)
            case "mark" if found in ("&&", "||", "|"):
                self.command = True
                self.short |= found != "|"
            case "word" | "mark":
                self.reserved(found)
            case _:
                pass

    def reserved(self, found: str) -> None:
        if not self.command and found not in ("(", ")"):
            return
        self.script.sources |= found in (".", "source", "eval")
        if found in (".", "source") and self.surely():
            file = _SOURCED.match(self.text, self.position)
            if file and not file["guard"]:
                name = file["quoted"] or file["single"] or file["plain"]
                self.script.sourced.append((name, self.line))
        if found in ("if", "[", "test") and self.surely():
            self.guard(self.position - len(found))
        if found == "for" and (variable := _FOR.match(self.text, self.position)):
            self.script.sets.add(variable[1])
        if found in _ENDS:
            self.groups.append(_ENDS[found])
        elif self.groups and found == self.groups[-1]:
            self.groups.pop()
        self.command = found in _BEFORE_COMMANDS or found.endswith("()")

    def surely(self) -> bool:
        """Whether the code at this point runs unconditionally."""
        return not self.groups and not self.short and not any(self.words[-1:])

    def skip_text(self) -> None:
        """Skip a here-document after `<<'EOF'`, in which nothing is expanded."""
        ends = re.compile(rf"^\t*{re.escape(self.here)}$", re.MULTILINE)
        end = ends.search(self.text, self.position)
        after = end.start() if end else len(self.text)
        self.line += self.text.count("\n", self.position, after)
        self.position, self.here = after, ""

    def guard(self, start: int) -> None:
        """A test at `start` that exits the script if a variable has no value."""
        match = _TEST.match(self.text, start)
        if not match:
            return
        then = match["then"].split()[-1] if match["if"] else match["then"]
        empty = match["how"] == "z"
        if then != ("then" if match["if"] else "&&" if empty else "||") or (
            match["if"] and not empty
        ):
            return
        body = self.text[match.end() : match.end() + _BODY].lstrip(" \t")
        kind = "then" if match["if"] else "{" if body.startswith("{") else ""
        end = _BODY_ENDS[kind].search(body, 1)
        body = body[: end.start()] if end else body
        name = match["plain"] or match["name"]
        if _EXIT.search(body) and name not in self.script.may_set:
            said = _SAID.search(body)
            text = (said[1] or said[2] or "") if said else ""
            self.ask(Variable(name=name, needed=True, text=text))

    def assigned(self) -> None:
        """The end of an assigned value, unless it is within a substitution."""
        if not self.target or len(self.groups) > self.target_groups:
            return
        (self.script.sets if self.surely() else self.script.may_set).add(self.target)
        self.target = ""

    def ask(self, item: Variable) -> None:
        if item.name not in self.script.sets:
            self.script.found.append(
                Variable(
                    name=item.name,
                    needed=item.needed and self.surely() and not self.script.sources,
                    default=item.default,
                    fallback=item.fallback,
                    text=item.text,
                    where=f"{self.path}:{self.line}",
                )
            )

    def expansion(self, match: re.Match[str]) -> None:
        """`${NAME}` and its forms; the word in it is parsed like the rest."""
        how = (match["how"] or "").lstrip(":")
        value = _VALUE.match(self.text, self.position)
        assert value
        ended = self.text[value.end() : value.end() + 1] == "}"
        self.ask(
            Variable(
                name=match["name"],
                needed=how == "?",
                default=value[0] if how in ("-", "=") and ended else None,
                fallback=how in ("-", "="),
                text=value[0] if how == "?" and ended else "",
            )
        )
        self.words.append(sum(self.words[-1:]) + (how in ("-", "=", "+")))
        if how == "=":
            self.script.may_set.add(match["name"])
