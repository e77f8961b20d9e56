"""The release's configuration files as conffiles in /etc/NAME, how the release finds them there, and what the
release's configuration demands of the service.

Source: `bin/NAME` of mix release and Config.Provider of Elixir; the configuration scripts of Distillery 2;
relx's extended start script; Phoenix's guide "Deploying with releases"; `mix phx.gen.release`; `fly launch`;
kernel(6), `inet_dist_use_interface`; erl(1), `-proto_dist`.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from pkgrel import package
from pkgrel.config.runtime import Reach
from pkgrel.content import Content, Inline
from pkgrel.errors import PlanError
from pkgrel.limits import LIMITS
from pkgrel.package import Directory, Entry, File, Symlink
from pkgrel.plan.entries import read_text
from pkgrel.plan.inputs import Inputs, Layout
from pkgrel.release import model
from pkgrel.release.model import Kind, Release
from pkgrel.release.variables import of_functions

# config/releases.exs is what Elixir before 1.11 called it.
_RUNTIME = ("runtime.exs", "releases.exs")

# relx prefers a file with this suffix, in which it substitutes variables, to the one that it is told of.
_TEMPLATE = ".src"


def configuration_entries(inputs: Inputs, rewritten: Mapping[str, bytes]) -> Iterator[Entry]:
    """/etc/NAME and the files that [configuration] puts there; PlanError for a file that the release lacks.

    `rewritten` has the files that the package edits, by path.
    """
    layout = inputs.layout
    wanted = inputs.config.configuration
    mode = int(inputs.config.service.directories.configuration_mode, 8)
    yield Directory(path=layout.etc, mode=mode, group=layout.group)
    if wanted.vm_args:
        yield _copy(inputs, "vm.args", "vm-args", rewritten)
    if wanted.sys_config:
        yield from _sys_config(inputs)
    if wanted.runtime:
        yield from _runtime(inputs)
    if wanted.toml:
        text = read_text(inputs.folder / wanted.toml, "configuration.toml")
        yield _conffile(layout, "config.toml", Inline(text.encode()))


def configuration_variables(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Variables that point the release at its files in /etc/NAME; for runtime.exs the tree has a symlink instead."""
    layout = inputs.layout
    wanted = inputs.config.configuration
    match inputs.release.kind:
        case Kind.MIX:
            if wanted.vm_args:
                yield "RELEASE_VM_ARGS", f"{layout.etc}/vm.args"
            if wanted.sys_config:
                # Without the suffix: `erl -config` appends it.
                yield "RELEASE_SYS_CONFIG", f"{layout.etc}/sys"
        case Kind.DISTILLERY:
            # Not VMARGS_PATH and SYS_CONFIG_PATH: REPLACE_OS_VARS does not apply to those files.
            if wanted.vm_args or wanted.sys_config:
                yield "RELEASE_CONFIG_DIR", str(layout.etc)
        case Kind.RELX | Kind.RELX_EXTENDED | Kind.SYSTOOLS:
            if wanted.vm_args:
                yield "VMARGS_PATH", f"{layout.etc}/vm.args"
            if wanted.sys_config:
                yield "RELX_CONFIG_PATH", f"{layout.etc}/sys.config"
    if wanted.toml:
        yield "CONFIG_FILE", f"{layout.etc}/config.toml"


def left_out(inputs: Inputs) -> tuple[str, ...]:
    """Paths of the release that a symlink replaces."""
    return (_runtime_path(inputs.release),) if inputs.config.configuration.runtime else ()


def _conffile(layout: Layout, name: str, content: Content) -> File:
    # They may hold secrets, from the build or added later.
    return File(
        path=layout.etc / name, content=content, mode=0o640, group=layout.group, conffile=True
    )


def _copy(inputs: Inputs, name: str, key: str, rewritten: Mapping[str, bytes] = {}) -> File:
    release = inputs.release
    if release.kind in (Kind.RELX, Kind.SYSTOOLS):
        raise PlanError(
            f"`configuration.{key}`: the start script of {release.name} always takes its own {name}",
            hint="set `extended_start_script` in rebar.config, or leave it out",
        )
    suffixes = (_TEMPLATE, "") if release.kind is Kind.RELX_EXTENDED else ("",)
    for suffix in suffixes:
        path = f"releases/{release.version}/{name}{suffix}"
        if content := content_at(release, path):
            text = Inline(rewritten[path]) if path in rewritten else content
            return _conffile(inputs.layout, f"{name}{suffix}", text)
    raise PlanError(
        f"`configuration.{key}`: the release has no releases/{release.version}/{name}",
        hint=f"leave `{key}` out",
    )


