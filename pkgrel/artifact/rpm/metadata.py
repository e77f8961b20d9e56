"""Metadata in an rpm's header: fields, relations, scriptlets and changelog.

Relations, scriptlets and triggers are written as in a spec file.
Source: rpm-scriptlets(7), include/rpm/rpmds.h and rpmtag.h of rpm 4.20, lib/formats.c deptypeFormat().
"""

from collections.abc import Iterator

from pkgrel.artifact.model import Script
from pkgrel.artifact.rpm.header import Header
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS
from pkgrel.package import Change
from pkgrel.rpm_tags import RELATIONS, Sense, Tag

METADATA = {
    "Name": Tag.NAME,
    "Epoch": Tag.EPOCH,
    "Version": Tag.VERSION,
    "Release": Tag.RELEASE,
    "Arch": Tag.ARCH,
    "OS": Tag.OS,
    "Platform": Tag.PLATFORM,
    "Summary": Tag.SUMMARY,
    "Description": Tag.DESCRIPTION,
    "Group": Tag.GROUP,
    "License": Tag.LICENSE,
    "URL": Tag.URL,
    "BugURL": Tag.BUGURL,
    "VCS": Tag.VCS,
    "Vendor": Tag.VENDOR,
    "Packager": Tag.PACKAGER,
    "Distribution": Tag.DISTRIBUTION,
    "Size": Tag.SIZE,
    "SourceRPM": Tag.SOURCERPM,
    "BuildHost": Tag.BUILDHOST,
    "BuildTime": Tag.BUILDTIME,
    "RPMVersion": Tag.RPMVERSION,
    "OptFlags": Tag.OPTFLAGS,
    "Encoding": Tag.ENCODING,
    "PayloadFormat": Tag.PAYLOADFORMAT,
    "PayloadCompressor": Tag.PAYLOADCOMPRESSOR,
    "PayloadFlags": Tag.PAYLOADFLAGS,
}
"""Fields that are shown; `rpm -qp --queryformat '%{Name}'` has the same names."""


def fields(header: Header) -> dict[str, str]:
    """The fields of METADATA that the header has."""
    found = {name: text for name, tag in METADATA.items() if (text := header.text(tag))}
    # Instead of SIZE if 32 bits are not enough.
    return found | ({"Size": large} if (large := header.text(Tag.LONGSIZE)) else {})


def changelog(header: Header) -> tuple[Change, ...]:
    """The changelog in the header's order; PackageError if it is damaged or too long."""
    times = header.numbers(Tag.CHANGELOGTIME)
    names, texts = header.strings(Tag.CHANGELOGNAME), header.strings(Tag.CHANGELOGTEXT)
    if not len(times) == len(names) == len(texts):
        raise PackageError("damaged: its changelog has times without texts")
    lines = sum(text.count("\n") for text in texts)
    if lines > LIMITS.package_changelog:
        raise PackageError(f"its changelog has {lines} lines")
    return tuple(
        _change(time, name, text) for time, name, text in zip(times, names, texts, strict=True)
    )


def _change(time: int, name: str, text: str) -> Change:
    """Split `Name <address> - version`; the hyphen is a convention, not a rule."""
    author, bracket, version = name.rpartition(">")
    if not bracket:
        author, _, version = name.partition(" - ")
    return Change(
        version=version.strip().removeprefix("- ").strip(),
        author=author + bracket,
        time=time,
        lines=tuple(text.splitlines()),
    )


# Written in brackets after the kind; not `auto` and `config`, which only tell who generated it.
_QUALIFIERS = {
    Sense.RPMLIB: "rpmlib",
    Sense.INTERP: "interp",
    Sense.PRE: "pre",
    Sense.POST: "post",
    Sense.PREUN: "preun",
    Sense.POSTUN: "postun",
    Sense.VERIFY: "verify",
    Sense.PRETRANS: "pretrans",
    Sense.POSTTRANS: "posttrans",
    Sense.META: "meta",
}


def relations(header: Header) -> dict[str, tuple[str, ...]]:
    """Kind -> relations in the header's order; `Requires(pre)` is a kind of its own."""
    found: dict[str, list[str]] = {}
    for kind, (names, versions, flags) in RELATIONS.items():
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
        ("<" if bits & Sense.LESS else "")
        + (">" if bits & Sense.GREATER else "")
        + ("=" if bits & Sense.EQUAL else "")
    )
    return f"{name} {operator} {version}" if operator and version else name


# name -> tags of text, interpreter
SCRIPTLETS = {
    "%pretrans": (Tag.PRETRANS, Tag.PRETRANSPROG),
    "%pre": (Tag.PREIN, Tag.PREINPROG),
    "%post": (Tag.POSTIN, Tag.POSTINPROG),
    "%posttrans": (Tag.POSTTRANS, Tag.POSTTRANSPROG),
    "%preuntrans": (Tag.PREUNTRANS, Tag.PREUNTRANSPROG),
    "%preun": (Tag.PREUN, Tag.PREUNPROG),
    "%postun": (Tag.POSTUN, Tag.POSTUNPROG),
    "%postuntrans": (Tag.POSTUNTRANS, Tag.POSTUNTRANSPROG),
    "%verifyscript": (Tag.VERIFYSCRIPT, Tag.VERIFYSCRIPTPROG),
}

# family -> tags of texts, interpreters, names, flags, indexes of the names' texts
TRIGGERS = {
    "trigger": (
        Tag.TRIGGERSCRIPTS,
        Tag.TRIGGERSCRIPTPROG,
        Tag.TRIGGERNAME,
        Tag.TRIGGERFLAGS,
        Tag.TRIGGERINDEX,
    ),
    "filetrigger": (
        Tag.FILETRIGGERSCRIPTS,
        Tag.FILETRIGGERSCRIPTPROG,
        Tag.FILETRIGGERNAME,
        Tag.FILETRIGGERFLAGS,
        Tag.FILETRIGGERINDEX,
    ),
    "transfiletrigger": (
        Tag.TRANSFILETRIGGERSCRIPTS,
        Tag.TRANSFILETRIGGERSCRIPTPROG,
        Tag.TRANSFILETRIGGERNAME,
        Tag.TRANSFILETRIGGERFLAGS,
        Tag.TRANSFILETRIGGERINDEX,
    ),
}

_WHEN = {
    Sense.TRIGGERPREIN: "prein",
    Sense.TRIGGERIN: "in",
    Sense.TRIGGERUN: "un",
    Sense.TRIGGERPOSTUN: "postun",
}


def scripts(header: Header) -> dict[str, Script]:
    """All scriptlets, in the order in which rpm runs them, then the triggers."""
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
