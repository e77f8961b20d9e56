"""Predicts whether an upgrade between two packages is hot, and how, or a restart, and why.

On the host, `packaging_templates/scripts/hot-upgrade` and `libexec/plan-upgrade` decide; this makes the same decisions,
in the same order and with the same messages, from the packages alone. Facts that only the host knows can still require
a restart: the administrator's changes, the result of runtime.exs, the running processes.

Source: appup(4); systools(3).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pkgrel.artifact import release_code
from pkgrel.artifact.model import Artifact
from pkgrel.artifact.release_code import PROTOCOLS, Code, Module, ReleaseCode
from pkgrel.errors import PackageError
from pkgrel.release.terms import Atom, Binary, Malformed, Term, written

_SYSTEM = ("kernel", "stdlib", "sasl", "compiler", "elixir")
"""Applications that a hot upgrade cannot replace, so their versions must stay the same."""
_BESIDE = ("vm.args", "vm.args.src", "env.sh", "env.release.sh")
"""Files with the settings that the VM was started with."""
_RESTARTS = frozenset(["restart_emulator", "restart_new_emulator"])
_WHOLE = frozenset(["restart_application", "remove_application", "add_application"])
"""Instructions that cover all modules of an application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationChange:
    """How an application is upgraded whose version or code differs, or that only one package has."""

    name: str
    old: str | None
    new: str | None
    own_appup: bool
    """Whether the instructions are from its .appup; otherwise they are generated."""
    instructions: tuple[str, ...]
    """In the syntax of appup(4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotUpgrade:
    """The predicted upgrade, as far as it follows from the packages."""

    old: str
    """Version of the running release."""
    new: str
    hot: bool
    reasons: tuple[str, ...]
    """Why it is a restart; the first one is the host's message."""
    applications: tuple[ApplicationChange, ...]
    protocols: tuple[str, ...]
    """Elixir's consolidated protocols that differ, or that only one package has."""


def upgrade_between(old: Artifact, new: Artifact) -> HotUpgrade:
    """Predict the upgrade; PackageError if these are not two versions of one package."""
    upgrade = _upgrade(old, new)
    reasons = tuple(dict.fromkeys(upgrade.reasons()))
    return HotUpgrade(
        old=upgrade.old.version,
        new=upgrade.new.version,
        hot=not reasons,
        reasons=reasons,
        applications=tuple(upgrade.applications()),
        protocols=tuple(sorted(set().union(*upgrade.compared(PROTOCOLS)))),
    )


def same_version_other_code(old: Artifact, new: Artifact) -> tuple[str, ...]:
    """Sentences about applications with the same version but different code; for packages with hot upgrades."""
    if not new.is_hot or not _same_paths_differ(old, new):
        return ()
    upgrade = _upgrade(old, new)
    release = upgrade.same_release() if any(map(any, map(upgrade.compared, upgrade.common))) else ()
    return tuple(upgrade.unchanged_versions()) or tuple(release)


def _same_paths_differ(old: Artifact, new: Artifact) -> bool:
    """Whether any modules differ in folders that both packages have, so that reading the releases is necessary."""
    had, has = (
        {str(entry.path): entry.sha256 for entry in release_code.beams(package).values()}
        for package in (old, new)
    )
    folders = {path.rpartition("/")[0] for path in had} & {path.rpartition("/")[0] for path in has}
    return any(
        had.get(path) != has.get(path)
        for path in had.keys() | has.keys()
        if path.rpartition("/")[0] in folders
    )


def _upgrade(old: Artifact, new: Artifact) -> _Upgrade:
    for what, one, other in (
        ("called", old.name, new.name),
        ("a package of format", old.format.value, new.format.value),
        ("for", old.architecture, new.architecture),
    ):
        if one != other:
            raise PackageError(
                f"{new.file}: is {what} {other}, and {old.file} is {what} {one}",
                hint="an upgrade is between two packages of one name, format and architecture",
            )
    had, has = release_code.beams(old), release_code.beams(new)
    pairs = [(had[key], has[key]) for key in had.keys() & has.keys()]
    pairs += [(had[old, name], has[new, name]) for name, (old, new) in _moves(had, has).items()]
    differ = {entry.sha256 for pair in pairs if pair[0].sha256 != pair[1].sha256 for entry in pair}
    folders = {entry.path.parent for entry in had.values()}
    asked = differ | {entry.sha256 for entry in has.values() if entry.path.parent not in folders}
    return _Upgrade(release_code.read(old, had, differ), release_code.read(new, has, asked))


