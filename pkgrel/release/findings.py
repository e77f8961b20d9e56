"""Warnings about a release: secrets, leftovers, options that conflict with systemd.

Each rule is a row; the texts are for people and say what to do where pkgrel does not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel.release import elf
from pkgrel.release.model import Directory, File, NativeFile, Symlink
from pkgrel.release.tree import Tree, link_ends, read_text

LARGE = 100 << 20
_SAID = 10
"""Up to this many symlinks are named one by one."""


@dataclass(frozen=True, slots=True)
class PathRule:
    """Matching paths should not be in a package."""

    id: str
    pattern: re.Pattern[str]
    says: str


@dataclass(frozen=True, slots=True)
class TextRule:
    """Matching lines, in files with matching paths."""

    id: str
    path: re.Pattern[str]
    line: re.Pattern[str]
    says: str


_VM_ARGS = re.compile(r"releases/[^/]+/(remote\.)?vm\.args(\.src|\.orig)?")
_SYS_CONFIG = re.compile(r"releases/[^/]+/sys\.config(\.src|\.orig)?")
_ENV_SH = re.compile(r"releases/[^/]+/env\.sh")

PATHS = (
    PathRule(
        "cookie-file",
        re.compile(r"releases/COOKIE"),
        "holds the cookie of every host; it is left out of packages and each host makes its own",
    ),
    PathRule(
        "windows-script",
        re.compile(r"(.*/)?[^/]+\.(bat|cmd|ps1)"),
        "is a script for Windows; `include_executables_for: [:unix]` leaves it out",
    ),
    PathRule(
        "version-control",
        re.compile(r"(.*/)?\.(git|hg|svn)"),
        "is a version control directory: leave it out",
    ),
    PathRule(
        "macos-litter",
        re.compile(r"(.*/)?(\._[^/]+|\.DS_Store)"),
        "is litter of macOS: leave it out",
    ),
    PathRule(
        "env-file",
        re.compile(r"(.*/)?\.env(\.[a-z]+)?"),
        "looks like a file of secrets: settings belong in the service's environment",
    ),
    PathRule(
        "development-library",
        re.compile(r"lib/(phoenix_live_reload|credo|dialyxir|ex_unit|meck)-[^/]+"),
        "is for development only: `only: [:dev, :test]` in mix.exs leaves it out",
    ),
    PathRule(
        "development-application",
        re.compile(r"lib/(wx|observer|debugger|et)-[^/]+"),
        "is a tool with windows for developers, and wx brings GTK to every host: "
        "`extra_applications: [:logger] ++ if(Mix.env() == :prod, do: [], else: [:observer, :wx])` in mix.exs"
        " leaves it out, and in rebar.config the list of `release` without it",
    ),
    PathRule(
        "castle",
        re.compile(r"bin/castle"),
        "makes hot upgrades with Castle, which writes into the release: they do not work in a package",
    ),
)

TEXTS = (
    TextRule(
        "cookie-in-vm-args",
        _VM_ARGS,
        # ${VAR:-x} is x if nothing sets the variable.
        re.compile(
            r"^[ \t]*([^#\s].*[ \t])?-setcookie[ \t]+((?!\$)\S|\$\{(?!RELX_COOKIE\b)\w+:?-)",
            re.MULTILINE,
        ),
        "sets the cookie of every host, which who has the release knows: remove `-setcookie`; a package has each"
        " host's own in its place",
    ),
    TextRule(
        "cookie-in-env-sh",
        _ENV_SH,
        re.compile(r"^[ \t]*(export[ \t]+)?RELEASE_COOKIE=(?!\"?\$)\S", re.MULTILINE),
        "sets the cookie of every host, which who has the release knows: remove `RELEASE_COOKIE`; a package has"
        " each host's own in its place",
    ),
    TextRule(
        "heart-in-vm-args",
        _VM_ARGS,
        re.compile(r"^[ \t]*-heart\b", re.MULTILINE),
        "starts heart, which restarts the service behind systemd's back: remove `-heart`",
    ),
    TextRule(
        "heart-in-env-sh",
        _ENV_SH,
        re.compile(r"^[^#\n]*(\bHEART_[A-Z_]+=|[\"' =]-heart\b)", re.MULTILINE),
        "sets up heart, which restarts the service behind systemd's back: remove `HEART_COMMAND` and `-heart`",
    ),
    TextRule(
        "node-in-env-sh",
        _ENV_SH,
        # Not ${RELEASE_NODE:-x}, where the package's value wins.
        re.compile(
            r"^[^#\n]*\bRELEASE_(NODE=|DISTRIBUTION=(?![\"']?none\b))(?![\"']?\$\{?RELEASE_)",
            re.MULTILINE,
        ),
        "sets RELEASE_NODE or RELEASE_DISTRIBUTION over what the service has: remove them; in a package `node` and"
        " `reach` of [distribution] in pkgrel.toml win over them",
    ),
    TextRule(
        "no-distribution",
        _ENV_SH,
        re.compile(r"^[^#\n]*\bRELEASE_DISTRIBUTION=[\"']?none\b", re.MULTILINE),
        "has RELEASE_DISTRIBUTION=none: the service starts without distribution, where `remote`, `rpc` and `pid`"
        " cannot reach it: remove the line to have them",
    ),
    TextRule(
        "settings-in-env-sh",
        _ENV_SH,
        # Indented it may depend on something. ${PORT:-4000} lets others decide.
        re.compile(
            r"^(?:export[ \t]+)?(PHX_SERVER|PHX_HOST|PORT|DATABASE_URL|DATABASE_PATH|SECRET_KEY_BASE)="
            r"(?!true\b|[\"']?\$)\S",
            re.MULTILINE,
        ),
        "sets PORT, PHX_SERVER, SECRET_KEY_BASE or their like over what the package and the host's administrator have"
        " set, for every host: remove the line, or let them win, as `export PORT=${PORT:-4000}` does",
    ),
    TextRule(
        "mode-in-env-sh",
        _ENV_SH,
        re.compile(
            r"^[^#\n]*\bRELEASE_(MODE|TMP)=(?![\"']?(\$\{?RELEASE_(MODE|TMP)\b|/tmp\b|/run/))",
            re.MULTILINE,
        ),
        "sets RELEASE_MODE or RELEASE_TMP over what the service has: `[service.environment]` in pkgrel.toml is for"
        " that",
    ),
    TextRule(
        "files-in-env-sh",
        _ENV_SH,
        re.compile(
            r"^[^#\n]*\bRELEASE_(VM_ARGS|SYS_CONFIG)=(?![\"']?\$\{?RELEASE_(VM_ARGS|SYS_CONFIG)\b)",
            re.MULTILINE,
        ),
        "sets RELEASE_VM_ARGS or RELEASE_SYS_CONFIG: pkgrel has read the release's own, and where the other file is"
        " missing the service does not start: remove the line; [configuration] in pkgrel.toml puts these files into"
        " /etc",
    ),
    TextRule(
        "home-in-env-sh",
        _ENV_SH,
        # Not before a command, for which alone it is.
        re.compile(
            r"^[^#\n]*(?<![\w-])HOME=(?![\"']?\$\{?HOME\b)[^\s;&]*[ \t]*([;&#]|$)",
            re.MULTILINE,
        ),
        "sets HOME over the service's, and where the VM can neither read nor write a cookie it does not start: remove"
        " the line",
    ),
    TextRule(
        "output-in-env-sh",
        _ENV_SH,
        re.compile(r"^[^#\n]*\bexec\b[^#\n]*>>?[ \t]*[\"']?/(?!dev/|proc/)", re.MULTILINE),
        "sends output to a file, and where the service may not write it, it does not start: remove the line; the"
        " journal has what it says (`NAME logs`)",
    ),
    TextRule(
        "names-in-env-sh",
        _ENV_SH,
        re.compile(r"^[^#\n]*[\"' =]-(setcookie|s?name)[ \t]", re.MULTILINE),
        "has `-name`, `-sname` or `-setcookie`, which fight those of the service: remove them; `node` of"
        " [distribution] in pkgrel.toml names the node, and each host makes a cookie",
    ),
    TextRule(
        "inet6-distribution",
        re.compile(f"{_ENV_SH.pattern}|{_VM_ARGS.pattern}"),
        re.compile(r"^[^#\n]*-proto_dist[ \t]+inet6_", re.MULTILINE),
        "has `-proto_dist inet6_tcp`, with which the VM does not start where it is to listen on 127.0.0.1,"
        ' as it is by default: remove it, or set `reach = "cluster"` in [distribution] of pkgrel.toml',
    ),
    TextRule(
        "break-disabled",
        _VM_ARGS,
        re.compile(r"^[ \t]*\+Bd\b", re.MULTILINE),
        "has `+Bd`, with which some releases do not stop at once when systemd asks: remove it",
    ),
    TextRule(
        "local-node",
        _VM_ARGS,
        re.compile(r"^[ \t]*-s?name[ \t]+\S+@(127\.0\.0\.1|localhost)[ \t]*$", re.MULTILINE),
        "names a node that no other host can reach; right for a single host only",
    ),
    TextRule(
        "development-configuration",
        _SYS_CONFIG,
        re.compile(r"\b(code_reloader|debug_errors)\s*(,|=>)\s*true\b"),
        "is a development configuration (`code_reloader`, `debug_errors`): build with MIX_ENV=prod",
    ),
)


_SETTINGS = re.compile(r"releases/[^/]+/(sys\.config(\.src)?|runtime\.exs|releases\.exs)")

WRITERS = (
    (
        "tzdata",
        re.compile(r"\bdata_dir\b|\bautoupdate\b[^\n]*disabled"),
        (
            '`config :tzdata, :data_dir, System.fetch_env!("STATE_DIRECTORY")` in runtime.exs, or'
            " `config :tzdata, :autoupdate, :disabled`"
        ),
    ),
    (
        "tz",
        re.compile(r"\bdata_dir\b"),
        (
            '`config :tz, :data_dir, System.fetch_env!("STATE_DIRECTORY")` in runtime.exs where'
            " Tz.UpdatePeriodically runs"
        ),
    ),
)
"""Library, the setting of its data directory, and how to set it."""


def warnings(tree: Tree, native: tuple[NativeFile, ...], architecture: str) -> Iterator[str]:
    """Yield one warning for each finding."""
    yield from _by_path(tree)
    yield from _by_text(tree)
    yield from _by_entry(tree)
    yield from _writable_by_all(tree)
    yield from _writers(tree)
    yield from _of_other_systems(tree)
    for file in native:
        if file.architecture != architecture:
            yield (
                f"`{file.path}` is for {file.architecture}, the runtime system for {architecture}:"
                " it will not load"
            )


def _writable_by_all(tree: Tree) -> Iterator[str]:
    """One warning for all: a umask of 0 affects every file."""
    found = [
        entry
        for entry in tree.entries.values()
        if isinstance(entry, File | Directory) and entry.mode & 0o002
    ]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield f"`{found[0].path}`{more} can be written by every user (mode {found[0].mode:04o})"


def _writers(tree: Tree) -> Iterator[str]:
    """Libraries that store data beside their code, unless the configuration names another directory."""
    settings = [path for path in tree.entries if _SETTINGS.fullmatch(path)]
    for name, moved, advice in WRITERS:
        library = re.compile(rf"lib/{name}-[^/]+")
        found = next((path for path in tree.entries if library.fullmatch(path)), None)
        if found and not any(moved.search(read_text(tree, path)) for path in settings):
            yield f"`{found}` writes into its priv, which is read-only in a package: {advice}"


def _by_path(tree: Tree) -> Iterator[str]:
    for rule in PATHS:
        found = [path for path in tree.entries if rule.pattern.fullmatch(path)]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield f"`{found[0]}`{more} {rule.says}"


def _by_text(tree: Tree) -> Iterator[str]:
    for rule in TEXTS:
        for path in tree.entries:
            if rule.path.fullmatch(path) and rule.line.search(read_text(tree, path)):
                yield f"`{path}` {rule.says}"


def _of_other_systems(tree: Tree) -> Iterator[str]:
    """NIFs compiled on a Mac: a `priv` directory that was copied instead of rebuilt."""
    for file in tree.files():
        system = elf.foreign(tree.programs.get(file.content, b""))
        if system and file.path.endswith(".so"):
            yield f"`{file.path}` is machine code of {system}: it will not load"


def _by_entry(tree: Tree) -> Iterator[str]:
    ends = link_ends(tree.entries)
    for path, entry in tree.entries.items():
        mode = entry.mode if isinstance(entry, File | Directory) else 0
        if isinstance(entry, File) and mode & 0o6000:
            yield f"`{path}` runs as its owner or group (mode {mode:04o})"
        if isinstance(entry, File) and entry.content.size > LARGE:
            yield f"`{path}` has {entry.content.size >> 20} MiB: is it meant to travel?"
    loose = [
        f"`{path}` is a symlink to `{entry.target}`, which is not there"
        for path, entry in tree.entries.items()
        if isinstance(entry, Symlink) and ends[path] is None
    ]
    yield from loose[:_SAID]
    if len(loose) > _SAID:
        yield f"{len(loose) - _SAID} more symlinks lead to what is not there"
