"""Importing repositories that reprepro, aptly and createrepo_c really made, and one shaped like deb-s3's."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main
from pkgrel.errors import RepositoryError
from pkgrel.repository import imports
from pkgrel.repository.imports.web import Web
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from tests import openpgp_keys, repositories, s3_servers
from tests.packages import package
from tests.tools import need
from tests.web_server import served

RELEASE = """\
Codename: {suite}
Date: Sat, 21 Nov 2026 00:00:00 UTC
Architectures: amd64 i386
Components: main
Suite: {suite}
"""


@pytest.fixture
def ours(tmp_path: Path) -> Repository:
    """An empty repository of ours in a directory."""
    return repositories.make(Local(tmp_path / "ours"))


def bring(ours: Repository, source: object, *words: str) -> Result:
    """`pkgrel repo import`, which has to succeed."""
    result = run(ours, source, *words)
    assert result.exit_code == 0, result.output
    return result


def run(ours: Repository, source: object, *words: str) -> Result:
    command = ["repo", "import", str(source), "--to", ours.store.url, *words]
    return CliRunner().invoke(main, command, env={"PKGREL_SIGNING_KEY": repositories.key()})


def refused(ours: Repository, source: object, *words: str) -> str:
    """The one error of an import that leaves everything as it is."""
    before = ours.view().before.sha256
    result = run(ours, source, *words)
    assert (result.exit_code, ours.view().before.sha256) == (1, before), result.output
    (error,) = re.findall(r"^error: (.*)", result.stderr, re.M)
    assert "\n hint: " in result.stderr
    return error


def tool(*words: str | Path, **environment: str) -> None:
    need(str(words[0]))
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def some(folder: Path, revision: str = "1~debian12") -> list[Path]:
    """Two packages, one of them for any architecture, one of them in two versions."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        package(folder, name="alpha", revision=revision),
        package(folder, name="alpha", version="1.1.0", revision=revision),
        package(folder, name="libbeta+x", revision=revision, architecture="noarch"),
    ]


def versions(revision: str) -> set[tuple[str, str]]:
    return {
        ("alpha", f"1.0.0-{revision}"),
        ("alpha", f"1.1.0-{revision}"),
        ("libbeta+x", f"1.0.0-{revision}"),
    }


def by_reprepro(folder: Path, suites: dict[str, list[Path]]) -> Path:
    """A signed repository; a component of each suite is `main`, another `contrib`."""
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/distributions").write_text(
        "\n".join(
            f"Codename: {suite}\nComponents: main contrib\nArchitectures: amd64 arm64\n"
            "SignWith: rsa@example.org\nDebIndices: Packages Release . .gz .xz\n"
            for suite in suites
        )
    )
    with openpgp_keys.gpg_home() as home:
        for suite, files in suites.items():
            for file in files:
                component = "contrib" if "beta" in file.name else "main"
                tool("reprepro", "-b", folder, "-C", component, "includedeb", suite, file, GNUPGHOME=str(home))  # fmt: skip
    return folder


def by_createrepo(folder: Path, *options: str) -> Path:
    tool("createrepo_c", "--quiet", *options, folder)
    return folder


