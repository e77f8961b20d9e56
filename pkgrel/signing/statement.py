"""Signed statements about files, stored beside them as FILE.intoto.jsonl: one in-toto statement per line.

A statement names files by SHA-256 and has a predicate about them: how they were built, or the result of a trial. Its
envelope is DSSE's, with an OpenPGP signature by the key that signs packages and repositories. The signature has a
time, the statement does not.

Source: in-toto attestation framework v1.0, spec/v1/statement.md and bundle.md; DSSE v1.0, protocol.md and
envelope.md (secure-systems-lab).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pkgrel.errors import SigningError
from pkgrel.signing import Signer, verify

SUFFIX = ".intoto.jsonl"
"""The suffix of the file with the statements about a file."""
TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

LARGEST = 4 << 20
"""The largest file of statements that is read, in bytes."""

_HINT = "have it written again, by who has the signing key"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about files."""

    subjects: Mapping[str, str]
    """Names, for information only, and the SHA-256 of each file in hexadecimal."""
    predicate_type: str
    """A URI that identifies the type of the predicate."""
    predicate: Mapping[str, Any]

    def about(self, sha256: str) -> bool:
        """Whether it is about the file with these bytes."""
        return sha256 in self.subjects.values()


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed statement: a line of the file."""

    statement: Statement
    envelope: bytes
    """The line, without its newline."""
    signatures: tuple[bytes, ...]
    payload: bytes

    def signer(self, public_key: bytes) -> str:
        """Verify the signature; returns the key's fingerprint. SigningError if it is by none of these keys."""
        return verify(_encoded(self.payload), b"".join(self.signatures), public_key)


def path_of(file: Path) -> Path:
    """The path of the statements about a file."""
    return file.with_name(file.name + SUFFIX)


def sign(statement: Statement, signer: Signer) -> Signed:
    """The statement, signed by each key of the signer."""
    document = {
        "_type": TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}}
            for name, sha256 in sorted(statement.subjects.items())
        ],
        "predicateType": statement.predicate_type,
        "predicate": statement.predicate,
    }
    payload = _json(document)
    packets = signer.detached_binary(_encoded(payload))
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": fingerprint, "sig": base64.b64encode(packet).decode()}
            for fingerprint, packet in zip(signer.fingerprints, packets, strict=True)
        ],
    }
    return Signed(statement, _json(envelope), packets, payload)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, so that no other signature by the key is valid for a statement."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read(data: bytes, title: str) -> tuple[Signed, ...]:
    """All statements of a file, not verified: see `Signed.signer`.

    SigningError, with the file's title, if it has anything else.
    """
    if len(data) > LARGEST:
        raise SigningError(f"{title}: statements of more than {LARGEST >> 20} MiB", hint=_HINT)
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_signed(line.strip()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # ValueError includes invalid UTF-8, JSON and base64.
            raise SigningError(
                f"{title}:{number}: this is not a signed in-toto statement", hint=_HINT
            ) from None
    return tuple(found)


def _signed(line: bytes) -> Signed:
    envelope = json.loads(line)
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise ValueError("the payload is something else")
    payload = _bytes(envelope["payload"])
    signatures = tuple(_bytes(each["sig"]) for each in envelope["signatures"])
    document = json.loads(payload)
    if document["_type"] != TYPE or not isinstance(document["predicate"], dict):
        raise ValueError("this version of statements is not known")
    subjects = dict(_subjects(document["subject"]))
    return Signed(
        Statement(subjects, str(document["predicateType"]), document["predicate"]),
        line,
        signatures,
        payload,
    )


def _subjects(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for each in found:
        yield str(each.get("name", "")), str(each["digest"]["sha256"])


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        # DSSE allows either alphabet.
        return base64.b64decode(text, altchars=b"-_", validate=True)


def add(file: Path, new: Signed, replaces: Callable[[Statement], bool]) -> Path:
    """Write the statement beside its file, in place of those that it replaces."""
    kept = (each for each in beside(file) if not replaces(each.statement))
    target = path_of(file)
    made = target.with_name(f".{target.name}.new")
    try:
        made.write_bytes(b"".join(each.envelope + b"\n" for each in (*kept, new)))
        made.replace(target)
    finally:
        made.unlink(missing_ok=True)
    return target


def beside(file: Path) -> tuple[Signed, ...]:
    """The statements beside a file, if there are any; see `read`."""
    target = path_of(file)
    if not target.is_file():
        return ()
    with target.open("rb") as opened:
        return read(opened.read(LARGEST + 1), str(target))
