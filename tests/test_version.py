"""Versions are ordered by dpkg and rpm themselves, never by us."""

import itertools
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgrel.errors import ConfigError
from pkgrel.version import from_date, from_git, is_commit, upstream

ORDERED = [
    "0.9.10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0-rc.1+git.abc",
    "1.0.0-rc.2",
    "1.0.0",
    "1.0.0+1.gabcdef0",
    "1.0.0+20261121.001205",
    "1.0.1-dev",
    "1.0.1",
    "1.4.0-rc.1+git.abc",
    "1.4.0",
    "1.10.0",
    "2016.10.251007",
    "2026.11.210012",
]
PAIRS = list(itertools.combinations(ORDERED, 2))


def dpkg_says(left: str, right: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right]).returncode == 0


def rpm_says(left: str, right: str) -> bool:
    command = ["rpm", "--eval", f'%{{lua:print(rpm.vercmp("{left}", "{right}"))}}']
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() == "-1"


@pytest.mark.parametrize("older", [dpkg_says, rpm_says])
def test_every_pair_is_ordered_as_the_versions_are(older: Callable[[str, str], bool]) -> None:
    wrong = [
        (left, right)
        for left, right in PAIRS
        if not older(upstream(left), upstream(right)) or older(upstream(right), upstream(left))
    ]
    assert wrong == []


def test_a_distro_s_package_is_older_than_the_archive_s() -> None:
    assert dpkg_says("1.0.0-1~debian12", "1.0.0-1")
    assert dpkg_says("1.0.0-1~debian12", "1.0.0-1~debian13")
    assert dpkg_says("9.0.0-1~debian12", "1:1.0.0-1~debian12")
    assert rpm_says("1.el8", "1.el9")
    assert rpm_says("1.el9", "2.el8")


@given(
    st.from_regex(
        r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?(-[0-9A-Za-z.-]{1,9})?(\+[0-9A-Za-z.-]{1,9})?",
        fullmatch=True,
    )
)
def test_whatever_semver_allows_is_a_version_for_both(version: str) -> None:
    made = upstream(version)
    assert set(made) <= set("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~")
    assert made[0].isdigit()


@pytest.mark.parametrize("version", ["latest", "", "v1.0", "1.0 beta", "1.0/2", "é"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ConfigError) as refused:
        upstream(version)
    assert refused.value.hint


def test_what_is_wrong_with_a_version_is_said() -> None:
    for version, odd in (("1.0.0_1", "_"), ("1.0 beta", " "), ("1.0.0-", "-")):
        with pytest.raises(ConfigError) as refused:
            upstream(version)
        assert str(refused.value) == (
            f"version `{version}` has `{odd}` where no version of SemVer has it"
        )
        assert "`1.0.0+1`" in (refused.value.hint or "")


def test_a_commit_is_no_version_that_grows() -> None:
    assert is_commit("48dcbccd")
    assert is_commit("4" + "a1" * 19)
    assert not any(map(is_commit, ("20261127", "1.0.0", "48", "1.0.0+48dcbccd", "48dcbccz")))


def test_later_builds_of_a_day_are_newer() -> None:
    morning = from_date("1.0.0", datetime(2026, 11, 21, 8, 5, tzinfo=UTC))
    noon = from_date("1.0.0", datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    assert morning == "1.0.0+20261121.080500"
    assert dpkg_says(upstream(morning), upstream(noon))
    assert rpm_says(upstream(morning), upstream(noon))


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., None]:
    """A git repository; each call runs git in it."""

    def git(*arguments: str) -> None:
        settings = [
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.org",
            "-c",
            "tag.gpgsign=false",
        ]
        subprocess.run(
            ["git", "-C", str(tmp_path), *settings, *arguments], check=True, capture_output=True
        )

    git("init", "-q")
    return git


def test_every_commit_has_a_newer_version(tmp_path: Path, project: Callable[..., None]) -> None:
    made = []
    for number in range(12):
        project("commit", "--allow-empty", "-m", str(number))
        if number == 1:
            # The first, and it is what the release itself says.
            project("tag", "v1.0.0")
        if number == 3:
            project("tag", "v1.1.0-rc.1")
        if number == 7:
            project("tag", "v1.1.0")
        made.append(upstream(from_git("1.0.0", tmp_path)))
    assert made[0].startswith("1.0.0~1.g")
    assert made[1] == "1.0.0"
    assert made[7] == "1.1.0"
    assert made[3] == "1.1.0~rc.1"
    for older, newer in itertools.combinations(made, 2):
        assert dpkg_says(older, newer), (older, newer)
        assert rpm_says(older, newer), (older, newer)


@pytest.mark.parametrize("version", ["1.0.0-rc.1", "1.0.0+own", "1.0.0-rc.1+own"])
def test_a_commit_without_a_tag_is_older_than_the_first(
    tmp_path: Path, project: Callable[..., None], version: str
) -> None:
    made = []
    for number in range(10):
        project("commit", "--allow-empty", "-m", str(number))
        made.append(upstream(from_git(version, tmp_path)))
    for older, newer in itertools.pairwise([*made, upstream(version)]):
        assert dpkg_says(older, newer), (older, newer)
        assert rpm_says(older, newer), (older, newer)


def test_a_shallow_clone_cannot_count(tmp_path: Path, project: Callable[..., None]) -> None:
    for number in range(3):
        project("commit", "--allow-empty", "-m", str(number))
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{tmp_path}", str(clone)], check=True
    )
    with pytest.raises(ConfigError, match="shallow") as refused:
        from_git("1.0.0", clone)
    assert "fetch-depth" in (refused.value.hint or "")


def test_a_hook_of_another_repository_changes_nothing(
    tmp_path: Path, project: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    project("commit", "--allow-empty", "-m", "one")
    project("tag", "v3.0.0")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere/.git"))
    assert from_git("1.0.0", tmp_path) == "3.0.0"


def test_no_git_checkout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a git repository"):
        from_git("1.0.0", tmp_path)
