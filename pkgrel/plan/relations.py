"""Relations to other packages, from the way people write them.

postgresql-client (>= 14)     Debian's way
postgresql >= 14              RPM's way
default-mta | mail-transport-agent
"""

import re
from collections.abc import Iterable

from pkgrel.config.model import Config
from pkgrel.config.service import Upgrade
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError
from pkgrel.package import Relation, Relations
from pkgrel.plan.layout import Layout

_VERSION = r"[A-Za-z0-9.+~:^_-]+"
_RELATION = re.compile(
    r"(?P<name>[A-Za-z0-9_/][A-Za-z0-9_.+:~/@-]*(?:\([^\s()\"']*\)){0,2})"
    rf"(?:\s*\(\s*(?P<op>[<>=]{{1,2}})\s*(?P<version>{_VERSION})\s*\)"
    rf"|\s+(?P<op2>[<>=]{{1,2}})\s*(?P<version2>{_VERSION}))?"
)
# Policy 5.6.7 and 7.1, with an architecture behind the colon.
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+(?::[a-z0-9-]+)?")
# `<<` and `>>` are Debian's strict ones; the model has one spelling for each.
_OPERATORS = {"<<": "<", ">>": ">", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "=": "="}


def parse_relation(text: str) -> Relation:
    """Read one relation, alternatives behind `|`; ConfigError if it is none."""
    first, *others = (_single(part.strip(), text) for part in text.split("|"))
    if not others:
        return first
    return Relation(
        name=first.name, operator=first.operator, version=first.version, alternatives=tuple(others)
    )


def _single(part: str, whole: str) -> Relation:
    match = _RELATION.fullmatch(part)
    operator = (match["op"] or match["op2"] or "") if match else ""
    if match is None or (operator and operator not in _OPERATORS):
        raise ConfigError(
            f"`{whole}` is no relation to a package",
            hint="write `name`, `name (>= 1.2)` or `a | b`",
        )
    return Relation(
        name=match["name"],
        operator=_OPERATORS[operator] if operator else "",
        version=match["version"] or match["version2"] or "",
    )


def relations(config: Config, layout: Layout, distro: Distro) -> Relations:
    """The user's relations and those that the package needs for itself."""
    settings = config.package
    return Relations(
        depends=(*_own(distro), *_used(config, distro), *_parsed(settings.depends, distro)),
        recommends=(*_wished(config, distro), *_parsed(settings.recommends, distro)),
        suggests=_parsed(settings.suggests, distro),
        conflicts=_parsed(settings.conflicts, distro),
        replaces=_parsed(settings.replaces, distro),
        provides=(*_accounts(layout, distro), *_parsed(settings.provides, distro)),
    )


def _parsed(texts: Iterable[str], distro: Distro) -> tuple[Relation, ...]:
    found = tuple(parse_relation(text) for text in texts)
    for relation in found if distro.format == "deb" else ():
        for item in (relation, *relation.alternatives):
            if not _DEBIAN.fullmatch(item.name):
                raise ConfigError(
                    f"`{item.name}` cannot be the name of a Debian package",
                    hint="give the relations of each format in [deb] and [rpm]",
                )
    return found


def _own(distro: Distro) -> Iterable[Relation]:
    """What the maintainer scripts and the wrapper call."""
    if distro.format == "deb":
        yield Relation(name="passwd", before_install=True)
        return
    # Capabilities and files rather than packages: their names differ between the families.
    yield Relation(name="/usr/sbin/useradd", before_install=True)
    yield Relation(name="systemd")


def _used(config: Config, distro: Distro) -> Iterable[Relation]:
    """Programs that the settings ask for."""
    service = config.service
    deb = distro.format == "deb"
    if config.helpers.cloud_init:
        yield Relation(name="jq" if deb else "/usr/bin/jq")
    if service.ready.http and service.on_upgrade is Upgrade.WAIT:
        yield Relation(name="curl" if deb else "/usr/bin/curl")
    if (service.deploy_user and service.sudo) or service.sudo_service:
        # sudo-rs reads the same file.
        other = (Relation(name="sudo-rs"),) if deb else ()
        yield Relation(name="sudo" if deb else "/usr/bin/sudo", alternatives=other)


def _wished(config: Config, distro: Distro) -> Iterable[Relation]:
    """The AWS CLI: many install Amazon's own, which no package provides, and the helper says when it is missing."""
    if config.helpers.s3 or config.helpers.ssm:
        yield Relation(name="awscli" if distro.format == "deb" else "/usr/bin/aws")


def _accounts(layout: Layout, distro: Distro) -> Iterable[Relation]:
    """rpm 4.19 asks for the owners of files and takes sysusers.d as the answer."""
    if distro.format == "rpm":
        yield Relation(name=f"user({layout.user})")
        yield Relation(name=f"group({layout.group})")
