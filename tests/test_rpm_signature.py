"""Signed packages against rpm of three generations, and against readers that nobody here wrote."""

import io
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rpm_rs
import rpmfile

from pkgrel import artifact, signing
from pkgrel import rpm_header as header
from pkgrel.errors import PackageError, SigningError
from pkgrel.rpm_tags import Type
from pkgrel.signing import rpm as rpm_signing
from tests import openpgp_keys, rpm_decoder, suite_root
from tests.openpgp_keys import secret
from tests.packages import by_rpmbuild, sample, saved
from tests.tools import run

KEYS = ["rsa", "ed25519", "subkey", "exported-subkey"]
"""Those that rpm 4.18's own OpenPGP reads."""
ALL = ("--define", "_pkgverify_level all")
"""A signature must be there."""
LEAD = 96
RESERVEDSPACE = 1008


def key_of(name: str) -> signing.Signer:
    return signing.signer(secret(name))


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> dict[str, Path]:
    """Ours, rpmbuild's, one without room for a signature, as nfpm's, and rpm-rs's in two formats."""
    folder = tmp_path_factory.mktemp("packages")
    own = saved(sample("rpm"), folder)
    bare = folder / "bare.rpm"
    bare.write_bytes(without_room(own.read_bytes()))
    found = {"own": own, "rpmbuild": by_rpmbuild(folder), "bare": bare}
    for format in (rpm_rs.RpmFormat.V4, rpm_rs.RpmFormat.V6):
        builder = rpm_rs.PackageBuilder("other", "1", "MIT", "noarch", "Made by somebody else")
        builder.using_config(rpm_rs.BuildConfig(format=format))
        builder.with_file_contents(b"other\n", rpm_rs.FileOptions.new("/usr/share/other"))
        file = folder / f"rpm-rs-{format}.rpm".lower().replace("rpmformat.", "")
        builder.build().write_file(str(file))
        found[file.stem] = file
    return found


def without_room(data: bytes) -> bytes:
    """The package as a writer leaves it that does not think of signatures."""
    raw, tags = header.read(io.BytesIO(data[LEAD:]), "signature header")
    encoded = header.encode({tag: tags[tag] for tag in tags if tag != RESERVEDSPACE}, 62)
    return data[:LEAD] + encoded + bytes(-len(encoded) % 8) + data[LEAD + padded(len(raw)) :]


def padded(size: int) -> int:
    return size + -size % 8


def signature_header(file: Path) -> tuple[dict[int, tuple[int, list]], bytes]:
    """Its tags, strictly read, and everything behind it."""
    data = file.read_bytes()[LEAD:]
    tags, end = rpm_decoder.header(data, 62)
    return tags, data[padded(end) :]


@pytest.fixture
def rpmkeys(tmp_path):
    """Run rpmkeys with a database of the named keys only."""

    def keys(*words: str | Path, known: tuple[str, ...] = ()) -> str:
        database = tmp_path / "-".join(("rpmdb", *known))
        for name in known if not database.exists() else ():
            file = tmp_path / f"{name}.pub"
            file.write_bytes(key_of(name).public_key)
            run("rpmkeys", "--dbpath", database, "--import", file)
        command = ["rpmkeys", "--dbpath", database, *words]
        return subprocess.run(command, capture_output=True, text=True).stdout

    return keys


