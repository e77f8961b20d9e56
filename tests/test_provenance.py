"""Who built a package: what is signed about it, and what becomes of it on the way to whoever installs it."""

import json
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from pkgrel.signing import statement
from tests import builds
from tests.openpgp_keys import folder, secret
from tests.tools import pkgrel

TOML = '[package]\nmaintainer = "Example Team <team@example.org>"\n'
KEY = ("--signing-key", secret("ed25519"))
TYPE = "https://slsa.dev/provenance/v1"


def run(where: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return pkgrel(*words, folder=where, **environment)


def done(where: Path, *words: object, **environment: str) -> str:
    said = run(where, *words, **environment)
    assert said.returncode == 0, said.stderr
    return said.stdout


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
    return [tmp_path / line for line in done(tmp_path, *words, *KEY).splitlines()]


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
    done(tmp_path, *words, *KEY)
    assert [told(file) for file in built] == before
    other = tmp_path / "other"
    done(tmp_path, *words, "--output", other)
    assert not list(other.glob("*.jsonl"))


def test_a_project_is_said_with_its_commit_and_without_secrets(tmp_path: Path) -> None:
    curious = 'if System.get_env("PKGREL_SIGNING_KEY"), do: raise("the key")'
    files = {"lib/curious.ex": f"defmodule Curious do\n  {curious}\nend\n"}
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
