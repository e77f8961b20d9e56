"""Changing versions on the host: `NAME upgrade`, `NAME rollback`, and the files that they need.

A maintainer script cannot call its package manager, which holds its lock until the script ends. When a version fails,
its script therefore has systemd start a transient unit that does what `NAME rollback` does and waits for the lock.

`on-upgrade = "hot"`: OTP's release handler loads the new version into the running VM. Before the old files are
removed, the new package's script keeps them as hard links that the service cannot write. When the new files are in
place, a VM of the new release plans the upgrade (`packaging_templates/libexec/plan-upgrade`) and the running VM carries
it out (`switch-upgrade`), both as the service's user. If that is impossible or fails, the service is restarted
(`packaging_templates/scripts/hot-upgrade`).

Source: release_handler(3), relup(4); OTP Design Principles, "Release Handling".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pkgrel.config.runtime import OnFailure, Reach
from pkgrel.config.service import ServiceType, Upgrade
from pkgrel.content import Inline
from pkgrel.distro import Format, unsupported
from pkgrel.errors import ConfigError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import File, Version
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render, shell_quoted
from pkgrel.version import upstream

_DIGESTED = r".*-[0-9a-f]{32}(\.[A-Za-z0-9]+)+"
"""Names that `mix phx.digest` gives to files in priv/static; also valid as a POSIX extended regular expression."""
_STATIC = re.compile(rf"lib/[^/]+/priv/static/{_DIGESTED}")


def _has_digests(release: Release) -> bool:
    return any(_STATIC.fullmatch(entry.path) for entry in release.entries)


def change_version_values(inputs: Inputs) -> dict[str, Any]:
    """Values for the template of `change-version`; ConfigError for a rollback that no failure would trigger."""
    settings, service = inputs.config.upgrade, inputs.config.service
    goes_back = settings.on_failure is OnFailure.ROLLBACK
    if goes_back and service.on_upgrade not in (Upgrade.WAIT, Upgrade.HOT):
        raise ConfigError(
            f'`upgrade.on-failure = "rollback"` sees no failure with `on-upgrade = "{service.on_upgrade}"`',
            hint='set `on-upgrade = "wait"` in [service], and what to wait for in [service.ready]',
        )
    layout = inputs.layout
    for number, unit in enumerate(inputs.config.unit):
        if goes_back and unit.name == f"{layout.name}-rollback.service":
            raise ConfigError(
                f"`unit[{number}].name`: {unit.name} is what goes back from a version that fails",
                hint="give it another name, or leave `on-failure` of [upgrade] out",
            )
    return {
        "keep": settings.keep,
        "goes_back": goes_back,
        "versions": layout.versions,
        "held": layout.held,
        "refused": layout.refused,
        "reported": layout.reported,
        "indices": layout.indices,
        "packages": layout.packages,
        "failed": layout.failed,
        "suffix": inputs.format.value,
        "manager": package_format(inputs.format).manager(inputs.distro.installer),
        **deploy_values(inputs),
    }


def deploy_values(inputs: Inputs) -> dict[str, Any]:
    """Values for the deploy user's templates; ConfigError for settings that need a deploy user if there is none."""
    service, settings = inputs.config.service, inputs.config.deploy
    deploys = service.deploy_user if service.sudo else ""
    for key, value in (("minimum", settings.minimum), ("rpc", settings.rpc)):
        if value and not deploys:
            raise ConfigError(
                f"`deploy.{key}` is for the deploy user, and there is none",
                hint="set `deploy-user` in [service], or leave it out",
            )
    if settings.rpc and inputs.layout.user == "root":
        raise ConfigError("`deploy.rpc` would make the deploy user root, as whom the service runs")
    epoch = f"{inputs.config.package.epoch}:" if inputs.config.package.epoch else ""
    minimum = f"{epoch}{upstream(settings.minimum)}" if settings.minimum else ""
    return {
        "deploys": deploys,
        "rpc": settings.rpc,
        "minimum": shell_quoted(minimum) if minimum else "",
    }


def version_values(inputs: Inputs, version: Version) -> dict[str, Any]:
    """Values for the maintainer scripts, which know their package's version."""
    values = change_version_values(inputs)
    text = str(version)
    kept = f"{inputs.layout.packages}/{text.replace(':', '_')}.{inputs.format.value}"
    downloaded = package_format(inputs.format).downloaded(
        inputs.layout.name, version, inputs.release.architecture
    )
    return values | {
        "report": f"{inputs.layout.etc}/report" if inputs.config.deploy.report else "",
        "digests": _DIGESTED if _has_digests(inputs.release) else "",
        "assets": inputs.layout.assets,
        "kept_assets": inputs.layout.kept_assets,
        "version": shell_quoted(text),
        "kept_file": shell_quoted(kept),
        "downloaded": downloaded,
    }


