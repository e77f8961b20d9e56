"""Indices against apt-ftparchive, dpkg's order of versions, and apt of four suites."""

import functools
import gzip
import hashlib
import http.server
import itertools
import lzma
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from debian.deb822 import Deb822, Packages, Release

from pkgrel import artifact, signing
from pkgrel.artifact import Artifact
from pkgrel.errors import PackageError
from pkgrel.package import Version
from pkgrel.repository.apt import indices, packages
from pkgrel.repository.apt.packages import version_key
from pkgrel.repository.record import Record
from tests import repositories, suite_root
from tests.openpgp_keys import secret
from tests.packages import CONTROL, by_dpkg_deb
from tests.tools import need, run

SUITE = "example"
NOW = 1_795_000_000
INFO = indices.ReleaseInfo(
    origin="Example",
    label="Example",
    suite=SUITE,
    codename=SUITE,
    components=("stable", "testing"),
    architectures=("amd64", "arm64"),
    date=NOW,
    generation=7,
)
ODD_CONTROL = """\
package: odd
VERSION: 1:2.0+dfsg-1~rc1
Architecture: all
Maintainer: Ünal Öz <uenal@example.org>
Installed-Size: 12
Description: first line: with colon
 .
  indented
 # no comment
X-Odd-Field:   spaces around  \t
Depends: libc6,
 other
Tag: role::program, x::y
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Artifact:
    return artifact.read(by_dpkg_deb(tmp_path_factory.mktemp("demo"), "xz"))


def packed(folder: Path, control: str, name: str = "odd") -> Path:
    """A package with this control file, whatever dpkg-deb would say about it."""
    from tests.test_artifact_hostile import ar, tar

    file = folder / f"{name}.deb"
    file.write_bytes(
        ar(
            ("debian-binary", b"2.0\n"),
            ("control.tar", tar(("./control", control.encode()))),
            ("data.tar", tar(("./usr/share/odd/file", b"odd\n"))),
        )
    )
    return file


def recorded(package: Artifact) -> Record:
    return packages.make_record(package, packages.pool_key(package, SUITE), NOW)


@pytest.mark.parametrize(
    ("name", "version", "key"),
    [
        (
            "hello",
            Version(upstream="1.0.0", revision="1~debian12"),
            "h/hello/hello_1.0.0-1~debian12",
        ),
        ("libfoo", Version(upstream="1.0", revision="2"), "libf/libfoo/libfoo_1.0-2"),
        ("lib", Version(upstream="1", revision=""), "lib/lib/lib_1"),
        ("0ad", Version(epoch=3, upstream="1.2+git5", revision="1"), "0/0ad/0ad_1.2+git5-1"),
    ],
)
def test_place_in_the_pool(demo, name, version, key):
    package = replace(demo, name=name, version=version, architecture="amd64")
    assert packages.pool_key(package, "bookworm") == f"apt/pool/bookworm/{key}_amd64.deb"


def reference(folder: Path) -> str:
    """Packages of a folder, by apt-ftparchive."""
    need("apt-ftparchive")
    options = ["-o", "APT::FTPArchive::AlwaysStat=true"]
    return run("sh", "-c", f"cd {folder} && apt-ftparchive {' '.join(options)} packages .")


DIFFERENCES = {
    "MD5sum": "no apt since 1.4 trusts it, and FIPS hosts cannot make it",
    "SHA1": "no apt since 1.4 trusts it",
    "SHA512": "apt is content with SHA256, and every package would cost 130 bytes more",
    "Filename": "ours is relative to the root of the repository, as apt wants it",
}


@pytest.mark.parametrize("control", [CONTROL, ODD_CONTROL])
def test_packages_says_what_apt_ftparchive_says(tmp_path, control):
    if control == ODD_CONTROL:
        packed(tmp_path, control)
    else:
        by_dpkg_deb(tmp_path, control=control)
    (file,) = tmp_path.glob("*.deb")
    (theirs,) = Packages.iter_paragraphs(reference(tmp_path), use_apt_pkg=False)
    index = indices.packages_index([recorded(artifact.read(file))])
    (ours,) = Packages.iter_paragraphs(index, use_apt_pkg=False)
    for name in {*theirs, *ours} - set(DIFFERENCES):
        assert words(ours[name]) == words(theirs[name]), name
    assert ours["Filename"].startswith(f"pool/{SUITE}/")
    assert index.endswith(b"\n\n")


def words(value: str) -> list[str]:
    """apt-ftparchive joins lines of relations, and nobody minds blanks at an end."""
    return value.split()


def test_fields_keep_their_order_and_text(demo):
    ours = Deb822(indices.packages_index([recorded(demo)]))
    control = Deb822(CONTROL)
    assert list(ours)[: len(control)] == list(control)
    assert ours["Description"] == control["Description"]
    assert list(ours)[len(control) :] == ["Size", "SHA256", "Filename"]


def test_a_control_file_cannot_lie_about_the_index(tmp_path):
    """Nor begin a second paragraph."""
    lies = "Filename: /etc/passwd\nsize: 1\nSHA256: 0\nMD5Sum: 0\nDescription-MD5: 0\n"
    file = packed(tmp_path, f"Package: x\nVersion: 1\nArchitecture: all\n{lies}")
    package = artifact.read(file)
    paragraphs = list(
        Deb822.iter_paragraphs(indices.packages_index([recorded(package)]), use_apt_pkg=False)
    )
    assert [dict(p) for p in paragraphs] == [
        {
            "Package": "x",
            "Version": "1",
            "Architecture": "all",
            "Size": str(file.stat().st_size),
            "SHA256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "Filename": f"pool/{SUITE}/x/x/x_1_all.deb",
        }
    ]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("Depends: bash, glibc >= 2.3", "glibc >= 2.3"),
        ("Depends: a, , b", "a, , b"),
        ("Recommends: a |", "a |"),
        ("Pre-Depends: a (>= )", "a (>= )"),
        ("Conflicts: a (>= 1) [amd64]", "a (>= 1) [amd64]"),
        ("Provides: a b", "a b"),
        ("Depends: (a or b)", "(a or b)"),
        ("Depends: ${misc:Depends}", "${misc:Depends}"),
    ],
)
def test_what_would_break_apt_for_everybody_is_refused(tmp_path, field, wrong):
    text = f"Package: x\nVersion: 1\nArchitecture: all\n{field}\n"
    with pytest.raises(PackageError, match="apt the whole repository") as error:
        artifact.read(packed(tmp_path, text))
    assert f"`{wrong}`" in str(error.value)
    assert error.value.hint


GOOD_RELATIONS = "a, b:any (>= 1:2~x-3) | c(=1), d.e+f-g ( << 2 ),\n h (> 3)"


def test_what_apt_reads_is_not(tmp_path):
    text = f"Package: x\nVersion: 1\nArchitecture: all\nDepends: {GOOD_RELATIONS}\n"
    assert packages.pool_key(artifact.read(packed(tmp_path, text)), SUITE)


@pytest.mark.parametrize(
    "fields", [{"name": "../x"}, {"name": "a/b"}, {"architecture": "../amd64"}]
)
def test_no_name_leads_out_of_the_pool(demo, fields):
    with pytest.raises(PackageError, match="of a package"):
        packages.pool_key(replace(demo, **fields), SUITE)


VERSIONS = """
1 1.0 1.0-1 1.0-1~rc1 1.0~rc1-1 1.0~~ 1.0~ 1.0+git5 1.0+git10 1.0.1 1.0a 1.0a1 1.00 01.0 0:1.0 1:0.1
1.0-1+b1 1.0-1.1 1.0-1-2 1.0-1~debian12 1.0-1~debian13 1.0-10 1.0-9 10.0 9.0 1.0.~1 1.0~a 1.0~1 1.0.a
1.0+ 1.0- 4.3.5a 4.3.5-rc1-1 2:0 10:0 1.0:1 1.0a~ 1.0~+ 2023.01.02 20230102 1.0-0 1.0-0.0 1.0-a 1.0-~
""".split()


def test_versions_are_in_dpkg_s_order():
    need("dpkg")
    chance = random.Random(3)
    sample = [v for v in VERSIONS if not v.endswith("-") and v != "1.0:1"]
    pairs = chance.sample(list(itertools.combinations(sample, 2)), 250)
    script = "\n".join(
        f"dpkg --compare-versions '{a}' lt '{b}' && echo lt || "
        f"{{ dpkg --compare-versions '{a}' eq '{b}' && echo eq || echo gt; }}"
        for a, b in pairs
    )
    said = run("sh", "-c", script).split()
    for (a, b), expected in zip(pairs, said, strict=True):
        one, other = version_key(a), version_key(b)
        assert ("lt" if one < other else "gt" if one > other else "eq") == expected, (a, b)


def test_the_newest_version_comes_first_whatever_the_order_was(demo):
    records = [
        replace(
            recorded(demo),
            name=name,
            version=version,
            index=(f"Package: {name}\n",),
            path=f"apt/{name}_{version}",
        )
        for name in ("b", "a")
        for version in ("1.9-1", "1:0.1-1", "1.10~rc1-1", "1.10-1")
    ]
    index = indices.packages_index(records)
    names = [p["Filename"] for p in Deb822.iter_paragraphs(index, use_apt_pkg=False)]
    newest_first = ["1:0.1-1", "1.10-1", "1.10~rc1-1", "1.9-1"]
    assert names == [f"{name}_{version}" for name in "ab" for version in newest_first]
    assert indices.packages_index(records[::-1]) == index


def test_contents_is_that_of_apt_ftparchive(tmp_path, demo):
    need("apt-ftparchive")
    other = packed(tmp_path, "Package: odd\nVersion: 1\nArchitecture: all\n")
    shutil.copy(demo.file, tmp_path)
    theirs = run("apt-ftparchive", "contents", tmp_path)
    records = [recorded(demo), recorded(artifact.read(other))]
    ours = indices.contents_index([*records, replace(records[0], version="1")]).decode()
    # The section before the name is optional; Debian's own Contents have it.
    without = ours.replace("net/demo", "demo")
    assert list(map(str.split, without.splitlines())) == list(map(str.split, theirs.splitlines()))
    both = replace(records[1], name="even", contents=records[0].contents)
    assert (
        "usr/bin/demo" + " " * 49 + "even,net/demo\n"
        in indices.contents_index([records[0], both]).decode()
    )


def test_compressed_forms(demo):
    index = indices.packages_index([recorded(demo)] * 5000)
    forms = repositories.compressed(index)
    assert list(forms) == ["", ".gz", ".xz"]
    assert forms[""] == gzip.decompress(forms[".gz"]) == lzma.decompress(forms[".xz"]) == index
    assert repositories.compressed(index) == forms
    for data, tool in ((forms[".gz"], "gzip"), (forms[".xz"], "xz")):
        done = subprocess.run([tool, "-dc"], input=data, capture_output=True, check=True)
        assert done.stdout == index
    empty = repositories.compressed(b"")
    assert gzip.decompress(empty[".gz"]) == lzma.decompress(empty[".xz"]) == b""


def test_release_says_what_apt_ftparchive_says(tmp_path):
    need("apt-ftparchive")
    files = {
        "stable/binary-amd64/Packages": b"Package: x\n",
        "stable/binary-amd64/Packages.gz": gzip.compress(b"Package: x\n"),
        "stable/binary-arm64/Packages": b"",
        "stable/Contents-amd64.gz": gzip.compress(b""),
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    info = replace(INFO, description="An example", not_automatic=True, but_automatic_upgrades=True)
    options = {
        "Origin": info.origin,
        "Label": info.label,
        "Suite": SUITE,
        "Codename": SUITE,
        "Architectures": "amd64 arm64",
        "Components": "stable testing",
        "Description": "An example",
        "NotAutomatic": "yes",
        "ButAutomaticUpgrades": "yes",
        "Acquire-By-Hash": "yes",
        "MD5": "false",
        "SHA1": "false",
        "SHA512": "false",
    }
    words = [w for k, v in options.items() for w in ("-o", f"APT::FTPArchive::Release::{k}={v}")]
    theirs = Release(run("apt-ftparchive", *words, "release", tmp_path))
    hashed = {
        name: indices.Hashed(len(d), hashlib.sha256(d).hexdigest()) for name, d in files.items()
    }
    text = indices.release_file(info, files)
    assert text == indices.release_file(info, hashed)
    ours = Release(text)
    assert set(ours) - set(theirs) == {"X-Pkgrel-Generation"}
    assert set(theirs) == set(ours) - {"X-Pkgrel-Generation"}
    for name in set(theirs) - {"Date", "SHA256"}:
        assert ours[name] == theirs[name], name
    assert sorted(map(dict, ours["SHA256"]), key=str) == sorted(
        map(dict, theirs["SHA256"]), key=str
    )
    moment = run("date", "-u", "-d", f"@{NOW}", "+%a, %d %b %Y %H:%M:%S UTC").strip()
    assert ours["Date"] == moment


def test_release_in_plain_text():
    text = indices.release_file(
        replace(
            INFO, origin="An  Example\nSuite: lie", valid_until=NOW + 86400, signed_by=("AB", "CD")
        ),
        {"stable/binary-amd64/Packages": b""},
    ).decode()
    assert "Origin: An Example Suite: lie\n" in text
    assert "Valid-Until: Thu, 19 Nov 2026 " in text
    assert "Signed-By: AB, CD\n" in text
    assert "Acquire-By-Hash: yes\n" in text
    assert text.endswith("stable/binary-amd64/Packages\n")
    assert not any(line != line.rstrip() for line in text.split("\n"))
    assert "NotAutomatic" not in text
    release = text.encode()
    assert indices.generation(release) == 7
    assert indices.generation(signing.signer(secret("rsa")).clear(release)) == 7
    assert indices.generation(b"Origin: Somebody\n") is None


# --- apt itself ---------------------------------------------------------------------------------


@dataclass
class Repository:
    """A published tree, over HTTP, and what was asked of it."""

    root: Path
    url: str
    asked: list[str] = field(default_factory=list)

    def publish(
        self,
        records: list[Record],
        signer: signing.Signer,
        info: indices.ReleaseInfo,
        *,
        plain: bool = False,
    ) -> None:
        """InRelease and by-hash files only; the plain names are for those who know no others."""
        dists = self.root / "apt/dists" / SUITE
        shutil.rmtree(dists, ignore_errors=True)
        hashed: dict[str, bytes] = {}
        for architecture in INFO.architectures:
            wanted = [r for r in records if r.architecture in (architecture, "all")]
            name = f"stable/binary-{architecture}/Packages"
            hashed |= {
                f"{name}{suffix}": data
                for suffix, data in repositories.compressed(indices.packages_index(wanted)).items()
            }
        for name, data in hashed.items():
            path = indices.by_hash(name, hashlib.sha256(data).hexdigest())
            self._write(dists / path, data)
            if plain:
                self._write(dists / name, data)
        release = indices.release_file(replace(info, components=("stable",)), hashed)
        self._write(dists / "InRelease", signer.clear(release))
        if plain:
            self._write(dists / "Release", release)
            self._write(dists / "Release.gpg", signer.detached(release))

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@contextmanager
def served(root: Path) -> Iterator[Repository]:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Repository(root, f"http://127.0.0.1:{server.server_address[1]}", asked)
        server.shutdown()
        thread.join()


@pytest.fixture
def repository(tmp_path) -> Iterator[Repository]:
    tmp_path.chmod(0o755)
    with served(tmp_path) as repository:
        yield repository


def add(repository: Repository, package: Artifact) -> Record:
    record = recorded(package)
    target = repository.root / record.path
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(package.file, target)
    return record


def client(repository: Repository, keyring: str, script: str) -> str:
    """A script for a machine that knows only this repository."""
    return f"""
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
cat >/etc/apt/sources.list.d/example.sources <<'EOF'
Types: deb
URIs: {repository.url}/apt
Suites: {SUITE}
Components: stable
Architectures: amd64
Signed-By: {keyring}
EOF
{script}
"""


SUITES = ["bullseye", "bookworm", "trixie", "sid"]


@pytest.mark.parametrize("suite", SUITES)
def test_apt_installs_from_it(repository, demo, suite):
    """Of all indices it takes InRelease and one by its hash; it also accepts the old key alone."""
    old, new = signing.signer(secret("rsa")), signing.signer(secret("ed25519"))
    repository.publish([add(repository, demo)], signing.combine(old, new), INFO)
    for name, key in (("old", old), ("new", new)):
        (repository.root / f"{name}.asc").write_bytes(key.public_key)
    (repository.root / "both.gpg").write_bytes(signing.combine(old, new).public_key_binary)
    (repository.root / "both.asc").write_bytes(signing.combine(old, new).public_key)
    script = "".join(
        client(repository, f"/srv/{keyring}", "apt-get -q update")
        for keyring in ("old.asc", "new.asc", "both.gpg", "both.asc")
    )
    script += "apt-cache policy demo; apt-cache show demo; cd /tmp; apt-get -q download demo\n"
    script += "dpkg-deb -f demo_*.deb Version\n"
    said = suite_root.ok(suite, script, repository.root)
    assert "W:" not in said
    assert "E:" not in said
    assert f"{repository.url}/apt {SUITE}/stable amd64 Packages" in said
    assert said.endswith("2:1.4.0~rc.1-3~deb12\n")
    asked = {path for path in repository.asked if "/dists/" in path}
    xz = repositories.compressed(indices.packages_index([recorded(demo)]))[".xz"]
    place = indices.by_hash("stable/binary-amd64/Packages.xz", hashlib.sha256(xz).hexdigest())
    base = f"/apt/dists/{SUITE}"
    assert asked == {f"{base}/InRelease", f"{base}/{place}"}


def test_apt_without_by_hash_and_inrelease(repository, demo):
    signer = signing.signer(secret("rsa"))
    repository.publish([add(repository, demo)], signer, INFO, plain=True)
    (repository.root / "apt/dists" / SUITE / "InRelease").unlink()
    (repository.root / "key.asc").write_bytes(signer.public_key)
    for folder in repository.root.rglob("by-hash"):
        shutil.rmtree(folder)
    script = client(
        repository, "/srv/key.asc", "apt-get -q -o Acquire::By-Hash=no update\napt-cache show demo"
    )
    assert "Package: demo" in suite_root.ok("bookworm", script, repository.root)


def spoil(file: Path, old: bytes, new: bytes) -> None:
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new))


def a_changed_release(repository: Repository) -> None:
    spoil(repository.root / "apt/dists" / SUITE / "InRelease", b"Label: Example", b"Label: Exemple")


def a_changed_index(repository: Repository) -> None:
    for file in repository.root.glob("apt/dists/*/stable/binary-amd64/by-hash/SHA256/*"):
        file.write_bytes(file.read_bytes()[:-4] + b"0000")


def a_changed_package(repository: Repository) -> None:
    for file in repository.root.rglob("*.deb"):
        file.write_bytes(file.read_bytes()[:-4] + b"0000")


def another_key(repository: Repository) -> None:
    (repository.root / "key.asc").write_bytes(signing.signer(secret("ed25519")).public_key)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize(
    "damage", [a_changed_release, a_changed_index, a_changed_package, another_key]
)
def test_apt_refuses_what_was_changed(repository, demo, suite, damage):
    signer = signing.signer(secret("rsa"))
    repository.publish([add(repository, demo)], signer, INFO)
    (repository.root / "key.asc").write_bytes(signer.public_key)
    damage(repository)
    script = client(
        repository, "/srv/key.asc", "apt-get -q update && cd /tmp && apt-get -q download demo"
    )
    done = suite_root.shell(suite, script, repository.root)
    assert done.returncode != 0 or "The repository is not updated" in done.stdout, done.stdout


def test_apt_heeds_the_fields_of_release(repository, demo):
    """Pinned as NotAutomatic says; refused when too old."""
    signer = signing.signer(secret("rsa"))
    records = [add(repository, demo)]
    (repository.root / "key.asc").write_bytes(signer.public_key)
    quiet = replace(INFO, not_automatic=True, but_automatic_upgrades=True)
    repository.publish(records, signer, quiet)
    said = suite_root.ok(
        "bookworm",
        client(repository, "/srv/key.asc", "apt-get -q update\napt-cache policy demo"),
        repository.root,
    )
    assert " 100 " in said
    assert " 500 " not in said
    repository.publish(
        records, signer, replace(INFO, valid_until=1_600_000_000, date=1_500_000_000)
    )
    # The roots do not care, so that they can be made of an old snapshot.
    update = "apt-get -q -o Acquire::Check-Valid-Until=true update || true"
    done = suite_root.shell("bookworm", client(repository, "/srv/key.asc", update), repository.root)
    assert "is expired" in done.stdout


def test_many_records_say_nothing_twice(demo):
    """By name and version every paragraph is there once, in a channel of the usual size."""
    record = recorded(demo)
    records = [
        replace(record, name=f"app{n}", index=(f"Package: app{n}\n",)) for n in range(10_000)
    ]
    index = indices.packages_index(records)
    assert index.count(b"Package: ") == 10_000
    assert sorted(index.split(b"\n\n")) == sorted(set(index.split(b"\n\n")))
