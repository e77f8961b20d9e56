"""Preferences of apt: the packages of the repository come from it, whatever other repositories have.

Without them apt installs the distro's package of the same name if that has the higher version, and
replaces ours by it at the next upgrade. Only the repository's own names are pinned: with `Package: *`
whoever can sign there could replace any package of the machine.

Source: apt_preferences(5); pkgVersionMatch in apt-pkg/versionmatch.cc of apt 2.6, which splits a release
pin at commas, takes `/.../` for a regular expression, and matches the rest with fnmatch(3), whatever the
case of letters.
"""

import re

from pkgrel.repository.client.config import ClientConfig
from pkgrel.templates import render

FOLDER = "/etc/apt/preferences.d"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_LITERAL = re.compile(r"[A-Za-z0-9 .+_-]")


def key(access: ClientConfig) -> str:
    """Their place in the repository."""
    return f"{access.name}.pref"


def path(access: ClientConfig) -> str:
    """Where they belong, one file for all channels; apt ignores files with another suffix than .pref."""
    return f"{FOLDER}/{access.name}"


def text(access: ClientConfig) -> str:
    """The file; empty if there is nothing to prefer, or no pattern that only this repository matches."""
    names = [name for name in access.preferred if _NAME.fullmatch(name)]
    pattern = pinned(access.origin)
    if not names or not distinctive(pattern):
        return ""
    return render("client/preferences", access=access, names=names, origin=pattern)


def pinned(origin: str) -> str:
    """The pattern for an Origin: other characters than letters and digits stand for any one.

    How many one that is not ASCII counts for depends on the locale.
    """
    spaced = re.sub(r"[^ -~]+", "*", " ".join(origin.split()))
    return "".join(c if c == "*" or _LITERAL.match(c) else "?" for c in spaced)


def distinctive(pattern: str) -> bool:
    """Whether a pattern says anything: `*` would prefer all repositories alike."""
    return bool(re.search("[A-Za-z0-9]", pattern))
