"""Provenance: what is signed about a build, and how it reaches whoever installs the package."""

import json
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from pkgrel import signing
from pkgrel.signing import statement
from tests import builds
from tests.openpgp_keys import folder, secret
from tests.packages import package
from tests.tools import pkgrel
from tests.web_server import served

TOML = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
TYPE = "https://slsa.dev/provenance/v1"


def run(where: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return pkgrel(*words, folder=where, **environment)


def done(where: Path, *words: object, **environment: str) -> str:
    said = run(where, *words, **environment)
    assert said.returncode == 0, said.stderr
    return said.stdout


def builder() -> tuple[object, ...]:
    return "--public-key", folder() / "ed25519.pub"


def told(file: Path) -> dict[str, object]:
    [said] = statement.beside(file)
    assert said.signer((folder() / "ed25519.pub").read_bytes())
    assert said.statement.predicate_type == TYPE
    assert said.statement.about(sha256(file.read_bytes()).hexdigest())
    return dict(said.statement.predicate)


@pytest.fixture
def built(hello_release: Callable[[str], Path], tmp_path: Path) -> list[Path]:
    """A .deb and an .rpm of the hello release, with what is said of them."""
    (tmp_path / "pkgrel.toml").write_text(TOML)
    words = ("build", hello_release("1.0.0"), "--distro", "debian12", "--distro", "el10")
    return [
        tmp_path / line
        for line in done(tmp_path, *words, "--signing-key", secret("ed25519")).splitlines()
    ]


def test_a_release_that_was_given_is_said_to_be_so(
    built: list[Path], hello_release, tmp_path: Path
) -> None:
    """By its hash: whoever has it knows whether it is the one; and a second build says the same."""
    release = hello_release("1.0.0")
    for file, distro in zip(built, ("debian12", "el10"), strict=True):
        predicate = told(file)
        definition = predicate["buildDefinition"]
        assert definition["externalParameters"] == {"distro": distro}
        given, settings = definition["resolvedDependencies"]
        assert given["digest"]["sha256"] == sha256(release.read_bytes()).hexdigest()
        assert settings["digest"]["sha256"] == sha256(TOML.encode()).hexdigest()
        assert predicate["runDetails"]["builder"]["id"] == "pkg:pypi/pkgrel#release"
        assert str(tmp_path) not in json.dumps(predicate)
    before = [told(file) for file in built]
    words = ("build", release, "--distro", "debian12", "--distro", "el10")
    done(tmp_path, *words, "--signing-key", secret("ed25519"))
    assert [told(file) for file in built] == before
    other = tmp_path / "other"
    done(tmp_path, *words, "--output", other)
    assert not list(other.glob("*.jsonl"))


def test_a_project_is_said_with_its_commit_and_without_secrets(tmp_path: Path) -> None:
    curious = 'if System.get_env("PKGREL_SIGNING_KEY"), do: raise("the key")'
    files = {
        "lib/curious.ex": f"defmodule Curious do\n  {curious}\nend\n",
        "pkgrel.toml": f"{TOML}[build]\nbefore = ['mkdir -p deps/small && cp said deps/small/hex_metadata.config']\n",
        "said": '{<<"licenses">>,\n [<<"MIT">>,<<"ISC">>]}.\n{<<"version">>,<<"0.1.0">>}.\n',
        "mix.lock": f'%{{\n  "small": {{:hex, :small, "0.1.0", "{"a" * 64}", [:mix], [], "hexpm", "{"b" * 64}"}},\n}}\n',
    }
    project = builds.small(tmp_path / "place-of-mine", files=files)
    builds.commit(project)
    builds.git(
        project, "remote", "add", "origin", "https://joe:s3cret@example.org/joe/tiny.git?t=s3cret"
    )
    words = ("build", project, "--builder", "host", "--distro", "debian12")
    key = {
        "PKGREL_SIGNING_KEY": Path(secret("ed25519")).read_text(),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    [file] = (tmp_path / line for line in done(tmp_path, *words, **key).splitlines())
    bill = f"dpkg-deb --fsys-tarfile '{file}' | tar xO --wildcards '*/sbom.cdx.json'"
    components = json.loads(subprocess.check_output(bill, shell=True))["components"]
    [fetched] = [each for each in components if each["name"] == "small"]
    assert fetched["licenses"] == [{"license": {"name": name}} for name in ("MIT", "ISC")]
    predicate = told(file)
    text = json.dumps(predicate)
    assert "s3cret" not in text
    assert "place-of-mine" not in text
    definition = predicate["buildDefinition"]
    inputs = {each["name"]: each for each in definition["resolvedDependencies"]}
    commit = builds.git(project, "rev-parse", "HEAD").strip()
    assert inputs["source"] == {
        "name": "source",
        "uri": "git+https://example.org/joe/tiny.git",
        "digest": {"gitCommit": commit},
    }
    assert len(inputs["sources"]["digest"]["sha256"]) == 64
    assert definition["internalParameters"]["toolchain"].keys() >= {"erts", "otp", "elixir"}
    assert predicate["runDetails"]["builder"]["id"] == "pkg:pypi/pkgrel#host"

    done(tmp_path, "publish", file, "--to", "repo", **key)
    again = ("verify", file, "--from", "repo", "--rebuild", project, "--builder", "host")
    assert "built again: the same" in done(tmp_path, *again, **key)
    builds.git(project, "commit", "--quiet", "--allow-empty", "--message=more")
    refused = run(tmp_path, *again, **key)
    assert refused.returncode == 1
    assert f"git checkout {commit}" in refused.stderr


@pytest.fixture
def published(built: list[Path], tmp_path: Path) -> list[Path]:
    """In a repository of another key than that of who built them."""
    keys = ("--tried-key", folder() / "ed25519.pub", "--signing-key", secret("rsa"))
    done(tmp_path, "publish", *built, "--to", "repo", *keys)
    return built


def test_what_is_published_is_proven_with_who_built_it(
    published: list[Path], hello_release, tmp_path: Path
) -> None:
    """Also the .rpm as it was before `publish` signed it; and a file that somebody has changed is not."""
    shown = done(tmp_path, "show", "--provenance", *published)
    assert shown.count("not verified") == 2
    assert "pkg:pypi/pkgrel#release" in shown
    [signed] = (tmp_path / "repo").rglob("*.rpm")
    assert signed.read_bytes() != published[1].read_bytes()
    for file in (*published, signed):
        said = done(tmp_path, "verify", file, "--from", "repo", *builder(), "--json")
        found = json.loads(said)
        assert found["statements"][0]["type"] == TYPE
        assert found["statements"][0]["signer"]
        assert found["rebuilt"] is None
    unknown = run(tmp_path, "verify", published[0], "--from", "repo")
    assert unknown.returncode == 0
    assert "by a key that is not known" in unknown.stdout
    assert "no statement by a known key says who built it" in unknown.stderr

    with served(tmp_path / "repo") as (address, _):
        said = done(tmp_path, "verify", published[0], "--from", address, *builder())
        assert "signed by" in said.partition(f"  {TYPE}")[2]
        assert done(tmp_path, "repo", "list", address) == done(tmp_path, "repo", "list", "repo")
        for words in (
            ("publish", package(tmp_path, "other"), "--to", address),
            ("repo", "gc", address),
        ):
            refused = run(tmp_path, *words, PKGREL_SIGNING_KEY=secret("rsa"))
            assert refused.returncode == 1
            assert "name the bucket or the folder behind it" in refused.stderr
        elsewhere = run(tmp_path, "verify", published[0], "--from", f"{address}/apt")
        assert "no repository" in elsewhere.stderr
        assert "which the web server has to give out" in elsewhere.stderr

    again = ("--rebuild", hello_release("1.0.0"), "--config", "pkgrel.toml")
    text = done(tmp_path, "verify", published[0], "--from", "repo", *builder(), *again)
    assert "built again: the same" in text
    (tmp_path / "pkgrel.toml").write_text(TOML + 'summary = "Another"\n')
    other = run(tmp_path, "verify", published[0], "--from", "repo", *builder(), *again)
    assert other.returncode == 1
    assert "something else comes of" in other.stderr


def test_what_the_repository_does_not_offer_is_refused(
    published: list[Path], hello_release, tmp_path: Path
) -> None:
    (tmp_path / "pkgrel.toml").write_text(TOML + 'summary = "Another"\n')
    words = ("build", hello_release("1.0.0"), "--distro", "debian12", "--output", "forged")
    forged = tmp_path / done(tmp_path, *words).strip()
    refused = run(tmp_path, "verify", forged, "--from", "repo", *builder())
    assert refused.returncode == 1
    assert "has hello with other contents" in refused.stderr
    # Statements about another package do not count, whoever has put them there.
    [kept] = (tmp_path / "repo").rglob("*.deb.intoto.jsonl")
    [other] = (tmp_path / "repo").rglob("*.rpm.intoto.jsonl")
    kept.write_bytes(other.read_bytes())
    said = done(tmp_path, "verify", published[0], "--from", "repo", *builder(), "--json")
    assert json.loads(said)["statements"] == []
    kept.write_bytes(b"{}\n")
    broken = run(tmp_path, "verify", published[0], "--from", "repo", *builder())
    assert broken.returncode == 1
    assert "is not a signed in-toto statement" in broken.stderr


def test_a_repository_that_nobody_signed_proves_nothing(built: list[Path], tmp_path: Path) -> None:
    done(tmp_path, "repo", "init", "./unsigned", "--unsigned")
    done(tmp_path, "publish", built[0], "--to", "unsigned")
    refused = run(tmp_path, "verify", built[0], "--from", "unsigned")
    assert refused.returncode == 1
    assert "is unsigned, so it proves nothing" in refused.stderr


def test_a_statement_of_nonsense_is_shown_as_it_is(tmp_path: Path) -> None:
    """Whoever has the key may have signed anything; a terminal obeys none of it."""
    file = package(tmp_path)
    nonsense = {"buildDefinition": [], "runDetails": {"builder": {"id": "\x1b[2J", "version": 7}}}
    nonsense["buildDefinition"] = {"resolvedDependencies": [7, {"name": "\x1b[2J", "digest": []}]}
    about = statement.Statement({file.name: "0" * 64}, TYPE, nonsense)
    statement.add(file, statement.sign(about, signing.signer(secret("ed25519"))), lambda _: True)
    shown = done(tmp_path, "show", "--provenance", file)
    assert "built by" in shown
    assert "\x1b" not in shown
