"""The bill of materials: CycloneDX's own schema judges it, and it says only what is known."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.package import File
from pkgrel.release.model import Application, Directory, Release

OUTER, INNER, COMMIT = "a" * 64, "b" * 64, "c" * 40
MIX_LOCK = f"""%{{
  "jason": {{:hex, :jason, "1.4.4", "{INNER}", [:mix], [{{:decimal, "~> 1.0", [hex: :decimal, repo: "hexpm", optional: true]}}], "hexpm", "{OUTER}"}},
  "oban": {{:hex, :oban_pro, "1.5.0", "{INNER}", [:mix], [], "hexpm:acme", "{OUTER}"}},
  "old": {{:hex, :old, "2.0.0", "{INNER}", [:mix], [], "hexpm", "{OUTER}"}},
  "inner": {{:hex, :inner, "1.0.0", "{INNER}", [:mix], [], "my_mirror", "{OUTER}"}},
  "forked": {{:git, "https://joe:s3cret@github.com/Acme/forked.git?token=s3cret", "{COMMIT}", [branch: "main"]}},
  "local": {{:git, "/home/joe/local", "{COMMIT}", []}},
}}
"""
REBAR_LOCK = f"""{{"1.2.0",
[{{<<"cowboy">>,{{pkg,<<"cowboy">>,<<"2.9.0">>}},0}},
 {{<<"forked">>,
  {{git,"git@example.org:acme/forked.git",
       {{ref,"{COMMIT}"}}}},
  0}}]}}.
