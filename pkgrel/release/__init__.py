"""Erlang releases: read safely from a tarball or a directory, and understood.

with release.read(Path("hello-1.0.0.tar.gz")) as hello:
    print(hello.kind, hello.version)
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pkgrel.console import one_line
from pkgrel.errors import ReleaseError
from pkgrel.limits import LIMITS, Limits
from pkgrel.release import findings, kinds, native, variables
from pkgrel.release.model import Release
from pkgrel.release.rel import identify
from pkgrel.release.source import opened
from pkgrel.release.tree import Tree

__all__ = ["read"]


@contextmanager
def read(source: Path, limits: Limits = LIMITS, *, title: str = "") -> Iterator[Release]:
    """Read the release that `source` holds; ReleaseError, naming it or its title, if there is none.

    The contents of a compressed tarball are in a temporary file, which goes with the `with` block.
    """
    with ExitStack() as stack:
        try:
            release = understand(stack.enter_context(opened(source.absolute(), limits)))
        except ReleaseError as e:
            raise ReleaseError(one_line(f"{title or source}: {e}"), hint=e.hint) from e
        yield release


def understand(tree: Tree) -> Release:
    """Find out what kind of release this is and what is in it."""
    identity = identify(tree)
    built = native.inspect_runtime(tree, identity.erts)
    kind = kinds.detect(tree, identity)
    code = tuple(native.native_files(tree))
    asked = variables.read(tree, kind, identity.name, identity.version)
    return Release(
        kind=kind,
        name=identity.name,
        version=identity.version,
        erts=identity.erts,
        otp=built.otp,
        elixir=next((a.version for a in identity.applications if a.name == "elixir"), None),
        architecture=built.architecture,
        libc=built.libc,
        applications=identity.applications,
        native=code,
        setuid=native.setuid_files(tree),
        start=kinds.start(tree, kind, identity),
        writes_config=kinds.writes_config(tree, kind, identity.version),
        entries=tuple(tree.entries.values()),
        newest=tree.newest,
        size=sum(file.content.size for file in tree.files()),
        warnings=(
            *findings.warnings(tree, code, built.architecture),
            *native.library_findings(code, tree.entries),
            *asked.warnings,
        ),
        variables=asked.variables,
    )
