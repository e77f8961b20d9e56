"""The CI step: the GitHub action's own scripts, run as a runner runs them, and the snippets of docs/ci.md."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pkgrel import artifact
from pkgrel.distro import find
from pkgrel.trial import statements
from pkgrel.trial.results import Outcome, Result, Tried
from tests import builds as projects
from tests import repositories, s3_servers
from tests.conftest import skip_unless
from tests.packages import package
from tests.tiny_release import files, tarball

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / ".github/action"
EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")


@cache
def action() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def pip_settings() -> dict[str, str]:
    """Where this machine has its packages from; to compile what is never imported takes longer than all else."""
    found = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    return {**found, "PIP_NO_COMPILE": "1"}


def snippets() -> list[dict[Any, Any]]:
    """The YAML of docs/ci.md; GitHub's is the first."""
    text = (ROOT / "docs/ci.md").read_text()
    return [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    ]


@dataclass
class Job:
    """A job of a runner's: what its steps know of each other is in files and in PATH."""

    folder: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    installed: Path | None = None
    log: str = ""

    def uses(self, **inputs: str) -> dict[str, str]:
        """Run the action; its outputs."""
        values = {name: str(about.get("default", "")) for name, about in action()["inputs"].items()}
        assert set(inputs) <= set(values)
        values |= inputs
        known = {f"inputs.{name}": text for name, text in values.items()}
        for step in action()["runs"]["steps"]:
            if "run" not in step:
                continue  # another action, which needs GitHub
            known |= {
                f"steps.{step['id']}.outputs.{n}": v for n, v in self._run(step, known).items()
            }
        return {
            name: _evaluated(about["value"], known) for name, about in action()["outputs"].items()
        }

    def _run(self, step: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
        self.folder.mkdir(exist_ok=True)
        files = {name: self.folder / f".{name}" for name in ("output", "path", "summary")}
        for file in files.values():
            file.touch()
        files["output"].write_text("")
        paths = files["path"].read_text().splitlines()[::-1]
        environment = {
            "PATH": ":".join([*paths, os.environ["PATH"]]),
            "HOME": str(self.folder),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_PATH": str(files["path"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "RUNNER_TEMP": str(self.installed or self.folder / "temp"),
            **pip_settings(),
            **self.secrets,
            **{name: _evaluated(text, known) for name, text in step.get("env", {}).items()},
        }
        # As a runner does with `shell: bash`.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        self.log += done.stdout + done.stderr
        if done.returncode:
            raise StepFailed(done.stdout + done.stderr)
        return _outputs(files["output"].read_text())


class StepFailed(Exception):
    pass


def _evaluated(text: str, known: Mapping[str, str]) -> str:
    """The text with its expressions; an output that was not written is empty."""

    def one(found: re.Match[str]) -> str:
        name = found[1]
        assert name in known or re.fullmatch(r"steps\.(build|publish)\.outputs\.[a-z]+", name), name
        return known.get(name, "")

    return EXPRESSION.sub(one, text)


def _outputs(text: str) -> dict[str, str]:
    return {
        name: value
        for name, _, value in re.findall(r"^(\w+)<<(\S+)\n(.*?)\n\2$", text, re.M | re.S)
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where install.sh has put pkgrel, for all jobs of this module."""
    skip_unless(shutil.which("bash"), "the action's scripts need bash")
    folder = tmp_path_factory.mktemp("runner")
    job = Job(folder / "job", installed=folder)
    job.uses()
    return folder


def _job(folder: Path, installed: Path, kind: str = "local") -> Job:
    job = Job(folder, s3_servers.environment(kind), installed)
    # The action's input says where the server is.
    job.secrets = {n: v for n, v in job.secrets.items() if n in s3_servers.CREDENTIALS}
    folder.mkdir()
    (folder / ".path").write_text(f"{installed}/pkgrel/path\n")
    return job


def test_two_jobs_at_once(tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each publishes ten packages into a bucket: all twenty are there for apt and for dnf."""
    for name, text in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, text)
    store = s3_servers.store("moto", tmp_path)
    repositories.make(store)
    jobs = []
    for number in range(2):
        job = _job(tmp_path / f"job{number}", installed, "moto")
        (job.folder / "dist/more").mkdir(parents=True)
        for which in range(5):
            name = f"job{number}-{which}"
            repositories.pair(job.folder / "dist/more", name=name)
        jobs.append(job)

    def publish(job: Job) -> dict[str, str]:
        return job.uses(
            **{
                "packages": "dist/**/*.deb\n\n  \ndist/more/*.rpm\r\n",
                "repository": store.url,
                "endpoint": s3_servers.endpoint("moto"),
                "signing-key": repositories.key(),
            }
        )

    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(publish, jobs))
    wanted = {f"job{number}-{which}" for number in range(2) for which in range(5)}
    assert {name for name, _ in repositories.apt(store)} == wanted
    assert {name for name, _ in repositories.dnf(store)} == wanted
    for job, output in zip(jobs, outputs, strict=True):
        assert output["repository"] == store.url
        assert len(output["packages"].splitlines()) == 10
        assert all((job.folder / path).is_file() for path in output["packages"].splitlines())
        assert "| + | stable | el9 | job" in (job.folder / ".summary").read_text()


