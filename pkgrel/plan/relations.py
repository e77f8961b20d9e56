"""Relations to other packages: those of the settings, and those that native code needs.

postgresql-client (>= 14)     Debian's way
postgresql >= 14              RPM's way
default-mta | mail-transport-agent

For native code an .rpm requires sonames and symbol versions, as rpm's generator (tools/elfdeps.c) writes them; a .deb
depends on the packages of its suite that provide the libraries and on a new enough libc6, as dpkg-shlibdeps does.
Whether the distro has them is checked elsewhere, by `pkgrel.compatibility`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pkgrel.config.model import Config
from pkgrel.config.service import Upgrade
from pkgrel.distro import Distro, Format, libraries, unsupported
from pkgrel.errors import ConfigError, PlanError
from pkgrel.formats import package_format
from pkgrel.package import Relation, Relations
from pkgrel.plan.inputs import Inputs
from pkgrel.release.model import NativeFile, Release
from pkgrel.release.native import library_names

_VERSION = r"[A-Za-z0-9.+~:^_-]+"
_RELATION = re.compile(
    r"(?P<name>[A-Za-z0-9_/][A-Za-z0-9_.+:~/@-]*(?:\([^\s()\"']*\)){0,2})"
    rf"(?:\s*\(\s*(?P<op>[<>=]{{1,2}})\s*(?P<version>{_VERSION})\s*\)"
    rf"|\s+(?P<op2>[<>=]{{1,2}})\s*(?P<version2>{_VERSION}))?"
)
# `<<` and `>>` are Debian's strict ones; the model has one spelling for each.
_OPERATORS = {"<<": "<", ">>": ">", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "=": "="}


def parse_relation(text: str) -> Relation:
    """Parse one relation, with alternatives after `|`; ConfigError if it is malformed."""
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
            f"`{whole}` is not a relation to a package",
            hint="write `name`, `name (>= 1.2)` or `a | b`",
        )
    return Relation(
        name=match["name"],
        operator=_OPERATORS[operator] if operator else "",
        version=match["version"] or match["version2"] or "",
    )


def package_relations(inputs: Inputs) -> Relations:
    """The relations of the settings and those that the package itself needs."""
    config = inputs.config
    settings = config.package
    format = package_format(inputs.distro.format)

    def parsed(key: str) -> tuple[Relation, ...]:
        try:
            found = tuple(parse_relation(text) for text in getattr(settings, key))
            for relation in found:
                format.refuse_relation(relation)
        except ConfigError as e:
            raise ConfigError(f"`package.{key.replace('_', '-')}`: {e}", hint=e.hint) from None
        return found

    return Relations(
        depends=(
            *format.requirements(),
            *(format.program(name) for name in _used(config)),
            *(replace(relation, before_install=True) for relation in parsed("pre_depends")),
            *parsed("depends"),
        ),
        recommends=(
            *(format.program(name) for name in _wished(config)),
            *parsed("recommends"),
        ),
        suggests=parsed("suggests"),
        conflicts=parsed("conflicts"),
        replaces=parsed("replaces"),
        provides=(
            *format.accounts(inputs.layout.user, inputs.layout.group),
            *parsed("provides"),
        ),
        breaks=parsed("breaks"),
        enhances=parsed("enhances"),
    )


def _used(config: Config) -> Iterable[str]:
    """Programs that enabled features need."""
    service = config.service
    if config.helpers.cloud_init:
        yield "jq"
    if service.ready.http and service.on_upgrade in (Upgrade.WAIT, Upgrade.HOT):
        yield "curl"
    if (service.deploy_user and service.sudo) or service.sudo_service:
        yield "sudo"


def _wished(config: Config) -> Iterable[str]:
    """The AWS CLI, only recommended: many install Amazon's, which no package provides; the helper reports a missing one."""
    if config.helpers.s3 or config.helpers.ssm or config.deploy.report.startswith("s3:"):
        yield "aws"
    if config.deploy.report.startswith("http") and "curl" not in _used(config):
        yield "curl"


