"""A TOML file with the lines of its keys, so that an error can say where to look.

tomllib tells what is in a file and not where. Source: TOML 1.0, "Keys", "String", "Table".
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pkgrel.errors import ConfigError

_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?[ \t]*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
# Strings on one line, comments, and what opens a string of several lines.
_TOKEN = re.compile(r"""(\"{3}|'{3})|"(?:[^"\\]|\\.)*"|'[^']*'|#.*""")


@dataclass(frozen=True)
class TomlFile:
    """What a TOML file says, and where it says it."""

    path: Path
    text: str = ""

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """The file's text; ConfigError if it cannot be read."""
        try:
            return cls(path, path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as e:
            raise ConfigError(f"{path}: is not TOML: {e}") from e
        except OSError as e:
            raise ConfigError(f"{path}: {e.strerror}") from e

    def tables(self) -> dict[str, Any]:
        """What is in it; ConfigError, which names the line, if it is not TOML."""
        try:
            return tomllib.loads(self.text)
        except (tomllib.TOMLDecodeError, RecursionError) as e:
            raise ConfigError(f"{self.path}: is not TOML: {e}") from e

    def at(self, key: str) -> str:
        """The file, with the line of a key such as `service.limits.nofile` or `file[0].path`.

        Of a key within an inline table or an array it is the line of the whole.
        """
        while key:
            if line := self._lines.get(key):
                return f"{self.path}:{line}"
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return str(self.path)

    @cached_property
    def _lines(self) -> dict[str, int]:
        """The line of every table and of every key that begins one, counted from 1."""
        found: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = until = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if until:
                until = "" if until in line else until
                continue
            if header := _HEADER.match(line):
                table = _name(header[2])
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                    found.setdefault(table, number)
                    table = f"{table}[{counts[table]}]"
                found.setdefault(table, number)
            elif key := _ASSIGNMENT.match(line):
                found.setdefault(f"{table}.{_name(key[1])}".lstrip("."), number)
            until = _opened(line)
        return found


def _name(dotted: str) -> str:
    return ".".join(part.strip("\"'") for part in re.findall(_KEY, dotted))


def _opened(line: str) -> str:
    """What ends the string of several lines that begins on this one and does not end on it, if any."""
    position = 0
    while token := _TOKEN.search(line, position):
        position = token.end()
        if quotes := token[1]:
            end = line.find(quotes, position)
            if end < 0:
                return str(quotes)
            position = end + len(quotes)
    return ""
