"""The versions of Erlang, Elixir and Node.js that a project is built with.

They come from [build] of pkgrel.toml, then from .tool-versions (asdf's format,
https://asdf-vm.com/manage/configuration.html) and mise's files (https://mise.jdx.dev/configuration.html), nearest
folder first.

mix.exs is checked before an image is built, which takes minutes. It is a program, so only literals such as
`elixir: "~> 1.14"` and `System.get_env("APP_VERSION")` are understood; mix checks the rest. Requirements are those of
Elixir's Version module.
"""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pkgrel.errors import BuildError

TOOLS = ("erlang", "elixir", "nodejs")

Versions = dict[str, str]
"""Tool -> version as written in a file."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The versions that a project asks for."""

    erlang: str = ""
    """A version or the beginning of one, such as `27.3.4` or `27`; empty: what the distro has."""
    elixir: str = ""
    """The same, without `-otp-27`; empty: what the distro has."""
    nodejs: str = ""
    """The same; empty: none."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Tool -> the file that sets its version, for messages: `.tool-versions`, `pkgrel.toml`."""


def read(folder: Path, settings: Mapping[str, str]) -> Toolchain:
    """The toolchain of the project in `folder`.

    `settings` are the tools of [build], empty if unset. Searches `folder` and its parents, up to the one
    with .git. BuildError for a version that no image can be made with.
    """
    found: Versions = {}
    sources: dict[str, str] = {}
    for where, versions in _layers(folder, settings):
        for tool, version in versions.items():
            if tool not in found:
                found[tool], sources[tool] = version, where
    versions = {tool: _checked(tool, found[tool], sources[tool]) for tool in TOOLS if tool in found}
    return _toolchain(versions, sources)


def _layers(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[str, Versions]]:
    """Files and the versions that they set, in order of precedence."""
    yield "pkgrel.toml", {tool: settings[tool] for tool in TOOLS if settings.get(tool)}
    for place in _folders(folder.resolve()):
        for name, parse in _FILES.items():
            file = place / name
            if not file.is_file():
                continue
            try:
                yield str(file), parse(file.read_text(encoding="utf-8-sig"))
            except tomllib.TOMLDecodeError as e:
                raise BuildError(f"{file}: is not TOML: {e}", hint="mend or remove it") from e
            except (OSError, UnicodeDecodeError) as e:
                raise BuildError(f"{file}: cannot be read: {e}", hint="mend or remove it") from e


def _folders(folder: Path) -> list[Path]:
    """The folder and those above it up to the root of the git repository; without one, it alone."""
    chain = [folder, *folder.parents]
    roots = (n for n, place in enumerate(chain) if (place / ".git").exists())
    return chain[: next(roots, 0) + 1]


def _tool_versions(text: str) -> Versions:
    """Lines with a tool and its versions; the first is used, others are fallbacks."""
    words = (line.partition("#")[0].split() for line in text.splitlines())
    return {_tool(line[0]): line[1] for line in words if len(line) > 1 and _tool(line[0]) in TOOLS}


def _mise(text: str) -> Versions:
    """The table `tools`; a version may be text, a number, a table with `version`, or a list."""
    tools = tomllib.loads(text).get("tools", {})
    if not isinstance(tools, dict):
        return {}
    return {_tool(name): _first(value) for name, value in tools.items() if _tool(name) in TOOLS}


def _first(value: Any) -> str:
    if isinstance(value, list):
        return _first(value[0]) if value else ""
    if isinstance(value, dict):
        return _first(value.get("version", ""))
    return str(value)


def _tool(name: str) -> str:
    name = name.removeprefix("core:")
    return "nodejs" if name == "node" else name


_FILES: dict[str, Callable[[str], Versions]] = {
    ".tool-versions": _tool_versions,
    "mise.toml": _mise,
    ".mise.toml": _mise,
    "mise/config.toml": _mise,
    ".mise/config.toml": _mise,
    ".config/mise.toml": _mise,
    ".config/mise/config.toml": _mise,
}

_VERSION = re.compile(r"\d+(\.\d+)*(-rc\.?\d+)?(-otp-\d+)?")


def _checked(tool: str, text: str, where: str) -> str:
    """The version without prefixes; empty for `system`."""
    version = text.strip().removeprefix("prefix:").removeprefix("v").removeprefix("OTP-")
    if version in ("system", ""):
        return ""
    if not _VERSION.fullmatch(version) or ("-otp-" in version and tool != "elixir"):
        examples = {"erlang": "27.3.4", "elixir": "1.18.4-otp-27", "nodejs": "22.11.0"}
        raise BuildError(
            f"{where}: {tool} `{text}` is not a version that an image can be made with",
            hint=f"name a release, such as `{examples[tool]}`, there or as `{tool}` in [build] of pkgrel.toml",
        )
    return version


