"""Fixtures for every test: goldens, and releases that mix and rebar3 really built."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import releases

# A bug in a command that a test runs is shown with its traceback.
os.environ.setdefault("PKGREL_DEBUG", "1")
# The key of real packages is not for those of tests.
os.environ.pop("PKGREL_SIGNING_KEY", None)

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew")


LONG = (
    "test_repository_killed.py",
    "test_builder_host.py",
    "test_action.py",
    "test_ci_systems.py",
    "test_store_faults.py",
    "test_scripts.py",
    "test_service_helpers.py",
    "test_rpm.py",
)
"""Files that one worker has for about a minute: at the end of a run the others would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


def skip_unless(possible: object, reason: str) -> None:
    """Skip where something cannot be had; in CI everything must be there, so fail."""
    if possible:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _need(tool: str) -> None:
    missing = releases.missing(tool)
    skip_unless(not missing, f"{tool} releases need {', '.join(missing)} on this machine")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with tests/golden/NAME; `--update-golden` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"no {path}: run pytest with --update-golden and read the diff"
        assert text == path.read_text()

    return compare


@pytest.fixture(scope="session")
def hello_release() -> Callable[[str], Path]:
    """VERSION -> tarball of examples/hello, made by `mix release`."""
    _need("mix")
    return releases.hello


@pytest.fixture(scope="session")
def relx_release() -> Path:
    """Tarball of examples/relx_nif, made by rebar3; it has a NIF."""
    _need("rebar3")
    return releases.relx_nif()


@pytest.fixture(scope="session")
def distillery_release() -> Path:
    """Tarball of examples/hello as Distillery 2 would have laid it out."""
    _need("mix")
    return releases.distillery_hello("1.0.0")
