"""Refuses headers that rpm, createrepo_c or dnf refuse, or that they interpret differently.

rpm installs packages that rpmbuild would never write, and there clients differ: a version with two hyphens, a
relation with an unknown comparison. Names must be valid for rpmbuild.

Source: build/parsePreamble.c, lib/rpmfi.c (rpmfilesPopulate), lib/depends.c and lib/rpmds.c (rpmrichParse) of rpm 6.1;
src/xml_dump.c of createrepo_c 1.2 (control characters); repo_rpmmd.c of libsolv.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator

from pkgrel.artifact.rpm.header import Header
from pkgrel.console import one_line
from pkgrel.errors import PackageError
from pkgrel.rpm_tags import HASHES, RELATIONS, Sense, SignatureTag, Tag

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_VERSION = re.compile(r"[A-Za-z0-9_.+~^]+")
_EVR = re.compile(r"(?:[0-9]{1,10}:)?[^\s:-]+(?:-[^\s:-]+)?")
_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML 1.0 cannot express, not even as references; createrepo_c omits the package."""

_TEXTS = (
    Tag.SUMMARY,
    Tag.DESCRIPTION,
    Tag.LICENSE,
    Tag.URL,
    Tag.VENDOR,
    Tag.PACKAGER,
    Tag.GROUP,
    Tag.BUILDHOST,
    Tag.SOURCERPM,
    Tag.CHANGELOGNAME,
    Tag.CHANGELOGTEXT,
    Tag.BASENAMES,
    Tag.DIRNAMES,
)
_COLUMNS = (
    Tag.FILESIZES,
    Tag.LONGFILESIZES,
    Tag.FILEMODES,
    Tag.FILERDEVS,
    Tag.FILEMTIMES,
    Tag.FILEDIGESTS,
    Tag.FILELINKTOS,
    Tag.FILEFLAGS,
    Tag.FILEUSERNAME,
    Tag.FILEGROUPNAME,
    Tag.FILEVERIFYFLAGS,
    Tag.FILEDEVICES,
    Tag.FILEINODES,
    Tag.FILELANGS,
    Tag.FILECOLORS,
    *(1029, 1141, 5010, 5115),  # states, classes, capabilities, MIME types
)
"""Tags with one value per file, or none at all."""
_NEEDED_COLUMNS = (Tag.FILEMODES, Tag.FILEDIGESTS, Tag.FILEUSERNAME, Tag.FILEGROUPNAME)
_FILE_TYPES = frozenset(
    [stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]
)  # fmt: skip
_DIGEST_SIZES = {"md5": 32, "sha1": 40, "sha224": 56, "sha384": 96, "sha512": 128, "sha3_512": 128}
_SHA256_SIZE = 64
_COMPARED = Sense.LESS | Sense.GREATER | Sense.EQUAL | 1
_COMPARISONS = frozenset(
    [0, Sense.LESS, Sense.GREATER, Sense.EQUAL, Sense.LESS | Sense.EQUAL, Sense.GREATER | Sense.EQUAL]
)  # fmt: skip
_NEVER_RICH = ("Provides", "Obsoletes", "OrderWithRequires")
_LONGEST_FILE_NAME = 255
_ARCHIVESIZE = 1046
_ORIGBASENAMES = 1120
_SOURCEPACKAGE = 1106


def verify(header: Header) -> None:
    """PackageError for the first mistake."""
    _identity(header)
    _payload(header)
    for tag in _TEXTS:
        _sayable(header.strings(tag), tag.name)
    _languages(header)
    for kind in RELATIONS:
        _relations(header, kind)
    _files(header)


def _identity(header: Header) -> None:
    for tag in (Tag.NAME, Tag.VERSION, Tag.RELEASE, Tag.ARCH):
        if not header.text(tag):
            raise PackageError(f"damaged: its header has no {tag.name}")
    if Tag.OS not in header.main.index:
        raise PackageError("damaged: its header has no OS, and rpm wants one")
    for tag, pattern in ((Tag.NAME, _NAME), (Tag.VERSION, _VERSION), (Tag.RELEASE, _VERSION)):
        text = header.text(tag)
        if not pattern.fullmatch(text) or ".." in text:
            raise PackageError(
                f"its {tag.name.lower()} is `{one_line(text)}`, which rpmbuild would refuse,"
                " and package managers take for another",
                hint="build it again, with letters, digits and `._+~^`",
            )
    parts = (header.text(tag) for tag in (Tag.NAME, Tag.VERSION, Tag.RELEASE, Tag.ARCH))
    if (length := len("-..rpm") + sum(map(len, parts))) > _LONGEST_FILE_NAME:
        raise PackageError(
            f"its file name would have {length} characters, and no file system takes that"
        )
    if header.text(Tag.NAME) == "gpg-pubkey":
        raise PackageError("its name is `gpg-pubkey`, under which rpm keeps keys")


