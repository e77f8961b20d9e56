"""`on-upgrade = "hot"`: the VM that runs becomes the new version, by OTP's release handler.

What runs is kept by the new package's script before its files go, as hard links that the service cannot write.
When the new files are in place the VM is asked to become them: a VM of the new release works out how
(`packaging_templates/libexec/plan-upgrade`), and the one that runs does it (`switch-upgrade`), both as the
service's user. Whatever cannot be done so, or fails, ends in a restart (`packaging_templates/scripts/hot-upgrade`).

Source: release_handler(3), relup(4); OTP Design Principles, "Release Handling".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.runtime import Reach
from pkgrel.config.service import ServiceType, Upgrade
from pkgrel.content import Inline
from pkgrel.errors import ConfigError, PlanError
from pkgrel.package import File
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render, shell_quoted

HELPER = "prepare-upgrades"
"""Runs before each start."""


def is_hot(inputs: Inputs) -> bool:
    """Whether an upgrade keeps the VM, where that can be."""
    return inputs.config.service.on_upgrade is Upgrade.HOT


def hot_values(inputs: Inputs) -> dict[str, Any]:
    """What templates say of it; ConfigError or PlanError for a release or service that can never do it."""
    if not is_hot(inputs):
        return {"hot": None}
    _refuse_impossible(inputs)
    layout, release = inputs.layout, inputs.release
    return {
        "hot": inputs.config.service.hot,
        "release_version": release.version,
        "kept": layout.kept,
        "reldir": release_directory(inputs),
        "history": layout.history,
        "switch": shell_quoted(_switch(inputs)),
    }


def hot_variables(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Where release_handler reads and writes; the release's own directory is read-only."""
    if is_hot(inputs):
        yield "RELDIR", str(release_directory(inputs))


def release_directory(inputs: Inputs) -> PurePosixPath:
    """Gone when the service stops, since it has its configuration; made anew before each start."""
    return inputs.layout.runtime / "releases"


def hot_files(inputs: Inputs) -> Iterator[File]:
    """The programs of an upgrade, and what release_handler shall know of the version that is started."""
    if not is_hot(inputs):
        return
    layout = inputs.layout
    values = {**layout.names(), **hot_values(inputs), "libexec": layout.libexec}
    for name, mode in ((HELPER, 0o755), ("plan-upgrade", 0o644), ("switch-upgrade", 0o644)):
        text = render(f"libexec/{name}", **values)
        yield File(path=layout.libexec / name, content=Inline(text.encode()), mode=mode)
    text = _releases(inputs.release, layout.root)
    yield File(path=layout.libexec / "RELEASES", content=Inline(text.encode()))


def _releases(release: Release, root: PurePosixPath) -> str:
    """The term of `release_handler:create_RELEASES/4`."""
    applications = ",\n   ".join(
        f'{{\'{item.name}\',"{item.version}","{root}/lib/{item.name}-{item.version}"}}'
        for item in release.applications
    )
    return (
        f'[{{release,"{release.name}","{release.version}","{release.erts}",\n'
        f"  [{applications}],permanent}}].\n"
    )


def _refuse_impossible(inputs: Inputs) -> None:
    service = inputs.config.service
    hot = '`on-upgrade = "hot"`'
    if inputs.release.kind is not Kind.MIX:
        raise ConfigError(
            f"{hot} does not work with a release of {inputs.release.kind}",
            hint='`on-upgrade = "restart"`, and `listen` in [service] keeps its ports open',
        )
    if inputs.config.distribution.reach is Reach.NONE:
        raise ConfigError(
            f"{hot} speaks to the running system, which nobody can reach here",
            hint='leave `reach` of [distribution] at "local"',
        )
    if service.type is ServiceType.FORKING:
        raise ConfigError(f"{hot} does not work with a service that is forking")
    if not service.directories.runtime:
        raise ConfigError(
            f"{hot} needs the runtime directory", hint="leave `runtime` of [service.directories] on"
        )
    if not any(item.name == "sasl" for item in inputs.release.applications):
        raise PlanError(
            f"{hot} needs OTP's application sasl, which the release has not",
            hint="`mix release` adds it, so leave it out of `applications` in `releases` of mix.exs",
        )


def _switch(inputs: Inputs) -> str:
    """What the VM that runs evaluates. The names of bindings are in the order in which Erlang wants them."""
    layout, hot = inputs.layout, inputs.config.service.hot
    kept, root = f"{layout.root}/.running", f"{layout.root}"
    directory = release_directory(inputs)
    planner = (
        f':file.script(~c"{layout.libexec}/plan-upgrade", '
        f'[Kept: ~c"{kept}", RelDir: ~c"{directory}", Root: ~c"{root}"])'
    )
    script = f"{root}/{inputs.release.start[0]}"
    return (
        f':file.script(~c"{layout.libexec}/switch-upgrade", '
        f'[Eval: [~c"{script}", ~c"eval", ~c|{planner}|], Kept: ~c"{kept}", RelDir: ~c"{directory}", '
        f'Root: ~c"{root}", Started: ~c"{directory}/started", Suspend: {hot.suspend_timeout_sec * 1000}, '
        f"Timeout: {hot.timeout_sec * 1000}])"
    )
