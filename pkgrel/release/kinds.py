"""Which tool made a release, how it starts in the foreground, and where its configuration goes.

Sources: Mix.Tasks.Release of Elixir 1.14; relx 4 `priv/templates`; Distillery 2
`priv/libexec`; systools(3). Each tool is known by a file that only it writes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pkgrel.errors import ReleaseError
from pkgrel.release.model import Kind
from pkgrel.release.rel import Identity
from pkgrel.release.tree import Tree, read_text


@dataclass(frozen=True, slots=True)
class Mark:
    """A release with all these files, and with this text in the last of them, is of that kind."""

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
"""The first that fits; a release with no mark is as systools made it."""

START = {
    Kind.MIX: ("bin/{name}", "start"),
    Kind.DISTILLERY: ("bin/{name}", "foreground"),
    Kind.RELX_EXTENDED: ("bin/{name}", "foreground"),
    # Its arguments go to the emulator, which would read a shell's commands from standard input.
    Kind.RELX: ("bin/{name}", "-noinput"),
    # No script at all: run in the release's root, the emulator wants ROOTDIR, BINDIR and EMU in its environment.
    Kind.SYSTOOLS: ("erts-{erts}/bin/erlexec", "-noinput", "-boot", "releases/{version}/start"),
}

SYSTOOLS_OPTIONS = {
    "releases/{version}/sys.config": ("-config", "releases/{version}/sys"),
    "releases/{version}/vm.args": ("-args_file", "releases/{version}/vm.args"),
}
"""What a script would pass on, if the release has the file."""


def detect(tree: Tree, identity: Identity) -> Kind:
    """Return the first kind whose mark the release has."""
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
    # Config.Provider with `reboot_system_after_config: true`; Castle makes its own sys.config.
    sys_config = f"{folder}/sys.config"
    return "RUNTIME_CONFIG=true" in read_text(tree, sys_config) or not tree.file(sys_config)


def _relx(tree: Tree, folder: str) -> bool:
    # The script replaces ${VARIABLES} in these and writes the result beside them.
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