def _toolchain(versions: Versions, sources: dict[str, str]) -> Toolchain:
    """The Erlang of Elixir's suffix `-otp-27`, unless Erlang is named as well."""
    elixir, _, otp = versions.get("elixir", "").partition("-otp-")
    erlang = versions.get("erlang", "")
    if otp and not erlang:
        erlang, sources["erlang"] = otp, sources["elixir"]
    elif otp and erlang.split(".")[0] != otp:
        raise BuildError(
            f"{sources['elixir']}: elixir `{versions['elixir']}` is for Erlang/OTP {otp}, "
            f"but {sources['erlang']} asks for erlang `{erlang}`",
            hint=f"write `{elixir}-otp-{erlang.split('.')[0]}` or ask for erlang {otp}",
        )
    return Toolchain(erlang, elixir, versions.get("nodejs", ""), sources)


_REQUIREMENT = re.compile(r"^[^#\n]*\belixir:\s*\"([^\"#]+)\"", re.MULTILINE)
_VARIABLE = re.compile(r"^[^#\n]*?\bSystem\.(?:get_env|fetch_env!?)\(\s*\"(\w+)\"", re.MULTILINE)
_MIX_FILES = ("mix.exs", "apps/*/mix.exs", "config/*.exs", "apps/*/config/*.exs")
_AT_RUN_TIME = ("runtime.exs", "releases.exs")
_EVERYWHERE = frozenset(
    {"CI", "HOME", "LANG", "MIX_ENV", "PATH", "PWD", "SOURCE_DATE_EPOCH", "TERM", "USER"}
)
"""Variables that every build sets itself."""
_CLAUSE = re.compile(r"(?P<op>==|!=|!|~>|>=|<=|>|<)?\s*(?P<version>\d+(?:\.\d+){0,2})")
_MIX_VERSION = re.compile(r"\d+(\.\d+){0,2}")
_NEWEST = 10_000
"""Stands for the latest patch of a partial version."""

Number = tuple[int, ...]


def elixir(folder: Path) -> str:
    """The Elixir requirement in the mix.exs of a folder; empty if there is none, or if it is not a literal."""
    try:
        text = (folder / "mix.exs").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = set(_REQUIREMENT.findall(text))
    return found.pop() if len(found) == 1 else ""


def withheld(folder: Path, given: Collection[str]) -> Iterator[str]:
    """Variables that are set here and read by the build, but are not `given` to it."""
    asked = set()
    for file in (file for pattern in _MIX_FILES for file in folder.glob(pattern)):
        if file.name not in _AT_RUN_TIME and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            asked.update(_VARIABLE.findall(text))
    for name in sorted(asked - _EVERYWHERE - set(given)):
        if os.environ.get(name):
            yield name


def may_meet(version: str, requirement: str) -> bool:
    """Whether a version, possibly partial, can meet a requirement; True if unknown."""
    if not _MIX_VERSION.fullmatch(version):
        return True
    clauses = [part.split(" and ") for part in requirement.split(" or ")]
    parsed = [[_CLAUSE.fullmatch(text.strip()) for text in every] for every in clauses]
    if not all(match for every in parsed for match in every):
        return True
    first = _number(version)
    candidates = [_filled(first, 0), *([] if len(first) == 3 else [_filled(first, _NEWEST)])]
    return any(
        all(_meets(number, match["op"] or "==", match["version"]) for match in every if match)
        for every in parsed
        for number in candidates
    )


def _meets(there: Number, operator: str, version: str) -> bool:
    wanted = _number(version)
    full = _filled(wanted, 0)
    match operator:
        case "==":
            return there[: len(wanted)] == wanted
        case "!=" | "!":
            return there != full
        case ">=":
            return there >= full
        case "<=":
            return there <= full
        case ">":
            return there > full
        case "<":
            return there < full
        case _:  # ~> 1.14 means < 2, ~> 1.14.2 means < 1.15
            fixed = wanted[:-1] or wanted
            return there >= full and there[: len(fixed)] == fixed


def _number(version: str) -> Number:
    return tuple(int(part) for part in version.split("."))


def _filled(number: Number, rest: int) -> Number:
    return (*number, *[rest] * (3 - len(number)))
