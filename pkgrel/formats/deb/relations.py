"""Fields that name other packages.

Source: Debian Policy 7.1; deb-control(5).
"""

from pkgrel.package import Relation, Relations

OPERATORS = {"<": "<<", "<=": "<=", "=": "=", ">=": ">=", ">": ">>"}


def fields(relations: Relations) -> dict[str, str]:
    """Fields and values in the order of dpkg-gencontrol; empty for none."""
    before = [relation for relation in relations.depends if relation.before_install]
    later = [relation for relation in relations.depends if not relation.before_install]
    return {
        "Pre-Depends": _list(before),
        "Depends": _list(later),
        "Recommends": _list(relations.recommends),
        "Suggests": _list(relations.suggests),
        "Conflicts": _list(relations.conflicts),
        # Policy 7.6.1: a file may move between packages if it both replaces and breaks the old one.
        "Breaks": _list(relations.replaces),
        "Replaces": _list(relations.replaces),
        "Provides": _list(relations.provides),
    }


def _list(relations: list[Relation] | tuple[Relation, ...]) -> str:
    return ", ".join(
        " | ".join(map(_one, (relation, *relation.alternatives))) for relation in relations
    )


def _one(relation: Relation) -> str:
    if not relation.operator:
        return relation.name
    return f"{relation.name} ({OPERATORS[relation.operator]} {relation.version})"
