"""The release's own start files, env.sh and vm.args, where they contradict the settings.

Both can set the node's name, its mode and its cookie. A mix release sources env.sh after the service's environment is
set, and the VM reads vm.args after both, so these files win in the service but not in commands, which then cannot find
the node; and a cookie in them is the same on every host. The package therefore ships edited copies, which take the name
from [distribution] and the cookie from the host.

Source: `bin/NAME` and env.sh of mix release; vm.args and the extended start script of relx; `mix phx.gen.release`;
`rebar3 new release`; Distillery 2; erl(1), `-name`, `-sname`, `-setcookie`, `-args_file`; kernel's auth.erl.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pkgrel.config.model import Config
from pkgrel.config.runtime import Reach
from pkgrel.content import Inline
from pkgrel.errors import PlanError
from pkgrel.package import File
from pkgrel.plan.configuration import content_at
from pkgrel.plan.environment import COOKIE, environment_variables, hides_cookie
from pkgrel.plan.inputs import Inputs
from pkgrel.release import shell_script
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render

_LIMIT = 1 << 20

# An assignment in env.sh that is not merely a default, as in ${RELEASE_NODE:-x}.
_SETS = re.compile(
    r"(?<![\w$])(RELEASE_(?:NODE|DISTRIBUTION|COOKIE))="
    r"(?![\"']?\$(?:\1\b|\{\1(?::?[-=?+][^}\n]*)?\})[\"']?(?:[\s;&|)]|\Z))([^\s;&|]*)"
)
_UNSET = re.compile(r"\bunset[ \t]([^\n;&|]*)")
_NAMED = re.compile(r"\bRELEASE_(?:NODE|DISTRIBUTION|COOKIE)\b")
_SHELL_COMMENT = re.compile(r"(?:^|(?<=[ \t;]))#.*", re.MULTILINE)
_NONE = re.compile(r"[\"']?none[\"']?")
# The data that they keep on disk belong to a node of one name.
_BOUND_TO_NAMES = frozenset({"mnesia", "ra", "khepri", "riak_core"})
_COMMENT = re.compile(r"^[ \t]*#.*", re.MULTILINE)
_DEFAULT = re.compile(r"\$\{\w+:-([^}\s]*)\}")
_OPTION = re.compile(r"(?<!\S)-(?P<option>s?name|setcookie)[ \t]+(?P<value>\S+)")


def with_own_distribution(inputs: Inputs) -> Config:
    """The settings with distribution off, if env.sh turns it off in every case."""
    wanted = inputs.config.distribution
    if wanted.reach is not Reach.LOOPBACK or not _turns_distribution_off(inputs.release):
        return inputs.config
    return replace(inputs.config, distribution=replace(wanted, reach=Reach.NONE))


def _turns_distribution_off(release: Release) -> bool:
    text = _text(release, _env_sh(release)) if release.kind is Kind.MIX else ""
    modes = [value for name, value in _sets(text) if name == "RELEASE_DISTRIBUTION"]
    # An assignment within a condition may not be reached.
    surely = bool(modes) and "RELEASE_DISTRIBUTION" in shell_script.read(text, "").sets
    return surely and all(_NONE.fullmatch(mode) for mode in modes)


def _sets(text: str) -> list[tuple[str, str]]:
    """Each variable that env.sh assigns, with its value; an empty value for one that it unsets."""
    text = _SHELL_COMMENT.sub("", text)
    unset = [name for line in _UNSET.findall(text) for name in _NAMED.findall(line)]
    return [*_SETS.findall(text), *((name, "") for name in unset)]


def rewritten(inputs: Inputs) -> Mapping[str, bytes]:
    """Contents of the edited files, and of those added beside them, by path within the release."""
    return {path: text.encode("utf-8", "surrogateescape") for path, text in _rewritten(inputs)}


def rewritten_files(inputs: Inputs) -> Iterator[File]:
    """The same as files of the package, readable by the service alone: the originals may hold secrets."""
    layout = inputs.layout
    for path, data in rewritten(inputs).items():
        yield File(path=layout.root / path, content=Inline(data), mode=0o640, group=layout.group)


def bound_to_name(inputs: Inputs) -> str:
    """The application whose data on disk tie the node to the name that the release sets; empty if there is none."""
    release = inputs.release
    bound = next((it.name for it in release.applications if it.name in _BOUND_TO_NAMES), "")
    if not bound or inputs.config.distribution.node:
        return ""
    if release.kind is Kind.MIX:
        names = any(name == "RELEASE_NODE" for name, _ in _sets(_text(release, _env_sh(release))))
    else:
        own = f"releases/{release.version}"
        texts = (_text(release, f"{own}/{name}") for name in ("vm.args", "vm.args.src"))
        found = [it for text in texts for it in _OPTION.finditer(_COMMENT.sub("", text))]
        names = any(it["option"] != "setcookie" and "@127.0.0.1" not in it["value"] for it in found)
    return bound if names else ""


def _rewritten(inputs: Inputs) -> Iterator[tuple[str, str]]:
    release = inputs.release
    folder = f"releases/{release.version}"
    if release.kind is Kind.MIX:
        yield from _wrapped_env_sh(inputs)
    names = ("vm.args", "remote.vm.args", "vm.args.src", "vm.args.orig")
    for path in (f"{folder}/{name}" for name in names):
        text = _text(release, path)
        new = "".join(_vm_args(inputs, path, text))
        if new != text:
            yield path, new


def _wrapped_env_sh(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """An env.sh that sources the release's own, which may return early, and then restores the package's variables."""
    path = _env_sh(inputs.release)
    text = _text(inputs.release, path)
    # A cookie that is taken from another variable or a command is left alone.
    ours = {COOKIE[Kind.MIX]: "$", **environment_variables(inputs)}
    if bound_to_name(inputs):
        for name in ("RELEASE_NODE", "RELEASE_DISTRIBUTION"):
            ours.pop(name, None)
    found = dict.fromkeys(
        name
        for name, value in _sets(text)
        if name in ours and not value.strip("\"'").replace("`", "$").startswith(ours[name])
    )
    if found:
        beside = path.replace("env.sh", "env.release.sh")
        yield beside, text
        yield path, render("release/env.sh", names=list(found), **inputs.layout.names())


def _vm_args(inputs: Inputs, path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if line.lstrip().startswith("#"):
            yield line
            continue
        new = line
        for found in _OPTION.finditer(line):
            option = found["option"]
            stands = (
                _cookie(inputs, f"{path}:{number}", found)
                if option == "setcookie"
                else _name(inputs, found)
            )
            new = new.replace(found[0], stands, 1)
        if new == line:
            yield line
        else:
            yield "## pkgrel: who the node is, is in [distribution] and on the host.\n"
            yield new if new.strip() else ""


def _cookie(inputs: Inputs, where: str, found: re.Match[str]) -> str:
    """The option that makes this kind of release use the host's cookie."""
    kind = inputs.release.kind
    variable = COOKIE[kind]
    if re.search(rf"\$\{{?{variable}\b", found["value"]):
        return found[0]
    if kind is Kind.MIX:
        # Its start script passes one.
        return ""
    if kind is Kind.DISTILLERY or ".src:" in where:
        return f"-setcookie ${{{variable}}}"
    if hides_cookie(inputs):
        # Without the option the VM reads the file into which hide-cookie has put it.
        return ""
    raise PlanError(
        f"`{where}` has `-setcookie`, so every host would have the same cookie, and commands another one",
        hint=f'write `-setcookie ${{{variable}}}` into vm.args.src, or leave `type = "forking"` out',
    )


def _name(inputs: Inputs, found: re.Match[str]) -> str:
    """The option with a name that commands on this host can reach."""
    wanted = inputs.config.distribution
    if inputs.release.kind is Kind.MIX:
        return ""
    node = wanted.node
    if not node and wanted.reach is Reach.LOOPBACK and not bound_to_name(inputs):
        # Of `${VARIABLE:-default}` the default counts; without one only the host knows the value.
        value = _DEFAULT.sub(r"\1", found["value"].strip("\"'"))
        name, _, host = value.partition("@")
        reached = found["option"] == "name" and host == "127.0.0.1"
        node = "" if reached or "$" in value else f"{name}@127.0.0.1"
    if not node:
        return found[0]
    return f"-{'name' if '.' in node.partition('@')[2] else 'sname'} {node}"


def _env_sh(release: Release) -> str:
    return f"releases/{release.version}/env.sh"


def _text(release: Release, path: str) -> str:
    content = content_at(release, path)
    if content is None or content.size > _LIMIT:
        return ""
    return b"".join(content.chunks()).decode("utf-8", "surrogateescape")
