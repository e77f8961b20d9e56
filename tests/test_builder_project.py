"""Recognition of SOURCE, and of the release that is meant."""

import re
from pathlib import Path

import pytest

from pkgrel.builder import steps, toolchain
from pkgrel.builder.project import Tool, find, source_date
from pkgrel.builder.toolchain import Toolchain
from pkgrel.errors import BuildError
from tests import builds


def test_a_folder_is_what_is_in_it(tmp_path: Path) -> None:
    assert find(builds.write(tmp_path / "empty", {"README.md": ""})) is None
    assert find(builds.write(tmp_path / "erlang", {"rebar.config": ""})).tool is Tool.REBAR3
    both = builds.write(tmp_path / "both", {"mix.exs": "", "rebar.config": ""})
    assert find(both).tool is Tool.MIX
    assert find(both / "mix.exs") is None
    # A release may hold anything, and a project may have a folder `releases`.
    assert find(builds.write(both, {"releases/notes.md": ""})).tool is Tool.MIX
    assert find(builds.write(both, {"releases/start_erl.data": "13.1.5 1.0.0"})) is None


def test_an_application_of_an_umbrella_is_sent_to_its_root(tmp_path: Path) -> None:
    text = 'def project, do: [app: :web, deps_path: "../../deps", version: "1"]'
    builds.write(tmp_path, {"apps/web/mix.exs": text})
    assert find(tmp_path / "apps/web")
    builds.write(tmp_path, {"mix.exs": ""})
    with pytest.raises(BuildError, match="is an application of the umbrella") as refused:
        find(tmp_path / "apps/web")
    assert "--release NAME" in str(refused.value.hint)


def test_the_date_of_the_sources_is_that_of_the_last_commit(tmp_path: Path) -> None:
    folder = builds.small(tmp_path / "small")
    assert source_date(find(folder)) is None
    builds.commit(folder)
    assert source_date(find(folder)) == builds.COMMIT_DATE


def described(**given: object) -> steps.Description:
    nothing = {
        "app": "small",
        "releases": (),
        "default": "",
        "elixir": "1.14.0",
        "otp": "25",
        "wants": "",
        "fetched": frozenset(),
        "assets": (),
        "npm": frozenset(),
        "complete": False,
        "missing": (),
    }
    return steps.Description(**(nothing | given))


@pytest.mark.parametrize(
    ("given", "wanted", "name"),
    [
        ({}, "", ""),
        ({}, "small", ""),
        ({"releases": ("one",)}, "", "one"),
        ({"releases": ("one", "two")}, "two", "two"),
        ({"releases": ("one", "two"), "default": "two"}, "", "two"),
        ({"app": "", "releases": ("one",)}, "", "one"),
    ],
)
def test_the_release_that_is_meant(given: dict, wanted: str, name: str) -> None:
    assert steps.release_name(described(**given), wanted, "here") == name


@pytest.mark.parametrize(
    ("given", "wanted", "message", "hint"),
    [
        ({"releases": ("one", "two")}, "", "several releases: one, two", "--release one"),
        ({"releases": ("one", "two")}, "three", "no release `three`", "one, two"),
        ({}, "other", "no release `other`", "small"),
        ({"app": ""}, "", "the umbrella has no release", "releases:"),
    ],
)
def test_no_release_is_guessed(given: dict, wanted: str, message: str, hint: str) -> None:
    with pytest.raises(BuildError, match=message) as refused:
        steps.release_name(described(**given), wanted, "here")
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("asked", "fine"),
    [
        ({}, True),
        ({"elixir": "1.14", "erlang": "25.2.3"}, True),
        ({"elixir": "1.14.0"}, True),
        ({"elixir": "1.1"}, False),
        ({"elixir": "1.14.0-rc.1"}, False),
        ({"erlang": "27"}, False),
    ],
)
def test_other_versions_than_the_project_asks_for_are_refused(asked: dict, fine: bool) -> None:
    wanted = Toolchain(**asked, sources={"elixir": ".tool-versions", "erlang": "mise.toml"})
    if fine:
        steps.refuse_other_tools(described(), wanted, "host")
        return
    with pytest.raises(BuildError) as refused:
        steps.refuse_other_tools(described(), wanted, "host")
    assert re.fullmatch(
        r"host: (.tool-versions|mise.toml) asks for .* is there", str(refused.value)
    )


def test_variables_of_the_shell_that_a_build_does_not_see_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds.write(
        tmp_path,
        {
            "mix.exs": 'version: System.get_env("APP_VERSION", "0"), x: System.fetch_env!("GIVEN")\n# System.get_env("OLD")\n',
            "apps/a/mix.exs": 'System.get_env("MIX_ENV")\nSystem.get_env("NOWHERE")\n',
            "config/config.exs": 'config :a, b: System.get_env( "BUILT_IN" )\n',
            "config/runtime.exs": 'System.fetch_env!("AT_RUN_TIME")\n',
        },
    )
    for name in ("APP_VERSION", "GIVEN", "OLD", "MIX_ENV", "BUILT_IN", "AT_RUN_TIME"):
        monkeypatch.setenv(name, "1")
    assert list(toolchain.withheld(tmp_path, ["GIVEN"])) == ["APP_VERSION", "BUILT_IN"]
