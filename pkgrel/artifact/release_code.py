"""The release in a package, as far as hot upgrades need it: applications, modules, and configuration texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from pkgrel import artifact as packages
from pkgrel.artifact.model import Artifact, Entry, Kind
from pkgrel.errors import PackageError
from pkgrel.release import beam
from pkgrel.release.terms import Malformed, Term, external_term, parse_term

PROTOCOLS = "consolidated"
"""A pseudo-application: Elixir's consolidated protocols."""

Module = tuple[str, str]
"""Application and name."""

_LANDMARK = "/releases/start_erl.data"
_BEAM = re.compile(r".*/lib/([a-z]\w*)-[^/]+/ebin/([^/]+)\.beam")
_PROTOCOL = re.compile(rf".*/releases/[^/]+/({PROTOCOLS})/([^/]+)\.beam")
_LIBRARY = re.compile(r"(.*/lib/[^/]+)/priv/((?:.*/)?[^/]*\.so(?:\.[^/]*)?)")
_TEXT = re.compile(
    r".*/releases/(?:start_erl\.data|(?:[^/]+/)?(?:[^/]+\.rel|vm\.args(?:\.src)?|env\.sh|env\.release\.sh))"
    r"|.*/lib/[^/]+/ebin/[^/]+\.app(?:up)?"
    r"|(?:/usr)?/lib/systemd/system/[^/]+(?:\.d/[^/]+\.conf)?"
)
_TEXT_SIZE = 1 << 20
"""The largest text, in bytes."""
_ALL_TEXTS = 16 << 20
"""The largest total of a package's texts, in bytes."""