def _moves(had: Collection[Module], has: Collection[Module]) -> dict[str, tuple[str, str]]:
    """Modules that have moved to another application, with the old and the new one."""
    before, after = (
        {name: application for application, name in side if application != PROTOCOLS}
        for side in (had, has)
    )
    return {
        name: (before[name], after[name])
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    }


Compared = tuple[set[str], set[str], set[str]]
"""Added, deleted and changed modules."""


@dataclass
class _Upgrade:
    """An upgrade between two releases."""

    old: ReleaseCode
    new: ReleaseCode
    _compared: dict[str, Compared] = field(default_factory=dict)

    @cached_property
    def common(self) -> list[str]:
        """Applications in both releases."""
        return sorted(self.old.applications.keys() & self.new.applications.keys())

    @cached_property
    def bumped(self) -> list[str]:
        """Common applications with a different version."""
        return [
            name
            for name in self.common
            if self.old.applications[name] != self.new.applications[name]
        ]

    @cached_property
    def up(self) -> bool:
        """Whether it is an upgrade; otherwise release_handler needs the instructions for a downgrade."""
        return _is_newer(self.new.version, self.old.version)

    def compared(self, application: str) -> Compared:
        """The application's modules that differ; those that were only recompiled count as unchanged."""
        if application not in self._compared:
            had, has = self.old.modules(application), self.new.modules(application)
            changed = {
                name
                for name in had.keys() & has.keys()
                if had[name] != has[name] and self._differs(application, name)
            }
            self._compared[application] = (
                has.keys() - had.keys(),
                had.keys() - has.keys(),
                changed,
            )
        return self._compared[application]

    def _differs(self, application: str, module: str) -> bool:
        return _other(self.old.code_of(application, module), self.new.code_of(application, module))

    @cached_property
    def moved(self) -> dict[str, tuple[str, str]]:
        """Modules that have moved to another application."""
        return _moves(self.old.beams, self.new.beams)

    def _moved_and_changed(self, module: str) -> bool:
        if module not in self.moved:
            return False
        old, new = self.moved[module]
        had, has = self.old.beams[old, module], self.new.beams[new, module]
        return had.sha256 != has.sha256 and _other(
            self.old.code_of(old, module), self.new.code_of(new, module)
        )

    def reasons(self) -> Iterator[str]:
        """Reasons for a restart, in the order of the host's checks."""
        yield from self._of_packages()
        yield from self._of_system()
        for name in self.common:
            if self.old.machine_code(name) != self.new.machine_code(name):
                yield f"machine code of {name} differs"
        yield from self.unchanged_versions()
        yield from self._of_moves()
        for name in self.common:
            if name in self.bumped or any(self.compared(name)):
                yield from self._of_application(name)

    def _of_packages(self) -> Iterator[str]:
        package = self.new.package
        if not package.is_hot:
            yield '`on-upgrade` of the package that comes is not "hot"'
        if self.old.root != self.new.root:
            yield "nothing was kept of the version that runs"
        had, has = (_unit_lines(side, package.name) for side in (self.old, self.new))
        for line in [*(x for x in has if x not in had), *(x for x in had if x not in has)][:1]:
            yield f"its unit differs: {line[:60]}"

    def _of_system(self) -> Iterator[str]:
        old, new = self.old, self.new
        yield from self.same_release()
        if old.erts != new.erts:
            yield f"ERTS differs: {old.erts}, {new.erts}"
        elif old.runtime_system != new.runtime_system:
            yield f"the program of ERTS {old.erts} differs"
        for side in (old, new):
            if "sasl" not in side.applications:
                yield f"{side.version} is without sasl"
        for name in _SYSTEM:
            had, has = old.applications.get(name), new.applications.get(name)
            if had and has and had != has:
                yield f"{name} differs: {had}, {has}"
        for name in self.common:
            if old.starts[name] != new.starts[name]:
                yield f"{name} is started in another way"
        for name in _BESIDE:
            if old.lines(name) != new.lines(name):
                yield f"{name} differs"

    def same_release(self) -> Iterator[str]:
        """Whether both releases have the same version, so that the host could not distinguish them."""
        if self.old.version == self.new.version:
            yield f"the release has the same version, {self.old.version}"

    def unchanged_versions(self) -> Iterator[str]:
        """Applications with the same version but different code, unless only modules without state differ."""
        for name in self.common:
            if name in self.bumped:
                continue
            added, deleted, changed = self.compared(name)
            version = self.new.applications[name]
            if name in _SYSTEM and (added or deleted or changed):
                yield f"{name} {version} has other code than {name} {version}"
                continue
            kept = (module for module in sorted(changed) if not self._reloads(name, module))
            for module in [*sorted(added), *sorted(deleted), *kept][:1]:
                yield (
                    f"{name} {version} has other code than {name} {version}:"
                    f" its version must change as well ({module})"
                )

    def _of_moves(self) -> Iterator[str]:
        """Impossible moves: OTP unloads modules of a removed application, and converts no state for a new one."""
        for module, (old, new) in self.moved.items():
            plain = not self._moved_and_changed(module) or self._reloads(new, module)
            if old not in self.new.applications or (new not in self.old.applications and not plain):
                yield f"{module} moves from {old} to {new}"

    def _reloads(self, name: str, module: str) -> bool:
        """Whether no process keeps state in that module."""
        return self._instruction(name, module).startswith("{load_module,")

    def _of_application(self, name: str) -> Iterator[str]:
        try:
            own = self._own_instructions(name)
        except Malformed:
            yield f"the .appup of {name} cannot be read"
            return
        try:
            start = self._start_module(name)
        except Malformed:
            yield f"the .app of {name} cannot be read"
            return
        if own and any(_name(instruction) in _RESTARTS for instruction in own):
            yield "an .appup asks for a restart of the VM"
        _, _, changed = self.compared(name)
        if own is not None:
            changed = changed & _forgotten(own, changed)
            start = None
        if start is not None:
            yield from self._of_start(name, start)
        for module in sorted(changed):
            code = self.new.code_of(name, module)
            if code is None or self.old.code_of(name, module) is None:
                yield f"{module} of {name} cannot be read"
            elif code.machine_code:
                yield f"{module} brings machine code, and has changed"

    def _of_start(self, name: str, start: str) -> Iterator[str]:
        """Nobody asks start/2 again for the children that are in its text, or in what it calls."""
        code = self.new.code_of(name, start) if (name, start) in self.new.beams else None
        if code is None or not code.starts_children:
            return
        said = "has changed, and perhaps the children that {} starts; a supervisor module of their own can be upgraded"
        if start in self.compared(name)[2]:
            yield f"{start} {said.format('it')}"
        elif name in self.bumped:
            for module in sorted(code.calls & self.changed)[:1]:
                yield f"{module} {said.format(start)}"

    @cached_property
    def changed(self) -> set[str]:
        """Modules of any application."""
        return set(filter(self._moved_and_changed, self.moved)).union(
            *(self.compared(name)[2] for name in self.common)
        )

    def _start_module(self, name: str) -> str | None:
        """The application's callback module."""
        match self.new.term(name, ".app"):
            case ("application", _, list(keys)):
                for key in keys:
                    match key:
                        case ("mod", (str(module), _)):
                            return module
                        case _:
                            pass
            case _:
                pass
        return None

    def applications(self) -> Iterator[ApplicationChange]:
        """All added, removed and changed applications."""
        had, has = self.old.applications, self.new.applications
        for name in sorted(had.keys() | has.keys()):
            if had.get(name) == has.get(name) and not any(self.compared(name)):
                continue
            own: list[Term] | None = None
            instructions: tuple[str, ...] = ()
            if name in self.common:
                try:
                    own = self._own_instructions(name)
                    instructions = tuple(self._instructions(name, own))
                except Malformed:
                    own = []
            yield ApplicationChange(
                name=name,
                old=had.get(name),
                new=has.get(name),
                own_appup=own is not None,
                instructions=instructions,
            )

    def _own_instructions(self, name: str) -> list[Term] | None:
        """The instructions in the newer version's .appup for the other version; None if there are none."""
        if name not in self.bumped:
            return None
        newer, other = (self.new, self.old) if self.up else (self.old, self.new)
        match newer.term(name, ".appup"):
            case (_, list(ups), list(downs)):
                for entry in ups if self.up else downs:
                    match entry:
                        case (str(version), list(instructions)):
                            if _fits(version, other.applications[name]):
                                return instructions
                        case _:
                            pass
            case _:
                pass
        return None

    def _instructions(self, name: str, own: list[Term] | None) -> Iterator[str]:
        """The .appup's instructions, and generated ones for the modules that they do not mention."""
        yield from map(written, own or ())
        left = set().union(*self.compared(name))
        left = left if own is None else _forgotten(own, left)
        added, deleted, changed = (modules & left for modules in self.compared(name))
        come = set(filter(self._moved_and_changed, added))
        same = (added & self.moved.keys()) - come
        yield from (f"{{add_module,{_atom(module)}}}" for module in sorted(added - come - same))
        yield from (f"{{load_module,{_atom(module)}}}" for module in sorted(same))
        yield from (self._instruction(name, module) for module in (*sorted(changed), *sorted(come)))
        yield from (
            f"{{delete_module,{_atom(module)}}}" for module in sorted(deleted - self.moved.keys())
        )

    def _instruction(self, name: str, module: str) -> str:
        code = self.new.code_of(name, module)
        if code and code.supervisor:
            return f"{{update,{_atom(module)},supervisor}}"
        if code and code.code_change:
            return f"{{update,{_atom(module)},{{advanced,[]}}}}"
        return f"{{load_module,{_atom(module)}}}"


