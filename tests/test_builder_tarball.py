"""The tarball that a build ends with: what was built, and nothing of where and when."""

import os
import tarfile
from pathlib import Path

import pytest

from pkgrel.builder import executor, host, log
from pkgrel.builder.executor import Environment, Places


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names = ("sources", "project", "home", "cache", "release", "secrets")
    places = Places(**{name: str(tmp_path / name) for name in names})
    with log.opened("small") as kept:
        yield host.Host(places, kept, Environment({}))


def test_it_has_every_file_once_with_its_mode_and_the_date_of_the_sources(place, tmp_path) -> None:
    release = tmp_path / "release"
    (release / "bin").mkdir(parents=True)
    (release / "bin/small").write_text("#!/bin/sh\n")
    (release / "bin/small").chmod(0o755)
    os.link(release / "bin/small", release / "bin/twin")
    (release / "current").symlink_to("bin/small")
    if os.geteuid() == 0:
        os.chown(release / "bin/small", 1234, 1234)

    executor.take_release(place, tmp_path / "out.tar", 1_700_000_000)

    with tarfile.open(tmp_path / "out.tar") as tar:
        members = {member.name: member for member in tar}
        assert tar.extractfile("release/bin/twin").read() == b"#!/bin/sh\n"
    assert {member.mtime for member in members.values()} == {1_700_000_000}
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert members["release/bin/small"].mode == 0o755
    assert members["release/current"].linkname == "bin/small"
    assert len(members) == 5
