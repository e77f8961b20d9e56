"""Writes SLSA provenance: a signed statement beside the package of who built it from what.

It lists the inputs by hash: commit, source files, settings, lock files, and image. It has no paths or environment
variables of this machine, and no time but the package's, so that the same inputs give the same statement.

Source: SLSA 1.0, https://slsa.dev/spec/v1.0/provenance; in-toto's ResourceDescriptor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pkgrel import __version__, artifact, git, version
from pkgrel.artifact import Artifact
from pkgrel.config import Document
from pkgrel.package import Package
from pkgrel.release.model import File, HardLink, Release, Symlink
from pkgrel.signing import Signer, statement
from pkgrel.signing.statement import Statement

if TYPE_CHECKING:
    from pkgrel.builder.releases import Outcome

TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "pkg:pypi/pkgrel#build/v1"
"""Defines the meaning of `externalParameters`; SLSA wants a URI."""
CONTENT = "content"
"""Name of the byproduct with the hash of the content, which signing an .rpm does not change."""

Descriptor = dict[str, Any]
_LOCKS = ("mix.lock", "rebar.lock", "assets/package-lock.json", "package-lock.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What packages were built from."""

    builder: str
    """`docker` or `host`; `release` if the release was built elsewhere."""
    inputs: tuple[Descriptor, ...]
    toolchain: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)


def of_release(source: Path, release: Release, settings: Document) -> Origin:
    """The origin of a given release, whose sources are unknown."""
    if source.is_file():
        given = _file("release", source, uri=source.name)
    else:
        given = {"name": "release", "digest": {"sha256": _of_tree(release)}}
    inputs = (given, *_settings(settings))
    return Origin(builder="release", inputs=inputs, toolchain=_runtime(release))


def of_project(
    folder: Path,
    release: Release,
    settings: Document,
    outcome: Outcome,
    parameters: Mapping[str, str],
) -> Origin:
    """The origin of a release that was just built from the project in the folder."""
    toolchain = _runtime(release)
    inputs = [*_commit(folder), {"name": "sources", "digest": {"sha256": outcome.sources}}]
    inputs += _settings(settings)
    inputs += [_file(name, folder / name) for name in _LOCKS if (folder / name).is_file()]
    image = outcome.image
    if image:
        inputs.append(
            {"name": "image", "digest": _digest(image.id), "annotations": {"of": image.tools}}
        )
        base, _, digest = outcome.base.partition("@")
        if digest:
            inputs.append({"name": "base image", "uri": base, "digest": _digest(digest)})
        facts = {"erlang": image.facts.erlang, "nodejs": image.facts.nodejs}
        toolchain |= {name: version for name, version in facts.items() if version}
    return Origin(
        builder="docker" if image else "host",
        inputs=tuple(inputs),
        toolchain=toolchain,
        parameters={name: value for name, value in parameters.items() if value},
    )


def write(package: Package, file: Path, origin: Origin, signer: Signer) -> None:
    """Write the statement beside the package; it replaces the one of an earlier build."""
    made = _statement(package, artifact.read(file, unpack=False), origin)
    statement.add(file, statement.sign(made, signer), lambda other: other.predicate_type == TYPE)


def _statement(package: Package, made: Artifact, origin: Origin) -> Statement:
    return Statement(
        {made.file.name: made.sha256},
        TYPE,
        {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"distro": package.distro, **origin.parameters},
                "internalParameters": {
                    "sourceDateEpoch": package.build_time,
                    "toolchain": dict(origin.toolchain),
                },
                "resolvedDependencies": list(origin.inputs),
            },
            "runDetails": {
                "builder": {
                    "id": f"pkg:pypi/pkgrel#{origin.builder}",
                    "version": {"pkgrel": __version__},
                },
                "byproducts": [{"name": CONTENT, "digest": {"sha256": made.content_sha256}}],
            },
        },
    )


def is_about(found: Statement, sha256: str, content_sha256: str) -> bool:
    """Whether it is the provenance of this package, perhaps before that was signed."""
    if found.predicate_type != TYPE:
        return False
    return found.about(sha256) or content_sha256 in _contents(found.predicate)


