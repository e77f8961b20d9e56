"""Parses JSON from the bucket into validated values of the right types and of reasonable sizes.

Whoever can write to the bucket controls these bytes. After this validation, other modules need not expect a list in
place of a string, a huge number, or control sequences for a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pkgrel.console import is_plain
from pkgrel.errors import RepositoryError

Prose = Annotated[str, re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]{0,65536}")]
"""Text with several lines."""

T = TypeVar("T")

FORMAT = 1
"""Version of the format of settings and heads; a newer pkgrel may use a higher one."""

Sha256 = Annotated[str, re.compile(r"[0-9a-f]{64}")]
"""A hash in hexadecimal."""
Time = Annotated[int, range(253_402_300_800)]
"""Seconds since the epoch, up to the end of the year 9999."""

_LONGEST = 1 << 16
"""Maximum characters of a string."""
_LARGEST = (1 << 53) - 1
"""The largest integer that all JSON parsers represent exactly."""
_SHOWN = 60
_RESTORE = "restore the object from a backup or an earlier version of it"
_NAMES = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}


class InvalidValue(ValueError):
    """A value of the wrong type; the message has its location and the expected type."""


def shown(value: object) -> str:
    """A value from the bucket for messages, short and in printable ASCII."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, skipkeys=True)
    text = ascii(text[: _SHOWN + 1])[1:-1]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def damaged(key: str, why: str) -> RepositoryError:
    """The error for an object that is not what its key says."""
    return RepositoryError(f"{key}: damaged: {why}", hint=_RESTORE)


def load(data: bytes, key: str) -> Any:
    """Parse JSON; RepositoryError if it is invalid."""
    try:
        return json.loads(data, parse_constant=_no_number)
    except RecursionError:
        raise damaged(key, "it is nested too deeply") from None
    except ValueError as e:  # also for invalid UTF-8, and numbers with too many digits
        raise damaged(key, f"it is not JSON: {shown(str(e))}") from None


def document(data: bytes, key: str) -> dict[str, Any]:
    """Parse a JSON object with a `format` that this pkgrel supports."""
    found = load(data, key)
    if type(found) is not dict:
        raise damaged(key, "it is not a JSON object")
    number = found.get("format")
    if type(number) is not int or number < 1:
        raise damaged(key, f"its format is `{_brief(number)}`")
    if number > FORMAT:
        raise RepositoryError(
            f"{key}: the repository has format `{shown(number)}`, this pkgrel knows {FORMAT}",
            hint="install the newer pkgrel that made it",
        )
    return found


def read(kind: type[T], found: Mapping[str, Any], key: str) -> T:
    """Make a dataclass from a parsed object; RepositoryError with the object's key."""
    try:
        made: T = value(kind, dict(found), "")
    except InvalidValue as e:
        raise damaged(key, str(e)) from None
    return made


def value(kind: Any, found: object, where: str) -> Any:
    """Validate a value of a type: a dataclass, Mapping, tuple, Literal, Annotated, a plain type, or one with a `parse`
    method; InvalidValue if it does not match."""
    if parse := getattr(kind, "parse", None):
        return parse(_plain(str, found, where))
    if is_dataclass(kind):
        return _dataclass(kind, found, where)
    base, inner = get_origin(kind), get_args(kind)
    if base is Literal:
        if not isinstance(found, str) or found not in inner:
            raise _wrong(where, f"one of {', '.join(inner)}", found)
        return found
    if base is Annotated:
        return _within(inner[0], inner[1], found, where)
    if base is tuple:
        return _tuple(inner, found, where)
    if base is not None:
        if type(found) is not dict:
            raise _wrong(where, "an object", found)
        return {
            value(inner[0], name, f"a name in {where}"): value(inner[1], each, _in(where, name))
            for name, each in found.items()
        }
    return _plain(kind, found, where)


def _dataclass(kind: Any, found: object, where: str) -> Any:
    if type(found) is not dict:
        raise _wrong(where, "an object", found)
    values = {}
    for name, hint, needed in _fields(kind):
        if name in found:
            values[name] = value(hint, found[name], _in(where, name))
        elif needed:
            raise InvalidValue(f"{_in(where, name)} is missing")
    try:
        return kind(**values)
    except InvalidValue as e:
        raise InvalidValue(f"{where or 'it'}: {e}") from None


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        (f.name, hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    )


def _tuple(inner: tuple[Any, ...], found: object, where: str) -> tuple[Any, ...]:
    if type(found) is not list:
        raise _wrong(where, "a list", found)
    kinds = [inner[0]] * len(found) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(found):
        raise _wrong(where, f"a list of {len(kinds)}", found)
    pairs = zip(kinds, found, strict=True)
    return tuple(value(kind, each, f"{where}[{n}]") for n, (kind, each) in enumerate(pairs))


def _within(kind: Any, limit: Any, found: Any, where: str) -> Any:
    """Validate a string by the pattern, or a number by the range, in its type's annotation."""
    if type(found) is not kind:
        raise _wrong(where, _NAMES[kind], found)
    if not (limit.fullmatch(found) if isinstance(limit, re.Pattern) else found in limit):
        raise _wrong(where, "what belongs there", found)
    return found


def _plain(kind: Any, found: object, where: str) -> Any:
    if kind is float and type(found) is int:
        found = float(min(found, _LARGEST))
    if type(found) is not kind:
        raise _wrong(where, _NAMES[kind], found)
    if isinstance(found, str) and (len(found) > _LONGEST or not is_plain(found)):
        raise _wrong(where, "a text of one line and of sane length", found)
    if isinstance(found, int | float) and not 0 <= found <= _LARGEST:
        raise _wrong(where, "a number from 0 on", found)
    return found


def _in(where: str, name: object) -> str:
    return f"{where}.{shown(name)}" if where else shown(name)


def _wrong(where: str, wanted: str, found: object) -> InvalidValue:
    return InvalidValue(f"{where or 'it'} is `{_brief(found)}` instead of {wanted}")


def _brief(found: object) -> str:
    """A value as JSON for messages, without the elements of lists and objects."""
    if isinstance(found, list | dict):
        return "[…]" if isinstance(found, list) else "{…}"
    return shown(found)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number")
