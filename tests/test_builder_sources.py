"""What goes into a build: the project's sources, all of them, and nothing else."""

import os
import shutil
import tarfile
from pathlib import Path

import pysequoia
import pytest

from pkgrel.builder import secrets, sources
from pkgrel.builder.project import find
from pkgrel.config.delivery import BuildSettings
from pkgrel.errors import BuildError
from tests import builds, repositories, s3_servers

SOURCES = ["lib/small.ex", "mix.exs", "pkgrel.toml"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return builds.small(tmp_path / "small")


def names(folder: Path, *left_out: Path) -> list[str]:
    found = find(folder)
    assert found
    return sources.find_sources(found, left_out).paths


def members(folder: Path, date: int | None = 5) -> dict[str, tarfile.TarInfo]:
    found = find(folder)
    assert found
    with sources.snapshot(found, date, ()) as snapshot, tarfile.open(snapshot.file) as tar:
        return {member.name: member for member in tar}


def digest(folder: Path) -> str:
    found = find(folder)
    assert found
    with sources.snapshot(found, 5, ()) as snapshot:
        return snapshot.digest


def test_without_git_everything_but_what_builds_leave(project: Path) -> None:
    leftovers = ["_build/prod/x", "deps/jason/mix.exs", "assets/node_modules/a/b.js", ".git/config"]
    sources = ["lib/small/deps/graph.ex", "apps/a/mix.exs", "assets/app.js"]
    builds.write(project, dict.fromkeys([*leftovers, *sources, "apps/a/_build/x"], ""))
    shutil.rmtree(project / ".git")

    assert names(project) == sorted([*SOURCES, *sources])


def test_with_git_what_is_tracked_and_what_is_new_but_not_what_is_ignored(project: Path) -> None:
    builds.write(project, {".gitignore": "/priv/static\n.env\n", "gone.txt": "", "edited": "old"})
    builds.commit(project)
    (project / "gone.txt").unlink()
    new = {"edited": "new text", "lib/new.ex": "", ".env": "SECRET", "priv/static/x": ""}
    builds.write(project, new | {"_build/x": "", "deps/a/b": "", "assets/node_modules/c": ""})

    found = members(project)

    files = [
        name for name, member in found.items() if member.isfile() and not name.startswith(".git/")
    ]
    assert files == sorted([*SOURCES, ".gitignore", "edited", "lib/new.ex"])
    assert found["edited"].size == len("new text")


def test_a_folder_of_a_larger_checkout_goes_alone_and_to_its_place(tmp_path: Path) -> None:
    project = builds.small(tmp_path / "mono/apps/small")
    builds.write(tmp_path / "mono", {"other/file": "", "apps/small/mix.lock": "%{}\n"})
    builds.commit(tmp_path / "mono")

    assert names(project) == [f"apps/small/{name}" for name in sorted([*SOURCES, "mix.lock"])]
    found = find(project)
    assert found
    with sources.snapshot(found, 5) as snapshot:
        assert (snapshot.project, snapshot.locked) == ("apps/small", True)


def test_a_folder_that_its_checkout_ignores_is_taken_as_it_is(tmp_path: Path) -> None:
    builds.write(tmp_path, {".gitignore": "/small\n"})
    builds.commit(tmp_path)

    assert names(builds.small(tmp_path / "small")) == SOURCES


def test_submodules_go_in_and_one_that_is_missing_is_said(project: Path, tmp_path: Path) -> None:
    other = builds.write(tmp_path / "other", {"lib/other.ex": ""})
    builds.commit(other)
    builds.commit(project)
    builds.git(project, "submodule", "--quiet", "add", str(other), "vendor/other")
    (project / "vendor/other/new.ex").write_text("")

    assert {"vendor/other/lib/other.ex", "vendor/other/new.ex"} < set(names(project))

    builds.git(project, "submodule", "--quiet", "deinit", "--force", "--all")
    with pytest.raises(BuildError, match="vendor/other: the submodule is not checked out") as e:
        names(project)
    assert "git submodule update" in str(e.value.hint)


def test_a_checkout_that_is_no_submodule_goes_in_as_well(project: Path) -> None:
    builds.commit(project)
    other = builds.write(project / "vendor/other", {"a": "", ".gitignore": "b\n", "b": ""})
    builds.commit(other)

    assert names(project) == sorted([*SOURCES, "vendor/other/.gitignore", "vendor/other/a"])


def test_a_lock_that_git_ignores_is_said(project: Path) -> None:
    builds.write(project, {".gitignore": "mix.lock\n", "mix.lock": "%{}\n"})
    builds.commit(project)
    found = find(project)
    assert found
    with sources.snapshot(found, 5) as snapshot:
        (warning,) = snapshot.warnings
        assert warning.startswith("mix.lock is ignored by git")
        assert not snapshot.locked


def test_a_git_hook_does_not_say_which_repository(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds.commit(project)
    builds.write(project, {".gitignore": "/secret\n", "secret": ""})
    builds.commit(builds.write(tmp_path / "other", {"file": ""}))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other/.git/index"))

    assert names(project) == sorted([*SOURCES, ".gitignore"])


def test_a_link_to_what_does_not_go_in_is_said(project: Path, tmp_path: Path) -> None:
    builds.write(tmp_path, {"outside": ""})
    (project / "inside").symlink_to("lib/small.ex")
    (project / "folder").symlink_to("lib")
    (project / "nowhere").symlink_to("nowhere-at-all")
    (project / "lib/away").symlink_to("../../outside")
    found = find(project)
    assert found
    with sources.snapshot(found, 5) as snapshot:
        assert snapshot.warnings == ("`lib/away` links to `../../outside`, which is not a source",)


def test_links_stay_links_and_sockets_stay_outside(project: Path) -> None:
    (project / "link").symlink_to("lib")
    (project / "away").symlink_to("/etc/hostname")
    os.mkfifo(project / "pipe")

    found = members(project)

    assert [found[name].linkname for name in ("away", "link")] == ["/etc/hostname", "lib"]
    assert "pipe" not in found


def test_the_output_of_pkgrel_is_no_source(project: Path) -> None:
    builds.write(project, {"dist/small.deb": "", "distribution.md": ""})

    assert names(project, project / "dist") == sorted([*SOURCES, "distribution.md"])


def test_the_same_files_are_the_same_bytes(project: Path, tmp_path: Path) -> None:
    builds.write(project, {"run.sh": "#!/bin/sh\n"})
    (project / "run.sh").chmod(0o700)
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(project, copy)
    (copy / "run.sh").chmod(0o775)
    (copy / "mix.exs").chmod(0o664)
    os.utime(copy / "mix.exs", (1, 1))

    assert digest(project) == digest(copy)
    (copy / "run.sh").chmod(0o644)
    assert digest(project) != digest(copy)


def test_every_file_has_the_date(project: Path) -> None:
    os.utime(project / "mix.exs", (4_000_000_000, 4_000_000_000))

    assert {member.mtime for member in members(project, 77).values()} == {77}
    assert {member.mtime for member in members(project, None).values()} == {4_000_000_000}


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("mix.lock", True),
        ("config/prod.exs", True),
        ("apps/a/config/config.exs", True),
        ("config/runtime.exs", False),
        ("lib/small.ex", False),
    ],
)
def test_what_compiled_dependencies_depend_on(project: Path, file: str, counts: bool) -> None:
    def key() -> str:
        found = find(project)
        assert found
        with sources.snapshot(found, 5, ()) as snapshot:
            return snapshot.dependencies

    builds.write(project, {file: "one"})
    before = key()
    builds.write(project, {file: "two"})
    assert (key() != before) is counts


