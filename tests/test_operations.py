"""`from pkgrel import operations`: docs/python.md as a script that somebody runs."""

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pkgrel import operations
from tests import repositories, tiny_release

PAGE = Path(__file__).parents[1] / "docs/python.md"
SETTINGS = '[package]\nname = "hello"\nversion = "1.0.0"\nmaintainer = "Test <test@example.org>"\nsummary = "Says hello"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's files are."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "hello-1.0.0.tar.gz").write_bytes(gzip.compress(tiny_release.with_()))
    (folder / "pkgrel.toml").write_text(SETTINGS)
    (folder / "key.asc").write_text(repositories.key())
    (folder / "broken.deb").write_bytes(b"!<arch>\nbroken")
    return folder


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if "PKGREL" not in name}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_page_runs_as_it_stands(folder: Path) -> None:
    first, error, report = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    warned = report.replace(
        'log = logging.getLogger("packages")', "logging.basicConfig(level=20)\nlog = logging"
    )
    done = run(folder, "\n".join([first, error, warned]))
    assert done.returncode == 0, done.stderr
    assert "hello_1.0.0-1~debian12_amd64.deb: uploading" in done.stderr
    lines = done.stdout.splitlines()
    assert "generation 1" in lines
    assert "debian12 hello 1.0.0-1~debian12" in lines
    assert "el9 hello 1.0.0-1.el9" in lines
    assert lines[-3] == "broken.deb"
    assert lines[-2]


def test_each_name_is_there_and_documented() -> None:
    page = PAGE.read_text()
    for name in operations.__all__:
        found = getattr(operations, name)
        assert found.__doc__, name
        if name.islower() and name not in ("recipes", "read_public_key", "remedy"):
            assert f"`{name}" in page or f"operations.{name}" in page, name
    with pytest.raises(AttributeError):
        _ = operations.nothing


def test_one_operation_costs_only_what_it_needs(folder: Path) -> None:
    code = "import sys\nfrom pkgrel import operations\noperations.show\nprint('docker' in sys.modules, 'jinja2' in sys.modules)"
    assert run(folder, code).stdout == "False False\n"


def test_an_operation_prints_nothing_and_says_who_is_to_blame(folder: Path) -> None:
    code = """
from pathlib import Path
from pkgrel import operations
try:
    operations.open_repository("./nowhere")
except operations.PkgrelError as e:
    assert e.reason and e.remedy
    print(e.subject)
"""
    done = run(folder, code)
    assert done.stdout.strip() == "nowhere"
    assert done.stderr == ""