def test_build_in_one_job_and_publish_in_another(tmp_path: Path, installed: Path) -> None:
    """The example workflow: a job for each distro, whose packages the last one publishes."""
    (github, *_) = snippets()
    build, publish = github["jobs"]["build"], github["jobs"]["publish"]
    inputs = _with(build)
    for distro in build["strategy"]["matrix"]["distro"]:
        job = _job(tmp_path / distro, installed)
        _unpacked(job.folder)
        output = job.uses(
            **{n: v.replace("${{ matrix.distro }}", distro) for n, v in inputs.items()}
        )
        assert output["repository"] == ""
        (path,) = output["packages"].splitlines()
        assert find(distro).format in path
    made = list(tmp_path.glob("*/dist/*"))
    last = _job(tmp_path / "publish", installed)
    (last.folder / "dist").mkdir()
    for file in made:
        shutil.copy(file, last.folder / "dist")
    inputs = _with(publish) | {
        "repository": "packages",
        "channel": "stable",
        "signing-key": repositories.key(),
        "signing-passphrase": "",
    }
    last.uses(**inputs)
    for distro in build["strategy"]["matrix"]["distro"]:
        assert f"+ stable {distro} " in last.log
    last.log = ""
    last.uses(**inputs)
    assert "nothing to do" in last.log


def _with(job: Mapping[str, Any]) -> dict[str, str]:
    """What the job gives to our action."""
    (step,) = [s for s in job["steps"] if "/pkgrel@" in s.get("uses", "")]
    assert set(step["with"]) <= set(action()["inputs"])
    return step["with"]


def _unpacked(folder: Path) -> None:
    """A release that any distro can run, as the folder's own contents."""
    subprocess.run(["tar", "-x"], cwd=folder, input=tarball(files().values()), check=True)
    (folder / "pkgrel.toml").write_text('[package]\nmaintainer = "Test <test@example.org>"\n')


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"packages": "dist/*.deb", "repository": "repo"}, "no file fits `dist/*.deb`"),
        ({"repository": "repo"}, "nothing to publish: give `packages` or `source`"),
        ({"packages": "*_amd64.deb", "repository": "repo"}, "needs a key that signs it"),
        ({"packages": "*_amd64.deb", "distros": "$(touch no)", "repository": "repo"}, "unknown distro"),
        ({"packages": "$(touch no)", "repository": "repo"}, "no file fits `$(touch no)`"),
        ({"packages": "`touch no`", "repository": "repo"}, "no file fits"),
        ({"packages": "*_amd64.deb", "repository": "repo", "channel": '"; touch no; "'}, "channel"),
        ({"source": "$(touch no)", "distros": "debian12"}, "touch no"),
        ({"source": "--help", "distros": "debian12"}, "--help"),
        ({"source": ".", "distros": "*"}, "unknown distro `*`"),
        ({"packages": "*_amd64.deb", "repository": "repo", "try": "yes"}, "`try` is true, required or false, not `yes`"),
    ],
)  # fmt: skip
def test_bad_input(tmp_path: Path, installed: Path, inputs: dict[str, str], said: str) -> None:
    """One error, and what a caller gives is never run."""
    job = _job(tmp_path / "job", installed)
    package(job.folder)
    with pytest.raises(StepFailed, match=re.escape(said)):
        job.uses(**inputs)
    assert not (job.folder / "no").exists()
    assert not (job.folder / "repo").exists()
    assert "Traceback" not in job.log


def test_an_error_stands_at_its_line(tmp_path: Path, installed: Path) -> None:
    job = _job(tmp_path / "job", installed)
    _unpacked(job.folder)
    with (job.folder / "pkgrel.toml").open("a") as file:
        file.write("[service]\nenabel = true\n")
    with pytest.raises(StepFailed):
        job.uses(source=".", distros="debian12")
    assert "\n::error file=pkgrel.toml,line=4::unknown key `service.enabel`\n" in f"\n{job.log}"