@pytest.mark.parametrize("settings", ["", "[core]\n\tbare = true\n"])
def test_a_repository_among_the_files_runs_nothing(tmp_path: Path, settings: str) -> None:
    """git obeys a repository's settings, which name programs, and anyone can commit what looks like one."""
    app = builds.small(tmp_path / "clone/app")
    ran = tmp_path / "ran"
    config = f'[core]\n\trepositoryformatversion = 0\n\tworktree = ..\n\tfsmonitor = "touch {ran}; false"\n{settings}'
    builds.write(
        app, {"HEAD": "ref: refs/heads/main\n", "config": config, "objects/x": "", "refs/x": ""}
    )
    builds.commit(tmp_path / "clone")
    for way in ("release", "git"):
        done = builds.build(
            tmp_path, app, "--distro", "debian12", "--builder", "host", "--version-from", way
        )
        assert done.returncode == 1
        assert "look like a git repository" in done.stderr
    assert not ran.exists()


KEYS = {
    "signing-key.asc": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdG\n",
    "release": "Exported on Monday\n-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "priv/tls/server.pem": "-----BEGIN CERTIFICATE-----\nMII\n-----BEGIN RSA PRIVATE KEY-----\n",
    "deploy": "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    ".env": "SECRET_KEY_BASE=x\n",
    ".env.prod": "SECRET_KEY_BASE=x\n",
    "config/.netrc": "machine example.org password x\n",
}
OPEN = {
    "signing-key.pub": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    "ca.pem": "-----BEGIN CERTIFICATE-----\n",
    ".env.example": "SECRET_KEY_BASE=\n",
    "lib/env.ex": "",
}


@pytest.mark.parametrize("git", [True, False])
def test_secrets_packages_and_repositories_stay_outside(project: Path, git: bool) -> None:
    builds.write(project, {"priv/committed.pem": KEYS["deploy"]})
    if git:
        builds.commit(project)
    builds.write(project, KEYS | OPEN)
    (project / "key.gpg").write_bytes(bytes(pysequoia.Tsk.generate("Test <test@example.org>")))
    made = repositories.make(s3_servers.store("local", project / "repo"))
    (project / "made").mkdir()
    repositories.put(made, *repositories.pair(project / "made"))

    found = find(project)
    assert found
    with sources.snapshot(found, 5) as snapshot, tarfile.open(snapshot.file) as tar:
        files = [member for member in tar if member.isfile() and ".git/" not in member.name]
        text = b"".join(tar.extractfile(member).read() for member in files)
    kept = ["priv/committed.pem"] if git else []
    assert {member.name for member in files} == {*SOURCES, *OPEN, *kept}
    assert text.count(b"PRIVATE KEY") == len(kept)
    (warning,) = snapshot.warnings
    assert warning.startswith("`.env`, `.env.prod`, `config/.netrc` and ")
    assert "may be secret and stay outside" in warning

    with (
        sources.snapshot(found, 5, include=[project / "deploy"]) as snapshot,
        tarfile.open(snapshot.file) as tar,
    ):
        assert "deploy" in tar.getnames()


def test_what_a_build_is_lent_is_said() -> None:
    settings = BuildSettings(
        env=("TOKEN",),
        secrets={"key": "~/.ssh/deploy"},
        include=("../../.config", "priv/made", "/etc/hosts"),
        ssh=True,
    )
    assert secrets.lent(settings) == (
        "the variable `TOKEN`, the file `~/.ssh/deploy`, `../../.config`, `/etc/hosts`, the SSH agent"
    )
    assert secrets.lent(BuildSettings(include=("priv/made",))) == ""
