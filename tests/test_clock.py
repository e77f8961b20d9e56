"""Wrong clocks: nothing is signed or deleted with one, and wrong dates are repaired."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel import signing
from pkgrel.repository import head, layout, trust
from pkgrel.repository.head import Head
from pkgrel.repository.store import Entry, Kind
from pkgrel.repository.store.local import Local
from tests import openpgp_keys, repositories
from tests.apt_client import update
from tests.packages import package
from tests.repositories import again, apt, dnf, put
from tests.test_repository import Shell, store

HOURS, YEARS = 3 * 3600, 10 * 365 * 86400
DAY = 86400


@contextmanager
def clock(ahead: float) -> Iterator[None]:
    """This machine's clock is so many seconds ahead."""
    with pytest.MonkeyPatch.context() as patch:
        now = time.time
        patch.setattr(time, "time", lambda: now() + ahead)
        yield


class Moved(Local):
    """A directory of a machine whose clock is ahead: the times of its files are, too."""

    ahead = 0.0

    def stat(self, key: str) -> Entry | None:
        found = super().stat(key)
        return found and replace(found, modified=found.modified + self.ahead)


def publish_at(folder: Path, ahead: float, *files: Path) -> None:
    """Publish on such a machine."""
    there = Moved(folder / "repo")
    there.ahead = ahead
    with clock(ahead):
        put(again(there), *files)


