"""Which version is newer, and which distro a package is for, against dpkg and rpm."""

import hashlib
import itertools
import json
import subprocess
import sys
from dataclasses import astuple, fields

import pytest

from pkgrel import artifact
from pkgrel.distro import distros
from pkgrel.repository.channels import keep_newest
from pkgrel.repository.manifest import decode, encode
from pkgrel.repository.recognition import recognise
from pkgrel.repository.record import Record, version_key
from pkgrel.repository.yum.packages import compare
from tests.packages import package

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

VERSIONS = (
    "1.0-1 1.0-2 1.0-10 1.0~rc1-1 1.0~~-1 1.0.1-1 1.0a-1 1.0.a-1 1.0+git.5-1 1.0.0-1 1-1 01.0-1"
    " 1.00-1 2:0.5-1 1:9-1 0:1.0-1 1.0-1~debian12 1.0-1.el9 1.0-1.el10 1a-1 a1-1 1.10-1 1.9-1"
    " 1.0.z-1 1..0-1 1.0.-1 20261121-1 1.0_1-1 99999999999999999999-1"
).split()
RPM_ONLY = ["1.0^git1-1", "1.0^-1", "1.0^1.a-1", "1.0~rc1^5-1"]


def record(version: str, format: str = "deb", name: str = "x", **fields) -> Record:
    return Record(
        **{
            "format": format, "name": name, "version": version, "architecture": "amd64",
            "path": f"apt/{name}-{version}", "size": 1, "sha256": "0" * 64, "published": 0, "index": ("",),
            **fields,
        }
    )  # fmt: skip


def test_debian_versions():
    """dpkg --compare-versions, of every two."""
    versions = [v for v in VERSIONS if v[0].isdigit() and "_" not in v]
    pairs = list(itertools.combinations(versions, 2))
    script = "\n".join(
        f"dpkg --compare-versions '{a}' lt '{b}' && echo lt || "
        f"{{ dpkg --compare-versions '{a}' gt '{b}' && echo gt || echo eq; }}"
        for a, b in pairs
    )
    said = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    for (a, b), wanted in zip(pairs, said.stdout.split(), strict=True):
        one, other = version_key(record(a)), version_key(record(b))
        assert ("lt" if one < other else "gt" if one > other else "eq") == wanted, (a, b)


def test_rpm_versions():
    """rpm's own comparison, through its Lua, of every two."""
    pairs = list(itertools.combinations([*VERSIONS, *RPM_ONLY], 2))
    said = subprocess.run(
        ["rpm", "--eval", "".join(f"%{{lua:print(rpm.vercmp('{a}','{b}'))}}\n" for a, b in pairs)],
        capture_output=True,
        text=True,
        check=True,
    )
    for (a, b), wanted in zip(pairs, said.stdout.split(), strict=True):
        order = compare(a, b)
        assert (order > 0) - (order < 0) == int(wanted), (a, b)


@pytest.mark.parametrize("format", ["deb", "rpm"])
def test_what_somebody_else_calls_a_version_has_a_place(format):
    """Such as one with an epoch that is no number, in a bucket that others write to."""
    assert version_key(record("a:1-1", format)) != version_key(record("a:2-1", format))


def test_the_newest_of_each_name_are_kept():
    records = [record(f"1.{n}-1", name=name) for n in (9, 10, 2, 1) for name in ("a", "b")]
    kept = keep_newest(records, 2)
    assert [(r.name, r.version) for r in kept] == [
        ("a", "1.9-1"), ("b", "1.9-1"), ("a", "1.10-1"), ("b", "1.10-1"),
    ]  # fmt: skip
    assert keep_newest(records, 0) == records


@pytest.mark.parametrize(
    ("revision", "wanted"),
    [
        ("1~debian12", "debian12"), ("2~bookworm1", "debian12"), ("1~deb13u2", "debian13"),
        ("1~bpo11+1", "debian11"), ("0ubuntu1~ubuntu22.04", "ubuntu22"), ("1~jammy", "ubuntu22"),
        ("1~debian1", None), ("1~bookworm+trixie", None), ("1~x", None),
        ("1.el9", "el9"), ("1.el9_4", "el9"), ("3.el10.1", "el10"), ("1.fc43", "fedora43"),
        ("1.amzn2023", "amzn2023"), ("1.amzn2", "amzn2"), ("1.el90", None), ("1", None),
    ],
)  # fmt: skip
def test_distros_by_revision(tmp_path, revision, wanted):
    found = recognise(artifact.read(package(tmp_path, revision=revision)))
    assert (found.id if found else None) == wanted


def test_every_revision_of_ours_says_its_distro(tmp_path):
    for row in distros().values():
        if row.revision_tag:
            revision = f"1~{row.revision_tag}" if row.format == "deb" else f"1.{row.revision_tag}"
            assert recognise(artifact.read(package(tmp_path, revision=revision))) == row


def test_manifests_keep_everything():
    odd = record("1-1", summary='ünïcode \u2028 "quoted"\n', contents=("a\udcff", "b"))
    data = encode([odd, record("2-1")])
    assert decode(data, hashlib.sha256(data).hexdigest()) == (record("2-1"), odd)
    assert encode([record("2-1"), odd]) == data


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_large_manifests(count):
    """They are written and read in parts, which end anywhere in a record."""
    index = ('[["' + "ü" * 700 + '"]}, {"packages": [\\',)
    records = tuple(record(f"{number}-1", index=index) for number in range(count, 0, -1))
    data = encode(records[::-1])
    assert decode(data, hashlib.sha256(data).hexdigest()) == records
    whole = {
        "columns": [f.name for f in fields(Record)],
        "packages": [list(astuple(r)) for r in records],
    }
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    before = zstd.compress(text.encode())  # as pkgrel wrote it at first
    assert decode(before, hashlib.sha256(before).hexdigest()) == records