_SUPERVISORS = frozenset(["supervisor", "Elixir.Supervisor", "Elixir.DynamicSupervisor"])
_CODE_CHANGE = frozenset([("code_change", 3), ("code_change", 4), ("system_code_change", 4)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What decides how a module is upgraded."""

    md5: bytes
    machine_code: bool
    """It loads a NIF."""
    supervisor: bool
    code_change: bool
    starts_children: bool
    """It calls `Supervisor.start_link/2`."""
    calls: frozenset[str]
    """Modules of which it calls more than `config_change`."""


@dataclass(frozen=True, kw_only=True)
class ReleaseCode:
    """The release in a package."""

    package: Artifact
    root: PurePosixPath
    """The installation directory of the release."""
    version: str
    erts: str
    applications: Mapping[str, str]
    """Version by name."""
    starts: Mapping[str, Term]
    """How each is started, and which ones it includes."""
    texts: Mapping[PurePosixPath, str]
    beams: Mapping[Module, Entry]
    code: Mapping[str, Code | None]
    """Modules that were read, by the hash of their file; None for files that are not modules."""

    def lib(self, application: str) -> PurePosixPath:
        """Directory of an application."""
        return self.root / "lib" / f"{application}-{self.applications[application]}"

    def modules(self, application: str) -> dict[str, str]:
        """Name and hash of each module's file."""
        return self._modules.get(application, {})

    @cached_property
    def _modules(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for (application, name), entry in self.beams.items():
            found.setdefault(application, {})[name] = entry.sha256
        return found

    def code_of(self, application: str, module: str) -> Code | None:
        """The module; None if it cannot be read."""
        return self.code.get(self.beams[application, module].sha256)

    def lines(self, name: str) -> list[str] | None:
        """A text beside the boot script, without comments; None if it does not exist."""
        text = self.texts.get(self.root / "releases" / self.version / name)
        if text is None:
            return None
        return [line for line in text.split("\n") if line.strip() and line.strip()[0] != "#"]

    def term(self, application: str, suffix: str) -> Term | None:
        """The term in an application's `.app` or `.appup`; None without one, Malformed if it is not a term."""
        text = self.texts.get(self.lib(application) / "ebin" / f"{application}{suffix}")
        return None if text is None else parse_term(text)

    def machine_code(self, application: str) -> dict[str, str]:
        """Path in the application and hash of files that the VM may load."""
        return self._machine_code.get(str(self.lib(application)), {})

    @cached_property
    def runtime_system(self) -> str | None:
        """The hash of its program."""
        path = self.root / f"erts-{self.erts}" / "bin" / "beam.smp"
        return next((entry.sha256 for entry in self.package.entries if entry.path == path), None)

    @cached_property
    def _machine_code(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for entry in self.package.entries:
            if match := _LIBRARY.fullmatch(str(entry.path)):
                found.setdefault(match[1], {})[match[2]] = entry.sha256 or entry.target
        return found


def beams(package: Artifact) -> dict[Module, Entry]:
    """Every module of the package's applications, and its protocols."""
    found = {}
    for entry in package.entries:
        path = str(entry.path)
        match = _BEAM.fullmatch(path) or _PROTOCOL.fullmatch(path)
        if match and entry.kind in (Kind.FILE, Kind.HARDLINK):
            found[match[1], match[2]] = entry
    return found


def read(package: Artifact, there: Mapping[Module, Entry], asked: set[str]) -> ReleaseCode:
    """Read the texts, and the modules with the given hashes; PackageError if there is no release."""
    # Only one of several hard links has the content.
    hashes = {
        path: entry.sha256
        for entry in there.values()
        if entry.sha256 in asked
        for path in (entry.path, PurePosixPath(entry.target))
    }
    reading = _Reading(hashes)
    packages.read(package.file, take=reading.take)
    reading.finish()
    texts = reading.texts
    try:
        (landmark,) = (path for path in texts if str(path).endswith(_LANDMARK))
        root = landmark.parent.parent
        erts, version = texts[landmark].split()
        items = _applications(texts, root / "releases", version)
    except (ValueError, Malformed):
        raise PackageError(
            f"{package.file}: holds no release of Erlang that can be read",
            hint="name packages that `pkgrel build` made of a release",
        ) from None
    return ReleaseCode(
        package=package,
        root=root,
        version=version,
        erts=erts,
        applications={str(name): str(number) for name, number, *_ in items},
        starts={str(name): _start(rest) for name, _, *rest in items},
        texts=texts,
        beams=there,
        code=reading.code,
    )


def _applications(
    texts: Mapping[PurePosixPath, str], folder: PurePosixPath, version: str
) -> list[tuple[Term, ...]]:
    for path, text in texts.items():
        if path.suffix != ".rel" or path.parent not in (folder / version, folder):
            continue
        if path.name == "start_clean.rel":
            continue
        match parse_term(text):
            case ("release", (_, said), ("erts", _), list(items)) if said == version:
                return [item for item in items if isinstance(item, tuple) and len(item) > 1]
    raise Malformed("there is no .rel")


def _start(rest: list[Term]) -> Term:
    """rel(4) leaves out what is usual."""
    match rest:
        case [list(included)]:
            return ("permanent", included)
        case [str(kind), *included]:
            return (kind, *(included or [[]]))
        case _:
            return ("permanent", [])


@dataclass
class _Reading:
    """Collects the wanted contents while a package is unpacked; of modules only what `Code` has."""

    hashes: Mapping[PurePosixPath, str]
    texts: dict[PurePosixPath, str] = field(default_factory=dict)
    code: dict[str, Code | None] = field(default_factory=dict)
    _room: int = _ALL_TEXTS
    _path: PurePosixPath | None = None
    _data: bytearray = field(default_factory=bytearray)

    def take(self, path: PurePosixPath, size: int) -> Callable[[bytes | memoryview], object] | None:
        self.finish()
        if path in self.hashes:
            if size > beam.LIMIT:
                return None
        elif size > min(self._room, _TEXT_SIZE) or not _TEXT.fullmatch(str(path)):
            return None
        else:
            self._room -= size
        self._path, self._data = path, bytearray()
        return self._data.extend

    def finish(self) -> None:
        """What was taken last is there."""
        path, self._path = self._path, None
        if path is None:
            return
        if path in self.hashes:
            self.code[self.hashes[path]] = _code(bytes(self._data))
        else:
            self.texts[path] = self._data.decode(errors="replace")


def _code(data: bytes) -> Code | None:
    module = beam.module(data)
    if module is None:
        return None
    behaviours = _behaviours(module.attributes)
    return Code(
        md5=module.md5,
        machine_code=("erlang", "load_nif", 2) in module.imports,
        supervisor=not behaviours.isdisjoint(_SUPERVISORS),
        code_change=not module.exports.isdisjoint(_CODE_CHANGE),
        starts_children=("Elixir.Supervisor", "start_link", 2) in module.imports,
        calls=frozenset(name for name, what, _ in module.imports if what != "config_change"),
    )


def _behaviours(attributes: bytes) -> set[str]:
    try:
        term = external_term(attributes) if attributes else []
    except Malformed:
        return set()
    found: set[str] = set()
    for item in term if isinstance(term, list) else []:
        match item:
            case ("behaviour" | "behavior", list(names)):
                found |= {name for name in names if isinstance(name, str)}
            case _:
                pass
    return found
