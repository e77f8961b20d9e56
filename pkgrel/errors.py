"""Errors that the user can act on.

PkgrelError
├── ConfigError     pkgrel.toml
├── ReleaseError    the input is not a release that can be packaged
├── PlanError       the inputs contradict each other
├── PackageError    a finished package cannot be written or read
├── BuildError      a release cannot be built, in a container or on this machine
├── SigningError    a key that cannot sign, or whose signatures somebody would refuse
└── RepositoryError a repository or its store cannot do what was asked
"""

import re
from collections.abc import Iterable


class PkgrelError(Exception):
    """A failure that the user can act on: its reason, and a hint what to do.

    The message is lower case without a final period, names the file first and shows the offending
    value in backticks; the hint is one imperative sentence that names the flag, key or command.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def subject(self) -> str:
        """The file, object or option that the message names first; empty if it names none."""
        return self._split()[0]

    @property
    def reason(self) -> str:
        """The rest of the message: what is wrong with the subject."""
        return self._split()[1]

    @property
    def remedy(self) -> str:
        """The hint, or an empty string."""
        return self.hint or ""

    def _split(self) -> tuple[str, str]:
        message = str(self)
        subject, colon, reason = message.partition(": ")
        # Several words before a colon are a sentence, unless they are a command of pkgrel.
        sentence = re.search(
            r"[\s`]", re.sub("^pkgrel (?:(?:repo|images|fleet|bundle) )?", "", subject)
        )
        named = colon and not sentence
        return (subject, reason) if named else ("", message)


class ConfigError(PkgrelError):
    """pkgrel.toml, an option or an environment variable is wrong."""


class ReleaseError(PkgrelError):
    """The input is not an Erlang release that can be packaged."""


class PlanError(PkgrelError):
    """Release, configuration and distro contradict each other, such as two files at one path."""


class PackageError(PkgrelError):
    """A package cannot be written or is not what it claims to be."""


class BuildError(PkgrelError):
    """A release cannot be built: no Docker, a wrong toolchain, a failing step."""


class SigningError(PkgrelError):
    """A key cannot sign, or a target would refuse what it signs."""


class RepositoryError(PkgrelError):
    """A repository or the store that holds it cannot do what was asked; nothing was changed."""


def did_you_mean(wanted: str, known: Iterable[str], *, otherwise: str, prefix: str = "") -> str:
    """A hint with the most similar of the known names, or `otherwise` if none is similar."""
    from difflib import get_close_matches  # importing it takes time, and most commands succeed

    # Of two options, the dashes are no likeness.
    names = {name.lstrip("-"): name for name in known}
    near = get_close_matches(wanted.lstrip("-"), names, n=1)
    return f"did you mean `{prefix}{names[near[0]]}`?" if near else otherwise
