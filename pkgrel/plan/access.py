"""Who the service is on the host, and who may restart it: accounts, the restart flag, sudoers.

Source: sysusers.d(5), tmpfiles.d(5), systemd.path(5), sudoers(5).
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.config.service import RestartMethod
from pkgrel.content import Inline
from pkgrel.package import File
from pkgrel.plan.inputs import Inputs
from pkgrel.templates import render


def access_files(inputs: Inputs) -> Iterator[File]:
    """The files that say so."""
    yield from _accounts(inputs)
    if inputs.config.service.restart_method is RestartMethod.FLAG:
        yield from _restart_flag(inputs)
    yield from _sudoers(inputs)


def _accounts(inputs: Inputs) -> Iterator[File]:
    config = inputs.config
    values = {
        **inputs.layout.names(),
        "deploy_user": config.service.deploy_user,
        "extra_groups": config.service.extra_groups,
        "shared": list(config.service.shared_accounts),
    }
    yield _file(
        f"/usr/lib/sysusers.d/{inputs.layout.name}.conf", render("systemd/sysusers.conf", **values)
    )


def _restart_flag(inputs: Inputs) -> Iterator[File]:
    layout = inputs.layout
    user = inputs.config.service.deploy_user or layout.user
    lines = (
        # The directory is root's, so that nobody can put a link in the flag's place.
        f"d {layout.flag.parent} 0755 root root -",
        # A pipe keeps nothing, so nobody can fill /run with it. Only its owner may set its times to
        # others than now, as Elixir's File.touch does.
        f"p+ {layout.flag} 0600 {user} root -",
    )
    text = render("systemd/tmpfiles.conf", lines=lines)
    yield _file(f"/usr/lib/tmpfiles.d/{layout.name}.conf", text)
    values = {**layout.names(), "flag": layout.flag, "systemctl": layout.systemctl}
    for suffix in ("path", "service"):
        text = render(f"systemd/restart.{suffix}", **values)
        yield _file(f"{layout.units}/{layout.name}-restart.{suffix}", text)


def _sudoers(inputs: Inputs) -> Iterator[File]:
    layout = inputs.layout
    settings = inputs.config.service
    users = []
    if settings.deploy_user and settings.sudo:
        users.append(settings.deploy_user)
    if settings.sudo_service:
        users.append(layout.user)
    if not users:
        return
    # sudo compares with the path that the user's PATH gave; a merged /usr has both.
    text = render(
        "sudoers", **layout.names(), users=users, systemctl=("/usr/bin/systemctl", "/bin/systemctl")
    )
    # sudo skips names with a period in them.
    path = f"/etc/sudoers.d/{layout.name.replace('.', '_')}"
    yield _file(path, text, mode=0o440, conffile=True)


def _file(path: str, text: str, *, mode: int = 0o644, conffile: bool = False) -> File:
    return File(
        path=PurePosixPath(path), content=Inline(text.encode()), mode=mode, conffile=conffile
    )