def _payload(header: Header) -> None:
    written = header.text(Tag.PAYLOADFORMAT)
    if Tag.PAYLOADFORMAT in header.main.index and written != "cpio":
        what = "only the difference to another one" if written == "drpm" else f"a `{written}`"
        raise PackageError(f"its payload is {what}, which rpm does not install")
    if Tag.PAYLOADCOMPRESSOR in header.main.index and not header.text(Tag.PAYLOADCOMPRESSOR):
        raise PackageError("damaged: its header does not say how its payload is compressed")
    in_both = _ARCHIVESIZE in header.main.index and (
        SignatureTag.PAYLOADSIZE in header.signature.index
    )
    if in_both:
        raise PackageError("damaged: both of its headers say how large its payload is")


def _sayable(texts: Iterable[str], what: str) -> None:
    for text in texts:
        if found := _UNSAYABLE.search(text):
            raise PackageError(
                f"its {what} has the character U+{ord(found[0]):04X}, which no index can say:"
                " createrepo_c leaves such a package out",
                hint="build it again without that character",
            )


def _languages(header: Header) -> None:
    """Several languages: rpm looks one up, indices have the first, and rpm reads past the end of a short table."""
    languages = header.strings(Tag.I18NTABLE)
    for tag in (Tag.SUMMARY, Tag.DESCRIPTION, Tag.GROUP):
        count = header.main.index[tag].values if tag in header.main.index else 0
        if count > 1 and languages and (languages[0] != "C" or len(languages) < count):
            raise PackageError(
                f"damaged: its {tag.name} is in other languages than its header says"
            )


def _relations(header: Header, kind: str) -> None:
    names, versions, flags = RELATIONS[kind]
    columns = (header.strings(names), header.strings(versions), header.numbers(flags))
    if len({len(column) for column in columns}) > 1:
        raise PackageError(f"damaged: its {kind} have names without versions")
    _sayable((*columns[0], *columns[1]), kind)
    for name, version, bits in zip(*columns, strict=True):
        if why := _problem(kind, name, version, bits):
            shown = one_line(f"{name} {version}".strip())
            raise PackageError(f"its {kind} have `{shown}`, {why}", hint="build the package again")


def _problem(kind: str, name: str, version: str, bits: int) -> str:
    """What is wrong with a relation; empty if it is valid."""
    compared = bits & _COMPARED
    if not name:
        return "which has no name"
    if name.startswith("("):
        if kind in _NEVER_RICH or compared:
            return "which cannot be a rich dependency there"
        return _rich_problem(name)
    if compared not in _COMPARISONS:
        return f"with the comparison {compared}, which indices cannot say"
    if compared and version and not _EVR.fullmatch(version):
        return "which has no version of the form `[epoch:]version[-release]`"
    return ""


_OPERATORS = frozenset("and or if unless else with without".split())
_CHAINED = frozenset(["and", "or", "with"])
_COMPARING = frozenset("< <= =< = == >= => >".split())
_NESTED = 16
"""The depth of nested rich dependencies; rpm parses them recursively."""
_GAP = re.compile(r"[\s,]*")
_OPERATOR = re.compile(r"[^\s)]+")


def _rich_problem(text: str) -> str:
    """Why rpm could not parse a rich dependency, which libsolv would silently omit; empty if it can."""
    if "\t" in text or "\n" in text or "\r" in text:
        return "which has other blanks than spaces in its rich dependency"
    try:
        end, _ = _rich(text, 0, 0)
    except ValueError as e:
        return f"which is not a rich dependency: {e}"
    return "" if end == len(text) else "which goes on behind its rich dependency"


