"""Requires, Provides and the others as the spec file would say them.

Source: include/rpm/rpmds.h of rpm 4.20 for the bits, lib/formats.c deptypeFormat() for their names.
"""

from pkgrel.artifact.rpm.header import Header
from pkgrel.errors import PackageError

# kind -> tags of names, versions, flags
KINDS = {
    "Requires": (1049, 1050, 1048),
    "Recommends": (5046, 5047, 5048),
    "Suggests": (5049, 5050, 5051),
    "Supplements": (5052, 5053, 5054),
    "Enhances": (5055, 5056, 5057),
    "Conflicts": (1054, 1055, 1053),
    "Obsoletes": (1090, 1115, 1114),
    "Provides": (1047, 1113, 1112),
    "OrderWithRequires": (5035, 5036, 5037),
}

_LESS, _GREATER, _EQUAL = 1 << 1, 1 << 2, 1 << 3

# What stands in brackets behind the kind; `auto` and `config` are left out, they say who wrote it.
_QUALIFIERS = {
    1 << 24: "rpmlib",
    1 << 8: "interp",
    1 << 9: "pre",
    1 << 10: "post",
    1 << 11: "preun",
    1 << 12: "postun",
    1 << 13: "verify",
    1 << 7: "pretrans",
    1 << 5: "posttrans",
    1 << 29: "meta",
}


def relations(header: Header) -> dict[str, tuple[str, ...]]:
    """Kind -> relations in the header's order; `Requires(pre)` is a kind of its own."""
    found: dict[str, list[str]] = {}
    for kind, (names, versions, flags) in KINDS.items():
        columns = (header.strings(names), header.strings(versions), header.numbers(flags))
        if len({len(column) for column in columns}) > 1:
            raise PackageError(f"damaged: its {kind} have names without versions")
        for name, version, bits in zip(*columns, strict=True):
            words = [word for bit, word in _QUALIFIERS.items() if bits & bit]
            qualified = f"{kind}({','.join(words)})" if words else kind
            found.setdefault(qualified, []).append(_relation(name, version, bits))
    return {kind: tuple(items) for kind, items in found.items()}


def _relation(name: str, version: str, bits: int) -> str:
    operator = (
        ("<" if bits & _LESS else "")
        + (">" if bits & _GREATER else "")
        + ("=" if bits & _EQUAL else "")
    )
    return f"{name} {operator} {version}" if operator and version else name
