"""Whether an Erlang release in the package can start."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pkgrel.check.finding import Hit, Rule, Severity
from pkgrel.check.subject import Subject, below
from pkgrel.release.findings import PATHS, TEXTS
from pkgrel.release.runtime import EMULATORS

# Other rules speak of secrets, and a node for a single host may be meant.
_NOT_HERE = ("releases/COOKIE", ".env", "-setcookie x", "RELEASE_COOKIE=x", "-name a@127.0.0.1")
_PATHS = [rule for rule in PATHS if not any(map(rule.pattern.fullmatch, _NOT_HERE))]
_TEXTS = [rule for rule in TEXTS if not any(map(rule.line.search, _NOT_HERE))]
_ERLANG = ("erlang", "esl-erlang")


def _without_runtime(subject: Subject) -> Iterator[Hit]:
    if _asks_for_erlang(subject):
        return
    for root in subject.releases:
        if not list(_runtimes(subject, root)):
            yield root, "has no runtime system (erts-VERSION/bin/beam.smp)"


def _asks_for_erlang(subject: Subject) -> bool:
    return any(
        word.startswith(_ERLANG)
        for kind, items in subject.artifact.relations.items()
        if kind in ("Depends", "Pre-Depends") or kind.startswith("Requires")
        for item in items
        for word in item.replace("|", " ").split()
    )


def _runtimes(subject: Subject, root: PurePosixPath) -> Iterator[str]:
    """Versions of the runtime systems that the release has."""
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
    """What `pkgrel inspect` says of a release."""
    for root in subject.releases:
        for entry in subject.artifact.entries:
            path = str(entry.path).removeprefix(f"{root}/")
            if path == str(entry.path):
                continue
            for rule in _PATHS:
                if rule.pattern.fullmatch(path):
                    yield entry.path, rule.says
            for line in _TEXTS:
                if line.path.fullmatch(path) and line.line.search(subject.text(entry.path)):
                    yield entry.path, line.says


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
)
