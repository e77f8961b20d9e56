"""What `--json` prints is what `pkgrel schema --output` says, command by command."""

import contextlib
import json
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner

from pkgrel.cli import main, outputs
from tests import packages, repositories, tiny_release
from tests.test_reports import report
from tests.tools import pkgrel

ROOT = Path(__file__).parents[1]
SETTINGS = """
[package]
name = "hello"
version = "1.0.0"
maintainer = "Test <test@example.org>"
summary = "Says hello"
"""


def closed(schema: Any) -> Any:
    """The schema without room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "required" in schema else {}
    return {name: closed(item) for name, item in schema.items()} | more


class Printed:
    """Runs commands in one folder, and holds what they print to their schema."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def __call__(self, name: str, *words: object, status: int = 0) -> Any:
        """The document that the command prints, which fits the schema called so."""
        environment = {"PKGREL_SIGNING_KEY": repositories.key()}
        arguments = [*map(str, words), "--json"]
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(main, arguments, env=environment)
        assert done.exit_code == status, done.output
        document = json.loads(done.stdout)
        jsonschema.validate(document, closed(outputs.output_schema(name)))
        for line in done.stderr.splitlines():
            jsonschema.validate(json.loads(line), closed(outputs.output_schema("messages")))
        self.seen |= {name, "messages"}
        return document


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "hello.tar").write_bytes(tiny_release.with_())
    (folder / "pkgrel.toml").write_text(SETTINGS)
    return Printed(folder)


def test_each_command_prints_what_its_schema_says(printed: Printed) -> None:
    words = ("--distro", "debian12", "--distro", "el9")
    deb, rpm = printed("build", "build", "hello.tar", *words)
    (shown,) = printed("show", "show", deb["path"])
    (checked,) = printed("check", "check", deb["path"])
    published = printed("publish", "publish", deb["path"], rpm["path"])
    upload = ("--upload", "https://packages.example.org/{file}", "--dry-run")
    [sent] = printed("publish-upload", "publish", deb["path"], *upload)
    assert sent["path"] == deb["path"]
    added = {package["format"]: package for package in published["added"]}
    for same in ("name", "version", "architecture", "size", "sha256", "format"):
        assert deb[same] == shown[same] == added["deb"][same], same
        assert checked.get(same, deb[same]) == deb[same]
    assert (deb["architecture"], rpm["architecture"]) == ("amd64", "x86_64")
    assert deb["path"] == shown["path"] == checked["path"]
    (said,) = printed("verify", "verify", deb["path"], "--from", "repo")["statements"]
    assert said["signer"]
    (printed.folder / "osv").mkdir()
    known = {"ecosystem": "", "purl": "pkg:otp/kernel"}
    all_of_them = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]
    entry = {"id": "X-1", "affected": [{"package": known, "ranges": all_of_them}]}
    (printed.folder / "osv/X-1.json").write_text(json.dumps(entry))
    found = printed("repo-audit", "repo", "audit", "repo", "--osv", "osv", status=1)
    assert {each["id"] for each in found} == {"X-1"}
    newer = packages.package(printed.folder, version="1.1.0")
    assert printed("diff", "diff", deb["path"], newer)["changed"] is not None
    upgrade = printed("diff-upgrade", "diff", "--require-hot", deb["path"], deb["path"], status=1)
    assert "the release has the same version, 0.1.0" in upgrade["reasons"]
    (printed.folder / "new").mkdir()
    assert printed("init", "init", "new")["path"] == "new/pkgrel.toml"
    revision = printed("bundle-codedeploy", "bundle", "codedeploy", deb["path"], "-o", "new")
    assert (printed.folder / revision["path"]).is_file()
    module = printed("nix", "nix", deb["path"])
    assert module["path"] is None
    assert "services" in module["text"]
    written = printed("nix", "nix", deb["path"], "-o", "hello.nix")
    assert (printed.folder / written["path"]).read_text() == module["text"]
    printed("check-rules", "check", "--rules")
    printed("distros", "distros")
    # In a process of its own: Docker's library leaves a socket open where there is no daemon.
    needs = json.loads(pkgrel("doctor", "--json").stdout)
    jsonschema.validate(needs, closed(outputs.output_schema("doctor")))
    assert {need["what"] for need in needs} >= {"Python", "Docker daemon"}
    printed.seen.add("doctor")
    assert printed("inspect", "inspect", "hello.tar")["distros"]
    printed("sign", "sign", rpm["path"])
    printed("images-build-print", "images", "build", ".", "--print", "--distro", "debian13")


