"""Statements beside packages: what a DSSE reader and gpgv make of them, and what is refused."""

import base64
import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel import artifact, signing
from pkgrel.distro import find
from pkgrel.errors import SigningError
from pkgrel.signing import statement
from pkgrel.signing.statement import Statement
from pkgrel.trial import statements
from pkgrel.trial.results import Outcome, Result, Tried
from tests.openpgp_keys import folder, secret
from tests.packages import package
from tests.tools import pkgrel

FILE = b"a package\n"
SHA256 = hashlib.sha256(FILE).hexdigest()
PUBLIC = "ed25519.pub"


def made(tmp_path: Path, kind: str = "https://example.org/tried/v1", key: str = "ed25519") -> Path:
    file = tmp_path / "hello_1.0.0_amd64.deb"
    file.write_bytes(FILE)
    about = Statement({file.name: SHA256}, kind, {"result": "PASSED"})
    signed = statement.sign(about, signing.signer(secret(key)))
    return statement.add(file, signed, lambda other: other.predicate_type == kind)


def public(name: str = PUBLIC) -> bytes:
    return (folder() / name).read_bytes()


def test_gpgv_verifies_what_dsse_says_is_signed(tmp_path: Path) -> None:
    """By the words of DSSE and in-toto alone, without pkgrel."""
    file = made(tmp_path)
    assert file.name == "hello_1.0.0_amd64.deb.intoto.jsonl"
    (line,) = file.read_text().splitlines()
    envelope = json.loads(line)
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    assert kind == "application/vnd.in-toto+json"
    assert json.loads(payload) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "hello_1.0.0_amd64.deb", "digest": {"sha256": SHA256}}],
        "predicateType": "https://example.org/tried/v1",
        "predicate": {"result": "PASSED"},
    }
    (signature,) = envelope["signatures"]
    (tmp_path / "sig").write_bytes(base64.b64decode(signature["sig"]))
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    (tmp_path / "pae").write_bytes(encoded)
    (tmp_path / "keys").write_bytes(base64_of_armor(public()))
    command = ["gpgv", "--keyring", tmp_path / "keys", tmp_path / "sig", tmp_path / "pae"]
    subprocess.run(command, check=True, capture_output=True)
    (read,) = statement.beside(tmp_path / "hello_1.0.0_amd64.deb")
    assert read.signer(public()) == signature["keyid"]
    assert read.statement.about(SHA256)


def base64_of_armor(key: bytes) -> bytes:
    done = subprocess.run(["gpg", "--dearmor"], input=key, capture_output=True, check=True)
    return done.stdout


def test_a_newer_statement_takes_the_place_of_its_kind_alone(tmp_path: Path) -> None:
    made(tmp_path)
    made(tmp_path, "https://slsa.dev/provenance/v1")
    file = made(tmp_path)
    kinds = [each.statement.predicate_type for each in statement.read(file.read_bytes(), "x")]
    assert kinds == ["https://slsa.dev/provenance/v1", "https://example.org/tried/v1"]
    assert {each.name for each in tmp_path.iterdir()} == {file.name, "hello_1.0.0_amd64.deb"}


def test_nobody_else_can_say_it(tmp_path: Path) -> None:
    """Neither with another key, nor by other words in the same envelope."""
    (read,) = statement.read(made(tmp_path).read_bytes(), "x")
    with pytest.raises(SigningError, match="not good"):
        read.signer(public("rsa.pub"))
    forged = json.loads(read.envelope)
    payload = base64.b64decode(forged["payload"]).replace(SHA256.encode(), b"0" * 64)
    forged["payload"] = base64.b64encode(payload).decode()
    (other,) = statement.read(json.dumps(forged).encode(), "x")
    assert other.statement.about("0" * 64)
    with pytest.raises(SigningError, match="not good"):
        other.signer(public())


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"payloadType": "text/plain", "payload": "", "signatures": []}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": "!", "signatures": []}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": []}',
        b'{"payloadType": "application/vnd.in-toto+json", "payload": 7, "signatures": 7}',
        b" " * (statement.LARGEST + 1),
    ],
)
def test_what_is_no_statement_is_one_error(line: bytes) -> None:
    with pytest.raises(SigningError, match=r"^beside: .*statements|^beside:1: "):
        statement.read(line, "beside")


