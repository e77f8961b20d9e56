"""What git says in a build is what it says in the checkout."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pkgrel.builder import sources
from pkgrel.builder.project import find
from tests import builds

SAID = [
    "describe",
    "describe --tags --always --dirty --long",
    "describe --tags --match v1*",
    "rev-parse HEAD",
    "rev-parse --short HEAD",
    "rev-parse --abbrev-ref HEAD",
    "rev-parse --show-prefix",
    "rev-list --count HEAD",
    "log -1 --format=%H,%an,%ct,%s",
    "tag --points-at HEAD",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One of two projects in a checkout with commits and tags."""
    project = builds.small(tmp_path / "mono/apps/small")
    mono = builds.write(tmp_path / "mono", {"other/a file\u00e4": "1"})
    builds.commit(mono)
    builds.git(mono, "tag", "--annotate", "v1.0.0", "--message=one")
    for number in range(3):
        builds.write(mono, {"other/file": str(number)})
        builds.commit(mono)
    builds.git(mono, "tag", "light")
    builds.git(mono, "branch", "--move", "topic/a")
    return project


def said(folder: Path) -> list[tuple[int, str]]:
    runs = (
        subprocess.run(["git", *line.split()], cwd=folder, capture_output=True, text=True)
        for line in SAID
    )
    return [(done.returncode, done.stdout) for done in runs]


def own(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
    """Git does not trust files of another user."""
    return member.replace(uid=os.getuid(), gid=os.getgid(), deep=False)


def unpacked(project: Path, folder: Path) -> Path:
    """The sources as a build gets them; the project's folder."""
    found = find(project)
    assert found
    shutil.rmtree(folder, ignore_errors=True)
    with sources.snapshot(found, 5) as snapshot, tarfile.open(snapshot.file) as tar:
        tar.extractall(folder, filter=own)
        return folder / snapshot.project


def digest(project: Path) -> str:
    found = find(project)
    assert found
    with sources.snapshot(found, 5) as snapshot:
        return snapshot.digest


def edit(project: Path) -> None:
    (project / "mix.exs").write_text("edited")


def stage(project: Path) -> None:
    (project / "new.ex").touch()
    builds.git(project, "add", "new.ex")


def detach(project: Path) -> None:
    builds.git(project, "checkout", "--quiet", "--detach", "v1.0.0")


def promote(project: Path) -> None:
    """A tag of a tag, which has no name of its own any more."""
    builds.git(project, "tag", "--annotate", "v1.1.0-rc.1", "--message=candidate")
    builds.git(project, "tag", "--annotate", "v1.1.0", "v1.1.0-rc.1", "--message=final")
    builds.git(project, "tag", "--delete", "v1.1.0-rc.1")


def remove(project: Path) -> None:
    (project / "../../other/file").unlink()


def nothing(project: Path) -> None:
    """As it is."""


@pytest.mark.parametrize("change", [nothing, edit, stage, detach, promote, remove])
def test_it_says_the_same(project: Path, tmp_path: Path, change) -> None:
    change(project)
    assert said(unpacked(project, tmp_path / "out")) == said(project)
    assert not (tmp_path / "out/other").exists()


def test_a_shallow_clone_is_one_there_as_well(project: Path, tmp_path: Path) -> None:
    origin = f"file://{project.parents[1]}"
    builds.git(tmp_path, "clone", "--quiet", "--depth=2", origin, "shallow")
    shallow = tmp_path / "shallow/apps/small"
    assert said(unpacked(shallow, tmp_path / "out")) == said(shallow)


def test_names_need_not_be_unicode(project: Path, tmp_path: Path) -> None:
    before = said(project)
    builds.git(project, "tag", "old-\udce4", "HEAD~2")
    builds.git(project, "branch", "--move", "topic/\u00e4")
    out = unpacked(project, tmp_path / "out")
    assert said(out)[0] == before[0]
    assert builds.git(out, "rev-parse", "refs/tags/old-\udce4") == builds.git(
        out, "rev-parse", "HEAD~2"
    )


def test_history_is_what_it_was_before_it_was_replaced(project: Path, tmp_path: Path) -> None:
    before = said(project)
    builds.git(project, "replace", "--graft", "HEAD")
    assert said(project) != before
    assert said(unpacked(project, tmp_path / "out")) == before


def test_nothing_of_the_users_settings_or_of_old_files_goes_in(project, tmp_path: Path) -> None:
    secret = "https://user:hunter2@example.org/mono.git"
    builds.git(project, "remote", "add", "origin", secret)
    out = unpacked(project, tmp_path / "out")
    assert "hunter2" not in (out / "../../.git/config").read_text()
    done = subprocess.run(["git", "show", "HEAD:other/file"], cwd=out, capture_output=True)
    assert done.returncode != 0


def test_a_commit_counts_and_how_git_keeps_it_does_not(project: Path, tmp_path: Path) -> None:
    before = digest(project)
    builds.git(project, "gc", "--quiet", "--aggressive")
    clone = tmp_path / "elsewhere"
    builds.git(tmp_path, "clone", "--quiet", str(project.parents[1]), str(clone))
    assert digest(project) == digest(clone / "apps/small") == before
    builds.git(project, "commit", "--quiet", "--allow-empty", "--message=empty")
    assert digest(project) != before


def test_without_a_commit_there_is_nothing_to_say(tmp_path: Path) -> None:
    project = builds.small(tmp_path / "small")
    builds.git(project, "init", "--quiet")
    assert not (unpacked(project, tmp_path / "out") / ".git").exists()
