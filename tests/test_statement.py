"""Statements beside packages: what a DSSE reader and gpgv make of them, and what is refused."""

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from pkgrel import signing
from pkgrel.errors import SigningError
from pkgrel.signing import statement
from pkgrel.signing.statement import Statement
from tests.openpgp_keys import folder, secret

FILE = b"a package\n"
SHA256 = hashlib.sha256(FILE).hexdigest()
PUBLIC = "ed25519.pub"


def made(tmp_path: Path, kind: str = "https://example.org/tried/v1", key: str = "ed25519") -> Path:
    package = tmp_path / "hello_1.0.0_amd64.deb"
    package.write_bytes(FILE)
    about = Statement({package.name: SHA256}, kind, {"result": "PASSED"})
    signed = statement.sign(about, signing.signer(secret(key)))
    return statement.add(package, signed, lambda other: other.predicate_type == kind)


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