@pytest.mark.parametrize("kind", ["own", "rpmbuild", "bare", "rpm-rs-v4"])
@pytest.mark.parametrize("name", KEYS)
def test_rpm_verifies_the_signature(packages, tmp_path, rpmkeys, kind, name):
    signed = tmp_path / "signed.rpm"
    assert rpm_signing.sign(packages[kind], key_of(name), signed)
    said = rpmkeys("-Kv", signed, known=(name,)).splitlines()[1:]
    algorithm = "EdDSA" if name == "ed25519" else "RSA"
    assert said[0].startswith(f"    Header V4 {algorithm}/SHA512 Signature, key ID ")
    assert all(line.endswith(": OK") for line in said), said
    assert rpmkeys(*ALL, "-K", signed, known=(name,)).endswith(": digests signatures OK\n")
    assert "SIGNATURES NOT OK" in rpmkeys(*ALL, "-K", signed)
    assert "NOT OK" in rpmkeys(*ALL, "-K", packages[kind], known=(name,))


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_newer_rpms_verify_it_too(packages, tmp_path, suite):
    """rpm 4.20 and 6.1, which read ECDSA as well and, the latter, packages of format 6."""
    script = "cd /srv\n"
    expected = 0
    for name in [*KEYS, "p256"]:
        (tmp_path / f"{name}.pub").write_bytes(key_of(name).public_key)
        script += f"rpmkeys --dbpath /tmp/{name} --import {name}.pub\n"
        for kind, file in packages.items():
            if kind == "rpm-rs-v6" and suite == "trixie":
                continue
            rpm_signing.sign(file, key_of(name), tmp_path / f"{kind}-{name}.rpm")
            script += f"rpmkeys --dbpath /tmp/{name} --define '_pkgverify_level all' -K {kind}-{name}.rpm\n"
            expected += 1
    said = suite_root.ok(suite, script, tmp_path)
    assert said.count(": digests signatures OK\n") == expected


