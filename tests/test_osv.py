"""Vulnerabilities of OSV's files: which versions they are about, and which published packages have one."""

import json
from pathlib import Path
from typing import Any

import pytest

from pkgrel.errors import ConfigError
from pkgrel.operations import auditing
from tests import packages, repositories
from tests.packages import bare, saved
from tests.tools import pkgrel

HEX = {"ecosystem": "Hex", "name": "jason"}


def entry(*events: dict[str, str], kind: str = "SEMVER", **more: Any) -> dict[str, Any]:
    return {"package": HEX, "ranges": [{"type": kind, "events": list(events)}], **more}


def since(version: str) -> dict[str, str]:
    return {"introduced": version}


# The specification's own pseudo-code is what they are held against, by hand.
CASES = [
    (entry(since("0")), "0.0.1", True),
    (entry(since("0"), {"fixed": "1.2.0"}), "1.2.0", False),
    (entry(since("0"), {"fixed": "1.2.0"}), "1.2.0-rc.1", True),
    (entry(since("0"), {"fixed": "1.10.0"}), "1.9.0", True),
    (entry(since("1.0.0"), {"fixed": "1.2.0"}), "0.9.0", False),
    (entry(since("1.0.0"), {"fixed": "1.2.0"}), "1.0.0-rc.1", False),
    (entry({"fixed": "1.2.0"}, since("1.0.0")), "1.1.0", True),
    (entry(since("1.0.0"), {"last_affected": "1.2.0"}), "1.2.0", True),
    (entry(since("1.0.0"), {"last_affected": "1.2.0"}), "1.2.1", False),
    (entry(since("0"), {"fixed": "1.0.0"}, since("2.0.0"), {"fixed": "2.1.0"}), "1.5.0", False),
    (entry(since("0"), {"fixed": "1.0.0"}, since("2.0.0"), {"fixed": "2.1.0"}), "2.0.5", True),
    (entry(since("0"), {"limit": "1.0.0"}), "1.0.0", False),
    (entry(since("0"), {"limit": "*"}), "1.0.0", True),
    (entry(since("1.0.0-rc.2"), {"fixed": "1.0.0"}), "1.0.0-rc.10", True),
    (entry(since("1.0.0-alpha"), {"fixed": "1.0.0"}), "1.0.0-1", False),
    (entry(since("5.0"), {"fixed": "5.2.9.1"}, kind="ECOSYSTEM"), "5.2.9", True),
    (entry(since("5.0"), {"fixed": "5.2.9.1"}, kind="ECOSYSTEM"), "5.2.9.1", False),
    (entry(since("0"), kind="GIT"), "1.0.0", False),
    (entry(since("0"), {"fixed": "1.0.0"}), "a-branch", False),
    ({"package": HEX, "versions": ["a-branch"]}, "a-branch", True),
    ({"package": HEX, "versions": ["1.0.0"]}, "1.0.1", False),
    (entry(since("0"), {"fixed": "9" * 5000}), "1.0.0", True),
    (entry(since("0"), {"fixed": "1.0.0"}), "9" * 5000, False),
    (entry(since("0")), "1." * 128 + "1", False),
    (entry(since("1.0.0-" + "9" * 100)), "1.0.0", True),
    ({"package": HEX, "versions": None, "ranges": None}, "1.0.0", False),
]


@pytest.mark.parametrize(("affected", "version", "expected"), CASES)
def test_a_version_is_affected_as_the_specification_says(
    affected: dict[str, Any], version: str, expected: bool
) -> None:
    assert auditing.Versions.of(affected).has(version) is expected


def database(folder: Path, name: str, **document: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"id": name, **document}))


def with_bill(folder: Path, *purls: str) -> Path:
    components = [{"type": "library", "name": "x", "purl": purl} for purl in purls]
    text = json.dumps({"components": components}).encode()
    bill = packages.file("/usr/share/doc/hello/sbom.cdx.json", text)
    made = bare("deb", distro="", name="hello", extra=(bill,))
    return saved(made, folder)


def test_published_packages_are_held_against_it(tmp_path: Path) -> None:
    folder = tmp_path / "osv"
    database(
        folder, "GHSA-1", aliases=["CVE-2026-1"], affected=[entry(since("0"), {"fixed": "1.4.5"})]
    )
    database(folder, "GHSA-2", withdrawn="2026-01-01T00:00:00Z", affected=[entry(since("0"))])
    database(
        folder, "GHSA-3", affected=[{**entry(since("0")), "package": {**HEX, "ecosystem": "PyPI"}}]
    )
    otp = {
        "purl": "pkg:otp/ssh?repository_url=https://github.com/erlang/otp",
        "ecosystem": "",
        "name": "",
    }
    database(
        folder,
        "EEF-1",
        summary="\x1b[2J",
        affected=[{**entry(since("5.0"), kind="ECOSYSTEM"), "package": otp}],
    )
    npm = {"ecosystem": "npm", "name": "@acme/ui"}
    database(folder, "GHSA-4", affected=[{"package": npm, "versions": ["3.0.0"]}])
    file = with_bill(
        tmp_path,
        "pkg:hex/jason@1.4.4",
        "pkg:otp/ssh@5.2.9?repository_url=https://github.com/erlang/otp",
        "pkg:npm/%40acme/ui@3.0.0",
        "pkg:deb/debian/libc6?arch=amd64",
        "nonsense",
    )
    other = packages.package(tmp_path, "other")
    key = {"PKGREL_SIGNING_KEY": repositories.key()}

    def run(*words: object) -> Any:
        return pkgrel(*words, folder=tmp_path, **key)

    done = run("publish", file, other, "--distro", "debian12", "--to", "repo")
    assert done.returncode == 0, done.stderr
    audit = ("repo", "audit", "./repo", "--osv", folder)
    found = run(*audit)
    assert found.returncode == 1
    lines = [line.split(": ", 2)[1:] for line in found.stdout.splitlines()]
    assert [line[0] for line in lines] == [
        "pkg:hex/jason@1.4.4",
        "pkg:otp/ssh@5.2.9?repository_url=https://github.com/erlang/otp",
        "pkg:npm/%40acme/ui@3.0.0",
    ]
    assert lines[0][1] == "GHSA-1, CVE-2026-1"
    assert "\x1b" not in found.stdout
    assert "3 vulnerabilities in 2 packages" in found.stderr
    assert "without a bill of materials, and so not looked at: other 1.0.0" in found.stderr
    nothing = run(*audit, "--name", "other")
    assert nothing.returncode == 0, nothing.stderr


NONE = ["", "[]", '"x"', "{}", '{"id": "x", "affected": [7]}', "[" * 5000]
NONE += [
    json.dumps({"id": "x", "affected": [{"package": HEX, **said}]})
    for said in (
        {"ranges": 5}, {"ranges": ["x"]}, {"ranges": {"a": 1}}, {"versions": 7}, {"versions": "1.0.0"},
        {"ranges": [{"type": "SEMVER", "events": 3}]}, {"ranges": [{"type": "SEMVER", "events": ["fixed"]}]},
    )
]  # fmt: skip


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_vulnerability_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.json: is not a vulnerability"):
        auditing.load(tmp_path)


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no JSON files"):
        auditing.load(tmp_path)
