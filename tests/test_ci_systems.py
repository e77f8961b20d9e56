"""What other CI systems take: GitLab's components and Bitbucket's pipe, run with what docs/ci.md gives them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests import repositories
from tests.conftest import skip_unless
from tests.packages import package
from tests.tiny_release import files, tarball
from tests.tools import need

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "contrib/gitlab/templates"
BITBUCKET = ROOT / "contrib/bitbucket"


def snippets() -> list[dict[Any, Any]]:
    text = (ROOT / "docs/ci.md").read_text()
    return [yaml.safe_load(found) for found in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)]  # fmt: skip


# --- GitLab


def component(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The one job that a pipeline has which includes the component with these inputs."""
    header, body = yaml.safe_load_all((TEMPLATES / f"{name}.yml").read_text())
    declared = header["spec"]["inputs"]
    assert set(inputs) <= set(declared)
    values = {n: inputs[n] if n in inputs else about["default"] for n, about in declared.items()}
    for name, value in values.items():
        assert isinstance(value, list if declared[name].get("type") == "array" else str)  # fmt: skip
        assert value in declared[name].get("options", [value])
    (job,) = _interpolated(body, values).values()
    return job


def _interpolated(node: Any, values: Mapping[str, Any]) -> Any:
    """As GitLab does it: an expression alone keeps its type."""
    match node:
        case dict():
            return {_interpolated(k, values): _interpolated(v, values) for k, v in node.items()}
        case list():
            return [_interpolated(item, values) for item in node]
        case str():
            if whole := re.fullmatch(r"\$\[\[ inputs\.([\w-]+) \]\]", node):
                return values[whole[1]]
            return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda m: str(values[m[1]]), node)
        case _:
            return node


def included() -> dict[str, dict[str, Any]]:
    """What docs/ci.md includes: inputs of components."""
    (found,) = (each["include"] for each in snippets() if "include" in each)
    return {
        re.fullmatch(r"\$CI_SERVER_FQDN/OWNER/pkgrel/(\w+)@VERSION", each["component"])[1]: each["inputs"]  # type: ignore[index]
        for each in found
    }  # fmt: skip


@dataclass
class Step:
    """A job's shell, in a folder of its own, with pkgrel as an image has it."""

    folder: Path

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder),
                **variables,
            },
            capture_output=True,
            text=True,
        )

    def job(self, job: Mapping[str, Any], **variables: str) -> subprocess.CompletedProcess[str]:
        # GitLab takes no others.
        assert all(isinstance(value, str) for value in job["variables"].values())
        variables = job["variables"] | variables
        return self.run("sh", "-eu", "-c", "\n".join(job["script"]), **variables)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """In a release that every distro can run."""
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["tar", "-x"], cwd=folder, input=tarball(files().values()), check=True)
    (folder / "pkgrel.toml").write_text('[package]\nmaintainer = "Test <test@example.org>"\n')
    return Step(folder)


def published(said: str) -> list[str]:
    return [line.split()[2] for line in said.splitlines() if line.startswith("+ ")]


def test_gitlab_builds_and_publishes(step: Step) -> None:
    given = included()
    build = component("build", given["build"])
    (variants,) = build["parallel"]["matrix"]
    for distro in variants["DISTRO"]:
        done = step.job(build, DISTRO=distro)
        assert done.returncode == 0, done.stderr
    (step.folder / "dist/hello.intoto.jsonl").write_text("a statement lies beside its package\n")
    assert build["artifacts"]["paths"] == ["dist/"]

    publish = component("publish", given["publish"] | {"repository": "packages"})
    assert set(publish["id_tokens"]) == {"INPUT_TOKEN"}
    done = step.job(publish, INPUT_TOKEN="the token", PKGREL_SIGNING_KEY=repositories.key())
    assert done.returncode == 0, done.stderr
    assert published(done.stdout) == variants["DISTRO"]
    (token,) = step.folder.glob("tmp.*")
    assert token.read_text() == "the token"
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "inputs", "said"),
    [
        ("build", {"source": "$(touch no)", "distros": []}, "touch no"),
        ("build", {"source": "--help", "distros": []}, "--help"),
        ("build", {"config": "`touch no`", "distros": []}, "touch no"),
        ("publish", {"packages": "$(touch no)", "repository": "r"}, "$(touch"),
        ("publish", {"packages": "*.deb", "channel": '"; touch no; "', "repository": "r"}, "channel"),
        ("publish", {"packages": "*.deb", "distros": "*", "repository": "r"}, "unknown distro `*`"),
    ],
)  # fmt: skip
def test_what_is_given_to_gitlab_is_never_run(
    step: Step, name: str, inputs: dict[str, Any], said: str
) -> None:
    package(step.folder)
    done = step.job(
        component(name, inputs), DISTRO="debian12", PKGREL_SIGNING_KEY=repositories.key()
    )
    assert done.returncode in (1, 2), done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (step.folder / "no").exists()


def test_gitlab_stops_at_what_check_finds(step: Step) -> None:
    strict = component("build", {"distros": ["debian12"], "check": "strict"})
    done = step.job(strict, DISTRO="debian12")
    assert done.returncode == 1
    assert "warning" in done.stdout + done.stderr


# --- Bitbucket


def pipe_variables() -> Iterator[dict[str, str]]:
    """What docs/ci.md gives to the pipe, step by step."""
    for snippet in snippets():
        for node in _nodes(snippet):
            if str(node.get("pipe", "")).startswith("docker://ghcr.io/OWNER/pkgrel-pipe:"):
                yield {name: str(text) for name, text in node["variables"].items()}