def _contents(predicate: Mapping[str, Any]) -> Iterator[str]:
    for each in _mappings(_mapping(predicate.get("runDetails")).get("byproducts")):
        if each.get("name") == CONTENT:
            yield str(_mapping(each.get("digest")).get("sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The part of a statement that a rebuild needs."""

    commit: str = ""
    date: int | None = None
    release: str = ""
    architecture: str = ""
    version_from: version.Source = version.Source.RELEASE

    @classmethod
    def of(cls, predicate: Mapping[str, Any]) -> Told:
        """Read the statement; invalid values are replaced by defaults."""
        definition = _mapping(predicate.get("buildDefinition"))
        given = _mapping(definition.get("externalParameters"))
        date = _mapping(definition.get("internalParameters")).get("sourceDateEpoch")
        source, known = given.get("versionFrom"), [each.value for each in version.Source]
        return cls(
            commit=next(_commits(definition), ""),
            date=date if isinstance(date, int) else None,
            release=str(given.get("release", "")),
            architecture=str(given.get("architecture", "")),
            version_from=version.Source(source if source in known else "release"),
        )


def _commits(definition: Mapping[str, Any]) -> Iterator[str]:
    for each in _mappings(definition.get("resolvedDependencies")):
        if each.get("name") == "source":
            yield str(_mapping(each.get("digest")).get("gitCommit", ""))


def lines(predicate: Mapping[str, Any]) -> Iterator[str]:
    """The predicate as text for people; its content is not trusted."""
    definition = _mapping(predicate.get("buildDefinition"))
    builder = _mapping(_mapping(predicate.get("runDetails")).get("builder"))
    yield f"built by {_pairs(builder.get('version'))} ({builder.get('id', 'nobody')})"
    for title, key in ("for", "externalParameters"), ("with", "internalParameters"):
        given = dict(_mapping(definition.get(key)))
        toolchain = _mapping(given.pop("toolchain", None))
        if text := _pairs({**given, **toolchain}):
            yield f"{title} {text}"
    for each in _mappings(definition.get("resolvedDependencies")):
        changed = (
            " (with changes)" if "annotations" in each and each.get("name") == "source" else ""
        )
        where = f" {each['uri']}" if "uri" in each else ""
        yield f"of {each.get('name', '')}{where} {_pairs(each.get('digest'))}{changed}"


def _pairs(found: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in _mapping(found).items())


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _mappings(found: object) -> Iterator[Mapping[str, Any]]:
    yield from (_mapping(each) for each in (found if isinstance(found, list) else ()))


def _runtime(release: Release) -> dict[str, str]:
    found = {"erts": release.erts, "otp": release.otp, "elixir": release.elixir or ""}
    return {name: version for name, version in found.items() if version}


def _commit(folder: Path) -> Iterator[Descriptor]:
    """The project's commit, and whether its files differ from it."""
    try:
        commit = git.run(folder, "rev-parse", "--verify", "HEAD").line
        changed = git.run(folder, "status", "--porcelain", "--untracked-files=no", "--", ".").line
        remote = git.run(folder, "config", "--get", "remote.origin.url", accept=(0, 1)).line
    except git.GitError:
        return
    url = git.public_url(remote)
    found: Descriptor = {"name": "source", "digest": {"gitCommit": commit}}
    if url:
        found["uri"] = f"git+{url}"
    if changed:
        found["annotations"] = {"changed": True}
    yield found


def _settings(settings: Document) -> Iterator[Descriptor]:
    if settings.file.is_file():
        yield _file("pkgrel.toml", settings.file)


def _file(name: str, file: Path, **more: str) -> Descriptor:
    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return {"name": name, **more, "digest": {"sha256": sha256}}


def _digest(text: str) -> dict[str, str]:
    return {"sha256": text.removeprefix("sha256:")}


def _of_tree(release: Release) -> str:
    """Hash of an unpacked release: of all paths and their contents."""
    digest = hashlib.sha256()
    for entry in release.entries:
        match entry:
            case File():
                what = f"{entry.mode:o} {entry.content.sha256}"
            case Symlink() | HardLink():
                what = f"-> {entry.target}"
            case _:
                what = "/"
        digest.update(f"{entry.path}\0{what}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()
