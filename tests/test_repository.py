"""`pkgrel publish` and `pkgrel repo` as users meet them: stdout, stderr and a status."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel import signing
from pkgrel.cli import main
from pkgrel.errors import RepositoryError
from pkgrel.repository import layout, trust
from pkgrel.repository.head import Head
from pkgrel.repository.store import Kind
from pkgrel.repository.store.local import Local
from pkgrel.signing.rpm import verify as verify_rpm
from tests import openpgp_keys, repositories, s3_servers
from tests.apt_client import update
from tests.nobody import as_nobody
from tests.packages import package
from tests.repositories import apt, by_name, dnf


class Shell:
    """Runs pkgrel in a directory of its own."""

    def __init__(self, folder: Path, kind: str = "local", *, process: bool = False) -> None:
        self.folder = folder
        self._run = self._process if process else self._here
        self.environment = {
            **s3_servers.environment(kind),
            "PKGREL_SIGNING_KEY": repositories.key(),
        }

    def __call__(self, *words: object, status: int = 0, **environment: str) -> tuple[str, str]:
        found, out, said = self._run([str(word) for word in words], environment)
        assert "Traceback" not in said
        assert found == status, said
        return out, said

    def _process(self, words: list[str], more: dict[str, str]) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pkgrel", *words],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def _here(self, words: list[str], more: dict[str, str]) -> tuple[int, str, str]:
        """The same without a process, which takes longer than what it does."""
        absent = dict.fromkeys(os.environ.keys() - self.environment.keys())
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(main, words, env={**absent, **self.environment, **more})
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def refused(self, *words: object, **environment: str) -> str:
        """The error and the hint; the repository is as it was."""
        before = self.files()
        out, complaint = self(*words, status=1, **environment)
        assert out == ""
        assert self.files() == before
        error, *hint = complaint.splitlines()
        assert error.startswith("error: ")
        assert all(line.startswith(" hint: ") for line in hint)
        assert len(hint) <= 1
        return complaint

    def files(self) -> dict[str, bytes]:
        """Everything in the repository but its lock."""
        root = self.folder / "repo"
        return {
            str(p.relative_to(root)): p.read_bytes()
            for p in root.rglob("*")
            if p.is_file() and p.name != "lock"
        }


@pytest.fixture
def pkgrel(tmp_path) -> Shell:
    return Shell(tmp_path)


def store(folder: Path) -> Local:
    return Local(folder / "repo")


def test_a_directory_is_made_into_a_repository(pkgrel, tmp_path):
    deb, rpm = package(tmp_path), package(tmp_path, revision="1.el9")
    out, said = pkgrel("publish", deb, rpm)
    assert out.splitlines() == [
        "+ stable debian12 hello 1.0.0-1~debian12 amd64",
        "+ stable el9 hello 1.0.0-1.el9 x86_64",
    ]
    # Every vendor may have a folder of that name, and none is served under its path here.
    assert "made a repository: repo, which hosts will call hello." in said
    assert "pkgrel repo set repo --url https://" in said
    install = (tmp_path / "repo/install.sh").read_text()
    assert "\nname=hello\n" in install
    _, again = pkgrel("repo", "init", "--unsigned", "other/repo")
    assert "the label is `repo`" in again
    assert "the label" not in pkgrel("repo", "init", "--unsigned", "other/acme")[1]
    assert "hello_1.0.0-1~debian12_amd64.deb: uploaded, 694 B" in said
    assert apt(store(tmp_path)) == {("hello", "1.0.0-1~debian12")}
    assert "hello" in update(tmp_path / "repo", tmp_path, "bookworm", "stable")
    before = pkgrel.files()
    out, said = pkgrel("publish", deb, rpm)
    assert (out, said) == ("", "nothing to do\n")
    assert pkgrel.files() == before
    pkgrel("repo", "verify")


@pytest.mark.parametrize("kind", s3_servers.SERVERS)
def test_a_bucket(kind, tmp_path, monkeypatch):
    """The whole way on a server."""
    pkgrel = Shell(tmp_path, kind, process=True)
    url = s3_servers.url(kind, tmp_path)
    files = [*repositories.pair(tmp_path), *repositories.pair(tmp_path, "1.1.0")]
    assert f"pkgrel repo init {url}" in pkgrel.refused("publish", *files, "--to", url)
    pkgrel("repo", "init", url, "--url", repositories.URL)
    pkgrel("publish", *files, "--to", url, "--channel", "testing")
    pkgrel("repo", "promote", url, "hello", "1.0.0")
    pkgrel("repo", "promote", url, "hello", "1.1.0", PKGREL_REPO="nowhere")
    pkgrel("repo", "rollback", PKGREL_REPO=url)
    pkgrel("repo", "prune", url, "--keep", "1", "--channel", "testing")
    pkgrel("repo", "gc", url)
    pkgrel("repo", "verify", url)
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    there = s3_servers.open_store(url, s3_servers.options(kind))
    assert apt(there) == {("hello", "1.0.0-1~debian12")}
    assert dnf(there) == {("hello", "1.0.0-1.el9")}
    assert apt(there, channel="testing") == {("hello", "1.1.0-1~debian12")}
    by_name(there)


def test_rclone_is_refused(tmp_path):
    pkgrel = Shell(tmp_path, "rclone")
    url = s3_servers.url("rclone", tmp_path)
    assert "ignores conditional writes" in pkgrel.refused("repo", "init", url)
    pkgrel("repo", "init", url, "--concurrency", "external")
    pkgrel("publish", package(tmp_path), "--to", url)
    pkgrel("publish", package(tmp_path, "other"), "--to", url)
    out, _ = pkgrel("repo", "list", url)
    assert [line.split()[2] for line in out.splitlines()] == ["NAME", "hello", "other"]


def test_packages_for_any_architecture_are_in_every_index(pkgrel, tmp_path):
    pkgrel("publish", package(tmp_path, "any", architecture="noarch"))
    pkgrel("publish", package(tmp_path, "arm", architecture="aarch64"))
    pkgrel("publish", package(tmp_path, "any", revision="1.el9", architecture="noarch"))
    there = store(tmp_path)
    assert apt(there) == {("any", "1.0.0-1~debian12"), ("arm", "1.0.0-1~debian12")}
    release = there.get("apt/dists/bookworm/Release").data.decode()
    assert "\nArchitectures: amd64 arm64\n" in release
    for architecture in ("x86_64", "aarch64"):
        folder = f"rpm/el9/{architecture}/stable"
        assert repositories.without_signature(there, folder) == {("any", "1.0.0-1.el9")}
    pkgrel("repo", "verify")


def test_other_contents_of_a_version(pkgrel, tmp_path):
    pkgrel("publish", package(tmp_path, text="one"))
    other = tmp_path / "other"
    other.mkdir()
    deb = package(other, text="two")
    said = pkgrel.refused("publish", deb)
    assert "hello 1.0.0-1~debian12 (amd64) is in stable for debian12 already" in said
    more = [package(other, f"more{n}") for n in range(6)]
    assert "other contents" in pkgrel.refused("publish", *more, deb, "--channel", "testing")
    assert "other contents" in pkgrel.refused("publish", deb, "--channel", "x", "--dry-run")
    out, _ = pkgrel("publish", deb, "--replace")
    assert [line[0] for line in out.splitlines()] == ["-", "+"]
    found = json.loads(pkgrel("repo", "list", "--json")[0])
    assert [one["path"].split("/")[-2] for one in found] == [found[0]["sha256"][:8]]
    pkgrel("repo", "verify")


def test_an_upload_that_nobody_published_is_in_nobodys_way(pkgrel, tmp_path):
    """A job was killed after its upload, and the package was then built anew."""
    deb = package(tmp_path)
    pkgrel("repo", "init")
    left = tmp_path / "repo/apt/pool/bookworm/h/hello" / deb.name
    left.parent.mkdir(parents=True)
    left.write_bytes(b"something else")
    pkgrel("publish", deb)
    pkgrel("repo", "verify")
    assert left.read_bytes() == b"something else"


def test_dry_run_changes_nothing(pkgrel, tmp_path):
    deb = package(tmp_path)
    out, said = pkgrel("publish", deb, "--dry-run")
    assert out == "+ stable debian12 hello 1.0.0-1~debian12 amd64\n"
    assert "nothing was changed" in said
    assert not (tmp_path / "repo").exists()
    pkgrel("publish", deb)
    before = pkgrel.files()
    newer = package(tmp_path, version="2.0.0")
    pkgrel("publish", newer, "--dry-run")
    for words in (
        ("promote", "hello", "1.0.0", "--from", "stable", "--to", "testing"),
        ("remove", "hello"),
        ("prune", "--keep", "1"),
        ("rollback", "--to", "1"),
        ("gc",),
        ("sync", "--refresh"),
        ("set", "--keep", "stable=1"),
    ):
        pkgrel("repo", *words, "--dry-run")
        assert pkgrel.files() == before, words
    document = json.loads(pkgrel("publish", newer, "--dry-run", "--json")[0])
    assert document["dry_run"] is True
    assert [one["version"] for one in document["added"]] == ["2.0.0-1~debian12"]


def test_remove_and_roll_back(pkgrel, tmp_path):
    for version in ("1.0.0", "1.1.0"):
        pkgrel("publish", *repositories.pair(tmp_path, version))
    out, _ = pkgrel("repo", "remove", "hello", "1.1.0", "--distro", "el9")
    assert out == "- stable el9 hello 1.1.0-1.el9 x86_64\n"
    pkgrel("repo", "remove", "hello")
    assert apt(store(tmp_path)) == set()
    pkgrel("repo", "verify")
    listed = json.loads(pkgrel("repo", "rollback", "--list", "--json")[0])
    assert [one["generation"] for one in listed] == [4, 3, 2, 1]
    assert [(one["version"], one["distro"]) for one in listed[1]["removed"]] == [
        ("1.1.0-1.el9", "el9")
    ]
    assert not listed[1]["added"]
    assert len(listed[3]["added"]) == 2
    shown, _ = pkgrel("repo", "rollback", "--list", "--last", "2")
    first, *removed, second, last = shown.splitlines()
    assert "  remove hello from stable  " in first
    assert len(removed) == 3
    assert removed[0] == "        - stable debian12 hello 1.0.0-1~debian12 amd64"
    assert "  remove hello 1.1.0 from stable  " in second
    assert last == "        - stable el9 hello 1.1.0-1.el9 x86_64"
    pkgrel("repo", "rollback", "--to", "2")
    assert len(apt(store(tmp_path))) == 2
    pkgrel("repo", "rollback", "--to", "1", "--distro", "debian12")
    assert apt(store(tmp_path)) == {("hello", "1.0.0-1~debian12")}
    assert "`99` is not there" in pkgrel.refused("repo", "rollback", "--to", "99")


def test_a_rollback_to_files_that_are_gone(pkgrel, tmp_path):
    deb = package(tmp_path)
    pkgrel("publish", deb)
    pkgrel("repo", "remove", "hello")
    (tmp_path / "repo/apt/pool/bookworm/h/hello" / deb.name).unlink()
    assert "is not there any more" in pkgrel.refused("repo", "rollback")


def test_a_lost_manifest(pkgrel, tmp_path):
    """The error says to roll back, so that must do."""
    for version in ("1.0.0", "2.0.0"):
        pkgrel("publish", package(tmp_path, version=version))
    (manifest,) = Head.decode(store(tmp_path).get(layout.HEAD).data).manifests.values()
    (tmp_path / f"repo/.pkgrel/manifests/{manifest}.json.zst").unlink()
    assert "repo rollback" in pkgrel.refused("repo", "list")
    assert "publish hello 2.0.0-1~debian12 to stable" in pkgrel("repo", "rollback", "--list")[0]
    pkgrel("repo", "rollback")
    pkgrel("repo", "verify")
    assert apt(store(tmp_path)) == {("hello", "1.0.0-1~debian12")}


def test_a_channel_keeps_as_many_versions_as_it_is_told(pkgrel, tmp_path):
    """By the order of versions, not of publishing."""
    pkgrel("repo", "init", "--keep", "stable=2")
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        pkgrel("publish", package(tmp_path, version=version))
    assert {v for _, v in apt(store(tmp_path))} == {"1.10.0-1~debian12", "1.9.0-1~debian12"}
    pkgrel("repo", "set", "--keep", "stable=1")
    pkgrel("repo", "prune")
    assert {v for _, v in apt(store(tmp_path))} == {"1.10.0-1~debian12"}


def test_what_is_too_old_for_a_channel(pkgrel, tmp_path):
    pkgrel("repo", "init", "--keep", "stable=1")
    pkgrel("publish", package(tmp_path, version="2.0.0"))
    for words in (("--dry-run",), ()):
        out, said = pkgrel("publish", package(tmp_path), *words)
        assert out == ""
        assert "warning: hello 1.0.0-1~debian12 (amd64) is too old for stable" in said
        assert "uploaded" not in said
    assert len(list((tmp_path / "repo/apt/pool").rglob("*.deb"))) == 1
    out, said = pkgrel("publish", package(tmp_path, version="2.0.0"))
    assert said == "nothing to do\n"
    assert "warning" not in pkgrel("publish", package(tmp_path, version="3.0.0"))[1]
    pkgrel("publish", package(tmp_path), "--channel", "testing")
    said = pkgrel.refused("repo", "promote", "hello", "1.0.0")
    assert "hello 1.0.0-1~debian12 is too old for stable, which keeps 1 version" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--channel", "stabel"), "no channel `stabel`\n hint: it has stable\n"),
        (
            ("list", "--distro", "el8"),
            "the repository has no packages for el8\n hint: it has debian12",
        ),
        (("list", "--name", "helo"), "no package `helo`\n hint: did you mean `hello`?"),
        (("remove", "helo"), "stable has no package `helo`"),
        (
            ("remove", "hello", "9"),
            "stable has no `hello` of version `9`\n hint: it has 1.0.0-1~debian12",
        ),
        (("remove", "hello", "--distro", "el8"), "stable has no packages for el8"),
        (("promote", "hello", "1.0.0"), "no channel `testing`"),
        (("rollback", "--channel", "stabel"), "no channel `stabel`"),
        (("rollback", "--channel", "stabel", "--to", "1"), "no channel `stabel`"),
        (("rollback", "--channel", "stabel", "--list"), "no channel `stabel`"),
        (("rollback", "--distro", "el8", "--list"), "stable has no packages for el8"),
        (("rollback", "--to", "99"), "generation `99` is not there"),
        (("client", "--distro", "el8"), "no packages for `el8`"),
        (("client", "--distro", "debian12", "--channel", "stabel"), "no channel `stabel`"),
    ],
)
def test_names_of_what_is_not_there(pkgrel, tmp_path, words, message):
    pkgrel("publish", package(tmp_path))
    assert message in pkgrel.refused("repo", *words)


def test_prune_without_saying_what(pkgrel, tmp_path):
    pkgrel("publish", package(tmp_path))
    assert "no channel `stabel`" in pkgrel.refused(
        "repo", "prune", "--keep", "1", "--channel", "stabel"
    )
    assert "`--keep`" in pkgrel.refused("repo", "prune")
    pkgrel("repo", "set", "--keep", "stable=1")
    assert pkgrel("repo", "prune") == ("", "nothing to do\n")
    assert "`testing` has no policy" in pkgrel.refused("repo", "prune", "--channel", "testing")


def test_settings_are_tried_first(pkgrel):
    pkgrel("repo", "init")
    before = pkgrel.files()
    _, said = pkgrel("repo", "set", "--valid-days", "7", "--dry-run")
    assert said == "valid_days: 0 -> 7\nnothing was changed: --dry-run\n"
    assert pkgrel.files() == before


def test_what_apt_would_refuse_is_frozen(pkgrel, tmp_path):
    pkgrel("repo", "init", "--origin", "Example", "--label", "Example packages")
    pkgrel("publish", package(tmp_path))
    assert "`apt-get update` fails" in pkgrel.refused("repo", "set", "--origin", "Other")
    assert "other settings" in pkgrel.refused("repo", "init", "--origin", "Other")
    pkgrel("repo", "set", "--valid-days", "7", "--contents", "--signed-by")
    release = store(tmp_path).get("apt/dists/bookworm/InRelease").data.decode()
    for line in ("Origin: Example", "Label: Example packages", "Suite: bookworm", "Valid-Until: "):
        assert f"\n{line}" in release
    assert " stable/Contents-amd64.gz\n" in release
    update(tmp_path / "repo", tmp_path, "bookworm", "stable")
    pkgrel("repo", "set", "--origin", "Other", "--allow-releaseinfo-change")
    pkgrel("repo", "verify")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--description", "ours\nSuite: theirs"), "the description 'ours\\nSuite: theirs'"),
        (("--url", "https://x.org/`id`"), "https://x.org/`id`"),
        (("--url", "http://x.org/a b"), "the public URL"),
        (("--url", "ftp://x.org"), "the public URL"),
        (("--keep", "../x=3"), "channel `../x`"),
        (("--description", "no UTF-8: \udcff"), "the description 'no UTF-8: \\udcff'"),
        (("--description", "turned \u202earound"), "the description 'turned \\u202earound'"),
        (("--valid-days", "99999999999"), "cannot be valid for `99999999999` days"),
    ],
)
def test_settings_that_would_reach_clients(pkgrel, tmp_path, words, message):
    assert message in pkgrel.refused("repo", "init", *words)
    assert not (tmp_path / "repo").exists()
    pkgrel("repo", "init")
    assert message in pkgrel.refused("repo", "set", *words)


@pytest.mark.parametrize(
    "policy", ["stable", "=3", "stable=-1", "stable=x", f"stable={'9' * 5000}"]
)
def test_a_policy_that_is_none(pkgrel, policy):
    assert "is not CHANNEL=N" in pkgrel("repo", "init", "--keep", policy, status=2)[1]


def test_a_new_key_that_a_target_refuses(pkgrel, tmp_path):
    dsa, p256 = openpgp_keys.secret("dsa"), openpgp_keys.secret("p256")
    assert "DSA" in pkgrel.refused("repo", "init", "--signing-key", dsa)
    assert not (tmp_path / "repo").exists()
    pkgrel("publish", package(tmp_path, revision="1.el9"))
    rsa2048 = openpgp_keys.secret("rsa2048")
    new = ("repo", "set", "--new-key", "--adopt", "--signing-key")
    _, said = pkgrel(*new, rsa2048, "--dry-run")
    assert "warning: " in said
    assert "2048 bits" in said
    assert "el9" in pkgrel.refused(*new, p256)


def test_two_keys_for_a_while(pkgrel, tmp_path):
    import pysequoia

    pkgrel("publish", package(tmp_path))
    other = str(pysequoia.Tsk.generate("Other <other@example.org>"))
    said = pkgrel.refused("publish", package(tmp_path, "b"), PKGREL_SIGNING_KEY=other)
    assert "repo set --new-key" in said
    both = tmp_path / "both.asc"
    both.write_text(f"{repositories.key()}\n{other}\n")
    pkgrel("repo", "set", "--new-key", "--signing-key", both)
    pkgrel("repo", "verify")
    update(tmp_path / "repo", tmp_path, "bookworm", "stable")  # which knows the old key only
    pkgrel("repo", "set", "--new-key", PKGREL_SIGNING_KEY=other)
    pkgrel("repo", "verify")
    assert "is signed by" in pkgrel.refused("repo", "remove", "hello", PKGREL_SIGNING_KEY="")


@pytest.mark.parametrize("revision", ["1~debian12", "1.el8", "1.el9"])
def test_verify_where_the_compressors_are_others(pkgrel, tmp_path, monkeypatch, revision):
    """zlib-ng's bytes are others than zlib's, and they are as good; other contents are not."""
    pkgrel.environment["PKGREL_SIGNING_KEY"] = openpgp_keys.secret("rsa")
    pkgrel("publish", package(tmp_path, revision=revision))
    first = Head.decode(store(tmp_path).get(layout.HEAD).data)
    pkgrel("publish", package(tmp_path, version="2.0.0", revision=revision))
    monkeypatch.setattr("pkgrel.repository.pieces._GZIP_LEVEL", 1)
    monkeypatch.setattr("pkgrel.repository.pieces._XZ_LEVEL", 0)
    monkeypatch.setattr("pkgrel.repository.pieces._ZSTD_LEVEL", 1)
    pkgrel("repo", "verify")
    there = store(tmp_path)
    forged = replace(Head.decode(there.get(layout.HEAD).data), manifests=first.manifests).encode()
    there.overwrite(layout.HEAD, forged, Kind.POINTER)
    state = layout.state_key(2, hashlib.sha256(forged).hexdigest())
    there.overwrite(state, forged, Kind.IMMUTABLE)
    out, _ = pkgrel("repo", "verify", status=1)
    assert "its indices are not those of the manifests" in out


def test_verify_finds_what_is_wrong_and_sync_mends_it(pkgrel, tmp_path):
    pkgrel("repo", "init", "--url", "http://127.0.0.1:9")
    pkgrel("publish", *repositories.pair(tmp_path))
    root = tmp_path / "repo"
    suite, yum = root / "apt/dists/bookworm", root / "rpm/el9/x86_64/stable"
    (next(suite.glob("stable/binary-amd64/by-hash/SHA256/*"))).unlink()
    (suite / "Release").write_bytes(b"Origin: Somebody\n")
    (suite / "stable/binary-amd64/Packages.gz").write_bytes(b"")
    (yum / "repodata/repomd.xml.asc").unlink()
    (yum / "mirrorlist").write_text("http://elsewhere.example.org/\n")
    out, _ = pkgrel("repo", "verify", status=1)
    for name in ("by-hash", "Release", "Packages.gz", "repomd.xml.asc", "mirrorlist"):
        assert name in out
    before = pkgrel.files()
    _, said = pkgrel("repo", "sync", "--dry-run", PKGREL_SIGNING_KEY="")
    assert "all indices would be written anew" in said
    assert pkgrel.files() == before
    pkgrel("repo", "sync")
    assert pkgrel("repo", "verify")[0] == ""
    (suite / "InRelease").unlink()
    (yum / "mirrorlist").write_text("http://elsewhere.example.org/\n")
    before = pkgrel.files()
    out, _ = pkgrel("repo", "sync", "--dry-run", PKGREL_SIGNING_KEY="")
    assert set(out.splitlines()) == {
        "rpm/el9/x86_64/stable/mirrorlist",
        *(f"apt/dists/bookworm/{name}" for name in ("Release", "Release.gpg", "InRelease")),
    }
    assert pkgrel.files() == before
    assert "bookworm/InRelease: missing\n" in pkgrel("repo", "verify", status=1)[0]
    assert set(pkgrel("repo", "sync")[0].splitlines()) == set(out.splitlines())
    pool = next((root / "apt/pool").rglob("*.deb"))
    pool.write_bytes(pool.read_bytes()[:-1] + b"x")
    out, said = pkgrel("repo", "verify", status=1)
    assert "another SHA-256" in out
    assert "1 problem\n" in said
    assert "publish them again" in said
    assert pkgrel("repo", "verify", "--quick")[0] == ""
    pool.unlink()
    assert "missing" in pkgrel("repo", "verify", "--quick", status=1)[0]


def test_a_pointer_of_another_channel(pkgrel, tmp_path):
    """All of it is signed, and dnf has no way to see that it was meant for somebody else."""
    pkgrel("repo", "init", "--url", repositories.URL)
    older = repositories.pair(tmp_path)
    pkgrel("publish", *older, "--channel", "testing")
    pkgrel("publish", *older)
    yum = tmp_path / "repo/rpm/el9/x86_64"
    old = (yum / "stable/mirrorlist").read_bytes()
    pkgrel("publish", *repositories.pair(tmp_path, "2.0.0"))
    for name in ("mirrorlist", "repodata/repomd.xml", "repodata/repomd.xml.asc"):
        (yum / "stable" / name).write_bytes((yum / "testing" / name).read_bytes())
    out, _ = pkgrel("repo", "verify", status=1)
    testing = "that of `rpm/el9/x86_64/testing` at generation 1\n"
    assert f"stable/mirrorlist: does not name the head's snapshot, but {testing}" in out
    assert f"stable/repodata/repomd.xml: is {testing}" in out
    pkgrel("repo", "sync")
    pkgrel("repo", "verify")
    (yum / "stable/mirrorlist").write_bytes(old)
    out, _ = pkgrel("repo", "verify", status=1)
    assert "snapshot, but that of `rpm/el9/x86_64/stable` at generation 2\n" in out
    (yum / "stable/mirrorlist").write_text(f"{repositories.URL}/rpm/../snapshots/{'0' * 64}/\n")
    assert "does not name the head's snapshot\n" in pkgrel("repo", "verify", status=1)[0]


def test_damaged_indices_are_mended(pkgrel, tmp_path):
    """They are under keys that nobody writes twice."""
    pkgrel("repo", "init", "--url", repositories.URL)
    pkgrel("publish", *repositories.pair(tmp_path))
    root = tmp_path / "repo"
    for pattern in (
        "apt/dists/bookworm/stable/binary-amd64/by-hash/SHA256/*",
        "rpm/el9/x86_64/stable/repodata/*-primary.xml.*",
        "SNAPSHOT/repodata/*-filelists.xml.*",
        "SNAPSHOT/repodata/repomd.xml.asc",
    ):
        mirror = (root / "rpm/el9/x86_64/stable/mirrorlist").read_text().strip()
        snapshot = mirror.removeprefix(f"{repositories.URL}/").rstrip("/")
        file = max(root.glob(pattern.replace("SNAPSHOT", snapshot)), key=os.path.getmtime)
        file.write_bytes(file.read_bytes()[:-9] + b"otherwise")
        for command, status in (("verify", 1), ("sync", 0)):
            name = str(file.relative_to(root))
            out, _ = pkgrel("repo", command, status=status)
            assert name in out
        assert pkgrel("repo", "verify")[0] == ""
        assert dnf(store(tmp_path)) == {("hello", "1.0.0-1.el9")}
        assert apt(store(tmp_path)) == {("hello", "1.0.0-1~debian12")}


def test_a_damaged_package_is_published_again(pkgrel, tmp_path):
    deb = package(tmp_path)
    pkgrel("publish", deb)
    file = next((tmp_path / "repo/apt/pool").rglob("*.deb"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    pkgrel("repo", "remove", "hello")
    pkgrel("publish", deb)
    pkgrel("repo", "verify")


def test_a_command_afterwards(tmp_path):
    pkgrel = Shell(tmp_path, process=True)
    deb = package(tmp_path)
    tell = 'echo "$PKGREL_POINTERS" > told; echo "not data"'
    out, said = pkgrel("publish", deb, "--after", tell)
    assert "not data" in said
    assert "not data" not in out
    assert "apt/dists/bookworm/InRelease" in (tmp_path / "told").read_text().splitlines()
    (tmp_path / "told").unlink()
    pkgrel("publish", deb, "--after", tell)
    assert not (tmp_path / "told").exists(), "nothing has changed, nobody is told"
    pkgrel("repo", "set", "--valid-days", "7", "--after", tell)
    assert "apt/dists/bookworm/InRelease" in (tmp_path / "told").read_text()
    _, said = pkgrel("publish", package(tmp_path, "b"), "--after", "exit 3", status=1)
    assert "everything is published, but" in said


def test_cloudfront_forgets_the_pointers_only(tmp_path):
    import boto3

    pkgrel = Shell(tmp_path, "moto", process=True)
    url = s3_servers.url("moto", tmp_path)
    client = boto3.client(
        "cloudfront",
        endpoint_url=s3_servers.endpoint("moto"),
        region_name=s3_servers.REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    origin = {
        "Id": "s3",
        "DomainName": "x.s3.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    caching = {
        "TargetOriginId": "s3",
        "ViewerProtocolPolicy": "https-only",
        "MinTTL": 0,
        "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
    }
    made = client.create_distribution(
        DistributionConfig={
            "CallerReference": "x",
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": caching,
        }
    )
    number = made["Distribution"]["Id"]
    pkgrel("repo", "init", url)
    pkgrel("publish", package(tmp_path), "--to", url, "--cloudfront", number)
    (one,) = client.list_invalidations(DistributionId=number)["InvalidationList"]["Items"]
    found = client.get_invalidation(DistributionId=number, Id=one["Id"])["Invalidation"]
    paths = found["InvalidationBatch"]["Paths"]["Items"]
    assert "/apt/dists/bookworm/InRelease" in paths
    assert not [path for path in paths if "by-hash" in path or "/pool/" in path]


def test_gc_takes_two_runs_and_the_grace_between_them(pkgrel, tmp_path):
    for version in ("1.0.0", "1.1.0"):
        pkgrel("publish", package(tmp_path, version=version))
    pkgrel("repo", "prune", "--keep", "1")
    before = pkgrel.files()
    soon = ("repo", "gc", "--json", "--generations", "1", "--days", "0")
    assert json.loads(pkgrel("repo", "gc", "--json", "--grace", "0")[0])["waiting"] == []
    first = json.loads(pkgrel(*soon, "--grace", "0")[0])
    assert first["deleted"] == []
    old = "apt/pool/bookworm/h/hello/hello_1.0.0-1~debian12_amd64.deb"
    assert old in first["waiting"]
    assert json.loads(pkgrel(*soon)[0])["deleted"] == []
    assert before.keys() <= pkgrel.files().keys()
    assert json.loads(pkgrel(*soon, "--grace", "0", "--dry-run")[0])["deleted"] == first["waiting"]
    assert old in pkgrel.files()
    assert old in json.loads(pkgrel(*soon, "--grace", "0")[0])["deleted"]
    assert old not in pkgrel.files()
    pkgrel("repo", "verify")


def test_gc_on_a_disk_that_takes_names_in_any_case(pkgrel, tmp_path):
    """There `h/hello` is what somebody made as `h/Hello` before; links stand for such a disk here."""
    pkgrel("publish", package(tmp_path))
    pool = tmp_path / "repo/apt/pool/bookworm/h"
    (pool / "hello").rename(pool / "Hello")
    (pool / "hello").symlink_to("Hello")
    (tmp_path / "repo/.PKGREL").symlink_to(".pkgrel")
    for _ in range(2):
        pkgrel("repo", "gc", "--generations", "1", "--days", "0", "--grace", "0")
    pkgrel("repo", "verify")


def test_what_was_collected_and_comes_back_is_kept(pkgrel, tmp_path):
    """Between gc's two runs somebody publishes the package again."""
    deb = package(tmp_path)
    pkgrel("publish", deb)
    pkgrel("repo", "remove", "hello")
    words = ("repo", "gc", "--generations", "1", "--days", "0", "--grace", "0")
    pkgrel(*words)
    pkgrel("publish", deb)
    pkgrel(*words)
    pkgrel(*words)
    assert apt(store(tmp_path)) == {("hello", "1.0.0-1~debian12")}
    pkgrel("repo", "verify")