def _nodes(node: Any) -> Iterator[dict[Any, Any]]:
    match node:
        case dict():
            yield node
            for child in node.values():
                yield from _nodes(child)
        case list():
            for child in node:
                yield from _nodes(child)


def test_bitbucket_builds_and_publishes(step: Step) -> None:
    *builds, publish = pipe_variables()
    declared = {each["name"] for each in yaml.safe_load((BITBUCKET / "pipe.yml").read_text())["variables"]}  # fmt: skip
    for variables in builds:
        assert set(variables) <= declared
        done = step.run(BITBUCKET / "pipe.sh", **variables, AWS_REGION="")
        assert done.returncode == 0, done.stderr
    assert set(publish) <= declared
    (step.folder / "dist/hello.intoto.jsonl").write_text("a statement lies beside its package\n")
    publish |= {"REPOSITORY": "packages", "PKGREL_SIGNING_KEY": repositories.key()}
    done = step.run(BITBUCKET / "pipe.sh", **publish)
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs `oidc: true`" in done.stderr
    publish["BITBUCKET_STEP_OIDC_TOKEN"] = "the token"
    done = step.run(BITBUCKET / "pipe.sh", **publish)
    assert done.returncode == 0, done.stderr
    assert published(done.stdout) == [each["DISTROS"] for each in builds]
    (token,) = step.folder.glob("tmp.*")
    assert token.read_text() == "the token"
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "give SOURCE or PACKAGES"),
        ({"PACKAGES": "dist/*.rpm"}, "no file fits `dist/*.rpm`"),
        ({"PACKAGES": "*.deb", "CHECK": "no"}, "true, strict or false, not `no`"),
        ({"PACKAGES": "*.deb", "DISTROS": "*"}, "unknown distro `*`"),
        ({"PACKAGES": "$(touch no)"}, "no file fits"),
        ({"SOURCE": "--help", "DISTROS": "debian12"}, "--help"),
    ],
)
def test_bitbucket_refuses(step: Step, variables: dict[str, str], said: str) -> None:
    package(step.folder)
    done = step.run(BITBUCKET / "pipe.sh", **variables, PKGREL_SIGNING_KEY=repositories.key())
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (step.folder / "no").exists()


def test_bitbucket_keeps_the_key_from_the_build(step: Step) -> None:
    """The code of a project runs there: it is not given what signs."""
    (step.folder / "bin").mkdir(exist_ok=True)
    fake = step.folder.parent / "path"
    fake.mkdir()
    (fake / "pkgrel").write_text('#!/bin/sh\n[ "$1" = build ] && env >"$HOME/seen"\necho x.deb\n')
    (fake / "pkgrel").chmod(0o755)
    done = step.run(
        BITBUCKET / "pipe.sh",
        SOURCE=".",
        PATH=f"{fake}:{os.environ['PATH']}",
        PKGREL_SIGNING_KEY="secret",
        PKGREL_SIGNING_PASSPHRASE="secret",
    )
    assert done.returncode == 0, done.stderr
    assert "secret" not in (step.folder / "seen").read_text()


# --- what each system's own schema says of our files


def _schema(name: str) -> Any:
    """Of SchemaStore or of the system itself, as check-jsonschema carries them."""
    skip_unless(find_spec("check_jsonschema"), "needs check-jsonschema's schemas")
    vendor = resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads((vendor / f"{name}.json").read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def _documents() -> Iterator[tuple[str, str, Any]]:
    gitlab = {"build": {"distros": ["el9"]}, "publish": {"repository": "s3://example"}}
    for name, inputs in gitlab.items():
        header, _ = yaml.safe_load_all((TEMPLATES / f"{name}.yml").read_text())
        yield f"{name}.yml", "gitlab-ci", header
        yield f"{name}.yml, interpolated", "gitlab-ci", {"job": component(name, inputs)}
    for path, schema in {
        "contrib/gitlab/.gitlab-ci.yml": "gitlab-ci",
        ".github/workflows/ci.yml": "github-workflows",
        ".github/workflows/release.yml": "github-workflows",
        ".github/dependabot.yml": "dependabot",
        "action.yml": "github-actions",
    }.items():
        yield path, schema, yaml.safe_load((ROOT / path).read_text())
    for number, snippet in enumerate(snippets()):
        kind = "github-workflows" if "jobs" in snippet else "bitbucket-pipelines" if "pipelines" in snippet else "gitlab-ci"  # fmt: skip
        yield f"docs/ci.md, {number}", kind, snippet


def test_each_system_takes_its_files() -> None:
    for where, schema, document in _documents():
        # YAML 1.1 reads `on` as true.
        named = {"on" if key is True else key: value for key, value in document.items()}
        errors = [f"{list(e.path)}: {e.message}" for e in _schema(schema).iter_errors(named)]
        assert not errors, where


def test_the_scripts_are_clean() -> None:
    need("shellcheck")
    for name in ("build", "publish"):
        job = component(name, {"distros": []} if name == "build" else {"repository": "."})
        # Patterns and words are meant to be taken apart; variables are the job's.
        done = subprocess.run(
            ["shellcheck", "--shell=sh", "--exclude=SC2086,SC2154", "-"],
            input="\n".join(job["script"]),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
    done = subprocess.run(["shellcheck", BITBUCKET / "pipe.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert shutil.which(BITBUCKET / "pipe.sh")