def by_deb_s3(folder: Path, files: list[Path], suite: str = "stable") -> Path:
    """As deb-s3 lays it out: no InRelease unless it signs, Packages and Packages.gz, three hashes."""
    folder.mkdir(exist_ok=True)
    index = ""
    for file in files:
        name = file.name.split("_")[0]
        place = Path("pool", name[0], name[:2], file.name)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / place)
        control = subprocess.run(["dpkg-deb", "--field", file], capture_output=True, text=True)
        data = file.read_bytes()
        index += control.stdout + f"Filename: {place}\nSize: {len(data)}\n"
        index += (
            f"MD5sum: {hashlib.md5(data).hexdigest()}\nSHA1: {hashlib.sha1(data).hexdigest()}\n"
        )
        index += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    lines = {"MD5Sum": hashlib.md5, "SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
    sums = {name: f"{name}:\n" for name in lines}
    for architecture, text in (("amd64", index), ("i386", "")):
        where = folder / f"dists/{suite}/main/binary-{architecture}"
        where.mkdir(parents=True)
        for name, data in (("Packages", text.encode()), ("Packages.gz", gzip.compress(text.encode()))):  # fmt: skip
            (where / name).write_bytes(data)
            for algorithm, hashed in lines.items():
                sums[algorithm] += f" {hashed(data).hexdigest()} {len(data):>16} main/binary-{architecture}/{name}\n"  # fmt: skip
    release = RELEASE.format(suite=suite) + "".join(sums.values())
    (folder / f"dists/{suite}/Release").write_text(release)
    return folder


def test_reprepro(tmp_path: Path, ours: Repository) -> None:
    """Suites become distros, components channels; signatures are verified with the key."""
    bookworm = some(tmp_path / "bookworm")[1:]
    noble = [package(tmp_path, name="gamma", revision="1~ubuntu24")]
    theirs = by_reprepro(tmp_path / "theirs", {"bookworm": bookworm, "noble": noble})
    key = openpgp_keys.folder() / "rsa.pub"
    result = bring(ours, theirs, "--public-key", str(key))
    assert (
        len(re.findall(r"^dists/\w+/InRelease: signed by [0-9A-F]{40}$", result.stderr, re.M)) == 2
    )
    assert sorted(result.stdout.splitlines()) == [
        "+ contrib debian12 libbeta+x 1.0.0-1~debian12 all",
        "+ main debian12 alpha 1.1.0-1~debian12 amd64",
        "+ main ubuntu24 gamma 1.0.0-1~ubuntu24 amd64",
    ]
    assert repositories.apt(ours.store, "bookworm", "main") == {("alpha", "1.1.0-1~debian12")}
    assert repositories.apt(ours.store, "noble", "main") == {("gamma", "1.0.0-1~ubuntu24")}
    (copy,) = (tmp_path / "ours").rglob("alpha_*.deb")
    assert copy.read_bytes() == bookworm[0].read_bytes()
    # Again: the packages are not even looked for.
    shutil.rmtree(theirs / "pool")
    assert "nothing to do" in bring(ours, theirs).stderr


def test_only_some_suites(tmp_path: Path, ours: Repository) -> None:
    theirs = by_reprepro(
        tmp_path / "theirs",
        {
            "bookworm": some(tmp_path)[:1],
            "noble": [package(tmp_path, name="gamma", revision="1~ubuntu24")],
        },
    )
    result = bring(ours, theirs, "--suite", "noble", "--channel", "testing")
    assert result.stdout == "+ testing ubuntu24 gamma 1.0.0-1~ubuntu24 amd64\n"
    assert refused(ours, theirs, "--suite", "sid").endswith("there is no suite `sid`")


def test_aptly_over_http(tmp_path: Path, ours: Repository) -> None:
    """A web server does not list its folders; names with a plus; a server that fails now and then."""
    files = some(tmp_path / "files")
    root = tmp_path / "aptly"
    (tmp_path / "aptly.conf").write_text(json.dumps({"rootDir": str(root)}))
    config = f"-config={tmp_path}/aptly.conf"
    with openpgp_keys.gpg_home() as home:
        environment = {"GNUPGHOME": str(home), "HOME": str(tmp_path)}
        tool("aptly", config, "repo", "create", "x", **environment)
        tool("aptly", config, "repo", "add", "x", *files, **environment)
        tool("aptly", config, "publish", "repo", "-batch", "-gpg-key=rsa@example.org",
             "-distribution=bookworm", "-component=main", "-architectures=amd64,arm64", "x", **environment)  # fmt: skip
    with served(root / "public", failures=2) as (url, asked):
        result = bring(ours, url, "--dry-run")
        assert "dists/bookworm/InRelease: says to be signed by" in result.stderr
        assert len(result.stdout.splitlines()) == 3
        assert not [path for path in asked if path.endswith(".deb")]
        assert ours.view().head.generation == 0
        assert len(bring(ours, url).stdout.splitlines()) == 3
        asked.clear()
        bring(ours, url)
        assert not [path for path in asked if path.endswith(".deb")]
    assert repositories.apt(ours.store, "bookworm", "main") == versions("1~debian12")


@pytest.mark.parametrize("compression", ["gz", "xz", "zstd", "bz2"])
def test_createrepo(tmp_path: Path, ours: Repository, compression: str) -> None:
    """Several repositories in one folder; a package that does not say what it is for."""
    some(tmp_path / "theirs/a", "1.el9")
    package(tmp_path / "theirs/a", name="delta", revision="2")
    some(tmp_path / "theirs/b", "1.fc44")
    for name in ("a", "b"):
        by_createrepo(tmp_path / "theirs" / name, f"--general-compress-type={compression}")
    assert "a/delta-1.0.0-2.x86_64.rpm: its revision `2`" in refused(ours, tmp_path / "theirs")
    bring(ours, tmp_path / "theirs/b")
    result = bring(ours, tmp_path / "theirs/a", "--distro", "el9", "--channel", "testing")
    assert "+ testing el9 delta 1.0.0-2 x86_64" in result.stdout
    assert repositories.dnf(ours.store, "rpm/el9/x86_64/testing") == versions("1.el9") | {
        ("delta", "1.0.0-2")
    }
    assert repositories.dnf(ours.store, "rpm/fedora44/x86_64/stable") == versions("1.fc44")


def test_createrepo_over_http_again(tmp_path: Path, ours: Repository) -> None:
    """Our copies of .rpm files are signed, and still known for the same."""
    some(tmp_path / "theirs", "1.el9")
    with served(by_createrepo(tmp_path / "theirs")) as (url, _):
        assert len(bring(ours, url).stdout.splitlines()) == 3
        assert "nothing to do" in bring(ours, url).stderr
    assert repositories.dnf(ours.store) == versions("1.el9")


def test_deb_s3(tmp_path: Path, ours: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a bucket; its suite is called `stable`, and only its newest revision says more."""
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    files = [*some(tmp_path / "files"), package(tmp_path, name="delta", revision="2~x")]
    theirs = by_deb_s3(tmp_path / "theirs", files)
    client = s3_servers.client("moto")
    for file in theirs.rglob("*"):
        if file.is_file():
            key = f"{tmp_path.name}/{file.relative_to(theirs)}"
            client.upload_file(str(file), s3_servers.BUCKET, key)
    source = f"s3://{s3_servers.BUCKET}/{tmp_path.name}"
    words = ("--from-endpoint", s3_servers.endpoint("moto"))
    assert "its suite is `stable` and its revision `2~x`" in refused(ours, source, *words)
    result = bring(ours, source, *words, "--distro", "debian12", "--distro", "ubuntu24")
    assert "dists/stable/Release: nobody has signed it" in result.stderr
    wanted = versions("1~debian12") | {("delta", "1.0.0-2~x")}
    for suite in ("bookworm", "noble"):
        assert repositories.apt(ours.store, suite, "main") == wanted


def test_our_own(tmp_path: Path, ours: Repository) -> None:
    """Another repository of ours is one like any other."""
    other = repositories.make(Local(tmp_path / "other"), url="")
    repositories.put(other, *some(tmp_path / "files"), *some(tmp_path / "files", "1.el9"))
    public = tmp_path / "key.pub"
    public.write_bytes(repositories.signer().public_key)
    bring(ours, tmp_path / "other/apt", "--public-key", str(public))
    assert repositories.apt(ours.store) == versions("1~debian12")
    bring(ours, tmp_path / "other/rpm")
    assert repositories.dnf(ours.store) == versions("1.el9")
    assert "a repository of pkgrel's" in refused(ours, tmp_path / "other")


def _package(theirs: Path) -> None:
    (file,) = theirs.rglob("alpha_1.0.0*.deb")
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def _other_package(theirs: Path) -> None:
    """Sound, and not the one that its name and the index say, which has been adapted."""
    (file,) = theirs.rglob("alpha_1.0.0*.deb")
    (other,) = theirs.parent.rglob("files/alpha_1.1.0*.deb")
    _replace(theirs, file.read_bytes(), other.read_bytes())
    shutil.copy(other, file)


def _replace(theirs: Path, old: bytes, new: bytes) -> None:
    """In the index, what it says of one file."""

    def fit(text: str) -> str:
        for hashed in (hashlib.md5, hashlib.sha1, hashlib.sha256):
            text = text.replace(hashed(old).hexdigest(), hashed(new).hexdigest())
        return text.replace(f"Size: {len(old)}\n", f"Size: {len(new)}\n", 1)

    _index(theirs, fit)


def _index(theirs: Path, change: Callable[[str], str]) -> None:
    """Change Packages, and Release with it."""
    folder = theirs / "dists/bookworm/main/binary-amd64"
    text = (folder / "Packages").read_text()
    new = change(text)
    (folder / "Packages.gz").unlink()
    release = theirs / "dists/bookworm/Release"
    sums = release.read_text()
    for hashed in (hashlib.md5, hashlib.sha1, hashlib.sha256):
        sums = sums.replace(hashed(text.encode()).hexdigest(), hashed(new.encode()).hexdigest())
    sums = re.sub(rf"( +){len(text)} main/binary-amd64/Packages$", rf"\g<1>{len(new)} main/binary-amd64/Packages", sums, flags=re.M)  # fmt: skip
    release.write_text(sums)
    (folder / "Packages").write_text(new)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "package": (_package, "its SHA256 is not the one"),
    "another package": (_other_package, "the index says alpha 1.0.0-1~debian12 amd64"),
    "missing package": (lambda t: next(t.rglob("alpha_1.0.0*.deb")).unlink(), "is missing, and an index names it"),
    "index": (lambda t: [p.write_bytes(b"x" * p.stat().st_size) for p in t.rglob("Packages.gz")], "Packages.gz: its SHA256"),
    "short index": (lambda t: [p.write_bytes(b"") for p in t.rglob("Packages.gz")], "has 0 bytes"),
    "no index": (lambda t: [p.unlink() for p in t.rglob("Packages*")], "is missing in every form"),
    "no hashes": (lambda t: (t / "dists/bookworm/Release").write_text("Suite: x\n"), "names no indices"),
    "outside": (lambda t: _index(t, lambda s: s.replace("Filename: pool", "Filename: ../../pool")), "is outside of the repository"),
    "absolute": (lambda t: _index(t, lambda s: s.replace("Filename: pool", "Filename: /etc/passwd")), "is outside of the repository"),
    "no size": (lambda t: _index(t, lambda s: s.replace("Size:", "Sise:")), "`alpha` has no 'Size'"),
    "bad size": (lambda t: _index(t, lambda s: s.replace("Size: ", "Size: -x")), "`alpha` has no"),
    "empty": (shutil.rmtree, "there is no such directory"),
    "nothing": (lambda t: shutil.rmtree(t / "dists"), "not a repository"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_apt(tmp_path: Path, ours: Repository, name: str) -> None:
    theirs = by_deb_s3(tmp_path / "theirs", some(tmp_path / "files"), "bookworm")
    change, said = BROKEN[name]
    change(theirs)
    assert said in refused(ours, theirs)


def _primary(theirs: Path, change: Callable[[str], str]) -> None:
    """Change an uncompressed primary, and repomd.xml with it."""
    (packed,) = theirs.rglob("*primary.xml.gz")
    old, new = packed.read_bytes(), gzip.compress(change(gzip.decompress(packed.read_bytes()).decode()).encode())  # fmt: skip
    repomd = theirs / "repodata/repomd.xml"
    text = repomd.read_text().replace(hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest())  # fmt: skip
    repomd.write_text(text.replace(f"<size>{len(old)}<", f"<size>{len(new)}<"))
    packed.unlink()
    (packed.parent / f"{hashlib.sha256(new).hexdigest()}-primary.xml.gz").write_bytes(new)


BROKEN_YUM: dict[str, tuple[Callable[[Path], object], str]] = {
    "package": (lambda t: next(t.glob("alpha-1.0*.rpm")).write_bytes(b"x"), "has 1 bytes, its index says"),
    "primary": (lambda t: next(t.rglob("*primary.xml.gz")).write_bytes(b"x"), "has 1 bytes, its index says"),
    "no primary": (lambda t: next(t.rglob("*primary.xml.gz")).unlink(), "is missing, and repodata/repomd.xml names it"),
    "repomd": (lambda t: (t / "repodata/repomd.xml").write_text("<a"), "repodata/repomd.xml: is not XML"),
    "outside": (lambda t: _primary(t, lambda s: s.replace('href="', 'href="../')), "is outside of the repository"),
    "elsewhere": (lambda t: _primary(t, lambda s: s.replace("<location", '<location xml:base="http://x.example"')), "is elsewhere"),
    "checksum": (lambda t: _primary(t, lambda s: s.replace('"sha256"', '"crc"')), "has no checksum that pkgrel knows: `crc`"),
    "no size": (lambda t: _primary(t, lambda s: s.replace('package="', 'pack="')), "has no size"),
    "bomb": (lambda t: _primary(t, _bomb), "is not XML"),
}  # fmt: skip


def _bomb(text: str) -> str:
    entities = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    start = text.index("<metadata")
    return (
        f"{text[:start]}<!DOCTYPE x [{entities}]>{text[start:].replace('<name>', '<name>&k;', 1)}"
    )


@pytest.mark.parametrize("name", BROKEN_YUM)
def test_broken_yum(tmp_path: Path, ours: Repository, name: str) -> None:
    some(tmp_path / "theirs", "1.el9")
    theirs = by_createrepo(tmp_path / "theirs", "--general-compress-type=gz")
    change, said = BROKEN_YUM[name]
    change(theirs)
    assert said in refused(ours, theirs)


_ENTITIES = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY a "b">]><a>&a;</a>'
FORGED = {
    "repodata/repomd.xml": (_ENTITIES.encode("utf-16"), "declares entities, or is not in UTF-8"),
    "dists/bookworm/Release": (
        b"SHA256:\n " + b"0" * 64 + b" " + b"9" * 5000 + b" main/binary-amd64/Packages\n",
        "names no indices with their hashes",
    ),
}


def test_forged_indices(tmp_path: Path, ours: Repository) -> None:
    """Entities that a search for `<!ENTITY` does not find; a number that Python does not read."""
    for name, (data, said) in FORGED.items():
        file = tmp_path / name.partition("/")[0] / name
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        assert said in refused(ours, tmp_path / name.partition("/")[0])


def test_wrong_key(tmp_path: Path, ours: Repository) -> None:
    """With a key, its owner must have signed everything."""
    theirs = by_reprepro(tmp_path / "theirs", {"bookworm": some(tmp_path)[:1]})
    key = str(openpgp_keys.folder() / "rsa.pub")
    other = str(openpgp_keys.folder() / "ed25519.pub")
    assert "InRelease: the signature is not good" in refused(ours, theirs, "--public-key", other)
    inrelease = theirs / "dists/bookworm/InRelease"
    text = inrelease.read_text()
    inrelease.write_text(text.replace("Codename: bookworm", "Codename: noble"))
    assert "InRelease: the signature is not good" in refused(ours, theirs, "--public-key", key)
    inrelease.unlink()
    bring(ours, theirs, "--public-key", key)  # by Release.gpg
    some(tmp_path / "rpms", "1.el9")
    unsigned = by_createrepo(tmp_path / "rpms")
    assert "repomd.xml: " in refused(ours, unsigned, "--public-key", key)


def test_other_contents(tmp_path: Path, ours: Repository) -> None:
    """A version that is here already with other contents."""
    theirs = by_deb_s3(tmp_path / "theirs", some(tmp_path / "files")[:1], "bookworm")
    mine = package(tmp_path, name="alpha", text="other\n")
    repositories.put(ours, mine, channel="main")
    assert "is in main for debian12 already, with other contents" in refused(ours, theirs)
    result = bring(ours, theirs, "--replace", "--json")
    assert [p["name"] for p in json.loads(result.stdout)["added"]] == ["alpha"]


def test_a_channel_that_keeps_few_versions(tmp_path: Path) -> None:
    """Older ones are not even fetched."""
    files = [package(tmp_path, version=version) for version in ("1.0.0", "1.9.0", "1.10.0")]
    theirs = by_deb_s3(tmp_path / "theirs", files, "bookworm")
    ours = repositories.make(Local(tmp_path / "ours"), keep={"main": 1})
    dry = json.loads(bring(ours, theirs, "--dry-run", "--json").stdout)["added"]
    done = bring(ours, theirs, "--json")
    added = json.loads(done.stdout)["added"]
    assert [p["version"] for p in dry] == [p["version"] for p in added] == ["1.10.0-1~debian12"]
    assert done.stderr.count("uploaded") == 1
    assert "nothing to do" in bring(ours, theirs).stderr


def test_server_is_down(tmp_path: Path) -> None:
    with (
        served(tmp_path, failures=1000) as (url, _),
        pytest.raises(RepositoryError, match=": Service Unavailable") as error,
    ):
        imports.discover(Web(url, pause=0))
    assert error.value.hint
    with pytest.raises(RepositoryError, match="refused"):
        imports.discover(Web(url, pause=0))