# What is wrong is said before anything is written.


def test_no_key(pkgrel, tmp_path):
    deb = package(tmp_path)
    assert "needs a key" in pkgrel.refused("publish", deb, PKGREL_SIGNING_KEY="")
    assert "needs a key" in pkgrel.refused("repo", "init", PKGREL_SIGNING_KEY="")
    pkgrel("repo", "init", "--unsigned")
    assert "leave the key away" in pkgrel.refused("publish", deb)
    pkgrel("publish", deb, PKGREL_SIGNING_KEY="")
    assert not (tmp_path / "repo/apt/dists/bookworm/InRelease").exists()
    pkgrel("repo", "verify")


def test_a_wrong_passphrase(pkgrel, tmp_path):
    deb, locked = package(tmp_path), openpgp_keys.secret("locked")
    for environment in ({}, {"PKGREL_SIGNING_PASSPHRASE": "wrong"}):
        said = pkgrel.refused("publish", deb, PKGREL_SIGNING_KEY=locked, **environment)
        assert "passphrase" in said
    pkgrel.refused("publish", deb, PKGREL_SIGNING_KEY="no key")
    assert not (tmp_path / "repo").exists()
    right = openpgp_keys.PASSPHRASE
    pkgrel("publish", deb, PKGREL_SIGNING_KEY=locked, PKGREL_SIGNING_PASSPHRASE=right)