@pytest.fixture
def pkgrel(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made("repo", "init", "--url", repositories.URL)
    return made


def test_a_clock_that_is_off_changes_nothing(pkgrel: Shell, tmp_path: Path) -> None:
    pkgrel("publish", *repositories.pair(tmp_path))
    before = store(tmp_path).get(layout.HEAD).data
    newer = package(tmp_path, version="2.0.0")
    for ahead, said in (
        (HOURS, "is 3 hours ahead of the store's"),
        (YEARS, "is 10 years ahead of the store's"),
        (-90, "is 90 s behind the store's"),
        (-HOURS, "is 3 hours behind the store's"),
    ):
        with clock(ahead):
            assert said in pkgrel("publish", newer, status=1)[1]
            assert said in pkgrel("repo", "remove", "hello", status=1)[1]
            assert said in pkgrel("repo", "sync", "--refresh", status=1)[1]
            assert said in pkgrel.refused("repo", "set", "--description", "x")
            assert said in pkgrel.refused("repo", "gc")
            assert said in pkgrel("repo", "init", "other", status=1)[1]
            assert f"clock: this machine's clock {said}" in pkgrel("repo", "doctor", status=1)[0]
        assert store(tmp_path).get(layout.HEAD).data == before
    assert not (tmp_path / "other" / layout.SETTINGS).exists()
    pkgrel("repo", "verify")
    for ahead in (45, -45):
        with clock(ahead):
            pkgrel("repo", "sync", "--refresh")


@pytest.mark.parametrize("ahead", [HOURS, YEARS])
def test_dates_of_the_future_end_with_the_next_command(
    pkgrel: Shell, tmp_path: Path, ahead: float
) -> None:
    publish_at(tmp_path, ahead, *repositories.pair(tmp_path))
    with pytest.raises(AssertionError, match="not valid yet"):
        update(tmp_path / "repo", tmp_path, "bookworm", "stable")
    span = "3 hours" if ahead == HOURS else "10 years"
    found, _ = pkgrel("repo", "verify", status=1)
    for key in (
        layout.HEAD,
        "apt/dists/bookworm/Release",
        "rpm/el9/x86_64/stable/repodata/repomd.xml",
    ):
        assert f"{key}: is dated {span} in the future" in found
    out, said = pkgrel("repo", "doctor", status=1)
    assert "dates: .pkgrel/head.json is dated" in out
    assert "repo sync --refresh" in said
    if ahead == HOURS:  # a publish for another distro
        pkgrel("publish", package(tmp_path, revision="1~debian13"))
    else:
        out, _ = pkgrel("repo", "sync", "--dry-run")
        assert "apt/dists/bookworm/Release" in out
        pkgrel("repo", "sync")
    assert "hello" in update(tmp_path / "repo", tmp_path, "bookworm", "stable")
    pkgrel("repo", "verify")
    now = head.read(store(tmp_path)).head
    assert max(now.time, *(target.time for target in now.targets.values())) <= time.time()
    assert apt(store(tmp_path))
    assert dnf(store(tmp_path))
    assert pkgrel("repo", "sync")[1] == "nothing to do\n"


def test_a_date_of_a_clock_within_the_limit_is_no_step_back(pkgrel: Shell, tmp_path: Path) -> None:
    publish_at(tmp_path, 55, package(tmp_path))
    before = head.read(store(tmp_path)).head.time
    pkgrel("repo", "verify")
    pkgrel("publish", package(tmp_path, version="2.0.0"))
    assert head.read(store(tmp_path)).head.time == before


def test_a_signature_of_the_future(tmp_path: Path) -> None:
    """A machine's clock was ahead, with that of its directory; it is right again."""
    pkgrel = Shell(tmp_path)
    pkgrel.environment["PKGREL_SIGNING_KEY"] = openpgp_keys.secret("rsa")
    pkgrel("publish", package(tmp_path))
    there = store(tmp_path)
    made = trust.signed_text(there.get(layout.HEAD).data)
    made = replace(Head.decode(made), time=int(time.time()) + HOURS).encode()
    fingerprint = signing.signer(openpgp_keys.secret("rsa")).fingerprints[0]
    with openpgp_keys.gpg_home() as home:
        later = f"{int(time.time()) + HOURS}!"
        words = ("--faked-system-time", later, "-u", fingerprint, "--armor", "--detach-sign")
        there.overwrite(layout.HEAD, made + openpgp_keys.gpg(home, *words, data=made), Kind.POINTER)
    said = pkgrel("publish", package(tmp_path, version="2.0.0"), status=1)[1]
    assert "the signature of `.pkgrel/head.json` is of the future, 20" in said
    assert "repo sync --adopt" in said
    pkgrel("repo", "verify", status=1)
    pkgrel("repo", "sync", "--adopt")
    pkgrel("repo", "verify")
    pkgrel("publish", package(tmp_path, version="2.0.0"))
    assert head.read(store(tmp_path)).head.time <= time.time()


def test_an_index_that_expires(tmp_path: Path) -> None:
    """doctor says so before it happens, and any `sync` ends it."""
    pkgrel = Shell(tmp_path)
    repositories.make(store(tmp_path), url="", valid_days=7)
    publish_at(tmp_path, -5 * DAY, package(tmp_path))
    pkgrel("repo", "verify")
    out, _ = pkgrel("repo", "doctor")
    assert "dates: warning: apt refuses what is here in 48 hours: run `pkgrel repo sync" in out
    publish_at(tmp_path, -10 * DAY, package(tmp_path, revision="1~debian13"))
    expired = "apt/dists/trixie/Release has expired 3 days ago, so that apt refuses it"
    assert expired in pkgrel("repo", "doctor", status=1)[0]
    assert expired.replace(" has", ": has") in pkgrel("repo", "verify", status=1)[0]
    with pytest.raises(AssertionError, match="expired"):
        update(tmp_path / "repo", tmp_path, "trixie", "stable")
    pkgrel("repo", "sync")
    update(tmp_path / "repo", tmp_path, "trixie", "stable")
    assert "dates: ok" in pkgrel("repo", "doctor")[0]
    pkgrel("repo", "set", "--valid-days", "0")
    assert "dates: warning: indices are valid for ever" in pkgrel("repo", "doctor")[0]


def test_a_public_url_without_encryption(tmp_path: Path) -> None:
    pkgrel = Shell(tmp_path)
    plain, warning = "http://packages.example.org", "warning: the public URL `http://packages.exam"
    assert warning in pkgrel("repo", "init", "--url", plain)[1]
    assert "warning" not in pkgrel("repo", "set", "--url", "https://packages.example.org")[1]
    assert "warning" not in pkgrel("repo", "set", "--url", "http://[::1]:9")[1]
    assert warning in pkgrel("repo", "set", "--url", plain)[1]
    assert "warning" not in pkgrel("repo", "set", "--description", "x")[1]
    assert f"https: {warning}" in pkgrel("repo", "doctor")[0]