def tried(file: Path, distro: str = "debian12", **outcomes: Outcome) -> Tried:
    """A trial that passed, unless the outcomes of steps say otherwise."""
    seen = dict.fromkeys(("install", "ready", "purge"), Outcome.PASSED) | outcomes
    results = tuple(Result(id=id, title=id, outcome=outcome) for id, outcome in seen.items())
    return Tried(artifact=artifact.read(file), distro=find(distro), results=results)


def published(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    key = secret("ed25519")
    return pkgrel("publish", *words, "--to", "repo", "--tried", "--signing-key", key, folder=folder)


def test_what_has_passed_is_published_with_what_says_so(tmp_path: Path) -> None:
    """Also an .rpm, which is signed meanwhile; and gc leaves it alone as long as the package is there."""
    signer = signing.signer(secret("ed25519"))
    files = [package(tmp_path, "hello", "1.0.0"), package(tmp_path, "hello", "1.0.0", "1.el9")]
    for file, distro in zip(files, ("debian12", "el9"), strict=True):
        statements.write(tried(file, distro, secrets=Outcome.UNPROVEN), signer)
    done = published(tmp_path, *tmp_path.glob("*hello*"))
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        words = ("repo", "gc", "repo", "--grace", "0")
        collected = pkgrel(*words, folder=tmp_path)
        assert collected.returncode == 0, collected.stderr
    kept = sorted((tmp_path / "repo").rglob("*.intoto.jsonl"))
    assert [each.name.partition("hello")[2][0] for each in kept] == ["_", "-"]
    for each in kept:
        assert each.with_name(each.name.removesuffix(".intoto.jsonl")).exists()
        (said,) = statement.read(each.read_bytes(), "kept")
        assert said.signer(public())
        assert said.statement.predicate["result"] == "PASSED"
        assert said.statement.predicate["warnedTests"] == ["secrets"]


REFUSED = {
    "nothing": (None, "no statement says it"),
    "failed": ({"purge": Outcome.FAILED}, "it has failed at purge"),
    "not tried": ({"ready": None}, "it was not tried: ready"),
    "another host": ({"host": Outcome.UNPROVEN}, "it was tried on a host of another distro"),
    "by somebody": ("rsa", "its statement is by neither"),
    "elsewhere": ("debian13", "no statement says it"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_not_passed_is_not_published(tmp_path: Path, case: str) -> None:
    what, said = REFUSED[case]
    file = package(tmp_path, "hello", "1.0.0")
    done = tried(file, "debian13" if what == "debian13" else "debian12")
    if isinstance(what, dict):
        given = {r.id: r for r in tried(file, **{k: v for k, v in what.items() if v}).results}
        kept = tuple(r for id, r in given.items() if what.get(id, r) is not None)
        done = replace(done, results=kept)
    if what is not None:
        key = "rsa" if what == "rsa" else "ed25519"
        statements.write(done, signing.signer(secret(key)))
    refused = published(tmp_path, file)
    assert refused.returncode == 1
    assert f"it has not passed on debian12: {said}" in " ".join(refused.stderr.split())
    assert not (tmp_path / "repo").exists()
    if what == "rsa":
        assert published(tmp_path, file, "--tried-key", folder() / "rsa.pub").returncode == 0


def test_other_bytes_of_the_same_name_have_not_passed(tmp_path: Path) -> None:
    file = package(tmp_path, "hello", "1.0.0")
    statements.write(tried(file), signing.signer(secret("ed25519")))
    package(tmp_path, "hello", "1.0.0", text="other\n")
    assert "no statement says it" in published(tmp_path, file).stderr