HELPER = "prepare-upgrades"
"""The program that runs before each start."""

_SCRIPTS = {Kind.MIX: "mix", Kind.RELX_EXTENDED: "relx"}
"""Kinds whose start script can both evaluate in the running VM and start one with the release's configuration."""


def is_hot(inputs: Inputs) -> bool:
    """Whether upgrades are hot if possible."""
    return _wants_hot(inputs) and inputs.release.kind in _SCRIPTS


def never_hot(inputs: Inputs) -> str:
    """Why an upgrade configured as hot is always a restart; empty if it can be hot."""
    if not _wants_hot(inputs) or is_hot(inputs):
        return ""
    return f"the start script of a release of {inputs.release.kind} cannot do it"


def _wants_hot(inputs: Inputs) -> bool:
    return inputs.config.service.on_upgrade is Upgrade.HOT


def hot_values(inputs: Inputs) -> dict[str, Any]:
    """Values for hot upgrades; ConfigError or PlanError for a release or service that can never do them."""
    if not is_hot(inputs):
        return {"hot": None, "never_hot": never_hot(inputs)}
    _refuse_impossible(inputs)
    layout, release = inputs.layout, inputs.release
    return {
        "hot": inputs.config.service.hot,
        "never_hot": "",
        "tool": _SCRIPTS[release.kind],
        "release_version": release.version,
        "kept": layout.kept,
        "places": layout.places,
        "reldir": release_directory(inputs),
        "history": layout.history,
        "switch": shell_quoted(_switch(inputs)),
    }


def hot_variables(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Where release_handler reads and writes; the release's own directory is read-only."""
    if is_hot(inputs):
        yield "RELDIR", str(release_directory(inputs))


def release_directory(inputs: Inputs) -> PurePosixPath:
    """RELDIR: removed when the service stops, since it holds its configuration; created before each start."""
    return inputs.layout.runtime / "releases"


def hot_files(inputs: Inputs) -> Iterator[File]:
    """The programs of a hot upgrade, and the RELEASES file that release_handler reads."""
    if not is_hot(inputs):
        return
    layout = inputs.layout
    values = {**layout.names(), **hot_values(inputs), "libexec": layout.libexec}
    programs = [(HELPER, 0o755), ("plan-upgrade", 0o644), ("switch-upgrade", 0o644)]
    if inputs.release.kind is Kind.RELX_EXTENDED:
        programs.append(("planner.args", 0o644))
    for name, mode in programs:
        text = render(f"libexec/{name}", **values)
        yield File(path=layout.libexec / name, content=Inline(text.encode()), mode=mode)
    text = _releases(inputs.release, layout.root)
    yield File(path=layout.libexec / "RELEASES", content=Inline(text.encode()))
    match inputs.distro.format:
        case Format.DEB:
            text = render("etc/needrestart", **values)
            path = PurePosixPath("/etc/needrestart/conf.d", f"{layout.name}.conf")
            yield File(path=path, content=Inline(text.encode()), conffile=True)
        case Format.RPM:
            pass  # `dnf needs-restarting` restarts nothing
        case _:
            raise unsupported(inputs.distro.format)


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
            hint="`mix release` adds it, so leave it out of `applications` in `releases` of mix.exs; for relx it is one"
            " of the applications in `release` of rebar.config",
        )


def _switch(inputs: Inputs) -> str:
    """The expression that the running VM evaluates, in the language of its start script."""
    layout, hot = inputs.layout, inputs.config.service.hot
    directory = release_directory(inputs)
    paths = {
        "Kept": layout.kept,
        "Planner": layout.libexec / "plan-upgrade",
        "RelDir": directory,
        "Root": layout.root,
        "Script": layout.root / inputs.release.start[0],
        "Started": directory / "started",
    }
    numbers = {"Suspend": hot.suspend_timeout_sec * 1000, "Timeout": hot.timeout_sec * 1000}
    program = layout.libexec / "switch-upgrade"
    if inputs.release.kind is Kind.MIX:
        bindings = [
            *(f'{name}: ~c"{path}"' for name, path in paths.items()),
            *(f"{name}: {number}" for name, number in numbers.items()),
            "Tool: :mix",
        ]
        return f':file.script(~c"{program}", [{", ".join(bindings)}])'
    bindings = [
        *(f"{{'{name}',\"{path}\"}}" for name, path in paths.items()),
        *(f"{{'{name}',{number}}}" for name, number in numbers.items()),
        "{'Tool',relx}",
    ]
    return f'element(2,file:script("{program}",[{",".join(bindings)}])).'