def test_a_key_that_a_target_refuses(pkgrel, tmp_path):
    """An Ed25519 key signs for Debian, and EL 8's rpm cannot read it; nothing is written."""
    deb, rpm = package(tmp_path), package(tmp_path, revision="1.el8")
    assert "el8" in pkgrel.refused("publish", deb, rpm)
    assert not (tmp_path / "repo").exists()
    pkgrel("publish", deb)


def test_a_directory_that_may_not_be_written(tmp_path):
    """Root may write everywhere, so this is somebody else's word."""
    others = tmp_path / "others"
    Local(others).create("a/b", b"x", Kind.IMMUTABLE)
    (others / ".pkgrel/lock").chmod(0o666)
    (others / ".pkgrel/tmp").chmod(0o555)
    (others / "a").chmod(0o555)
    with as_nobody(tmp_path):
        with pytest.raises(RepositoryError, match="cannot be written: Permission denied"):
            Local(Path("/etc/repo")).create("a", b"x", Kind.IMMUTABLE)
        with pytest.raises(RepositoryError, match="cannot be written: Permission denied"):
            Local(others).create("b", b"x", Kind.IMMUTABLE)
        with pytest.raises(PermissionError):
            Local(others).delete(["a/b"])


def test_damaged_and_foreign_packages(pkgrel, tmp_path):
    good = package(tmp_path)
    pkgrel("publish", good)
    damaged = tmp_path / "damaged.deb"
    damaged.write_bytes(good.read_bytes()[:-40])
    newer = package(tmp_path, version="2.0.0")
    assert "damaged.deb: " in pkgrel.refused("publish", newer, damaged)
    text = tmp_path / "text.rpm"
    text.write_text("no package\n")
    assert "is neither" in pkgrel.refused("publish", newer, text)