def _other(old: Code | None, new: Code | None) -> bool:
    return old is None or new is None or old.md5 != new.md5


def _atom(name: str) -> str:
    return written(Atom(name))


def _name(instruction: Term) -> Term:
    return instruction[0] if isinstance(instruction, tuple) and instruction else instruction


def _forgotten(instructions: list[Term], modules: set[str]) -> set[str]:
    """Modules that the instructions do not mention, and that would not be upgraded."""
    if any(_name(instruction) in _WHOLE for instruction in instructions):
        return set()
    return modules - set(_named(instructions))


def _named(term: Term) -> Iterator[str]:
    match term:
        case ("apply", _):
            pass
        case Atom():
            yield term
        case list() | tuple():
            for item in term:
                yield from _named(item)
        case _:
            pass


def _unit_lines(side: ReleaseCode, name: str) -> list[str]:
    """Lines of [Service] and [Socket] in the service's unit, its drop-ins and its socket unit."""
    lines: list[str] = []
    for path in sorted(side.texts):
        if (
            path.name not in (f"{name}.service", f"{name}.socket")
            and path.parent.name != f"{name}.service.d"
        ):
            continue
        section = ""
        for line in side.texts[path].split("\n"):
            if line.startswith("["):
                inside = section in ("[Service]", "[Socket]")
                section = line
                if not inside and section not in ("[Service]", "[Socket]"):
                    continue
            elif section not in ("[Service]", "[Socket]"):
                continue
            lines.append(line)
    return lines


