"""Scriptlets and triggers by the names that a spec file gives them.

Source: rpm-scriptlets(7), include/rpm/rpmtag.h of rpm 4.20.
"""

from collections.abc import Iterator

from pkgrel.artifact.model import Script
from pkgrel.artifact.rpm.header import Header
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

# name -> tags of text, interpreter
SCRIPTLETS = {
    "%pretrans": (1151, 1153),
    "%pre": (1023, 1085),
    "%post": (1024, 1086),
    "%posttrans": (1152, 1154),
    "%preuntrans": (5103, 5105),
    "%preun": (1025, 1087),
    "%postun": (1026, 1088),
    "%postuntrans": (5104, 5106),
    "%verifyscript": (1079, 1091),
}

# family -> tags of texts, interpreters, names, flags, indexes of the names' texts
TRIGGERS = {
    "trigger": (1065, 1092, 1066, 1068, 1069),
    "filetrigger": (5066, 5067, 5069, 5072, 5070),
    "transfiletrigger": (5076, 5077, 5079, 5082, 5080),
}

_WHEN = {1 << 25: "prein", 1 << 16: "in", 1 << 17: "un", 1 << 18: "postun"}


def scripts(header: Header) -> dict[str, Script]:
    """Every scriptlet, in the order in which rpm runs them, and then the triggers."""
    found = {}
    for name, (text, program) in SCRIPTLETS.items():
        interpreter = " ".join(header.strings(program))
        if interpreter or header.strings(text):
            found[name] = Script(interpreter=interpreter, text=_bounded(name, header.text(text)))
    for family in TRIGGERS:
        found.update(_triggers(header, family))
    return found


def _triggers(header: Header, family: str) -> Iterator[tuple[str, Script]]:
    texts, programs, names, flags, indexes = TRIGGERS[family]
    bodies, interpreters = header.strings(texts), header.strings(programs)
    conditions = header.strings(names), header.numbers(flags), header.numbers(indexes)
    if len({len(column) for column in conditions}) > 1 or len(bodies) != len(interpreters):
        raise PackageError(f"damaged: its {family}s have no scripts")
    for name, bits, index in zip(*conditions, strict=True):
        if index >= len(bodies):
            raise PackageError(f"damaged: its {family} on {name} has no script")
        when = next((word for bit, word in _WHEN.items() if bits & bit), "in")
        yield (
            f"%{family}{when} -- {name}",
            Script(interpreter=interpreters[index], text=_bounded(name, bodies[index])),
        )


def _bounded(name: str, text: str) -> str:
    if len(text) > LIMITS.package_script:
        raise PackageError(f"its {name} has {len(text)} characters")
    return text