@pytest.mark.parametrize("kind", ["own", "rpmbuild", "bare", "rpm-rs-v4", "rpm-rs-v6"])
def test_only_the_signature_header_changes(packages, tmp_path, kind):
    plain, signed = packages[kind], tmp_path / "signed.rpm"
    rpm_signing.sign(plain, key_of("rsa"), signed)
    assert signed.read_bytes()[:LEAD] == plain.read_bytes()[:LEAD]
    before, rest = signature_header(plain)
    after, rest_after = signature_header(signed)
    assert rest_after == rest
    # Where there is room for it, nothing moves.
    room = {999, RESERVEDSPACE} & set(before)
    assert (signed.stat().st_size == plain.stat().st_size) is bool(room)
    added = 278 if kind == "rpm-rs-v6" else 268
    assert set(after) == set(before) | {added}
    assert all(after[tag] == before[tag] for tag in set(before) - room)
    assert stat.S_IMODE(signed.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("name", ["rsa", "ed25519"])
def test_rpmsign_writes_the_same_tags(packages, tmp_path, name):
    ours, theirs = tmp_path / "ours.rpm", tmp_path / "theirs.rpm"
    rpm_signing.sign(packages["rpmbuild"], key_of(name), ours)
    shutil.copy(packages["rpmbuild"], theirs)
    with openpgp_keys.gpg_home() as home:
        run(
            "rpmsign",
            *("--define", f"_gpg_path {home}", "--define", f"_gpg_name {name}@example.org"),
            *("--define", f"__gpg {shutil.which('gpg')}", "--addsign"),
            theirs,
        )
    (mine, behind), (rpms, behind_rpms) = signature_header(ours), signature_header(theirs)
    assert behind == behind_rpms
    assert {tag: kind for tag, (kind, _) in mine.items()} == {
        tag: kind for tag, (kind, _) in rpms.items()
    }
    assert ours.stat().st_size == theirs.stat().st_size
    signed = 267 if name == "ed25519" else 268
    assert all(mine[tag] == rpms[tag] for tag in set(mine) - {signed, RESERVEDSPACE})


@pytest.mark.parametrize("kind", ["own", "bare", "rpm-rs-v6"])
def test_other_readers_agree(packages, tmp_path, kind):
    signed, key = tmp_path / "signed.rpm", key_of("rsa")
    rpm_signing.sign(packages[kind], key, signed)
    package = rpm_rs.Package.open(str(signed))
    public = tmp_path / "key.pub"
    public.write_bytes(key.public_key)
    report = package.check_signatures(rpm_rs.Verifier.from_file(str(public)))
    assert report.is_ok()
    assert [check.info.fingerprint.upper() for check in report.signatures] == [*key.fingerprints]
    with rpmfile.open(signed) as read:
        assert read.headers["name"] in (b"demo", b"other")
    before, after = artifact.read(packages[kind]), artifact.read(signed)
    assert after.signatures == (("header OpenPGP",) if kind == "rpm-rs-v6" else ("header RSA",))
    assert after.content_sha256 == before.content_sha256
    assert after.entries == before.entries
    assert artifact.resigned(before, signed).sha256 == after.sha256
    with pytest.raises(PackageError):
        artifact.resigned(before, packages["rpmbuild"])


def test_verification(packages, tmp_path):
    key, other = key_of("subkey"), key_of("ed25519")
    for kind in ("own", "rpm-rs-v6"):
        signed = tmp_path / "signed.rpm"
        rpm_signing.sign(packages[kind], key, signed)
        with signed.open("rb") as source:
            both = other.public_key + key.public_key
            assert rpm_signing.verify(source, both) == key.fingerprints[0]
        with signed.open("rb") as source, pytest.raises(SigningError, match="not good"):
            rpm_signing.verify(source, other.public_key)
        with packages[kind].open("rb") as source, pytest.raises(SigningError, match="not signed"):
            rpm_signing.verify(source, both)
        data = signed.read_bytes().replace(b"noarch", b"noarcH").replace(b"x86_64", b"x86_65")
        with pytest.raises(SigningError, match="not good"):
            rpm_signing.verify(io.BytesIO(data), both)


def test_what_is_signed_already(packages, tmp_path, rpmkeys):
    file, old, new = tmp_path / "file.rpm", key_of("rsa"), key_of("ed25519")
    shutil.copy(packages["own"], file)
    assert rpm_signing.sign(file, old, file)
    once = file.read_bytes()
    assert not rpm_signing.sign(file, old, file)
    assert not rpm_signing.sign(file, new, file, keep=True)
    # Of several keys the first one signs, so that clients who know only that one are content.
    assert not rpm_signing.sign(file, signing.combine(old, new), file)
    assert file.read_bytes() == once
    by_new = tmp_path / "by-new.rpm"
    rpm_signing.sign(file, new, by_new)
    assert rpm_signing.sign(by_new, signing.combine(old, new), by_new)
    elsewhere = tmp_path / "elsewhere.rpm"
    assert not rpm_signing.sign(file, old, elsewhere)
    assert elsewhere.read_bytes() == once
    assert rpm_signing.sign(file, new, file)
    assert 268 not in signature_header(file)[0]
    assert rpmkeys(*ALL, "-K", file, known=("ed25519",)).endswith(": digests signatures OK\n")
    assert len(file.read_bytes()) == len(once)
    # A signature that is not good any more is no reason to leave the package alone.
    spoilt = bytearray(once)
    spoilt[once.index(b"salt@notations") + 80] ^= 1
    file.write_bytes(spoilt)
    assert rpm_signing.sign(file, old, file)


def test_signatures_of_rpm_3_go_away(packages, tmp_path, rpmkeys):
    """1005 is a signature of header and payload; nobody can make one without the whole package."""
    raw, tags = header.read(io.BytesIO(packages["own"].read_bytes()[LEAD:]), "signature header")
    old = header.encode({**tags, 1005: header.Value(Type.BIN, 3, b"old")}, 62)
    file = tmp_path / "old.rpm"
    data = packages["own"].read_bytes()
    file.write_bytes(data[:LEAD] + old + bytes(-len(old) % 8) + data[LEAD + padded(len(raw)) :])
    rpm_signing.sign(file, key_of("rsa"), file)
    assert 1005 not in signature_header(file)[0]
    assert rpmkeys(*ALL, "-K", file, known=("rsa",)).endswith(": digests signatures OK\n")


def test_gpg_signs_packages(packages, tmp_path, rpmkeys, monkeypatch):
    with openpgp_keys.gpg_home() as home:
        monkeypatch.setenv("GNUPGHOME", str(home))
        key = signing.signer(gpg_key="rsa@example.org")
        rpm_signing.sign(packages["own"], key, tmp_path / "signed.rpm")
    said = rpmkeys(*ALL, "-K", tmp_path / "signed.rpm", known=("rsa",))
    assert said.endswith(": digests signatures OK\n")


def test_a_changed_package_is_found_out(packages, tmp_path, rpmkeys):
    signed = tmp_path / "signed.rpm"
    rpm_signing.sign(packages["own"], key_of("rsa"), signed)
    data = bytearray(signed.read_bytes())
    for position in (data.index(b"A demonstration"), len(data) - 200):
        changed = bytearray(data)
        changed[position] ^= 1
        signed.write_bytes(changed)
        assert "NOT OK" in rpmkeys(*ALL, "-K", signed, known=("rsa",))
        # Nor would we make it look sound.
        with pytest.raises(PackageError, match=r"signed\.rpm: damaged: the .* is wrong"):
            rpm_signing.sign(signed, key_of("ed25519"), signed)
        assert signed.read_bytes() == changed


@pytest.mark.parametrize("size", [0, 3, 50, 96, 100, 2000, 4400, 5000])
def test_a_truncated_package_is_refused(packages, tmp_path, size):
    file = tmp_path / "short.rpm"
    file.write_bytes(packages["own"].read_bytes()[:size])
    with pytest.raises(PackageError) as error:
        rpm_signing.sign(file, key_of("rsa"), tmp_path / "out.rpm")
    assert str(error.value).startswith(f"{file}: ")
    assert list(tmp_path.iterdir()) == [file]


def pkgrel(*words: str | Path, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pkgrel", "sign", *map(str, words)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **env},
    )


def test_command(packages, tmp_path, rpmkeys):
    file, folder = tmp_path / "file.rpm", tmp_path / "signed"
    shutil.copy(packages["own"], file)
    done = pkgrel(file, "-o", folder, "--signing-key", secret("rsa"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / 'file.rpm'}\n", "")
    assert "signatures OK" in rpmkeys(*ALL, "-K", folder / "file.rpm", known=("rsa",))
    assert file.read_bytes() == packages["own"].read_bytes()
    deb = tmp_path / "real.deb"
    deb.write_bytes(b"!<arch>\n")
    done = pkgrel(deb, file, "-o", folder, "--signing-key", secret("rsa"))
    assert (done.returncode, done.stdout) == (0, f"{folder / 'file.rpm'}\n")
    assert done.stderr.startswith(f"warning: {deb}: left alone: apt trusts ")
    text = Path(secret("locked")).read_text()
    locked = {"PKGREL_SIGNING_KEY": text, "PKGREL_SIGNING_PASSPHRASE": openpgp_keys.PASSPHRASE}
    done = pkgrel(file, "--json", **locked)
    assert json.loads(done.stdout) == [{"path": str(file), "signed": True}]
    assert json.loads(pkgrel(file, "--json", **locked).stdout)[0]["signed"] is False
    assert sorted(tmp_path.iterdir()) == sorted([file, folder, *tmp_path.glob("r*")])


def test_command_complains(packages, tmp_path):
    file, deb = tmp_path / "file.rpm", tmp_path / "demo.deb"
    shutil.copy(packages["own"], file)
    deb.write_bytes(b"!<arch>\n")
    for words, message in (
        ([file], "there is no key to sign with"),
        ([file, "--signing-key", secret("expired")], " expired on 2020-12-31"),
        ([deb, "--signing-key", secret("rsa")], "no .rpm is among the packages"),
        ([secret("rsa"), "--signing-key", secret("rsa")], "is not a .rpm package"),
    ):
        done = pkgrel(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert " hint: " in done.stderr
    assert file.read_bytes() == packages["own"].read_bytes()