[
{{pkg_hash,[
 {{<<"cowboy">>, <<"{INNER.upper()}">>}}]}},
{{pkg_hash_ext,[
 {{<<"cowboy">>, <<"{OUTER.upper()}">>}}]}}
].
"""
NPM_LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "assets"},
        "../deps/phoenix": {"version": "1.7.0"},
        "node_modules/phoenix": {"resolved": "../deps/phoenix", "link": True},
        "node_modules/@acme/ui": {
            "version": "3.0.0",
            "license": "MIT",
            "integrity": "sha512-" + "AAAA" * 21 + "AA==",
        },
        "node_modules/esbuild": {"version": "0.20.0", "dev": True},
    },
}
APPLICATIONS = {
    "jason": "1.4.4",
    "oban": "1.5.0",
    "old": "1.9.9",
    "inner": "1.0.0",
    "forked": "0.1.0",
    "local": "0.1.0",
    "cowboy": "2.9.0",
}


@cache
def official() -> Draft7Validator:
    """The schemas refer to each other by their file names."""
    schemas = {
        file.name: json.loads(file.read_text())
        for file in (Path(__file__).parent / "data/cyclonedx").glob("*.json")
    }
    base = "http://cyclonedx.org/schema/"
    named = ((base + name, Resource.from_contents(schema)) for name, schema in schemas.items())
    bom = schemas["bom-1.6.SNAPSHOT.schema.json"]
    return Draft7Validator(
        bom, registry=Registry().with_resources(named), format_checker=FormatChecker()
    )


@pytest.fixture(scope="module")
def hello(hello_release) -> Iterator[Release]:
    with release.read(hello_release("1.0.0")) as read:
        more = (Application(name, version) for name, version in APPLICATIONS.items())
        yield replace(
            read,
            applications=(*read.applications, *more),
            entries=(*read.entries, Directory("lib/hello-1.0.0/priv/static/assets", 0o755)),
        )


def bill(hello: Release, folder: Path, distro: str = "debian12", *, built: bool = True) -> Any:
    file = folder / "pkgrel.toml"
    file.write_text(
        '[package]\nmaintainer = "Team <team@example.org>"\nlicense = "MIT OR ISC"\nvendor = "Acme, Inc."\n'
    )
    licences = {("jason", "1.4.4"): ("Apache-2.0",), ("oban", "1.5.0"): ("MIT", "Oban's own")}
    licences[("cowboy", "1.0.0")] = ("ISC",)  # another version's
    options = plan.Options(project=folder if built else None, licences=licences)
    [package] = plan.packages(hello, load(file), select([distro]), options)
    [found] = [each for each in package.extra if each.path.name == "sbom.cdx.json"]
    assert isinstance(found, File)
    assert isinstance(found.content, Inline)
    text = found.content.data.decode()
    assert not [
        f"{error.json_path}: {error.message}" for error in official().iter_errors(json.loads(text))
    ]
    assert "s3cret" not in text
    assert str(folder) not in text
    assert "/home" not in text
    return json.loads(text)


def purls(document: Any) -> dict[str, str]:
    return {each["name"]: each.get("purl", "") for each in document["components"]}


def test_each_application_has_the_address_that_its_lock_proves(hello: Release, tmp_path) -> None:
    (tmp_path / "mix.lock").write_text(MIX_LOCK)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/package-lock.json").write_text(json.dumps(NPM_LOCK))
    document = bill(hello, tmp_path)
    found = purls(document)
    assert found["jason"] == "pkg:hex/jason@1.4.4"
    assert found["oban"] == "pkg:hex/acme/oban_pro@1.5.0"
    assert found["old"] == found["inner"] == found["local"] == found["cowboy"] == ""
    assert found["forked"] == f"pkg:github/acme/forked@{COMMIT}"
    assert found["@acme/ui"] == "pkg:npm/%40acme/ui@3.0.0"
    assert not {"phoenix", "esbuild"} & found.keys()
    url = "repository_url=https://github.com/erlang/otp"
    [kernel] = [each for each in document["components"] if each["name"] == "kernel"]
    assert kernel["purl"] == f"pkg:otp/kernel@{kernel['version']}?{url}"
    assert kernel["licenses"] == [{"expression": "Apache-2.0"}]
    assert found["elixir"].endswith("?repository_url=https://github.com/elixir-lang/elixir")
    [jason] = [each for each in document["components"] if each["name"] == "jason"]
    assert jason["hashes"] == [{"alg": "SHA-256", "content": OUTER}]
    assert jason["licenses"] == [{"expression": "Apache-2.0"}]
    [oban] = [each for each in document["components"] if each["name"] == "oban"]
    assert oban["licenses"] == [{"license": {"name": name}} for name in ("MIT", "Oban's own")]
    assert "licenses" not in next(e for e in document["components"] if e["name"] == "cowboy")
    assert document["metadata"]["component"]["licenses"] == [{"expression": "MIT OR ISC"}]


def test_rebar3s_lock_says_it_too(hello: Release, tmp_path) -> None:
    (tmp_path / "rebar.lock").write_text(REBAR_LOCK)
    document = bill(hello, tmp_path)
    found = purls(document)
    assert found["cowboy"] == "pkg:hex/cowboy@2.9.0"
    assert found["forked"].startswith(
        "pkg:generic/forked@0.1.0?vcs_url=git%2Bssh://example.org/acme"
    )
    [cowboy] = [each for each in document["components"] if each["name"] == "cowboy"]
    assert cowboy["hashes"] == [{"alg": "SHA-256", "content": OUTER}]


def test_beside_a_given_release_a_lock_proves_names_and_versions_alone(
    hello: Release, tmp_path
) -> None:
    (tmp_path / "mix.lock").write_text(MIX_LOCK)
    (tmp_path / "package-lock.json").write_text(json.dumps(NPM_LOCK))
    found = purls(bill(hello, tmp_path, built=False))
    assert found["jason"] == "pkg:hex/jason@1.4.4"
    assert found["forked"] == found["old"] == ""
    assert "@acme/ui" not in found


@pytest.mark.parametrize(
    ("distro", "libc", "own"),
    [
        (
            "debian12",
            "pkg:deb/debian/libc6?arch=amd64&distro=debian-12",
            "pkg:deb/acme-inc/hello@1.0.0-1~debian12?arch=amd64&distro=debian-12",
        ),
        ("el9", "", "pkg:rpm/acme-inc/hello@1.0.0-1.el9?arch=x86_64&distro=el-9"),
    ],
)
def test_libraries_of_the_host_are_in_it(
    hello: Release, tmp_path, distro: str, libc: str, own: str
) -> None:
    document = bill(hello, tmp_path, distro)
    [library] = [each for each in document["components"] if each["name"] == "libc.so.6"]
    assert library.get("purl", "") == libc
    assert library["scope"] == "required"
    assert library["properties"] == [{"name": "pkgrel:provided-by", "value": distro}]
    assert document["metadata"]["component"]["purl"] == own


@pytest.mark.parametrize("text", ["", "%{", '{"packages": [[[', "\0\n", '"a": {:hex, :a'])
def test_a_lock_that_is_none_leaves_the_rest(hello: Release, tmp_path, text: str) -> None:
    for name in ("mix.lock", "rebar.lock", "package-lock.json"):
        (tmp_path / name).write_text(text)
    assert purls(bill(hello, tmp_path))["jason"] == ""


def test_two_builds_say_the_same(hello: Release, tmp_path) -> None:
    (tmp_path / "mix.lock").write_text(MIX_LOCK)
    assert bill(hello, tmp_path) == bill(hello, tmp_path)
