"""Requires, Provides and the other relations, each as three columns: names, versions, flags.

Source: include/rpm/rpmds.h of rpm 4.20 for the flags, build/pack.c and build/files.c for rpmlib().
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pkgrel.errors import PackageError
from pkgrel.formats import encoding
from pkgrel.formats.rpm.cpio import LARGEST
from pkgrel.formats.rpm.files import Row
from pkgrel.formats.rpm.header import INTERPRETER, Value, scriptlets
from pkgrel.package import Compression, HardLink, Package, Relation
from pkgrel.rpm_tags import RELATIONS, AnyTag, Sense

OPERATORS = {
    "": 0,
    "<": Sense.LESS,
    "<=": Sense.LESS | Sense.EQUAL,
    "=": Sense.EQUAL,
    ">=": Sense.GREATER | Sense.EQUAL,
    ">": Sense.GREATER,
}

PLAIN = ("Provides", "Obsoletes")
"""Kinds of relations that cannot have alternatives in rpm."""


class Dependency(NamedTuple):
    """One relation; rpm sorts by name, version and flags, in this order."""

    name: str
    version: str
    flags: int


def tags(package: Package, rows: Iterable[Row]) -> dict[AnyTag, Value]:
    """The columns of every kind; PackageError for alternatives where rpm allows none."""
    kinds = _written(package)
    implied = set(_implied(package, rows))
    kinds["Provides"] |= implied
    kinds["Requires"] |= {dependency for dependency in implied if dependency.flags & Sense.CONFIG}
    kinds["Requires"] |= {
        Dependency(INTERPRETER, "", Sense.INTERP | scriptlet.sense)
        for scriptlet in scriptlets(package.scripts)
    }
    kinds["Requires"] |= {
        Dependency(f"rpmlib({feature})", version, Sense.RPMLIB | Sense.LESS | Sense.EQUAL)
        for feature, version in _features(package, rows, set().union(*kinds.values()))
    }
    columns: dict[AnyTag, Value] = {}
    for kind, dependencies in kinds.items():
        if dependencies:
            columns |= zip(RELATIONS[kind], zip(*sorted(dependencies), strict=True), strict=True)
    return columns


def _written(package: Package) -> dict[str, set[Dependency]]:
    """The relations of the package."""
    relations = package.relations
    kinds = {
        "Requires": relations.depends,
        "Provides": relations.provides,
        "Conflicts": (*relations.conflicts, *relations.breaks),
        "Obsoletes": relations.replaces,
        "Recommends": relations.recommends,
        "Suggests": relations.suggests,
        "Enhances": relations.enhances,
    }
    for kind in PLAIN:
        for relation in kinds[kind]:
            if relation.alternatives:
                raise PackageError(
                    f"rpm allows no alternatives in {kind}: {_rich(relation)}",
                    hint="name each one on its own",
                )
    return {kind: {_dependency(relation) for relation in said} for kind, said in kinds.items()}


def _dependency(relation: Relation) -> Dependency:
    when = Sense.PRE if relation.before_install else 0
    if relation.alternatives:
        return Dependency(_rich(relation), "", when)
    return Dependency(relation.name, relation.version, OPERATORS[relation.operator] | when)


def _rich(relation: Relation) -> str:
    """Alternatives as a rich dependency: `(a or b)`."""
    return f"({' or '.join(map(_one, (relation, *relation.alternatives)))})"


def _one(relation: Relation) -> str:
    if not relation.operator:
        return relation.name
    return f"{relation.name} {relation.operator} {relation.version}"


def _implied(package: Package, rows: Iterable[Row]) -> Iterator[Dependency]:
    """Provides of every package; build/rpmfc.c adds `config(NAME)` if it has configuration files."""
    version = str(package.version)
    isa = encoding.find_architecture(package.architecture).isa
    yield Dependency(package.name, version, Sense.EQUAL)
    if isa:
        yield Dependency(f"{package.name}({isa})", version, Sense.EQUAL)
    if any(row.conffile for row in rows):
        yield Dependency(f"config({package.name})", version, Sense.EQUAL | Sense.CONFIG)


def _features(
    package: Package, rows: Iterable[Row], dependencies: Iterable[Dependency]
) -> Iterator[tuple[str, str]]:
    """The rpmlib() feature that a compressor needs, and the first rpm with it; nothing for gzip."""
    versions = [dependency.version for dependency in dependencies]
    needed = {
        ("CompressedFileNames", "3.0.4-1"): True,
        ("FileDigests", "4.6.0-1"): True,
        ("PayloadFilesHavePrefix", "4.0-1"): True,
        ("PayloadIsXz", "5.2-1"): package.compression is Compression.XZ,
        ("PayloadIsZstd", "5.4.18-1"): package.compression is Compression.ZSTD,
        ("PartialHardlinkSets", "4.0.4-1"): any(isinstance(row.entry, HardLink) for row in rows),
        ("LargeFiles", "4.12.0-1"): any(row.size > LARGEST for row in rows),
        ("RichDependencies", "4.12.0-1"): any(d.name.startswith("(") for d in dependencies),
        ("TildeInVersions", "4.10.0-1"): any("~" in version for version in versions),
        ("CaretInVersions", "4.15.0-1"): any("^" in version for version in versions),
    }
    return (feature for feature, wanted in needed.items() if wanted)
