"""Identifies a release: name and version, the tool that made it, and how it starts in the foreground.

Name and version are in `releases/start_erl.data` and in the `.rel` file, an Erlang term:

    start_erl.data   13.1.5 0.1.0
    hello.rel        {release, {"hello", "0.1.0"}, {erts, "13.1.5"}, [{kernel, "8.5.3", permanent}]}.

The tool is recognised by a file that only it writes.

Sources: rel(4) in OTP's SASL documentation; OTP Design Principles, "Release Handling"; Mix.Tasks.Release of Elixir
1.14; relx 4 `priv/templates`; Distillery 2 `priv/libexec`; systools(3); the Nerves documentation, "Getting Started".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from pkgrel.console import is_plain
from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.model import Application, Kind
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
    """Find the release in `tree`; ReleaseError if there is none, or more than one."""
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
    """ReleaseError for several versions: a directory that was not cleaned between builds."""
    boot_files = (path.split("/") for path in tree.entries if path.endswith(".boot"))
    found = {parts[1] for parts in boot_files if parts[0] == "releases" and len(parts) == 3}
    if found - {version}:
        versions = ", ".join(f"`{v}`" for v in sorted(found | {version}))
        raise ReleaseError(
            f"holds several versions: {versions}; `{LANDMARK}` names `{version}`",
            hint="remove the directory of the release and build it again (`mix release --overwrite`)",
        )


def _rel_file(tree: Tree, version: str) -> str:
    """The `.rel` file: mix, Distillery and relx write it into the directory of the version, systools beside it."""
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


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a kind: all these files exist, and the last contains this text."""

    kind: Kind
    paths: tuple[str, ...]
    text: str = ""


MARKS = (
    Mark(Kind.MIX, ("releases/{version}/env.sh", "releases/{version}/elixir")),
    Mark(Kind.MIX, ("releases/{version}/env.bat", "releases/{version}/elixir.bat")),
    Mark(Kind.DISTILLERY, ("releases/{version}/{name}.sh",)),  # 1.x and 2.x
    Mark(Kind.DISTILLERY, ("bin/{name}_rc_exec.sh",)),
    Mark(Kind.DISTILLERY, ("bin/release_utils.escript",)),
    Mark(Kind.RELX_EXTENDED, ("bin/{name}",), "foreground"),
    Mark(Kind.RELX, ("bin/{name}",)),
)
"""The first match decides; a release without any mark was made by systools."""

START = {
    Kind.MIX: ("bin/{name}", "start"),
    Kind.DISTILLERY: ("bin/{name}", "foreground"),
    Kind.RELX_EXTENDED: ("bin/{name}", "foreground"),
    # Arguments go to the emulator, which would otherwise read commands of the Erlang shell from standard input.
    Kind.RELX: ("bin/{name}", "-noinput"),
    # No script: run in the release's root, the emulator needs ROOTDIR, BINDIR and EMU in its environment.
    Kind.SYSTOOLS: ("erts-{erts}/bin/erlexec", "-noinput", "-boot", "releases/{version}/start"),
}

SYSTOOLS_OPTIONS = {
    "releases/{version}/sys.config": ("-config", "releases/{version}/sys"),
    "releases/{version}/vm.args": ("-args_file", "releases/{version}/vm.args"),
}
"""An option that a start script would pass, if the release has the file."""


def detect(tree: Tree, identity: Identity) -> Kind:
    """Return the first kind with a matching mark."""
    for mark in MARKS:
        paths = [_fill(path, identity) for path in mark.paths]
        if all(tree.file(path) for path in paths) and mark.text in read_text(tree, paths[-1]):
            return mark.kind
    return Kind.SYSTOOLS


def start(tree: Tree, kind: Kind, identity: Identity) -> tuple[str, ...]:
    """Return the program and arguments; ReleaseError if the program is missing."""
    program, *arguments = (_fill(part, identity) for part in START[kind])
    if not tree.file(program):
        raise ReleaseError(
            f"there is no `{program}` to start the release with",
            hint="mix: `include_executables_for: [:unix]` in the releases of mix.exs",
        )
    if kind is Kind.SYSTOOLS:
        for path, options in SYSTOOLS_OPTIONS.items():
            if tree.file(_fill(path, identity)):
                arguments += (_fill(option, identity) for option in options)
    return program, *arguments


def writes_config(tree: Tree, kind: Kind, version: str) -> bool:
    """Whether the release writes a configuration file each time it starts."""
    rule = _WRITES[kind]
    return rule(tree, f"releases/{version}")


def _mix(tree: Tree, folder: str) -> bool:
    # Config.Provider with `reboot_system_after_config: true`; Castle generates its own sys.config.
    sys_config = f"{folder}/sys.config"
    return "RUNTIME_CONFIG=true" in read_text(tree, sys_config) or not tree.file(sys_config)


def _relx(tree: Tree, folder: str) -> bool:
    # The start script substitutes ${VARIABLES} in these and writes the results beside them.
    return any(tree.file(f"{folder}/{name}.src") for name in ("sys.config", "vm.args"))


_WRITES: dict[Kind, Callable[[Tree, str], bool]] = {
    Kind.MIX: _mix,
    Kind.DISTILLERY: lambda _tree, _folder: True,  # always copies to RELEASE_MUTABLE_DIR
    Kind.RELX: _relx,
    Kind.RELX_EXTENDED: _relx,
    Kind.SYSTOOLS: lambda _tree, _folder: False,
}


def _fill(text: str, identity: Identity) -> str:
    return text.format(name=identity.name, version=identity.version, erts=identity.erts)


def refuse_firmware(applications: Collection[str]) -> None:
    """ReleaseError for firmware of Nerves, which is not a service."""
    if found := {"nerves", "nerves_runtime", "shoehorn"} & set(applications):
        raise ReleaseError(
            f"this is a firmware, as `{min(found)}` says: Nerves boots a device into the release, and no package installs that",
            hint="`mix firmware` makes it, `mix upload` and NervesHub update devices; a release of its own, without Nerves,"
            " can be packaged for hosts",
        )