@pytest.mark.parametrize("name", ["../../../x", "a/b", "<b>"])
def test_a_name_that_leads_elsewhere(pkgrel, tmp_path, name):
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1-1~debian12\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    deb = tmp_path / "x.deb"
    subprocess.run(["dpkg-deb", "--nocheck", "-b", tree, deb], check=True, capture_output=True)
    assert f"`Package: {name}`, which is not a name" in pkgrel.refused("publish", deb)
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize(
    ("revision", "words", "message", "hint"),
    [
        ("1~mine", (), "does not say which distro", "--distro`: debian10, debian11, debian12"),
        ("1.mine", (), "does not say which distro", "--distro`: el7, el8"),
        ("1~debian12", ("--distro", "el9"), "a .deb is not for `el9`", "debian12"),
        ("1~debian12", ("--distro", "trixie"), "says debian12, not `debian13`", "--distro"),
        ("1~debian12", ("--distro", "debain12"), "unknown distro", "did you mean `debian12`"),
        ("1~debian12", ("--channel", "Not/This"), "channel `Not/This`", "lower-case"),
    ],
)
def test_places(pkgrel, tmp_path, revision, words, message, hint):
    said = pkgrel.refused("publish", package(tmp_path, revision=revision), *words)
    assert message in said
    assert hint in said