def content_at(release: Release, path: str) -> Content | None:
    """The content of a regular file of the release, or None."""
    at = bisect_left(release.entries, path, key=lambda entry: entry.path)
    entry = release.entries[at] if at < len(release.entries) else None
    if entry is None or entry.path != path:
        return None
    if isinstance(entry, model.HardLink):
        return content_at(release, entry.target)
    return entry.content if isinstance(entry, model.File) else None


def with_own_functions(inputs: Inputs) -> Inputs:
    """The same with the variables that the application's own functions read."""
    functions = inputs.config.configuration.functions
    release = inputs.release
    if not functions or release.kind is not Kind.MIX:
        return inputs
    texts = {}
    for name in ("env.sh", "sys.config", "runtime.exs", "releases.exs"):
        path = f"releases/{release.version}/{name}"
        content = content_at(release, path)
        if content and content.size <= LIMITS.script:
            texts[path] = b"".join(content.chunks()).decode(errors="replace")
    found = of_functions(texts, functions, release.variables)
    return replace(inputs, release=replace(release, variables=found))


def _sys_config(inputs: Inputs) -> Iterator[Entry]:
    file = _copy(inputs, "sys.config", "sys-config")
    found = _runtime_file(inputs.release)
    if found is None:
        yield file
        return
    # mix writes the version into the path of runtime.exs. An edited sys.config outlives that
    # version, so it gets a path that stays, and the tree a link from there to the current version.
    old, new = f"/{found}", f"/releases/{PurePosixPath(found).name}"
    data = b"".join(file.content.chunks())
    for spelled in (_as_bytes, _as_text):
        data = data.replace(spelled(old), spelled(new))
    yield _conffile(inputs.layout, file.path.name, Inline(data))
    yield Symlink(
        path=PurePosixPath(f"{inputs.layout.root}{new}"), target=found.removeprefix("releases/")
    )


def _as_bytes(text: str) -> bytes:
    """A binary as io_lib's ~w prints it."""
    return f"<<{','.join(str(byte) for byte in text.encode())}>>".encode()


def _as_text(text: str) -> bytes:
    """A binary as io_lib's ~p prints it."""
    return f'<<"{text}">>'.encode()


def _runtime_file(release: Release) -> str | None:
    for name in _RUNTIME:
        path = f"releases/{release.version}/{name}"
        if release.kind is Kind.MIX and content_at(release, path):
            return path
    return None


def _runtime_path(release: Release) -> str:
    path = _runtime_file(release)
    if path is None:
        raise PlanError(
            "`configuration.runtime`: the release has no runtime.exs",
            hint="write config/runtime.exs, or leave `runtime` out",
        )
    return path


def _runtime(inputs: Inputs) -> Iterator[Entry]:
    layout = inputs.layout
    path = _runtime_path(inputs.release)
    content = content_at(inputs.release, path)
    assert content is not None
    name = PurePosixPath(path).name
    yield _conffile(layout, name, content)
    # sys.config names the file in the tree, and there is no variable to name another.
    yield package.Symlink(path=layout.root / path, target=f"{layout.etc}/{name}")


_LIMIT = 1 << 20

# Not within a condition: there it would be indented further.
_INET6 = re.compile(rb"^(?!\s|#).*-proto_dist\s+inet6_", re.MULTILINE)


def server_variables(inputs: Inputs) -> dict[str, str]:
    """PHX_SERVER, if the release starts its web server only when it is set; for the service, not for commands."""
    release = inputs.release
    if "PHX_SERVER" in inputs.config.service.environment or release.kind is not Kind.MIX:
        return {}
    own = f"releases/{release.version}"
    texts = _texts(release, "bin/server", f"{own}/runtime.exs", f"{own}/releases.exs")
    return {"PHX_SERVER": "true"} if any(b"PHX_SERVER" in text for _, text in texts) else {}


def refuse_ipv6(inputs: Inputs) -> None:
    """PlanError for distribution over IPv6 while the node listens on an IPv4 address: the VM would not start."""
    wanted = inputs.config.distribution
    listens = wanted.reach is Reach.LOOPBACK or (wanted.reach is Reach.CLUSTER and wanted.interface)
    if not listens or "ERL_ZFLAGS" in inputs.config.service.environment:
        return
    own = f"releases/{inputs.release.version}"
    for path, text in _texts(
        inputs.release, f"{own}/env.sh", f"{own}/vm.args", f"{own}/vm.args.src"
    ):
        if _INET6.search(text):
            raise PlanError(
                f"`{path}` has `-proto_dist inet6_tcp`, and the node is to listen on"
                f" {wanted.interface or '127.0.0.1'}: the VM would not start",
                hint='take it out, or set `reach = "none"`, or `reach = "cluster"` without `interface`,'
                " in [distribution]",
            )


def _texts(release: Release, *paths: str) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        content = content_at(release, path)
        if content and content.size <= _LIMIT:
            yield path, b"".join(content.chunks())
