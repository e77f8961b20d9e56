"""Relations to other packages, from the way people write them.

postgresql-client (>= 14)     Debian's way
postgresql >= 14              RPM's way
default-mta | mail-transport-agent
"""

import re
from collections.abc import Iterable

from pkgrel.config.model import Config
from pkgrel.config.service import Upgrade
from pkgrel.errors import ConfigError
from pkgrel.formats import package_format
from pkgrel.package import Relation, Relations
from pkgrel.plan.inputs import Inputs

_VERSION = r"[A-Za-z0-9.+~:^_-]+"
_RELATION = re.compile(
    r"(?P<name>[A-Za-z0-9_/][A-Za-z0-9_.+:~/@-]*(?:\([^\s()\"']*\)){0,2})"
    rf"(?:\s*\(\s*(?P<op>[<>=]{{1,2}})\s*(?P<version>{_VERSION})\s*\)"
    rf"|\s+(?P<op2>[<>=]{{1,2}})\s*(?P<version2>{_VERSION}))?"
)
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


def package_relations(inputs: Inputs) -> Relations:
    """The user's relations and those that the package needs for itself."""
    config = inputs.config
    settings = config.package
    format = package_format(inputs.distro.format)

    def parsed(texts: Iterable[str]) -> tuple[Relation, ...]:
        found = tuple(parse_relation(text) for text in texts)
        for relation in found:
            format.refuse_relation(relation)
        return found

    return Relations(
        depends=(
            *format.requirements(),
            *(format.program(name) for name in _used(config)),
            *parsed(settings.depends),
        ),
        recommends=(
            *(format.program(name) for name in _wished(config)),
            *parsed(settings.recommends),
        ),
        suggests=parsed(settings.suggests),
        conflicts=parsed(settings.conflicts),
        replaces=parsed(settings.replaces),
        provides=(
            *format.accounts(inputs.layout.user, inputs.layout.group),
            *parsed(settings.provides),
        ),
    )


def _used(config: Config) -> Iterable[str]:
    """Programs that the settings ask for."""
    service = config.service
    if config.helpers.cloud_init:
        yield "jq"
    if service.ready.http and service.on_upgrade is Upgrade.WAIT:
        yield "curl"
    if (service.deploy_user and service.sudo) or service.sudo_service:
        yield "sudo"


def _wished(config: Config) -> Iterable[str]:
    """The AWS CLI: many install Amazon's own, which no package provides, and the helper says when it is missing."""
    if config.helpers.s3 or config.helpers.ssm:
        yield "aws"
