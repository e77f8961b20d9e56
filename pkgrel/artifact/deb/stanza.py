"""Parses a control file by dpkg's rules: what dpkg refuses is refused, and hardly anything else.

If apt cannot parse one paragraph of Packages it reads none, and a package that dpkg refuses cannot be installed.
python-debian ignores what it cannot parse, so it is not used here.

Source: lib/dpkg/parse.c (parse_stanza, pkg_parse_verify), lib/dpkg/fields.c and lib/dpkg/parsehelp.c (parseversion)
of dpkg 1.23, with the flags of dpkg-deb and of unpacking (pdb_parse_binary).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pkgrel.console import one_line
from pkgrel.errors import PackageError
from pkgrel.package import Version

RELATIONS = (
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Enhances",
    "Breaks",
    "Conflicts",
    "Replaces",
    "Provides",
)
_WITHOUT_ALTERNATIVES = ("Breaks", "Conflicts", "Replaces", "Provides")

_KNOWN = {
    name.lower(): name
    for name in (
        *RELATIONS,
        *"Package Source Version Architecture Maintainer Section Priority Essential Protected".split(),
        *"Installed-Size Multi-Arch Homepage Origin Bugs Tag Description Built-Using".split(),
        *"Status Config-Version Triggers-Pending Triggers-Awaited Conffiles".split(),
        *"Filename Size MD5sum Revision Package-Revision Package_Revision".split(),
        *"Class Recommended Optional".split(),
    )
}
"""dpkg reads field names in any case, and writes these."""

_SPACE = " \t\n\v\f\r"
"""C's isspace(); Python's includes Unicode's line separators and more."""
_LINE_END = re.compile("[\n\x1a]")  # Ctrl+Z ends a file on MS-DOS
_NAME = re.compile(rf"[^{_SPACE}:\x1a]*")
_BLANKS = re.compile("[ \t\v\f\r]*")
_SPACES = re.compile(f"[{_SPACE}]*")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_ARCHITECTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")

_EPOCH = re.compile(r"[+-]?[0-9]{1,20}")
_LARGEST_EPOCH = (1 << 31) - 1
_UPSTREAM = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_REVISION = re.compile(r"[A-Za-z0-9.+~]+")
_LONGEST_VERSION = 256
"""The longest version: it is part of file names, and python-debian compares versions in quadratic time."""

_REFERENCE = re.compile(
    rf"(?P<name>[^{_SPACE}:(,|]+)(?::(?P<architecture>[^{_SPACE}(,|]+))?[{_SPACE}]*"
    rf"(?:\([{_SPACE}]*(?P<operator><<|<=|>>|>=|<(?!>)|>(?!<)|=|)[{_SPACE}]*"
    rf"(?P<version>[^{_SPACE}()]*)[{_SPACE}]*\)[{_SPACE}]*)?"
)
# As dpkg writes them: the obsolete `<` means `<=`.
_OPERATORS = {"<": "<=", ">": ">=", "": "="}

_CHOICES = {
    "Essential": ("no", "yes"),
    "Protected": ("no", "yes"),
    "Multi-Arch": ("no", "same", "allowed", "foreign"),
}
_PRIORITIES = ("required", "important", "standard", "optional", "extra", "unknown")
_OF_THE_DATABASE = ("Status", "Config-Version", "Triggers-Pending", "Triggers-Awaited")
_OF_THE_VERSION = ("Revision", "Package-Revision", "Package_Revision")
"""Obsolete fields that dpkg adds to the version, but apt does not."""
_OF_AN_INDEX = ("Filename", "Size", "MD5sum")
_CONFFILE = re.compile(r" (?=[^\n]{2,} [^ \n]+(?:\n|$))(?:\.?/)*[^/\n][^\n]*")