def test_a_distro_by_option(pkgrel, tmp_path):
    deb, rpm = package(tmp_path, revision="1~x"), package(tmp_path, revision="1")
    out, _ = pkgrel(
        "publish", deb, rpm, "--distro", "jammy", "--distro", "rocky9", "--distro", "trixie"
    )
    assert {line.split()[2] for line in out.splitlines()} == {"ubuntu22", "el9", "debian13"}
    pkgrel("repo", "verify")


def test_two_files_of_one_version(pkgrel, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    said = pkgrel.refused("publish", package(tmp_path), package(other, text="else"))
    assert "with other contents" in said


def test_versions_whose_files_have_one_name(pkgrel, tmp_path):
    """A .deb's file name has no epoch, and an .rpm's `_` for what URLs would change."""
    made = []
    for number, (version, epoch) in enumerate([("1.0", 0), ("1.0", 1), ("2", 0), ("2", 1)]):
        (tmp_path / str(number)).mkdir()
        text = f"{number}\n"
        made += repositories.pair(tmp_path / str(number), version, text=text, epoch=epoch)
    for number, version in enumerate(("1.0+1", "1.0^1", "1.0_1"), 4):
        (tmp_path / str(number)).mkdir()
        made += [
            package(tmp_path / str(number), version=version, revision="1.el9", text=f"{number}\n")
        ]
    # Some one after the other, some at once.
    for group in (made[0:2], made[2:4], made[4:8], made[8:9], made[9:]):
        out, _ = pkgrel("publish", "--dry-run", *group)
        assert pkgrel("publish", *group)[0] == out
    assert "nothing to do" in pkgrel("publish", *made)[1]
    pkgrel("repo", "verify")
    store = Local(pkgrel.folder / "repo")
    assert {version for _, version in apt(store)} == {
        f"{version}-1~debian12" for version in ("1.0", "1:1.0", "2", "1:2")
    }
    listed = pkgrel("repo", "list", "--json")[0]
    assert len(json.loads(listed)) == 11
    assert "other contents" in pkgrel.refused(
        "publish", package(tmp_path, epoch=1, text="else", version="1.0")
    )


def test_indices_are_where_clients_of_an_architecture_look(pkgrel, tmp_path):
    """dnf asks for $basearch: i386 and armhfp; a host of x86_64 sees what is for i686, too."""
    for number, architecture in enumerate(("i686", "armv7l", "x86_64", "noarch")):
        name = f"p{number}"
        pkgrel("publish", package(tmp_path, name, revision="1.el9", architecture=architecture))
    store = Local(pkgrel.folder / "repo")
    seen = {
        one: {name for name, _ in repositories.without_signature(store, f"rpm/el9/{one}/stable")}
        for one in ("i386", "armhfp", "x86_64")
    }
    assert seen == {"i386": {"p0", "p3"}, "armhfp": {"p1", "p3"}, "x86_64": {"p0", "p2", "p3"}}
    assert not (pkgrel.folder / "repo/rpm/el9/i686").exists()
    pkgrel("repo", "verify")
    pkgrel("repo", "remove", "p0")
    assert {n for n, _ in repositories.without_signature(store, "rpm/el9/x86_64/stable")} == {
        "p2",
        "p3",
    }
    pkgrel("repo", "verify")


def test_other_contents_in_another_channel(pkgrel, tmp_path):
    """The files of a version are the same in all channels, so that it can be promoted."""
    other = tmp_path / "other"
    other.mkdir()
    pkgrel("publish", *repositories.pair(tmp_path))
    for file in repositories.pair(other, text="else"):
        said = pkgrel.refused("publish", file, "--channel", "testing")
        assert said.startswith(f"error: {file.name}: hello 1.0.0-1")
        assert "is in stable for" in said


def test_a_newer_repository(pkgrel, tmp_path):
    deb = package(tmp_path)
    pkgrel("publish", deb)
    for name in ("head.json", "repo.json"):
        path = tmp_path / "repo/.pkgrel" / name
        old = path.read_bytes()
        text = trust.signed_text(old).replace(b'"format": 1', b'"format": 2')
        path.write_bytes(trust.seal(text, repositories.signer()))
        newer = package(tmp_path, "newer")
        assert "format `2`, this pkgrel knows 1" in pkgrel.refused("publish", newer)
        path.write_bytes(trust.seal(b"{\n", repositories.signer()))
        assert "damaged" in pkgrel.refused("publish", newer)
        path.write_bytes(old)


def test_no_repository_and_no_package(pkgrel, tmp_path):
    assert "no repository" in pkgrel.refused("repo", "list", "nothing/here")
    pkgrel("publish", package(tmp_path))
    assert "did you mean `hello`" in pkgrel.refused("repo", "remove", "helo")
    assert "no channel `beta`" in pkgrel.refused("repo", "remove", "hello", "--channel", "beta")
    assert "it has 1.0.0-1~debian12" in pkgrel.refused("repo", "remove", "hello", "7")


class _Canned(BaseHTTPRequestHandler):
    """Answers as a store does in a situation that no server can be brought into."""

    answer: tuple[int, str]

    def _all(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, code = self.answer
        body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _all

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, "AccessDenied"), "denied"),
        ((403, "RequestTimeTooSkewed"), "clock differs"),
        ((403, "InvalidAccessKeyId"), "the credentials are wrong"),
        ((403, "SignatureDoesNotMatch"), "the credentials are wrong"),
        ((400, "ExpiredToken"), "have expired"),
        ((405, "MethodNotAllowed"), "read-only"),
        ((301, "PermanentRedirect"), "another region"),
        ((404, "NoSuchBucket"), "no such bucket"),
    ],
)
def test_what_a_store_may_say(tmp_path, answer, message):
    class Canned(_Canned):
        pass

    Canned.answer = answer
    with HTTPServer(("127.0.0.1", 0), Canned) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        environment = {**s3_servers.CREDENTIALS, "AWS_ENDPOINT_URL": address}
        said = Shell(tmp_path).refused("repo", "init", "s3://bucket/x", **environment)
        server.shutdown()
    assert said.startswith("error: s3://bucket/x: ")
    assert message in said


