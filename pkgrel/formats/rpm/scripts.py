"""Scriptlets and their interpreters.

Source: build/parseScript.c of rpm 4.20; rpm-scriptlets(7).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel.formats.rpm.header import Value
from pkgrel.formats.rpm.tags import AnyTag, Tag
from pkgrel.package import MaintainerScripts

INTERPRETER = "/bin/sh"


@dataclass(frozen=True, slots=True)
class Scriptlet:
    """A scriptlet that is there."""

    text: str
    tag: Tag
    program: Tag
    sense: int
    """RPMSENSE_SCRIPT_*: in a requirement, when its interpreter must be installed."""


def scriptlets(scripts: MaintainerScripts) -> Iterator[Scriptlet]:
    """The scriptlets that a package has."""
    every = (
        Scriptlet(scripts.before_install, Tag.PREIN, Tag.PREINPROG, 1 << 9),
        Scriptlet(scripts.after_install, Tag.POSTIN, Tag.POSTINPROG, 1 << 10),
        Scriptlet(scripts.before_remove, Tag.PREUN, Tag.PREUNPROG, 1 << 11),
        Scriptlet(scripts.after_remove, Tag.POSTUN, Tag.POSTUNPROG, 1 << 12),
        Scriptlet(scripts.after_transaction, Tag.POSTTRANS, Tag.POSTTRANSPROG, 1 << 5),
    )
    return (scriptlet for scriptlet in every if scriptlet.text.strip())


def tags(scripts: MaintainerScripts) -> dict[AnyTag, Value]:
    """Texts, without blank space behind them as rpmbuild writes them, and interpreters."""
    found: dict[AnyTag, Value] = {}
    for scriptlet in scriptlets(scripts):
        found[scriptlet.tag] = scriptlet.text.rstrip()
        found[scriptlet.program] = INTERPRETER
    return found
