"""Which release it is: `releases/start_erl.data` and the `.rel` file, an Erlang term.

Sources: rel(4) in OTP's SASL documentation; OTP Design Principles, "Release Handling".

    start_erl.data   13.1.5 0.1.0
    hello.rel        {release, {"hello", "0.1.0"}, {erts, "13.1.5"}, [{kernel, "8.5.3", permanent}]}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from pkgrel.console import is_plain
from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.model import Application
from pkgrel.release.terms import Malformed, Term, parse_term
from pkgrel.release.tree import LANDMARK, Tree, read_text

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~+:-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a release says about itself."""

    name: str
    version: str
    erts: str
    applications: tuple[Application, ...]
    """Sorted by name."""


def identify(tree: Tree) -> Identity:
    """Find the one release that `tree` holds; ReleaseError if there is none or more than one."""
    erts, version = _start_data(tree)
    _refuse_other_versions(tree, version)
    path = _rel_file(tree, version)
    try:
        return _release(parse_term(read_text(tree, path, tree.limits.terms)), path, erts, version)
    except Malformed as e:
        raise ReleaseError(f"`{path}` is not an Erlang term: {e}", hint=hints.REBUILD) from e


def _start_data(tree: Tree) -> tuple[str, str]:
    match read_text(tree, LANDMARK, tree.limits.terms).split():
        case [erts, version] if _VERSION.fullmatch(erts) and _VERSION.fullmatch(version):
            return erts, version
        case words:
            raise ReleaseError(
                f"`{LANDMARK}` has `{' '.join(words)[:80]}` instead of the two versions,"
                " of the runtime system and of the release",
                hint=hints.REBUILD,
            )


def _refuse_other_versions(tree: Tree, version: str) -> None:
    """Several versions lie in a directory that was not cleaned between two builds."""
    boot_files = (path.split("/") for path in tree.entries if path.endswith(".boot"))
    found = {parts[1] for parts in boot_files if parts[0] == "releases" and len(parts) == 3}
    if found - {version}:
        versions = ", ".join(f"`{v}`" for v in sorted(found | {version}))
        raise ReleaseError(
            f"holds several versions: {versions}; `{LANDMARK}` names `{version}`",
            hint="remove the directory of the release and build it again (`mix release --overwrite`)",
        )


def _rel_file(tree: Tree, version: str) -> str:
    """mix, Distillery and relx write it below the version, systools beside it."""
    for folder in (f"releases/{version}/", "releases/"):
        found = [
            path
            for path in tree.entries
            if path.endswith(".rel") and path.startswith(folder) and "/" not in path[len(folder) :]
        ]
        named = [path for path in found if not path.endswith("/start_clean.rel")] or found
        if len(named) > 1:
            names = ", ".join(f"`{path}`" for path in named)
            raise ReleaseError(
                f"holds several releases: {names}", hint="give one release at a time"
            )
        if named:
            return named[0]
    raise ReleaseError(
        f"is not a complete release: there is no `releases/{version}/NAME.rel`", hint=hints.RELEASE
    )


def _release(term: Term, path: str, erts: str, version: str) -> Identity:
    match term:
        case ("release", (str(name), str(said)), ("erts", str(built)), list(items)):
            pass
        case _:
            _malformed(path, "is not `{release, {Name, Version}, {erts, Version}, [Application]}`")
    if not _NAME.fullmatch(name):
        _malformed(path, f"has the name `{name!a}`")
    for what, here, there in ("release", said, version), ("runtime system", built, erts):
        if here != there:
            _malformed(path, f"has version `{here}` of the {what}, `{LANDMARK}` has `{there}`")
    applications = tuple(sorted(_applications(items, path), key=lambda a: a.name))
    return Identity(name=name, version=version, erts=erts, applications=applications)


def _applications(items: list[Term], path: str) -> Iterator[Application]:
    for item in items:
        match item:
            case (str(name), str(version), *_) if _NAME.fullmatch(name) and is_plain(version):
                yield Application(name, version)
            case _:
                _malformed(path, f"has the application `{item!a:.80}`")


def _malformed(path: str, what: str) -> NoReturn:
    raise ReleaseError(f"`{path}` {what}", hint=hints.REBUILD)
