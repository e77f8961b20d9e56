"""What must not get into an index: one package that apt cannot read spoils the whole repository.

`E: Problem parsing dependency` ends every `apt-get update` and `apt-get install` of every client, so it
is worth a look before. The forms are those that dpkg takes.

Source: deb-control(5); apt-pkg/deb/deblistparser.cc of apt 2.6, ParseDepends(); lib/dpkg/parsehelp.c
of dpkg 1.22.
"""

import re

from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError

_NAME = r"[A-Za-z0-9][A-Za-z0-9+._-]*"
_VERSION = r"\(\s*(?:<<|<=|=|>=|>>|<|>)\s*[A-Za-z0-9.+~:-]+\s*\)"
_RELATION = re.compile(rf"\s*{_NAME}(?::[a-z0-9-]+)?\s*(?:{_VERSION})?\s*")
_PACKAGE = re.compile(_NAME)
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")


def check(artifact: Artifact) -> None:
    """PackageError if the package's name, architecture or relations are none."""
    for what, value, form in (
        ("name", artifact.name, _PACKAGE),
        ("architecture", artifact.architecture, _ARCHITECTURE),
    ):
        if not form.fullmatch(value):
            raise PackageError(
                f"{artifact.file}: `{value}` is no {what} of a package", hint="build it anew"
            )
    for kind in artifact.relations:
        if kind != "Built-Using" and (wrong := _unreadable(artifact.control[kind])):
            raise PackageError(
                f"{artifact.file}: {kind} has `{wrong}`, which apt cannot read: no client could"
                " update from the repository any more",
                hint="write relations as `name (>= version)`, and build the package anew",
            )


def _unreadable(relations: str) -> str:
    """The first relation that is none; the whole text if one is empty."""
    for item in relations.removesuffix(",").split(","):
        for relation in item.split("|"):
            if not _RELATION.fullmatch(relation):
                return relation.strip() or " ".join(relations.split())
    return ""
