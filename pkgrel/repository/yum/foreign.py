"""Reads another tool's yum repository: repomd.xml, and the primary metadata that it lists."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pkgrel.distro import Format
from pkgrel.errors import RepositoryError
from pkgrel.limits import LIMITS
from pkgrel.repository.imports import discovery
from pkgrel.repository.imports.discovery import (
    Broken,
    Checksum,
    Discovery,
    FoundPackage,
    IndexSignature,
    refuse_many,
    size_of,
    unpack,
)
from pkgrel.repository.imports.tree import Tree, inside
from pkgrel.repository.record import TYPES, Advisory, read_advisory

REPOMD = "repodata/repomd.xml"

# Without pkgrel's own snapshots, which include removed packages.
_IS_REPOMD = re.compile(rf"(?!(.*/)?snapshots/[0-9a-f]{{64}}/)(.*/)?{REPOMD}")

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_SOURCES = ("src", "nosrc")

_BROKEN = "mend the repository with the tool that made it"


def discover(tree: Tree, public_key: bytes | None) -> Discovery:
    """All packages except source packages, of every yum repository in the tree."""
    names = tree.names("")
    there = [REPOMD] if names is None else [name for name in names if _IS_REPOMD.fullmatch(name)]
    packages: dict[str, FoundPackage] = {}
    broken: dict[Broken, None] = {}
    signed: list[IndexSignature] = []
    for name in there:
        if data := tree.get(name):
            signed.append(discovery.check_detached(name, data, tree.get(f"{name}.asc"), public_key))
            for package in _packages(tree, name.removesuffix(REPOMD), _parsed(name, data)):
                if isinstance(package, Broken):
                    broken[package] = None
                else:
                    packages.setdefault(package.path, package)
                refuse_many(tree.url, len(packages) + len(broken))
    return Discovery(tuple(packages.values()), tuple(signed), tuple(broken))


def _packages(tree: Tree, base: str, repomd: Element) -> Iterator[FoundPackage | Broken]:
    primary = _data(tree, base, repomd, "primary")
    if primary is None:
        raise RepositoryError(f"{base}{REPOMD}: names no primary", hint=_BROKEN)
    advisories = _advisories(tree, base, repomd)
    name, data = primary
    for package in _elements(name, data, f"{_COMMON}package"):
        if package.findtext(f"{_COMMON}arch") not in _SOURCES:
            try:
                found = _found(tree, name, base, package)
            except RepositoryError as e:
                location = _attribute(package, f"{_COMMON}location", "href")
                yield Broken(location or package.findtext(f"{_COMMON}name", "?"), str(e))
                continue
            key = (found.name, found.version, found.architecture)
            yield replace(found, advisory=advisories.get(key, ()))


def _data(tree: Tree, base: str, repomd: Element, type: str) -> tuple[str, bytes] | None:
    """Path and contents of a metadata file; None if there is none of that type."""
    for data in repomd.iter(f"{_REPO}data"):
        if data.get("type") != type:
            continue
        name = inside(base + _attribute(data, f"{_REPO}location", "href"), tree.depth)
        packed = tree.get(name)
        if packed is None:
            raise RepositoryError(f"{name}: is missing, and {base}{REPOMD} names it", hint=_BROKEN)
        size = size_of(data.findtext(f"{_REPO}size", ""))
        _checksum(name, data.find(f"{_REPO}checksum"), size).check(name, packed)
        return name, unpack(name, packed)
    return None


def _advisories(tree: Tree, base: str, repomd: Element) -> dict[tuple[str, str, str], Advisory]:
    """The advisories of packages, by name, version and architecture."""
    found: dict[tuple[str, str, str], Advisory] = {}
    if updateinfo := _data(tree, base, repomd, "updateinfo"):
        for update in _elements(*updateinfo, "update"):
            type = update.get("type", "")
            if type not in TYPES:
                continue
            fixes = [fix for each in update.iter("reference") if (fix := _fixed(each))]
            for package in update.iter("package"):
                version = f"{package.get('version')}-{package.get('release')}"
                epoch = package.get("epoch") or "0"
                version = version if epoch == "0" else f"{epoch}:{version}"
                key = (package.get("name", ""), version, package.get("arch", ""))
                found[key] = (type, *dict.fromkeys(fixes))
    return found


def _fixed(reference: Element) -> str:
    """The CVE id or URL of a reference; empty if it has neither."""
    for text in (reference.get("id", ""), reference.get("href", "")):
        try:
            return read_advisory("", (text,))[1]
        except RepositoryError:
            continue
    return ""


def _found(tree: Tree, name: str, base: str, package: Element) -> FoundPackage:
    version = package.find(f"{_COMMON}version")
    location = package.find(f"{_COMMON}location")
    if version is None or location is None:
        raise RepositoryError(f"{name}: has a package without version or location", hint=_BROKEN)
    title = package.findtext(f"{_COMMON}name", "")
    href = base + tree.named(location.get("href", ""))
    if elsewhere := location.get(_XML_BASE):
        href = tree.relative(elsewhere.rstrip("/") + "/" + location.get("href", "")) or ""
    if not href:
        raise RepositoryError(
            f"{name}: `{title}` is elsewhere, at {elsewhere}",
            hint="import a repository that has its packages itself",
        )
    epoch, text = version.get("epoch", "0"), f"{version.get('ver')}-{version.get('rel')}"
    size = size_of(_attribute(package, f"{_COMMON}size", "package"))
    if size is None:
        raise RepositoryError(f"{name}: `{title}` has no size", hint=_BROKEN)
    sum = _checksum(name, package.find(f"{_COMMON}checksum"), size)
    return FoundPackage(
        format=Format.RPM,
        path=inside(href, tree.depth),
        name=title,
        version=text if epoch == "0" else f"{epoch}:{text}",
        architecture=package.findtext(f"{_COMMON}arch", ""),
        sum=sum,
        sha256=sum.digest if sum.algorithm == "sha256" else "",
    )


def _checksum(name: str, checksum: Element | None, size: int | None) -> Checksum:
    kind = "" if checksum is None else checksum.get("type", "")
    found = Checksum.best(
        size, {kind: (checksum.text or "").strip()} if checksum is not None else {}
    )
    # Old metadata says `sha` for SHA-1.
    if found is None and kind == "sha" and checksum is not None:
        found = Checksum(size, "sha1", (checksum.text or "").strip())
    if found is None:
        raise RepositoryError(f"{name}: has no checksum that pkgrel knows: `{kind}`", hint=_BROKEN)
    return found


def _attribute(element: Element, child: str, attribute: str) -> str:
    found = element.find(child)
    return found.get(attribute, "") if found is not None else ""


def _parsed(name: str, data: bytes) -> Element:
    """The root element; RepositoryError if it is not XML."""
    return next(_elements(name, data, ""))


def _elements(name: str, data: bytes, wanted: str) -> Iterator[Element]:
    """The elements with a tag, each of which is freed when the next one is requested; without a tag, the root
    element."""
    # Rejects UTF-16 (by its NULs), which would hide declarations from this check, but not from the parser.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\0" in data:
        raise _no_xml(name, "it declares entities, or is not in UTF-8")
    open_elements: list[Element] = []
    count = 0
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(data), ("start", "end")):
            count += 1
            if event == "start":
                open_elements.append(element)
                if len(open_elements) > LIMITS.index_xml_depth or count > LIMITS.index_xml_elements:
                    raise _no_xml(name, "it has too many elements, or too many in one another")
                continue
            open_elements.pop()
            if element.tag == wanted:
                yield element
                if open_elements:
                    open_elements[-1].clear()
                count = 0
            elif not open_elements and not wanted:
                yield element
    except (ElementTree.ParseError, LookupError, ValueError) as e:
        raise _no_xml(name, str(e)) from e


def _no_xml(name: str, why: str) -> RepositoryError:
    return RepositoryError(f"{name}: is not XML: {why}", hint=_BROKEN)
