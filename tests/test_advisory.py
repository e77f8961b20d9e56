"""`pkgrel publish --advisory`: what createrepo_c's library reads of it."""

from pathlib import Path
from xml.etree import ElementTree

import createrepo_c
import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main
from tests import repositories
from tests.packages import package

REPO = "{http://linux.duke.edu/metadata/repo}"
EL9 = "rpm/el9/x86_64"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repo"


def pkgrel(*words: object, status: int = 0) -> Result:
    environment = {"PKGREL_SIGNING_KEY": repositories.key()}
    done = CliRunner().invoke(main, [str(word) for word in words], env=environment)
    assert done.exit_code == status, done.output
    return done


def rpm(folder: Path, version: str = "1.0.0") -> Path:
    return package(folder, version=version, revision="1.el9")


def updates(root: Path, channel: str = "stable") -> list[createrepo_c.UpdateRecord]:
    """What the repository says of updates, nothing if it says nothing."""
    target = root / EL9 / channel
    repomd = ElementTree.parse(target / "repodata/repomd.xml")
    for data in repomd.iter(f"{REPO}data"):
        if data.attrib["type"] == "updateinfo":
            packed = target / data.find(f"{REPO}location").attrib["href"]
            return createrepo_c.UpdateInfo(str(packed)).updates
    return []


def test_an_advisory_says_what_it_fixes(root: Path, tmp_path: Path) -> None:
    address = "https://example.org/issues/7"
    options = ("--advisory", "security", "--fixes", "CVE-2026-12345", "--fixes", address)
    pkgrel("publish", rpm(tmp_path), *options, "--to", root)
    pkgrel("publish", rpm(tmp_path, "1.1.0"), "--to", root)
    (update,) = updates(root)
    assert (update.id, update.type, update.status) == ("hello-1.0.0-1.el9", "security", "stable")
    references = [(one.type, one.id, one.href) for one in update.references]
    assert references == [
        ("cve", "CVE-2026-12345", "https://www.cve.org/CVERecord?id=CVE-2026-12345"),
        ("other", "7", address),
    ]
    ((one,),) = (collection.packages for collection in update.collections)
    about = (one.name, one.epoch, one.version, one.release, one.arch, one.filename)
    assert about == ("hello", "0", "1.0.0", "1.el9", "x86_64", "hello-1.0.0-1.el9.x86_64.rpm")
    assert update.issued_date is not None


def test_nothing_is_said_without_an_advisory(root: Path, tmp_path: Path) -> None:
    pkgrel("publish", rpm(tmp_path), "--to", root)
    assert updates(root) == []


def test_a_published_package_gets_an_advisory_later(root: Path, tmp_path: Path) -> None:
    file = rpm(tmp_path)
    pkgrel("publish", file, "--to", root)
    before = set(root.rglob("*.rpm"))
    late = ("publish", file, "--advisory", "bugfix", "--to", root)
    assert pkgrel(*late, "--dry-run").stdout.count("hello 1.0.0") == 2
    assert updates(root) == []
    pkgrel(*late)
    assert [update.type for update in updates(root)] == ["bugfix"]
    assert pkgrel(*late).stdout == ""
    assert pkgrel("publish", file, "--to", root).stdout == ""  # which takes none away
    assert set(root.rglob("*.rpm")) == before
    pkgrel("repo", "verify", root)


def test_an_advisory_goes_along_and_goes(root: Path, tmp_path: Path) -> None:
    options = ("--advisory", "security", "--channel", "testing", "--to", root)
    pkgrel("publish", rpm(tmp_path), *options)
    pkgrel("repo", "promote", root, "hello", "1.0.0", "--from", "testing", "--to", "stable")
    assert [update.id for update in updates(root)] == ["hello-1.0.0-1.el9"]
    pkgrel("repo", "remove", root, "hello", "1.0.0", "--channel", "stable")
    assert updates(root) == []
    assert len(updates(root, "testing")) == 1


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--advisory", "urgent"), 2, "`urgent` is not one of"),
        (("--fixes", "CVE-2026-12345"), 2, "--fixes needs --advisory"),
        (("--advisory", "bugfix", "--fixes", "CVE-26"), 1, "`CVE-26` is neither"),
        (("--advisory", "bugfix", "--fixes", "CVE-2026-\uff11\uff12\uff13\uff14"), 1, "is neither"),
        (("--advisory", "bugfix", "--fixes", "https://e.org/\x01"), 1, "is neither"),
    ],
)
def test_what_is_no_advisory(
    root: Path, tmp_path: Path, options: tuple[str, ...], status: int, message: str
) -> None:
    done = pkgrel("publish", rpm(tmp_path), *options, "--to", root, status=status)
    assert message in done.stderr
    assert not root.exists()


def test_debian_packages_have_none(root: Path, tmp_path: Path) -> None:
    done = pkgrel("publish", package(tmp_path), "--advisory", "security", "--to", root)
    assert "warning: --advisory: apt knows no advisories" in done.stderr
    assert pkgrel("publish", package(tmp_path), "--to", root).stdout == ""
