"""What git knows of a folder: which files are in its checkout, and where that begins."""

import re
from pathlib import Path

from pkgrel.errors import BuildError
from pkgrel.git import GitError, run

_SUBMODULE = "160000"
"""The mode of one, where others have that of a file."""


def top(folder: Path) -> Path | None:
    """The folder where the checkout begins that this one belongs to; None if git does not know it.

    A folder that its checkout ignores belongs to none.
    """
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    if git(folder, "check-ignore", "--quiet", ".", accept=(0, 1))[0] == 0:
        return None
    return Path(git(folder, "rev-parse", "--show-toplevel")[1].removesuffix("\n"))


def tracked(folder: Path) -> tuple[set[str], list[str]]:
    """The files below the folder that are in the index, and the submodules."""
    files, submodules = set(), []
    for entry in lines(folder, "ls-files", "--cached", "--stage"):
        about, _, path = entry.partition("\t")
        if about.startswith(_SUBMODULE):
            submodules.append(path)
        else:
            files.add(path)
    return files, submodules


def untracked(folder: Path) -> list[str]:
    """The files below the folder that are neither in the index nor ignored."""
    return lines(folder, "ls-files", "--others", "--exclude-standard")


def lines(folder: Path, *arguments: str) -> list[str]:
    """What a command of git prints with `-z`, without what is empty."""
    return [line for line in git(folder, *arguments, "-z")[1].split("\0") if line]


def git(
    folder: Path, *arguments: str, accept: tuple[int, ...] = (0,), given: str = ""
) -> tuple[int, str]:
    """Run git in the folder, `given` on its standard input: status and output; BuildError if it fails."""
    # What was replaced here by `git replace` would be missing in a build.
    variables = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"}
    try:
        answer = run(folder, *arguments, accept=accept, given=given, variables=variables)
    except GitError as e:
        raise BuildError(f"{folder}: {e}", hint=e.hint or _hint(str(e))) from None
    return answer.status, answer.text


def _hint(complaint: str) -> str:
    if distrusted := re.search(r"dubious ownership in repository at '(.*)'", complaint):
        return f"say that it is to be trusted: `git config --global --add safe.directory {distrusted[1]}`"
    return "see that `git status` works in this folder"
