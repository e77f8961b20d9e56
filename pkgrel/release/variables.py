"""The environment variables that a release reads, found in its scripts and configuration files.

Source: `bin/NAME` of mix release; relx's extended start script, `replace_os_vars`; the configuration scripts
of Distillery 2; POSIX shell, "Parameter Expansion".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pkgrel.console import is_plain, stripped
from pkgrel.release import config_script, shell_script
from pkgrel.release.model import Kind, Variable
from pkgrel.release.shell_script import Script
from pkgrel.release.tree import Tree, read_text

# Variables that the runtime system, the start scripts, systemd and the package set.
_OURS = re.compile(
    r"(?:RELEASE|ERL|ELIXIR|ERLANG|MIX|RELX|RUNNER|ESCRIPT|LC|SYSTEMD|LISTEN|WATCHDOG)_\w*"
    r"|(?:STATE|RUNTIME|CACHE|LOGS|CONFIGURATION|CREDENTIALS)_DIRECTORY"
    r"|HOME|PATH|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|TMPDIR|PWD|OLDPWD|HOSTNAME|IFS|ROOTDIR|BINDIR|EMU|PROGNAME"
    r"|NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|MAINPID|REPLACE_OS_VARS|COOKIE|NODE_NAME|VMARGS_PATH|SYS_CONFIG_PATH"
    r"|CODE_LOADING_MODE|PIPE_DIR|PIDFILE|NO_COLOR"
)

# relx and Distillery substitute variables in these before the start; a missing one becomes empty.
_TEMPLATES = {
    Kind.RELX: ("vm.args.src", "sys.config.src"),
    Kind.RELX_EXTENDED: ("vm.args.src", "sys.config.src"),
    Kind.DISTILLERY: ("vm.args", "sys.config"),
}
_SCRIPTS = ("runtime.exs", "releases.exs")

_PLACE = re.compile(r"\$\{([A-Za-z_]\w{0,99})(?::-([^}\n]*))?\}", re.ASCII)
# The end of the text also ends a string, so that no text is read twice.
# `$%` and `$"` are character literals.
_ERLANG = re.compile(
    r"""%[^\n]*|\$(?:\\.|["'%$])"""
    r"""|(?P<quoted>"(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z))"""
    rf"|{_PLACE.pattern}",
    re.DOTALL,
)
_ARGUMENTS = re.compile(
    rf"""(?:^|(?<=\s))#[^\n]*|(?P<quoted>"[^"\n]*(?:"|$)|'[^'\n]*(?:'|$))|{_PLACE.pattern}""",
    re.MULTILINE,
)

# Options of Config.Reader, as mix writes them into sys.config.
_BUILT_IN = re.compile(r"\{env,\s*([a-z_]\w*)\},\s*\{target,")

# Start scripts of relx and Distillery, and their hooks, may set variables that the templates need.
_SETS = re.compile(r"\b([A-Za-z_]\w{0,99})=", re.ASCII)
_HOOK = re.compile(r"(?:bin|releases/[^/]+)/hooks/.")

_LINES, _WIDTH = 12, 200


@dataclass(frozen=True, slots=True)
class Reading:
    """Variables that were found, and files that were not read."""

    variables: tuple[Variable, ...]
    warnings: tuple[str, ...]


def read(tree: Tree, kind: Kind, name: str, version: str) -> Reading:
    """Read the scripts and templates of the release, without executing anything."""
    folder = f"releases/{version}"
    texts: dict[str, str] = {}
    warnings = []
    for file_name in (*_SCRIPTS, "env.sh") if kind is Kind.MIX else _TEMPLATES.get(kind, ()):
        path = f"{folder}/{file_name}"
        file = tree.file(path)
        if file and file.content.size > tree.limits.script:
            warnings.append(
                f"`{path}` has {file.content.size} bytes: which variables it reads is not known"
            )
        elif file:
            texts[path] = read_text(tree, path)
    shell = shell_script.read(texts.pop(f"{folder}/env.sh", ""), f"{folder}/env.sh")
    if kind is not Kind.MIX:
        shell.may_set |= set(_SETS.findall(read_text(tree, f"bin/{name}")))
        shell.sources |= any(map(_HOOK.match, tree.entries))
    asked: list[Variable] = []
    environment = _BUILT_IN.search(read_text(tree, f"{folder}/sys.config"))
    for path, text in texts.items():
        if path.endswith(".exs"):
            asked += config_script.asked(text, path, environment[1] if environment else "prod")
        else:
            asked += _places(text, path)
    rest = [_softened(item, shell) for item in asked if item.name not in shell.sets]
    found = [*shell.found, *rest]
    merged = _merged(item for item in found if not _OURS.fullmatch(item.name))
    if len(merged) > tree.limits.variables:
        warnings.append(
            f"it reads {len(merged)} variables, of which {tree.limits.variables} are told"
        )
    return Reading(tuple(merged[: tree.limits.variables]), tuple(warnings))


def of_script(text: str, path: str) -> tuple[Variable, ...]:
    """Variables that a script in a project reads, as if it were in a release."""
    found = config_script.asked(text, path, "prod")
    return tuple(_merged(item for item in found if not _OURS.fullmatch(item.name)))


def of_functions(
    texts: Mapping[str, str], functions: Sequence[str], known: Iterable[Variable]
) -> tuple[Variable, ...]:
    """What is known, and what functions of the application's own ask for, in the release's files of these paths."""
    shell = Script()
    environment = "prod"
    for path, text in texts.items():
        if path.endswith("/env.sh"):
            shell = shell_script.read(text, path)
        elif match := _BUILT_IN.search(text):
            environment = match[1]
    asked = [
        _softened(item, shell)
        for path, text in texts.items()
        if path.endswith(_SCRIPTS)
        for item in config_script.asked(text, path, environment, functions)
        if item.name not in shell.sets
    ]
    return tuple(_merged((*known, *(item for item in asked if not _OURS.fullmatch(item.name)))))


def _softened(item: Variable, shell: Script) -> Variable:
    """Not certainly needed if env.sh may set the variable, itself or by a file on the host."""
    if shell.sources or item.name in shell.may_set:
        return replace(item, needed=False, instead=())
    return item


def _places(text: str, path: str) -> Iterator[Variable]:
    """Each `${NAME}`: within quotes a missing variable leaves an empty string, elsewhere a syntax error."""
    line, position = 1, 0
    pattern = _ARGUMENTS if "vm.args" in path else _ERLANG
    for match in pattern.finditer(text):
        for place in _PLACE.finditer(match[0]):
            # Not in a comment.
            if match["quoted"] is None and match[2] is None:
                continue
            start = match.start() + place.start()
            line += text.count("\n", position, start)
            position = start
            bare = match["quoted"] is None and place[2] is None
            yield Variable(
                name=place[1],
                needed=bare,
                default=place[2],
                fallback=place[2] is not None,
                where=f"{path}:{line}",
            )


def _merged(found: Iterable[Variable]) -> list[Variable]:
    """One entry per name: the first place that needs it, else the first that reads it."""
    merged: dict[str, Variable] = {}
    for item in found:
        item = _printable(item)
        before = merged.get(item.name)
        if before is None:
            merged[item.name] = item
            continue
        first, second = (item, before) if item.needed and not before.needed else (before, item)
        default = first.default if first.default is not None else second.default
        if first.needed and second.needed and not second.instead:
            first = replace(first, instead=())
        merged[item.name] = replace(
            first,
            default=None if first.needed else default,
            fallback=not first.needed and (first.fallback or second.fallback),
            text=first.text or second.text,
        )
    return [merged[name] for name in sorted(merged)]


def _printable(item: Variable) -> Variable:
    """Text without control characters: it is shown on terminals, and in comments of a file on the host."""
    lines = [" ".join(line.split()) for line in item.text.splitlines()]
    lines = [stripped(line, "?")[:_WIDTH] for line in lines]
    default = item.default
    if default is not None and (not is_plain(default) or len(default) > _WIDTH):
        default = None
    text = "\n".join(line for line in lines if line)
    return replace(item, text="\n".join(text.split("\n")[:_LINES]), default=default)