def _rich(text: str, start: int, depth: int) -> tuple[int, bool]:
    """Its end, and whether it is not allowed within `with`; ValueError if rpm cannot parse it."""
    if depth == _NESTED:
        raise ValueError("it is nested too deeply")
    position, chain, first, narrow = _gap(text, start + 1), "", "", False
    while True:
        if text.startswith("(", position):
            position, nested = _rich(text, position, depth + 1)
            narrow |= nested
        else:
            position = _simple(text, position)
        position = _gap(text, position)
        if text.startswith(")", position):
            break
        found = _OPERATOR.match(text, position)
        if not found or found[0] not in _OPERATORS:
            raise ValueError(f"`{found[0]}` is not an operator" if found else "its end is missing")
        operator = found[0]
        if operator == "else" and chain in ("if", "unless"):
            chain = ""
        if chain and (operator != chain or operator not in _CHAINED):
            raise ValueError(f"`{operator}` cannot follow `{chain}`")
        first, chain = first or operator, operator
        position = _gap(text, found.end())
    if first in ("with", "without") and narrow:
        raise ValueError(f"`{first}` stands between names, or what `or` is between")
    return position + 1, narrow or chain not in ("", "with", "without", "or")


def _gap(text: str, start: int) -> int:
    found = _GAP.match(text, start)
    return found.end() if found else start


def _simple(text: str, start: int) -> int:
    """The end of a name, or of its version if it has one."""
    end = _word(text, start)
    if end == start:
        raise ValueError("a name is missing")
    sign = _gap(text, end)
    sign_end = _word(text, sign)
    if text[sign:sign_end] not in _COMPARING:
        return end
    version = _gap(text, sign_end)
    end = _word(text, version)
    if end == version:
        raise ValueError("a version is missing")
    return end


def _word(text: str, start: int) -> int:
    """The position of the space, comma or unmatched closing bracket that ends a word."""
    opened = 0
    for position in range(start, len(text)):
        character = text[position]
        if character.isspace() or character == "," or (character == ")" and not opened):
            return position
        opened += (character == "(") - (character == ")")
    return len(text)


def _files(header: Header) -> None:
    names, folders = header.strings(Tag.BASENAMES), header.strings(Tag.DIRNAMES)
    present = [tag for tag in _COLUMNS if tag in header.main.index]
    if any(header.main.index[tag].values != len(names) for tag in present):
        raise PackageError(
            "damaged: its header does not say the same number of things of each file"
        )
    if _ORIGBASENAMES in header.main.index:
        raise PackageError("damaged: its header says that its files were moved")
    if not names:
        return
    missing = [tag.name for tag in _NEEDED_COLUMNS if tag not in header.main.index]
    if missing:
        raise PackageError(f"damaged: its header has no {missing[0]}, without which rpm fails")
    for wrong in _odd_paths(header, names, folders):
        raise PackageError(f"damaged: its header has the path `{one_line(wrong)}`")
    for mode in header.numbers(Tag.FILEMODES):
        if stat.S_IFMT(mode) not in _FILE_TYPES:
            raise PackageError(f"damaged: its header has a file of the unknown mode {mode:o}")
    _digests(header)


def _odd_paths(header: Header, names: Iterable[str], folders: tuple[str, ...]) -> Iterator[str]:
    """Paths that rpmbuild would not write, apart from `..`. Files of source packages are in no folder."""
    is_source = not header.text(Tag.SOURCERPM) or _SOURCEPACKAGE in header.main.index
    for folder in folders:
        inner = folder[1:-1]
        parts = inner.split("/") if inner else []
        plain = folder == "/" or (folder[:1] == folder[-1:] == "/" and len(folder) > 1)
        if not (is_source and not folder) and (not plain or {"", "."}.intersection(parts)):
            yield folder
    indexes = header.numbers(Tag.DIRINDEXES)
    for name, index in zip(names, indexes, strict=False):
        is_root = not name and index < len(folders) and folders[index] == "/"
        if not is_root and ("/" in name or name in ("", ".")) and ".." not in name.split("/"):
            yield name


def _digests(header: Header) -> None:
    """File digests: rpm takes an unknown algorithm for MD5, and reads past the end of a short digest."""
    number = header.number(Tag.FILEDIGESTALGO, 1)
    if number not in HASHES:
        raise PackageError(f"damaged: its files have digests by the unknown algorithm {number}")
    size = _DIGEST_SIZES.get(HASHES[number], _SHA256_SIZE)
    digest = re.compile(f"[0-9a-fA-F]{{{size}}}|")
    for text in header.strings(Tag.FILEDIGESTS):
        if not digest.fullmatch(text):
            raise PackageError(f"damaged: `{one_line(text)}` is not the digest of a file")
