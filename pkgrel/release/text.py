"""Small files of a release that must be read to understand it."""

from pkgrel.errors import ReleaseError
from pkgrel.release import hints
from pkgrel.release.tree import Tree


def read_text(tree: Tree, path: str, largest: int | None = None) -> str:
    """Return the text at `path`, empty if there is none; ReleaseError if it is too large.

    Releases of old write Latin-1, so whatever is not UTF-8 is read as that.
    """
    file = tree.file(path)
    if not file:
        return ""
    if file.content.size > (tree.limits.text if largest is None else largest):
        raise ReleaseError(
            f"`{path}` has {file.content.size} bytes, which is no `{path}`", hint=hints.REBUILD
        )
    data = b"".join(file.content.chunks())
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
