"""pkgrel's own packages, as script/release writes them and as people install them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml

from pkgrel import __version__
from tests.tools import need, run

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a dry run of the release workflow has for its upload."""
    folder = tmp_path_factory.mktemp("release")
    run(ROOT / "script/release", folder, OWNER="example")
    return folder


def test_checksums_name_all_files(made: Path) -> None:
    listed = dict(
        reversed(line.split("  ", 1)) for line in (made / "SHA256SUMS").read_text().splitlines()
    )
    assert {*listed, "SHA256SUMS", "CHANGES.md"} == {file.name for file in made.iterdir()}
    for name, sha256 in listed.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == sha256


def test_the_wheel_says_what_an_index_shows(made: Path) -> None:
    with zipfile.ZipFile(made / f"pkgrel-{__version__}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        metadata = HeaderParser().parsestr(
            wheel.read(f"pkgrel-{__version__}.dist-info/METADATA").decode()
        )
    assert "pkgrel/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]
    classifiers = metadata.get_all("Classifier")
    for python in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {python}" in classifiers
    assert "Typing :: Typed" in classifiers
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_sdist_has_what_its_tests_need(made: Path, tmp_path: Path) -> None:
    """Every file is there that is here, and all tests are found."""
    with tarfile.open(made / f"pkgrel-{__version__}.tar.gz") as sdist:
        sdist.extractall(tmp_path, filter="data")
    folder = tmp_path / f"pkgrel-{__version__}"
    tracked = run("git", "-C", ROOT, "ls-files").splitlines()
    present = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    missing = {name for name in tracked if (ROOT / name).exists()} - present
    assert not {name for name in missing if not name.endswith(".gitignore")}
    collected = run(
        # To rewrite what is asserted takes longer than all else.
        *(sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-n0", "--assert=plain"),
        folder / "tests",
        PYTHONPATH=str(folder),
    )
    # An error of one file would be another exit code.
    assert int(re.findall(r"^(\d+) tests collected", collected, re.M)[0]) > 3000


def test_one_file_runs_with_each_python(made: Path, tmp_path: Path) -> None:
    """As a CI job has it: nothing is installed, and nothing is fetched."""
    (file,) = made.glob("*.pyz")
    found = {sys.executable, *filter(None, (shutil.which(f"python3.{n}") for n in range(11, 15)))}
    # pyenv has a command for each, which need not do anything.
    pythons = [each for each in sorted(found) if not subprocess.run([each, "-c", ""]).returncode]
    for number, python in enumerate(pythons):
        environment = {"SHIV_ROOT": f"{tmp_path}/{number}", "PATH": os.environ["PATH"]}
        said = subprocess.run(
            [python, "-I", file, "distros", "--json"], env=environment, capture_output=True, text=True
        )  # fmt: skip
        assert (said.returncode, said.stderr) == (0, ""), python
        assert '"debian12"' in said.stdout


def test_recipes_are_filled_in(made: Path) -> None:
    sha256 = hashlib.sha256((made / f"pkgrel-{__version__}.tar.gz").read_bytes()).hexdigest()
    for name in ("pkgrel.rb", "PKGBUILD"):
        text = (made / name).read_text()
        assert sha256 in text
        assert __version__ in text
        assert not re.search("@[A-Z]|OWNER", text)
    need("bash")
    subprocess.run(["bash", "-n", made / "PKGBUILD"], check=True)


def test_other_ci_systems_get_files_that_name_the_version(made: Path, tmp_path: Path) -> None:
    wanted = {
        "gitlab-component": {
            "templates/build.yml": f"ghcr.io/example/pkgrel:{__version__}",
            "templates/publish.yml": f"ghcr.io/example/pkgrel:{__version__}",
            "README.md": f"$CI_SERVER_FQDN/example/pkgrel/build@{__version__}",
            ".gitlab-ci.yml": "CI_COMMIT_TAG",
        },
        "bitbucket-pipe": {
            "pipe.yml": f"ghcr.io/example/pkgrel-pipe:{__version__}",
            "Dockerfile": f"ghcr.io/example/pkgrel-pipe:{__version__}",
            "pipe.sh": "pkgrel publish",
        },
    }
    for name, texts in wanted.items():
        with tarfile.open(made / f"{name}-{__version__}.tar.gz") as packed:
            packed.extractall(tmp_path / name, filter="data")
            assert {member.uname for member in packed} == {""}
        for file, text in texts.items():
            said = (tmp_path / name / file).read_text()
            assert text in said
            assert not re.search("@[A-Z]|OWNER", said), file
    assert os.access(tmp_path / "bitbucket-pipe/pipe.sh", os.X_OK)


def test_a_tag_is_the_version(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "script/release", tmp_path / "dist", "v0.0.0"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "the tag is v0.0.0" in done.stderr
    assert not (tmp_path / "dist").exists()


def test_workflows_are_well_formed() -> None:
    """What actionlint looks for first: known keys, jobs that exist, steps that do one thing."""
    for file in (ROOT / ".github/workflows").iterdir():
        workflow = yaml.safe_load(file.read_text())
        # YAML 1.1 reads `on` as true.
        assert set(workflow) <= {"name", True, "permissions", "jobs", "concurrency", "env"}, file
        for job in workflow["jobs"].values():
            needs = job.get("needs", [])
            assert set([needs] if isinstance(needs, str) else needs) <= set(workflow["jobs"])
            for step in job["steps"]:
                assert ("run" in step) != ("uses" in step), step
                if "run" in step:
                    # What comes from outside reaches a script by its environment alone.
                    assert "${{" not in step["run"], step
                    subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)
