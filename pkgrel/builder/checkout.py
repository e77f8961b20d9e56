"""The git checkout of a folder: its root, its files, and a history for the build.

In a build `git describe` and `git rev-parse` use a small repository with every commit and tag of the branch and the
names of the current files, but without their contents and without the user's settings. It does not depend on the state
of the file system: exactly the files that are changed here are changed there (`git describe --dirty`).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pkgrel.errors import BuildError
from pkgrel.git import GitError, run

_SUBMODULE = "160000"
"""The mode of a submodule in the index."""


def top(folder: Path) -> Path | None:
    """The root of the checkout that the folder belongs to; None if it is not in one.

    An ignored folder does not belong to the checkout.
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
    """The non-empty items that a git command prints with `-z`."""
    return [line for line in git(folder, *arguments, "-z")[1].split("\0") if line]


def git(
    folder: Path, *arguments: str, accept: tuple[int, ...] = (0,), given: str = ""
) -> tuple[int, str]:
    """Run git in the folder, with `given` as standard input; BuildError if it fails."""
    # Objects that `git replace` has replaced would be missing in a build.
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


_TAGS = "%(objectname) %(refname) %(object)"


def write_history(top: Path, folder: Path) -> str:
    """Create the repository `folder`, which stands in for the .git of the checkout `top`.

    Returns a text that is equal for equal commits, tags and edited files; empty, without a folder, if there
    is no commit yet.
    """
    status, head = git(top, "rev-parse", "--quiet", "--verify", "HEAD", accept=(0, 1))
    if status:
        return ""
    head = head.strip()
    tags = list(_tags(top))
    refs = "\n".join([f"{head} {_branch(top)}", *tags])
    (folder / "objects/pack").mkdir(parents=True)
    _write_refs(folder, refs.split("\n"))
    _write_config(top, folder)
    given = "\n".join(_objects(top, refs.split()))
    git(
        top, "pack-objects", "--quiet", "--window=0", str(folder / "objects/pack/pack"), given=given
    )
    edited = _write_index(top, folder)
    staged = lines(top, "diff", "--cached", "--name-only", "--no-ext-diff", "HEAD")
    return "\0".join([refs, *edited, "", *staged])


def _tags(top: Path) -> Iterator[str]:
    """The id and name of each tag; for an annotated tag also its target and the commit.

    The target may be another tag: `git tag --annotate v1.0.0 v1.0.0-rc.1`.
    """
    listed = git(top, "for-each-ref", "--merged=HEAD", f"--format={_TAGS}", "refs/tags")[1]
    tags = [line.rstrip() for line in listed.split("\n") if line]
    given = "".join(f"{tag.split()[0]}^{{}}\n" for tag in tags)
    commits = git(top, "cat-file", "--batch-check=%(objectname)", given=given)[1].splitlines()
    for tag, commit in zip(tags, commits, strict=True):
        yield tag if tag.startswith(commit) else f"{tag} {commit}"


def _branch(top: Path) -> str:
    status, name = git(top, "symbolic-ref", "--quiet", "HEAD", accept=(0, 1))
    # A detached HEAD gets a branch as well, or the folder of refs would be empty.
    return "refs/pkgrel/head" if status else name.strip()


def _write_refs(folder: Path, refs: list[str]) -> None:
    """The branch as a file, the tags as git packs them (gitrepository-layout(5))."""
    (head, branch), *tags = (line.split() for line in refs)
    named = branch.startswith("refs/heads/")
    (folder / "HEAD").write_bytes(os.fsencode(f"ref: {branch}\n" if named else f"{head}\n"))
    file = folder / branch
    file.parent.mkdir(parents=True)
    file.write_text(f"{head}\n")
    packed = ["# pack-refs with: peeled fully-peeled sorted "]
    for identifier, name, *names in tags:
        packed += [f"{identifier} {name}", *(f"^{commit}" for commit in names[1:])]
    (folder / "packed-refs").write_bytes(os.fsencode("\n".join([*packed, ""])))


def _write_config(top: Path, folder: Path) -> None:
    """A config without the user's settings, which may contain passwords."""
    kind = git(top, "rev-parse", "--show-object-format")[1].strip()
    config = "\trepositoryformatversion = 0\n"
    if kind != "sha1":
        config = f"\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = {kind}\n[core]\n"
    (folder / "config").write_text(f"[core]\n{config}\tbare = false\n[gc]\n\tauto = 0\n")
    shallow = Path(git(top, "rev-parse", "--git-path", "shallow")[1].removesuffix("\n"))
    if (top / shallow).is_file():
        (folder / "shallow").write_bytes((top / shallow).read_bytes())


def _objects(top: Path, names: list[str]) -> Iterator[str]:
    """Commits, tags, and the directories of the newest commit."""
    yield from (name for name in names if not name.startswith("refs/"))
    yield from git(top, "rev-list", "HEAD")[1].split()
    yield git(top, "rev-parse", "HEAD^{tree}")[1].strip()
    for entry in lines(top, "ls-tree", "-r", "-t", "HEAD"):
        _, kind, identifier = entry.partition("\t")[0].split()
        if kind == "tree":
            yield identifier


def _write_index(top: Path, folder: Path) -> list[str]:
    """Write the index of the tracked files; returns the edited ones."""
    entries = lines(top, "ls-files", "--stage")
    edited = lines(top, "diff", "--name-only", "--no-ext-diff")
    paths = {entry.partition("\t")[2] for entry in entries} - set(edited)
    _update_index(folder, entries, "--index-info")
    _update_index(folder, sorted(paths), "--assume-unchanged", "--stdin")
    return edited


def _update_index(folder: Path, lines: list[str], *arguments: str) -> None:
    given = "".join(f"{line}\0" for line in lines)
    variables = {
        "GIT_DIR": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    run(folder.parent, "update-index", "-z", *arguments, given=given, variables=variables)
