"""The control archive of a .deb: fields by python-debian's Deb822, scripts, conffiles, md5sums.

Source: deb-control(5), deb-conffiles(5), deb-md5sums(5), Debian Policy 5.1 and 6.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from debian.deb822 import Deb822

from pkgrel.artifact.deb.tar import members
from pkgrel.artifact.model import Script
from pkgrel.artifact.stream import Stream
from pkgrel.errors import PackageError
from pkgrel.limits import LIMITS

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
    "Built-Using",
)
_KNOWN = {
    name.lower(): name
    for name in (
        *RELATIONS,
        *"Package Source Version Architecture Maintainer Section Priority Essential Protected".split(),
        *"Installed-Size Multi-Arch Homepage Origin Bugs Tag Description".split(),
    )
}
"""dpkg takes names of fields in any case, and writes these so."""
SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")

_FILES = 64
"""Of a control archive; a package has some ten."""
_LARGEST_CONTROL = 1 << 18

# Deb822 passes over what it does not understand; dpkg stops.
_LINE = re.compile(r"[!-,.-9;-~][!-9;-~]*:|[ \t]+\S|[ \t]*$")


@dataclass(frozen=True, slots=True)
class Control:
    """What the control archive says."""

    fields: Mapping[str, str]
    scripts: Mapping[str, Script]
    conffiles: tuple[str, ...]
    md5sums: Mapping[str, str]
    """Path without its first slash -> MD5; empty if there is none."""
    others: Mapping[str, str]


def read(stream: Stream) -> Control:
    """Read the archive; PackageError if it has no control file or one that dpkg refuses."""
    files = _files(stream)
    if "control" not in files:
        raise PackageError("its control archive has no `control`")
    texts = {name: _text(name, data) for name, data in files.items()}
    scripts = {name: _script(texts[name]) for name in SCRIPTS if name in texts}
    known = {"control", "conffiles", "md5sums", *scripts}
    return Control(
        fields=_fields(texts["control"]),
        scripts=scripts,
        conffiles=_conffiles(texts.get("conffiles", "")),
        md5sums=_md5sums(texts.get("md5sums", "")),
        others={name: texts[name] for name in sorted(texts) if name not in known},
    )


def _files(stream: Stream) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for member in members(stream):
        name = member.name.removeprefix("./")
        if member.isdir() and name in ("", "."):
            continue
        total += member.size
        if not member.isreg() or "/" in name:
            raise PackageError(f"its control archive has `{name}`, which is no plain file")
        if name in files or total > LIMITS.deb_control or len(files) > _FILES:
            raise PackageError(f"its control archive has `{name}` twice, or is far too large")
        files[name] = b"".join(stream.pieces(member.size))
    return files


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        if name == "control":
            raise PackageError("its control file is not UTF-8") from e
        return data.decode(errors="backslashreplace")


def _fields(control: str) -> dict[str, str]:
    if len(control) > _LARGEST_CONTROL:
        raise PackageError(f"its control file has {len(control)} characters")
    # Not splitlines(), which finds line ends of Unicode's that dpkg takes as text.
    lines = control.split("\n")
    for line in lines:
        if not _LINE.match(line):
            raise PackageError(f"its control file has the line `{line[:60]}`, which is no field")
    fields = {
        _KNOWN.get(name.lower(), name): value.strip() for name, value in Deb822(lines).items()
    }
    missing = [name for name in ("Package", "Version", "Architecture") if not fields.get(name)]
    if missing:
        raise PackageError(f"its control file has no {', '.join(missing)}")
    return fields


def _script(text: str) -> Script:
    first = text.partition("\n")[0]
    return Script(interpreter=first[2:].strip() if first.startswith("#!") else "", text=text)


def _refuse_many(text: str, name: str, limit: int) -> None:
    if (count := text.count("\n")) > limit:
        raise PackageError(f"its {name} have {count} lines; {limit} are plenty")


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _conffiles(text: str) -> tuple[str, ...]:
    _refuse_many(text, "conffiles", LIMITS.deb_conffiles)
    return tuple(line.rstrip() for line in _lines(text))


def _md5sums(text: str) -> dict[str, str]:
    sums: dict[str, str] = {}
    _refuse_many(text, "md5sums", LIMITS.deb_sums)
    for line in _lines(text):
        # `*` is md5sum's own way to say that a file was read as binary.
        match = re.fullmatch(r"([0-9a-fA-F]{32}) [ *]?(.+)", line)
        if not match:
            raise PackageError(f"its md5sums have the line `{line[:60]}`")
        sums[match[2].removeprefix("./").removeprefix("/")] = match[1].lower()
    return sums
