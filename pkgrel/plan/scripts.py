"""Maintainer scripts, scriptlets and the wrapper in /usr/bin."""

import re
from collections.abc import Mapping

from pkgrel.config.model import Config, Upgrade
from pkgrel.distro import Distro
from pkgrel.package import MaintainerScripts
from pkgrel.plan.environment import COOKIE
from pkgrel.plan.layout import Layout
from pkgrel.release.model import Kind, Release
from pkgrel.templates import render


def maintainer_scripts(
    release: Release, config: Config, place: Layout, distro: Distro
) -> MaintainerScripts:
    """Every script for the format of the distro."""
    values = {
        "name": place.name,
        "user": place.user,
        "group": place.group,
        "etc": place.etc,
        "state": place.state,
        "unit": place.unit,
        "enable": config.service.enable,
        # `start` leaves a running service alone.
        "action": "restart" if config.service.on_upgrade is Upgrade.RESTART else "start",
        "secrets": [COOKIE[release.kind]],
    }
    if distro.format == "deb":
        return MaintainerScripts(
            before_install=render("deb/preinst", **values),
            after_install=render("deb/postinst", **values),
            before_remove=render("deb/prerm", **values),
            after_remove=render("deb/postrm", **values),
        )
    return MaintainerScripts(
        before_install=render("rpm/pre", **values),
        after_install=render("rpm/post", **values),
        before_remove=render("rpm/preun", **values),
        after_remove=render("rpm/postun", **values),
        after_transaction=render("rpm/posttrans", **values),
    )


# What each kind calls the directory that it may write to.
_WRITABLE = {Kind.MIX: "RELEASE_TMP", Kind.DISTILLERY: "RELEASE_MUTABLE_DIR"}


def wrapper(release: Release, place: Layout, environment: Mapping[str, str]) -> str:
    """/usr/bin/NAME: the release's commands with the unit's user and environment."""
    return render(
        "wrapper",
        name=place.name,
        user=place.user,
        unit=place.unit,
        root=place.root,
        etc=place.etc,
        state=place.state,
        runtime=place.runtime,
        script=release.start[0],
        mix=release.kind is Kind.MIX,
        environment={name: shell_quoted(value) for name, value in environment.items()},
        writable=_WRITABLE.get(release.kind, "RELX_OUT_FILE_PATH"),
    )


def shell_quoted(text: str) -> str:
    """One word for a POSIX shell; plain ones stay readable."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"