def test_what_check_finds_is_not_published(tmp_path: Path, installed: Path) -> None:
    job = _job(tmp_path / "job", installed)
    package(job.folder)
    inputs = {"packages": "*.deb", "repository": "repo", "signing-key": repositories.key()}
    with pytest.raises(StepFailed, match="warning"):
        job.uses(**inputs, check="strict")
    assert not (job.folder / "repo").exists()
    job.uses(**inputs, check="true", url="https://packages.example.org/")
    assert (
        "https://packages.example.org/install.sh | sudo sh" in (job.folder / ".summary").read_text()
    )


def test_only_what_was_tried_is_published(tmp_path: Path, installed: Path) -> None:
    job = _job(tmp_path / "job", installed)
    (job.folder / "dist").mkdir()
    file = package(job.folder / "dist")
    wanted = {"packages": "dist/*", "repository": "repo", "try": "required"}
    wanted["signing-key"] = repositories.key()
    with pytest.raises(StepFailed, match="it has not passed on debian12"):
        job.uses(**wanted)
    done = Tried(
        artifact=artifact.read(file),
        distro=find("debian12"),
        results=tuple(
            Result(id=id, title=id, outcome=Outcome.PASSED) for id in ("install", "ready")
        ),
    )
    statements.write(done, repositories.signer())
    assert job.uses(**wanted)["packages"].split() == ["dist/hello_1.0.0-1~debian12_amd64.deb"]


def test_names_with_blanks(tmp_path: Path, installed: Path) -> None:
    job = _job(tmp_path / "a job", installed)
    package(job.folder).rename(job.folder / "-my package.deb")
    output = job.uses(packages="-my*", repository="the repo", **{"signing-key": repositories.key()})
    assert output == {"packages": "-my package.deb", "repository": "the repo"}


def test_the_secret_key_is_nowhere(tmp_path: Path, installed: Path) -> None:
    job = _job(tmp_path / "job", installed)
    package(job.folder)
    job.uses(packages="*.deb", repository="repo", **{"signing-key": repositories.key()})
    line = repositories.key().splitlines()[6]
    assert line not in job.log
    for path in job.folder.rglob("*"):
        assert not path.is_file() or line.encode() not in path.read_bytes(), path


def test_scripts_use_what_is_declared() -> None:
    """Every input is used, every variable of a script is given, and no expression is in a script."""
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action()["inputs"])
    given = set()
    for step in action()["runs"]["steps"]:
        if "run" not in step:
            continue
        assert not EXPRESSION.search(step["run"])
        assert step["shell"] == "bash"
        script = (ROOT / step["run"].strip('"').removeprefix("$GITHUB_ACTION_PATH/")).read_text()
        used = set(re.findall(r"\bACTION_[A-Z_]+", script))
        given = {name for name in step.get("env", {}) if name.startswith("ACTION_")}
        assert used == given, step["id"]
    for about in action()["inputs"].values():
        assert about["description"]
    documented = re.findall(r"`([\w-]+)`", (ROOT / "docs/ci.md").read_text().split("| input |")[1].split("\n\n")[0])  # fmt: skip
    assert set(action()["inputs"]) <= set(documented)


def test_only_what_was_built_here_is_attested_and_before_anybody_has_it() -> None:
    steps = action()["runs"]["steps"]
    (attest,) = (step for step in steps if "attest" in step.get("uses", ""))
    assert attest["if"] == "inputs.attest == 'true' && steps.build.outputs.packages != ''"
    assert attest["with"] == {"subject-path": "${{ steps.build.outputs.packages }}"}
    order = [step.get("id") for step in steps]
    assert order.index("build") < steps.index(attest) < order.index("publish")


