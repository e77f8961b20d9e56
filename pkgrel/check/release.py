"""Rules about an Erlang release in the package: whether it can start, whether its native code runs on the distro, and
what an upgrade from the previous version changes.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel import compatibility
from pkgrel.artifact import Artifact, Kind
from pkgrel.artifact.hot_upgrade import same_version_other_code
from pkgrel.check.subject import Hit, Rule, Severity, Subject, below
from pkgrel.distro import libraries
from pkgrel.release import elf, model
from pkgrel.release.findings import PATHS, TEXTS
from pkgrel.release.native import EMULATORS, library_names
from pkgrel.release.variables import of_functions

# Secrets are the subject of `check.secrets`, and a node for a single host may be intended.
_LEFT_OUT = {"cookie-file", "env-file", "cookie-in-vm-args", "cookie-in-env-sh", "local-node"}
_ERLANG = ("erlang", "esl-erlang")
_ASKING = ("runtime.exs", "releases.exs")
_OPEN = ("/tmp", "/var/tmp", "/dev/shm")
_LIBRARY = re.compile(r".*\.so(\.\d+)*")


def _without_runtime(subject: Subject) -> Iterator[Hit]:
    if _asks_for_erlang(subject):
        return
    for root in subject.releases:
        if not list(_runtimes(subject, root)):
            yield root, "has no runtime system (erts-VERSION/bin/beam.smp)"


def _asks_for_erlang(subject: Subject) -> bool:
    return any(name.startswith(_ERLANG) for name in _declared(subject.artifact))


def _runtimes(subject: Subject, root: PurePosixPath) -> Iterator[str]:
    """Versions of the ERTS in the release."""
    for entry in subject.files:
        path = entry.path
        if path.name in EMULATORS and len(path.parents) > 2 and path.parents[2] == root:
            yield path.parents[1].name.removeprefix("erts-")


def _start_data(subject: Subject) -> Iterator[Hit]:
    for root in subject.releases:
        path = root / "releases" / "start_erl.data"
        if path not in subject.entries:
            continue
        words = subject.text(path).split()
        if len(words) != 2:
            yield (
                path,
                f"says `{' '.join(words)[:60]}`, and should name the runtime system and the version",
            )
            continue
        erts, version = words
        there = set(_runtimes(subject, root))
        if there and erts not in there:
            yield path, f"names the runtime system {erts}, and there is {', '.join(sorted(there))}"
        if not any(below(path, root / "releases" / version) for path in subject.entries):
            yield path, f"names the version {version}, and there is no releases/{version}"


def _leftovers(subject: Subject) -> Iterator[Hit]:
    """The warnings of `pkgrel inspect`."""
    for root in subject.releases:
        for entry in subject.artifact.entries:
            path = str(entry.path).removeprefix(f"{root}/")
            if path == str(entry.path):
                continue
            for rule in PATHS:
                if rule.id not in _LEFT_OUT and rule.pattern.fullmatch(path):
                    yield entry.path, rule.says
            for line in TEXTS:
                if line.id in _LEFT_OUT or not line.path.fullmatch(path):
                    continue
                if line.line.search(subject.text(entry.path)):
                    yield entry.path, line.says


def _unset(subject: Subject) -> Iterator[Hit]:
    """Variables that the release needs and that nothing else in the package sets."""
    for root in subject.releases:
        found = tuple(item for item in _variables(subject, root) if item.needed)
        if not found:
            continue
        said = "\n".join(
            line
            for entry, text in subject.texts()
            if not below(entry.path, root) and _speaks_of_settings(entry.path)
            for line in text.splitlines()
            if not line.lstrip().startswith(("#", ";"))
        )
        for item in found:
            names = (item.name, *item.instead)
            if item.name == min(names) and not any(
                re.search(rf"\b{re.escape(name)}\b", said) for name in names
            ):
                path, _, line = item.where.rpartition(":")
                wanted = "` or `".join(names)
                yield path, f"needs `{wanted}` (line {line}), which nothing in the package sets"


def _variables(subject: Subject, root: PurePosixPath) -> Iterator[model.Variable]:
    folders = {entry.path.parent for entry in subject.files if entry.path.name in _ASKING}
    for folder in sorted(folders):
        if folder.parent == root / "releases":
            paths = (folder / name for name in (*_ASKING, "env.sh", "sys.config"))
            texts = {str(path): text for path in paths if (text := subject.text(path))}
            yield from of_functions(texts, (), ())


def _speaks_of_settings(path: PurePosixPath) -> bool:
    return (
        path.suffix in (".service", ".conf") or below(path, "/etc") or path.name == "make-secrets"
    )


def _damaged(subject: Subject) -> Iterator[Hit]:
    for path in subject.damaged:
        entry = subject.find(path)
        if _LIBRARY.fullmatch(path.name) or (entry and entry.mode & 0o111):
            yield path, "begins like machine code and ends too early"


def _foreign_machines(subject: Subject) -> Iterator[Hit]:
    if not subject.architecture:
        return
    for file in subject.native:
        if subject.architecture == "noarch":
            yield file.path, f"is for {file.architecture}, and the package for every machine"
        elif file.architecture != subject.architecture:
            yield file.path, f"is for {file.architecture}, the package for {subject.architecture}"


def _foreign_systems(subject: Subject) -> Iterator[Hit]:
    for path, start in subject.contents.programs.items():
        system = elf.foreign(start)
        # Java classes and libraries of macOS have the same magic number.
        if system and _LIBRARY.fullmatch(path.name):
            yield path, f"is machine code of {system}: it will not load"


def _cannot_run(subject: Subject) -> Iterator[Hit]:
    if not subject.distro:
        return
    brought = _libraries(subject)
    for reason in compatibility.of_files(
        subject.native, subject.architecture, subject.distro, brought
    ):
        # An unknown library may be in another package of the same vendor.
        if not reason.unknown:
            yield reason.file, reason.sentence.removeprefix(f"`{reason.file}` ")


def _undeclared(subject: Subject) -> Iterator[Hit]:
    if not subject.distro:
        return
    brought, declared = _libraries(subject), _declared(subject.artifact)
    said: set[str] = set()
    for file in subject.native:
        for soname in file.needed if file.architecture == subject.architecture else ():
            if soname in brought | said or not libraries.has(
                subject.distro, soname, subject.architecture
            ):
                continue
            named = libraries.must_be_known(subject.distro)
            text = (
                libraries.relation(subject.distro, soname, subject.architecture)
                if named
                else soname
            )
            packages = [part.split()[0] for part in text.split("|")]
            if {soname, *packages, *(name.removesuffix("t64") for name in packages)} & declared:
                continue
            said.add(soname)
            yield file.path, f"needs `{packages[0]}`, which the package does not ask for"


def _search_paths(subject: Subject) -> Iterator[Hit]:
    """Search paths in which others could put a library that the service would load."""
    for file in subject.native:
        for folder in file.search:
            if not folder.startswith(("/", "$ORIGIN", "${ORIGIN}")):
                yield file.path, f"looks for libraries in `{folder or '.'}`, wherever it is started"
            elif below(PurePosixPath(folder), *_OPEN):
                yield file.path, f"looks for libraries in `{folder}`, where every user can put one"


def _declared(artifact: Artifact) -> frozenset[str]:
    """Names of the package's dependencies; for `libc.so.6(GLIBC_2.34)(64bit)` the soname."""
    words = (
        item
        for kind, items in artifact.relations.items()
        if kind in ("Depends", "Pre-Depends") or kind.startswith("Requires")
        for relation in items
        for item in relation.replace("|", " ").split()
    )
    return frozenset(word.partition("(")[0].partition(":")[0] for word in words)