def fields(data: bytes) -> dict[str, str]:
    """The fields of a control file; PackageError if dpkg refuses it.

    Names are as dpkg writes them. Relations are in dpkg's normal form, `a (>= 1) | b, c`, because some versions of
    apt cannot parse all that dpkg accepts, such as `a (>1)`. Text that is not UTF-8 is decoded as Latin-1.
    """
    if b"\0" in data:
        raise PackageError("its control file has a NUL byte")
    found: dict[str, str] = {}
    seen = set()
    # dpkg compares bytes, not characters.
    for name, value in _paragraph(data.decode("latin-1")):
        if name.lower() in seen:
            raise PackageError(f"its control file has the field `{_shown(name)}` twice")
        seen.add(name.lower())
        found[_KNOWN.get(name.lower(), name)] = value
    encoding = _encoding(data)
    found = {_decoded(name, encoding): _decoded(value, encoding) for name, value in found.items()}
    missing = [name for name in ("Package", "Version", "Architecture") if not found.get(name)]
    if missing:
        raise PackageError(f"its control file has no {', '.join(missing)}")
    _verify(found)
    return {name: _written(name, value) for name, value in found.items()}


def _encoding(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _decoded(text: str, encoding: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode(encoding)


def _shown(text: str) -> str:
    return one_line(text.encode("latin-1").decode(errors="replace"))


def _paragraph(text: str) -> Iterator[tuple[str, str]]:
    """Names and values as bytes; continuation lines of a value begin with white space."""
    position: int | None = len(text) - len(text.lstrip("\n\x1a"))
    while position is not None:
        name_end = _end(_NAME, text, position)
        name = text[position:name_end]
        shown = _shown(name)
        colon = _end(_BLANKS, text, name_end)
        if not name or name.startswith("-") or text[colon : colon + 1] != ":":
            line = _shown(text[position:].partition("\n")[0])
            raise PackageError(f"its control file has the line `{line}`, which is not a field")
        if len(name) < 2:
            raise PackageError(f"its control file has the field `{shown}`: dpkg wants two bytes")
        start = _end(_BLANKS, text, colon + 1)
        if start + 1 >= len(text) or text[start] == "\x1a":
            raise PackageError(f"its control file ends within `{shown}`")
        end, position = _value(text, start, shown)
        yield name, text[start:end].rstrip(f"{_SPACE}\x1a")
        if position is None and len(text[end:].strip("\n\x1a")) > 1:
            raise PackageError("its control file has a second paragraph")


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _value(text: str, start: int, name: str) -> tuple[int, int | None]:
    """The offsets of the value's end and of the next field; None if this is the last field."""
    line = start
    while True:
        found = _LINE_END.search(text, line)
        if not found:
            raise PackageError(
                f"its control file ends within `{name}`: the last line end is missing"
            )
        if line > start and not text[line : found.start()].strip(_SPACE):
            raise PackageError(f"its control file has a blank line within `{name}`")
        line = found.end()
        # dpkg compares only up to the last letter.
        if line + 1 >= len(text) or text[line] == "\n":
            return line, None
        if text[line] not in _SPACE:
            return line, None if text[line] == "\x1a" else line


def _verify(found: Mapping[str, str]) -> None:
    """PackageError for the first value that dpkg refuses, or that no host could accept."""
    for name, pattern in (("Package", _PACKAGE), ("Architecture", _ARCHITECTURE)):
        if not pattern.fullmatch(found[name]):
            raise _refusal(found, name, "is not a name")
    version(found["Version"])
    for name in (*_OF_THE_DATABASE, *_OF_THE_VERSION):
        if name in found:
            raise PackageError(f"its control file has `{name}`, which does not belong there")
    for name, choices in _CHOICES.items():
        if found.get(name, "").lower() not in ("", *choices):
            raise _refusal(found, name, f"is not one of {', '.join(choices)}")
    if found["Architecture"] == "all" and found.get("Multi-Arch", "").lower() == "same":
        raise _refusal(found, "Multi-Arch", "is not for `Architecture: all`")
    for name in ("Priority", "Class"):
        value = found.get(name, "").lower()
        if value.startswith(_PRIORITIES) and value not in _PRIORITIES:
            raise _refusal(found, name, "is not a priority")
    for line in found.get("Conffiles", "").split("\n"):
        if line and not _CONFFILE.fullmatch(line):
            raise _refusal(found, "Conffiles", "is not a path and a hash")
    if len({len(found[name].split()) for name in _OF_AN_INDEX if name in found} - {0}) > 1 or any(
        not found.get(name, "x") for name in _OF_AN_INDEX
    ):
        raise PackageError(f"its control file has {', '.join(_OF_AN_INDEX)} of several files")
    for name in ("Recommended", "Optional"):
        if found.get(name):
            relations(name, found[name])


def _refusal(found: Mapping[str, str], name: str, why: str) -> PackageError:
    return PackageError(f"its control file has `{name}: {one_line(found[name])}`, which {why}")


def _written(name: str, value: str) -> str:
    """The value as dpkg writes it; continuation lines begin with a space or tab, for apt."""
    if name in _CHOICES:
        return value.lower()
    if name in RELATIONS:
        return relations(name, value) if value else ""
    first, *others = (line.rstrip("\r") for line in _LINE_END.split(value))
    others = [line if line[:1] in (" ", "\t") else f" {line[1:]}" for line in others]
    return "\n".join([first, *others]).lstrip(_SPACE)


def version(text: str) -> Version:
    """Parse a version like parseversion(); PackageError if that would refuse it or warn."""
    whole = text.strip(" \t")
    epoch, colon, rest = whole.partition(":")
    if not colon:
        epoch, rest = "0", whole
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    if len(whole) > _LONGEST_VERSION:
        why = f"it has {len(whole)} characters; {_LONGEST_VERSION} are plenty"
    elif not _EPOCH.fullmatch(epoch) or not 0 <= int(epoch) <= _LARGEST_EPOCH:
        why = f"its epoch is not 0 to {_LARGEST_EPOCH}"
    elif not _UPSTREAM.fullmatch(upstream):
        why = "it must begin with a digit and have only letters, digits and `.+~:-`"
    elif hyphen and not _REVISION.fullmatch(revision):
        why = "behind its last `-` there must be letters, digits or `.+~`"
    else:
        return Version(epoch=int(epoch), upstream=upstream, revision=revision)
    raise PackageError(f"`{one_line(whole)}` is not a version of Debian's: {why}")


def relations(field: str, text: str) -> str:
    """The relations of a field in dpkg's normal form; PackageError for the first that dpkg refuses."""
    found: list[str] = []
    position, separator = 0, ""
    while position < len(text) or separator:
        reference = _REFERENCE.match(text, position)
        after = reference.end() if reference else position
        end = text[after : after + 1]
        if not reference or end not in ("", ",", "|"):
            whole = text[position:].partition(",")[0].strip(_SPACE)
            raise _unreadable(field, whole or text, "is not a relation to a package")
        if end == "|" and field in _WITHOUT_ALTERNATIVES:
            raise _unreadable(field, text, "cannot have alternatives")
        one = _reference(field, reference)
        if separator == "|":
            found[-1] += f" | {one}"
        else:
            found.append(one)
        separator = end
        position = _end(_SPACES, text, after + 1)
    return ", ".join(found)


def _reference(field: str, match: re.Match[str]) -> str:
    name, architecture = match["name"], match["architecture"]
    whole = match[0].strip(_SPACE)
    if not _PACKAGE.fullmatch(name) or not _ARCHITECTURE.fullmatch(architecture or "any"):
        raise _unreadable(field, whole, "does not begin with the name of a package")
    name = f"{name}:{architecture}" if architecture else name
    if match["version"] is None:
        return name
    operator = _OPERATORS.get(match["operator"], match["operator"])
    if field == "Provides" and operator != "=":
        raise _unreadable(field, whole, "provides no version but by `=`")
    try:
        version(match["version"])
    except PackageError as e:
        raise _unreadable(field, whole, f"has no version behind `{operator}`: {e}") from None
    return f"{name} ({operator} {match['version']})"


def _unreadable(field: str, text: str, why: str) -> PackageError:
    return PackageError(
        f"{field}: `{one_line(text)}` {why}: dpkg refuses it, and apt the whole repository",
        hint="write relations as `name (>= version)`, and build the package again",
    )