def test_each_command_of_a_repository(printed: Printed) -> None:
    folder = printed.folder
    assert printed("repo-init", "repo", "init", "other")["origin"] == "other"
    old, new = (packages.package(folder, version=version) for version in ("1.0.0", "1.1.0"))
    for file in (old, new):
        printed("publish", "publish", file, "--to", "other", "--channel", "testing")
    testing = ("--channel", "testing")
    report(folder / "reports", 1)
    assert printed("fleet-reports", "fleet", "reports", "--from", "reports")[0]["journal"] == []
    assert printed("repo-phase", "repo", "phase", "./other", "hello", "1.0.0", "50", *testing)[
        "added"
    ]
    assert printed("repo-promote", "repo", "promote", "./other", "hello", "1.0.0")["added"]
    (listed,) = printed("repo-list", "repo", "list", "other", "--channel", "stable")
    assert listed["version"] == "1.0.0-1~debian12"
    assert printed("repo-client", "repo", "client", "other", "--distro", "debian12")["path"]
    printed("repo-set", "repo", "set", "other", "--keep", "stable=3")
    printed("repo-prune", "repo", "prune", "other", "--channel", "testing", "--keep", "1")
    printed("repo-remove", "repo", "remove", "./other", "hello")
    printed("repo-rollback-list", "repo", "rollback", "other", "--list")
    assert printed("repo-rollback", "repo", "rollback", "other")["added"]
    assert printed("repo-sync", "repo", "sync", "other", "--refresh")["anew"]
    assert printed("repo-verify", "repo", "verify", "other")["problems"] == []
    printed("repo-gc", "repo", "gc", "other", "--grace", "0")
    printed("repo-doctor", "repo", "doctor", "other")
    printed("repo-init", "repo", "init", "third")
    for dry in (["--dry-run"], []):
        imported = printed("repo-import", "repo", "import", "other/apt", "--to", "third", *dry)
        assert [package["version"] for package in imported["added"]] != []


def test_every_option_json_has_a_schema_that_was_tried(printed: Printed) -> None:
    """What needs a Docker daemon is tried in tests/acceptance/test_images.py and test_try.py, hosts in test_rollouts.py."""
    docker = {
        "images-list",
        "images-build",
        "images-prune",
        "try",
        "deploy",
        "deploy-setup",
        "fleet-status",
    }
    assert printed.seen | docker == {*outputs.NAMES}
    names = set()

    def look(ctx: click.Context, path: str) -> None:
        command = ctx.command
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner
                look(click.Context(inner, parent=ctx, info_name=name), f"{path}-{name}")
        elif any("--json" in option.opts for option in command.params):
            names.add(path.lstrip("-"))

    look(click.Context(main), "")
    assert names <= {*outputs.NAMES}, names - {*outputs.NAMES}


def test_schemas_are_schemas_and_say_their_version() -> None:
    for name in outputs.NAMES:
        schema = json.loads(pkgrel("schema", "--output", name).stdout) if name == "build" else None
        schema = schema or outputs.output_schema(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:pkgrel:output:{name}:1"


def test_the_page_is_what_is_in_the_shapes() -> None:
    assert (ROOT / "docs/json.md").read_text() == pkgrel(
        "schema", "--output", "all", "--markdown"
    ).stdout, "pkgrel schema --output all --markdown >docs/json.md"