def _libraries(subject: Subject) -> frozenset[str]:
    """All names by which files of the package can be loaded as libraries."""
    entries: list[model.Entry] = []
    for entry in subject.artifact.entries:
        if entry.kind is Kind.SYMLINK:
            end = subject.resolve(entry.path) or entry.path
            entries.append(model.Symlink(str(entry.path), str(end)))
        elif entry.kind is Kind.HARDLINK:
            entries.append(model.HardLink(str(entry.path), entry.target))
    return library_names(subject.native, entries)


RULES = (
    Rule(
        "without-runtime",
        Severity.ERROR,
        "systools(3), make_tar/2, erts",
        "build the release with `include_erts: true`, or depend on a package of Erlang",
        _without_runtime,
    ),
    Rule(
        "start-data",
        Severity.ERROR,
        "release_handler(3)",
        "build the package from a clean release: it has parts of two",
        _start_data,
    ),
    Rule(
        "leftover",
        Severity.WARNING,
        "docs of mix release; heart(3); systemd.service(5), Restart=",
        "mend it where the release is built",
        _leftovers,
    ),
    Rule(
        "missing-variable",
        Severity.WARNING,
        "Config.Reader, runtime.exs; systemd.exec(5), EnvironmentFile=",
        "set it on each host before the service starts, in the file of its unit's EnvironmentFile=",
        _unset,
    ),
    Rule("damaged-code", Severity.ERROR, "elf(5)", "build the package again", _damaged),
    Rule(
        "foreign-machine",
        Severity.ERROR,
        "Debian Policy 5.6.8; rpm-spec(5), BuildArch",
        "compile it for that machine: a `priv` folder may have been copied from another one",
        _foreign_machines,
    ),
    Rule(
        "foreign-system",
        Severity.ERROR,
        "elf(5)",
        "compile it on Linux: a `priv` folder may have been copied from another system",
        _foreign_systems,
    ),
    Rule(
        "cannot-run",
        Severity.ERROR,
        "ld.so(8)",
        "build it on the distro, or in an image of it",
        _cannot_run,
    ),
    Rule(
        "library-path",
        Severity.ERROR,
        "ld.so(8), RUNPATH; CWE-426, Untrusted Search Path",
        "link it with `-rpath '$ORIGIN'`, or without a path",
        _search_paths,
    ),
    Rule(
        "missing-dependency",
        Severity.WARNING,
        "Debian Policy 8.6; docs/manual/dependencies.md of rpm 4.20",
        "add it to what the package depends on",
        _undeclared,
    ),
)


def _same_version(subject: Subject) -> Iterator[Hit]:
    if subject.before:
        for sentence in same_version_other_code(subject.before, subject.artifact):
            yield subject.artifact.name, sentence


UPGRADE_RULES = (
    Rule(
        id="same-version-other-code",
        severity=Severity.WARNING,
        source="release_handler(3): an application is known by its version",
        remedy="give every build a version of its own, or the running system is restarted",
        find=_same_version,
    ),
)
