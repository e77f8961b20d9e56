"""Names of members, made safe and uniform: relative, no `..`, no `.`, printable, UTF-8."""

import re

from pkgrel.console import visible
from pkgrel.errors import ReleaseError
from pkgrel.limits import Limits
from pkgrel.release import hints

# Nothing to clean: the common case is worth one match.
_CLEAN = re.compile(r"[\w@+%=-][\w@+%=.-]*(?:/[\w@+%=-][\w@+%=.-]*)*", re.ASCII)


def decode(raw: bytes) -> str:
    """Turn the bytes of a name into text; ReleaseError if it is not UTF-8 or not printable."""
    try:
        name = raw.decode()
    except UnicodeDecodeError as e:
        raise ReleaseError(
            f"the name `{raw.decode(errors='backslashreplace')}` is not UTF-8", hint=hints.RENAME
        ) from e
    # None has a place in a file name, and all of them can lie on a terminal.
    if visible(name) != name or "\n" in name or "\t" in name:
        raise ReleaseError(
            f"the name `{name}` has control characters",
            hint=hints.RENAME,
        )
    return name


def printable(text: str) -> str:
    """Escape what a terminal might obey; messages show what hostile files contain."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def relative(name: str, limits: Limits) -> str:
    """Return `./a//b/` as `a/b`, the root as the empty string; ReleaseError if it is unsafe."""
    if len(name) <= limits.name and _CLEAN.fullmatch(name):
        return name
    if name.startswith("/"):
        raise ReleaseError(f"the name `{name}` is absolute", hint=hints.ANEW)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ReleaseError(
            f"the name `{name}` has `..` in it",
            hint=hints.ANEW,
        )
    path = "/".join(parts)
    if len(path.encode()) > limits.path or any(len(p.encode()) > limits.name for p in parts):
        raise ReleaseError(
            f"the name `{name[:60]}…` is too long: at most {limits.name} bytes between slashes and"
            f" {limits.path} in all",
            hint=hints.RENAME,
        )
    return path


def parents(path: str) -> list[str]:
    """Return the directories above `path`, outermost first."""
    return [path[: slash.start()] for slash in re.finditer("/", path)]