def test_an_endpoint_that_is_down(tmp_path):
    environment = {**s3_servers.CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    out, said = Shell(tmp_path)("repo", "list", "s3://bucket/x", status=1, **environment)
    assert out == ""
    # Attempts whose random waits add up to more than a few seconds are preceded by a warning.
    assert "error: s3://bucket/x: the store cannot be reached" in said


def test_an_unsigned_repository_becomes_a_signed_one(pkgrel, tmp_path):
    rpm = package(tmp_path, revision="1.el9")
    pkgrel("repo", "init", "--unsigned")
    pkgrel("publish", rpm, PKGREL_SIGNING_KEY="")
    assert "--new-key --adopt" in pkgrel.refused("repo", "set", "--new-key")
    _, said = pkgrel("repo", "set", "--new-key", "--adopt")
    assert "warning: dnf and zypper refuse the unsigned .rpm files" in said
    pkgrel("repo", "remove", "hello")
    pkgrel("publish", rpm)
    (listed,) = json.loads(pkgrel("repo", "list", "--json")[0])
    with (tmp_path / "repo" / listed["path"]).open("rb") as source:
        verify_rpm(source, repositories.signer().public_key)
    pkgrel("repo", "verify")


def test_a_repository_by_the_name_of_its_folder(pkgrel, tmp_path):
    """Even where a word more might be a version."""
    pkgrel("publish", package(tmp_path), "--to", "mine")
    out, _ = pkgrel("repo", "remove", "mine", "hello")
    assert out == "- stable debian12 hello 1.0.0-1~debian12 amd64\n"


def test_rpms_that_clients_would_refuse(pkgrel, tmp_path):
    rpm = package(tmp_path, revision="1.el9")
    _, said = pkgrel("publish", rpm, "--no-sign-packages", "--dry-run")
    assert f"warning: {rpm}: dnf and zypper will refuse it: the package is not signed" in said
    pkgrel("sign", rpm)
    _, said = pkgrel("publish", rpm, package(tmp_path), "--no-sign-packages")
    assert "warning" not in said


@pytest.mark.parametrize(
    ("url", "words", "message"),
    [
        ("s3://buck et/x", (), "`buck et` is not the name of a bucket"),
        ("s3://us:secret@bucket/x", (), "there is a user in the URL of the bucket"),
        ("s3://bucket/x?y", (), "`s3://bucket/x?y` is not a folder of a bucket"),
        ("s3://bucket/../x", (), "is not a folder of a bucket"),
        ("gs://bucket/x//y", (), "is not a folder of a bucket"),
        ("s3://[x/y", (), "`s3://[x/y`: Invalid IPv6 URL"),
        ("s3://bucket/x", ("--endpoint", "localhost:9000"), "`localhost:9000` is not a URL"),
        ("s3://bucket/x", ("--endpoint", "http://"), "`http://` is not a URL"),
        ("s3://bucket/x", ("--region", "eu west"), "`eu west` is not a region"),
    ],
)
def test_addresses_that_no_store_has(tmp_path, url, words, message):
    said = Shell(tmp_path).refused("repo", "list", url, *words, **s3_servers.CREDENTIALS)
    assert message in said
    assert "secret" not in said


def test_empty_variables_are_none(tmp_path, monkeypatch):
    """As workflows of CI systems set them."""
    s3_servers.options("moto")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "")
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    there = s3_servers.store("moto", tmp_path)
    assert there.create("x", b"1", Kind.POINTER)
    assert there.get("x").data == b"1"
    assert "AWS_ENDPOINT_URL" not in os.environ


