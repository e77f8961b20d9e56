"""Parses TOML tables into dataclasses, strictly: a typo is an error with line number and suggestion.

tomllib does not tell on which lines keys are, so these are found separately.

A key is a field of the dataclass, which also has its text for the reference page.

Source: TOML 1.0, "Keys", "String", "Table".
"""

from __future__ import annotations

import dataclasses
import keyword
import re
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pkgrel.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_LONGEST = 4 << 20
"""Characters: not all that /dev/zero has."""
_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?[ \t]*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")
_REMEDIES = (
    ("Cannot declare", "a table can be there only once: bring its keys together"),
    ("Cannot overwrite a value", "a key can be there only once in a table"),
    ("Expected '=' after a key", "write KEY = VALUE, and texts in quotes"),
    ("Illegal character '\\n'", "close the string with a quote, or open it with three"),
    ("Invalid value", "put texts in quotes"),
)
"""By what tomllib says."""
# Strings on one line, comments, and the delimiters of multi-line strings.
_TOKEN = re.compile(r"""(\"{3}|'{3})|"(?:[^"\\]|\\.)*"|'[^']*'|#.*""")


@dataclass(frozen=True)
class TomlFile:
    """A TOML file, with the lines of its keys."""

    path: Path
    text: str = ""
    tables_of: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict, compare=False)
    """By key, the tables that may have it, for who has put one elsewhere."""

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """The file's text; ConfigError if it cannot be read."""
        try:
            with path.open(encoding="utf-8-sig") as file:
                return cls(path, file.read(_LONGEST))
        except UnicodeDecodeError as e:
            line = e.object.count(b"\n", 0, e.start) + 1
            problem = f"{path}:{line}: is not TOML: byte {e.object[e.start]:#04x} is not UTF-8"
            raise ConfigError(problem, hint="save the file as UTF-8") from e
        except OSError as e:
            raise ConfigError(f"{path}: {e.strerror}") from e

    def tables(self) -> dict[str, Any]:
        """The parsed file; ConfigError with the line if it is not valid TOML."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as e:
            what = _PLACE.sub("", str(e))
            what = re.sub(
                r"\('(.*?)',?\)", lambda name: "[" + name[1].replace("', '", ".") + "]", what
            )
            place = _PLACE.search(str(e))
            at = f"{self.path}:{place[1]}" if place else str(self.path)
            hint = next((hint for words, hint in _REMEDIES if words in what), None)
            raise ConfigError(f"{at}: is not TOML: {what}", hint=hint) from e
        except RecursionError as e:
            raise ConfigError(f"{self.path}: has arrays in arrays a thousand deep") from e

    def at(self, key: str) -> str:
        """The file, with the line of a key such as `service.limits.nofile` or `file[0].path`.

        For a key in an inline table or array it is the line where that begins.
        """
        line = self.line(key)
        return f"{self.path}:{line}" if line else str(self.path)

    def line(self, key: str) -> int | None:
        """The line of a key; None if the file does not have it."""
        while key and key not in self._lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self._lines.get(key)

    def has(self, key: str) -> bool:
        """Whether the file has exactly this key or table."""
        return key in self._lines

    @cached_property
    def _lines(self) -> dict[str, int]:
        """The line of every table and key, counted from 1."""
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
    return ".".join(_unquoted(part) for part in re.findall(_KEY, dotted))


def _unquoted(part: str) -> str:
    return str(tomllib.loads(f"key = {part}")["key"]) if part[0] in "\"'" else part


def _opened(line: str) -> str:
    """The delimiter of a multi-line string that begins on this line and does not end on it, if any."""
    position = 0
    while token := _TOKEN.search(line, position):
        position = token.end()
        if quotes := token[1]:
            end = line.find(quotes, position)
            if end < 0:
                return str(quotes)
            position = end + len(quotes)
    return ""


T = TypeVar("T", bound="DataclassInstance")

MOST = 2**31 - 1
"""The largest number: dpkg, systemd and C read it as an int."""
PORT = 65535

_NAMES = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    tuple: "an array",
}


def key(doc: str, *, default: Any = "", least: int = 0, most: int = MOST) -> Any:
    """A setting: its description, its default, and the bounds of a number."""
    metadata = {"doc": doc, "bounds": (least, most)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def rest(cls: type) -> dataclasses.Field[Any] | None:
    """The field for tables with names that users choose, beside the keys of `cls`."""
    return next((f for f in dataclasses.fields(cls) if f.metadata.get("rest")), None)


def key_of(field: str) -> str:
    """The key or table of a field: `low-ports` for `low_ports`, and `try` for `try_`, since `try` is a Python keyword."""
    return field.rstrip("_").replace("_", "-")


def field_of(key: str) -> str:
    """The inverse of `key_of`."""
    name = key.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def parse_table(cls: type[T], table: Mapping[str, Any], *, where: TomlFile, prefix: str = "") -> T:
    """Parse a table as a `cls`; ConfigError for an unknown key or a value of the wrong type.

    `where` is the file, `prefix` the dotted path of the table, empty or ending with a period.
    """
    hints = get_type_hints(cls)
    others = rest(cls)
    keys = {key_of(name): name for name in hints if not others or name != others.name}
    values: dict[str, Any] = {}
    bounds = {field.name: field.metadata.get("bounds") for field in dataclasses.fields(cls)}
    for key, value in table.items():
        if key not in keys and others and isinstance(value, dict):
            wanted = get_args(hints[others.name])[1]
            parsed = parse_value(wanted, value, where=where, path=f"{prefix}{key}")
            values.setdefault(others.name, {})[key] = parsed
            continue
        if key not in keys:
            raise unknown_key(key, keys, where=where, prefix=prefix)
        name, path = keys[key], f"{prefix}{key}"
        values[name] = parse_value(hints[name], value, where=where, path=path)
        if type(value) is int and (known := bounds[name]):
            least, most = known
            if not least <= value <= most:
                raise ConfigError(
                    f"{where.at(path)}: `{path}` must be {least} to {most}, not `{value}`"
                )
    return cls(**values)


def unknown_key(
    key: str, known: Mapping[str, Any], *, where: TomlFile, prefix: str = ""
) -> ConfigError:
    """The error for an unknown key, with the most similar known one."""
    everything = f"known here: {', '.join(sorted(known))}"
    start = re.match(r"(?:distro\.[^.]+\.)?", prefix)
    homes = [
        f"`{start[0] if start else ''}{table}.{key}`" for table in where.tables_of.get(key, ())
    ]
    if homes:
        hint = f"it belongs elsewhere: {' or '.join(homes)}"
    else:
        hint = did_you_mean(key, known, otherwise=everything, prefix=prefix)
    return ConfigError(f"{where.at(prefix + key)}: unknown key `{prefix}{key}`", hint=hint)


def parse_value(wanted: Any, value: Any, *, where: TomlFile, path: str) -> Any:
    """Convert a TOML value to the type `wanted`; ConfigError, naming `path`, if that fails."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):  # `X | None`: TOML has no null, so it is an X
        return parse_value(arguments[0], value, where=where, path=path)
    if origin is tuple:
        _expect(list, "an array", value, where=where, path=path)
        return tuple(
            parse_value(arguments[0], item, where=where, path=f"{path}[{number}]")
            for number, item in enumerate(value)
        )
    if origin is dict:
        _expect(dict, "a table", value, where=where, path=path)
        return {
            name: parse_value(arguments[1], item, where=where, path=f"{path}.{name}")
            for name, item in value.items()
        }
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        _expect(dict, "a table", value, where=where, path=path)
        return parse_table(wanted, value, where=where, prefix=f"{path}.")
    if isinstance(wanted, type) and issubclass(wanted, StrEnum):
        return _choice(wanted, value, where=where, path=path)
    _expect(wanted, _NAMES[wanted], value, where=where, path=path)
    return value


def _expect(wanted: type, name: str, value: Any, *, where: TomlFile, path: str) -> None:
    # Not isinstance: a bool is not an integer here.
    if type(value) is not wanted:
        # The value itself cannot be suggested in quotes: 1.10 has been parsed as 1.1.
        is_number = wanted is str and type(value) in (int, float)
        raise ConfigError(
            f"{where.at(path)}: `{path}` must be {name}, not `{_shown(value)}`",
            hint="put it in quotes" if is_number else None,
        )


def _choice(wanted: type[StrEnum], value: Any, *, where: TomlFile, path: str) -> StrEnum:
    try:
        return wanted(value)
    except ValueError:
        choices = ", ".join(wanted)
        raise ConfigError(
            f"{where.at(path)}: `{path}` must be one of {choices}, not `{_shown(value)}`"
        ) from None


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