_SIMPLE = re.compile(
    r"(?: \^ | \$ | (?: \\. | \[[^][]+\] | [^][\\(){}|+*?] ) [+*?]? | \(\?:\\\.(?:\[0-9\]|\\d)\+\)[+*?] )*",
    re.VERBOSE,
)
"""Regular expressions without catastrophic backtracking, such as those in OTP's .appup files."""


def _fits(entry: str, version: str) -> bool:
    """Whether an .appup's entry is for the version; a binary is a regular expression for the whole version."""
    if not isinstance(entry, Binary):
        return entry == version
    if len(version) > 64 or len(re.findall("[+*]", entry)) > 4 or not _SIMPLE.fullmatch(entry):
        raise Malformed(f"the expression {entry[:60]}")
    try:
        found = re.search(entry, version)
    except re.error as e:
        raise Malformed(f"the expression {entry[:60]}") from e
    return bool(found and found[0] == version)


Part = tuple[int, int | str]


def _is_newer(one: str, other: str) -> bool:
    """Whether the first version, the new one, is newer; builds of unknown order count as newer."""
    if _order(one) != _order(other):
        return _order(one) > _order(other)
    mine, its = (_parts(version.partition("+")[2]) for version in (one, other))
    for part, counterpart in zip(mine, its, strict=False):
        if part != counterpart:
            return part > counterpart or bool(part[0] or counterpart[0])
    return len(mine) >= len(its)


def _order(version: str) -> tuple[list[Part], bool, list[Part]]:
    """A sort key: 1.10 is newer than 1.9, and 1.0.0 than 1.0.0-rc.1."""
    number, dash, rest = version.partition("+")[0].partition("-")
    return _parts(number), not dash, _parts(rest)


def _parts(text: str) -> list[Part]:
    words = (word for word in text.split(".") if word)
    return [(0, int(word)) if word.isascii() and word.isdigit() else (1, word) for word in words]