def test_scripts_are_clean() -> None:
    skip_unless(shutil.which("shellcheck"), "the action's scripts need shellcheck")
    scripts = [*sorted(SCRIPTS.glob("*.sh")), ROOT / "script/install", ROOT / "script/lock"]
    done = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert all(os.access(script, os.X_OK) for script in scripts if script.stem != "runner")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pkgrel's own repository, of one commit with what is here now."""
    folder = tmp_path_factory.mktemp("clone") / "pkgrel"
    folder.mkdir()
    for name in ("pkgrel", "packaging_templates", "build_images", "requirements", "script"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    projects.commit(folder)
    return folder


def test_other_systems(tmp_path: Path, checkout: Path, installed: Path) -> None:
    """GitLab's and Bitbucket's commands, with only the places exchanged; each line is run once.

    What script/install makes is there: the action has made it.
    """
    cloned = tmp_path / "pkgrel"
    shutil.copytree(checkout, cloned)
    (cloned / "script/install").write_text(f'#!/bin/sh\nexec ln -s {installed}/pkgrel "$1"\n')
    projects.git(cloned, "commit", "--quiet", "--all", "--message=installed")
    (gitlab,) = (each for each in snippets() if "before_script" in each.get("default", {}))
    (bitbucket,) = (each for each in snippets() if "definitions" in each)
    *builds, last = bitbucket["pipelines"]["tags"]["v*"]
    steps = [each["step"] for each in builds[0]["parallel"]]
    (variants,) = gitlab["build"]["parallel"]["matrix"]
    # Both install the same way: GitLab's job does it here for both.
    install = bitbucket["definitions"]["install"]
    assert install.split(" && ") == gitlab["default"]["before_script"]
    systems = {
        "gitlab": (
            gitlab["default"]["before_script"]
            + [
                line.replace("$DISTRO", distro)
                for line in gitlab["build"]["script"]
                for distro in variants["DISTRO"]
            ],
            gitlab["publish"]["script"],
            gitlab["publish"]["variables"],
        ),
        "bitbucket": (
            [line for step in steps for line in step["script"] if line != install],
            [line for line in last["step"]["script"] if line != install],
            {},
        ),
    }
    for name, (build, publish, variables) in systems.items():
        folder = tmp_path / name
        folder.mkdir()
        _unpacked(folder)
        places = {
            "s3://packages.example.com": "packages",
            "/tmp/aws-token": "token",
            "https://github.com/OWNER/pkgrel": str(cloned),
            "COMMIT": projects.git(cloned, "rev-parse", "HEAD"),
            "/opt/": f"{tmp_path}/opt/",
        }
        lines = dict.fromkeys([*build, *publish])
        for place, own in places.items():
            lines = {line.replace(place, own): None for line in lines}
        done = subprocess.run(
            ["sh", "-eu", "-c", "\n".join(lines)],
            cwd=folder,
            env={
                "PATH": f"{tmp_path}/opt/installed/bin:{os.environ['PATH']}",
                "HOME": str(folder),
                **pip_settings(),
                "PKGREL_SIGNING_KEY": repositories.key(),
                **{n: v.replace("/tmp/aws-token", "token") for n, v in variables.items()},
                "AWS_TOKEN": "secret",
                "BITBUCKET_STEP_OIDC_TOKEN": "secret",
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert (folder / "token").read_text() == "secret"
        assert (folder / "token").stat().st_mode & 0o777 == 0o600
        assert [line.split()[2] for line in done.stdout.splitlines() if line[0] == "+"] == [
            "debian12",
            "ubuntu24",
            "el9",
        ]


def test_another_file_than_that_which_was_tested_is_not_installed(
    tmp_path: Path, checkout: Path
) -> None:
    """As an index serves it that was broken into, or that has a newer one under the same number."""
    changed = tmp_path / "pkgrel"
    shutil.copytree(checkout, changed)
    locked = changed / "requirements/pkgrel.txt"
    text = re.sub(r"(?<=^rpmfile).*?(?=\n\w)", _wrong, locked.read_text(), flags=re.M | re.S)
    locked.write_text(text)
    done = subprocess.run(
        [changed / "script/install", tmp_path / "there"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "there/bin/pkgrel").exists()


def _wrong(entry: re.Match[str]) -> str:
    return re.sub(r"sha256:\w", "sha256:" + "0", entry[0]).replace("sha256:00", "sha256:01")


def test_all_that_pkgrel_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "pkgrel": project["project"]["dependencies"],
        "dev": project["project"]["optional-dependencies"]["dev"],
        "build": project["build-system"]["requires"],
    }
    for name, requirements in wanted.items():
        text = (ROOT / f"requirements/{name}.txt").read_text()
        entries = re.findall(
            r"^(\S+?)==([^\s;]+)([^\n]*)((?:\n    --hash=sha256:\w{64}.*)+)", text, re.M
        )
        assert len(entries) == len(re.findall(r"^\w", text, re.M))
        assert "://" not in text
        locked = {canonicalize_name(entry[0].partition("[")[0]): entry[1] for entry in entries}
        for requirement in map(Requirement, requirements):
            assert locked[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_what_others_wrote_is_named_by_its_content() -> None:
    """Actions, in our own workflows and in those that users copy; a tag can be moved."""
    texts = [ROOT / "docs/ci.md", ROOT / "action.yml", *(ROOT / ".github/workflows").iterdir()]
    used = [line for file in texts for line in re.findall(r"uses: *(.*)", file.read_text())]
    assert len(used) > 5
    for line in used:
        assert re.fullmatch(r"OWNER/pkgrel@COMMIT|\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
