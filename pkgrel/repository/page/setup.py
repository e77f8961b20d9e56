"""The part of the page that says how to install."""

from collections.abc import Mapping
from dataclasses import replace

from pkgrel.distro import Distro
from pkgrel.repository.client import Access, commands
from pkgrel.repository.page.catalogue import newest, newest_first
from pkgrel.repository.page.html import Html, fill, join, paragraph, text
from pkgrel.repository.page.summary import Summary
from pkgrel.repository.place import Place

_UNKNOWN = "https://ADDRESS-OF-THIS-REPOSITORY"


def setup(access: Access, places: Mapping[Place, Summary]) -> Html:
    """How to install, for every distro and channel."""
    parts = []
    if not access.public:
        parts.append(
            paragraph(
                "This repository has no public address yet: these commands work where it is, and"
                " nowhere else. `pkgrel repo set --url` gives it one."
                if access.url
                else "This repository has no public address yet, which the commands need."
                " `pkgrel repo set --url` gives it one.",
                "warn",
            )
        )
    else:
        parts.append(
            fill(
                "script", command=f"curl -fsSL {access.url}/install.sh | sudo sh", href="install.sh"
            )
        )
    rows = [
        _distro(access, places, distro, first=not i)
        for i, distro in enumerate(newest_first(access.distros))
    ]
    return join([*parts, Html('<div class="card list">\n'), *rows, Html("</div>")])


def _distro(
    access: Access, places: Mapping[Place, Summary], distro: Distro, *, first: bool
) -> Html:
    channels = access.channels(distro)
    return fill(
        "distro",
        open=Html(" open") if first else "",
        title=distro.title,
        tools=distro.installer,
        channels=join(
            _commands(access, places, distro, c, alone=len(channels) == 1) for c in channels
        ),
    )


def _commands(
    access: Access, places: Mapping[Place, Summary], distro: Distro, channel: str, *, alone: bool
) -> Html:
    package = newest(places, distro.id, channel) or "PACKAGE"
    if not access.url:
        access = replace(access, url=_UNKNOWN)
    lines = commands(access, distro, channel, package)
    heading = Html("") if alone else Html(f"<h4>Channel {text(channel)}</h4>")
    return fill(
        "commands",
        heading=heading,
        distro=distro.id,
        channel=channel,
        commands=join(Html(f'<span class="line">{text(line)}\n</span>') for line in lines),
    )