# elfdeps marks 64-bit dependencies.
_64_BIT = {"x86_64", "aarch64", "ppc64le", "ppc64", "s390x", "riscv64", "loongarch64"}


def library_relations(
    release: Release, distro: Distro, mapped: Mapping[str, str]
) -> Iterator[Relation]:
    """What the release's native code needs from the system; `mapped` names packages by soname, from the settings.

    PlanError for a library of unknown origin.
    """
    native = [file for file in release.native if file.architecture == release.architecture]
    bundled = library_names(native, release.entries)
    match distro.format:
        case Format.DEB:
            yield from _packages(native, bundled, distro, mapped)
        case Format.RPM:
            yield from _capabilities(native, bundled, release.architecture, distro)
        case _:
            raise unsupported(distro.format)


def _capabilities(
    native: list[NativeFile], bundled: frozenset[str], architecture: str, distro: Distro
) -> Iterator[Relation]:
    bits = "(64bit)" if architecture in _64_BIT else ""
    wanted = {f"{soname}()" for file in native for soname in file.needed if soname not in bundled}
    wanted |= {
        f"{soname}({version})"
        for file in native
        for soname, version in file.versions
        if soname not in bundled and not _unversioned(version, distro)
    }
    for name in sorted(wanted):
        yield Relation(name=f"{name}{bits}")


def _unversioned(version: str, distro: Distro) -> bool:
    """Whether the distro's library has the symbols but no versions of them.

    Debian's ncurses has versions, Fedora's does not: the dynamic linker accepts that, but dnf, which knows only
    what packages provide, does not.
    """
    return version.startswith("NCURSES") and distro.ncurses == "unversioned"


def _packages(
    native: list[NativeFile], bundled: frozenset[str], distro: Distro, mapped: Mapping[str, str]
) -> Iterator[Relation]:
    found: dict[str, Relation] = {}
    versions: dict[str, str] = {}
    for file in native:
        brought: dict[str, Relation] = {}
        for soname in (name for name in file.needed if name not in bundled):
            texts = _brings(soname, file, distro, mapped).split(",")
            relations = [parse_relation(text.strip()) for text in texts]
            brought[soname] = relations[0]
            for relation in relations:
                found.setdefault(relation.name, relation)
        for soname, version in file.versions:
            if soname in brought and soname not in mapped:
                name, since = brought[soname].name, _since(distro, soname, version)
                versions[name] = max(versions.get(name, ""), since, key=_order)
    for name in sorted(found):
        yield _relation(found[name], versions.get(name, ""))


def _since(distro: Distro, soname: str, version: str) -> str:
    measured = distro.libraries.versions.get((soname, version), "")
    return measured or libraries.since(distro, version)


def _order(version: str) -> libraries.Number:
    """The higher of two versions of one package, which have the same epoch."""
    return libraries.number(version.rpartition(":")[2])


def _relation(relation: Relation, version: str) -> Relation:
    """The relation with the version that the symbols need, else that of the image; with the package's name before the
    64-bit time_t transition as an alternative, for derivatives that lag behind."""
    every = [replace(relation, alternatives=()), *relation.alternatives]
    every += [replace(one, name=one.name.removesuffix("t64")) for one in every]
    if version:
        every = [replace(one, operator=">=", version=version) for one in every]
    first, *others = dict.fromkeys(every)
    return replace(first, alternatives=tuple(others))


def _brings(soname: str, file: NativeFile, distro: Distro, mapped: Mapping[str, str]) -> str:
    known = mapped.get(soname) or libraries.relation(distro, soname, file.architecture)
    # Not in this suite: if pkgrel did not refuse to build the package, apt must refuse to install it.
    if text := known or libraries.elsewhere(soname):
        return text
    raise PlanError(
        f"`{file.path}` needs `{soname}`, and it is not known which package of {distro.title} brings it",
        hint=f'name it in [package]: libraries = {{ "{soname}" = "PACKAGE" }}, or ship the library in the release',
    )