def test_doctor(pkgrel, tmp_path):
    pkgrel("publish", package(tmp_path))
    out, _ = pkgrel("repo", "doctor")
    assert out.splitlines() == [
        "conditional writes: ok",
        "clock: ok",
        (
            "dates: warning: indices are valid for ever, so whoever serves them can keep updates from apt:"
            " `pkgrel repo set --valid-days 7`, and run `pkgrel repo sync --refresh` every night"
        ),
        "key: ok",
        "https: not looked at: there is no public URL",
        "public URL: not looked at: there is none; `pkgrel repo set --url` names it",
    ]
    out, _ = pkgrel("repo", "doctor", PKGREL_SIGNING_KEY="")
    assert "key: not looked at: `--signing-key` names none" in out
    pkgrel("repo", "set", "--concurrency", "external")
    found = json.loads(pkgrel("repo", "doctor", "--json")[0])
    assert [one["check"] for one in found if one["skipped"]] == [
        "conditional writes",
        "https",
        "public URL",
    ]
    pkgrel("repo", "set", "--url", "http://127.0.0.1:9")
    out, _ = pkgrel("repo", "doctor", status=1)
    assert "Connection refused" in out
    assert "urlopen" not in out
    assert "Errno" not in out


class WithoutPrivate(SimpleHTTPRequestHandler):
    """Serves a repository without what no client asks for."""

    def do_GET(self) -> None:
        if self.path.startswith("/.pkgrel"):
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_doctor_looks_at_the_public_url_as_clients_do(pkgrel, tmp_path):
    pkgrel("publish", *repositories.pair(tmp_path))
    serve = partial(WithoutPrivate, directory=str(tmp_path / "repo"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        pkgrel("repo", "set", "--url", url)
        out, _ = pkgrel("repo", "doctor")
        assert "public URL: ok\n" in out
        pkgrel("repo", "set", "--url", f"{url}/elsewhere")
        out, said = pkgrel("repo", "doctor", status=1)
        assert " hint: " in said
        assert f"{url}/elsewhere/apt/dists/bookworm/InRelease: the server answers 404" in out
        server.shutdown()


def test_a_key_that_was_extended_reaches_the_clients(pkgrel, tmp_path):
    rsa = next(iter(signing.signer(openpgp_keys.secret("rsa")).fingerprints))
    pkgrel.environment["PKGREL_SIGNING_KEY"] = openpgp_keys.secret("rsa")
    pkgrel("publish", package(tmp_path))
    (public,) = (tmp_path / "repo").glob("*.asc")
    before = public.read_bytes()
    with openpgp_keys.gpg_home() as home:
        time.sleep(1.1)  # what is signed is older than the key's new self-signature
        openpgp_keys.gpg(home, "--quick-set-expire", rsa, "5y")
        longer = openpgp_keys.gpg(home, "--armor", "--export-secret-keys", rsa).decode()
    pkgrel.environment["PKGREL_SIGNING_KEY"] = longer
    pkgrel("publish", package(tmp_path, version="2.0.0"))
    assert public.read_bytes() == before
    out, _ = pkgrel("repo", "doctor", status=1)
    assert "key: the key given is not as clients get it" in out
    pkgrel("repo", "set", "--new-key", "--dry-run")
    assert public.read_bytes() == before
    _, said = pkgrel("repo", "set", "--new-key")
    assert rsa in said
    assert public.read_bytes() == signing.signer(longer).public_key
    _, said = pkgrel("repo", "set", "--new-key")
    assert "nothing to do" in said
    pkgrel("repo", "doctor")
    pkgrel("repo", "verify")
