"""Which folders around a project are included in its build."""

from pathlib import Path

import pytest

from pkgrel.builder import sources
from pkgrel.builder.project import find
from pkgrel.errors import BuildError
from tests import builds

OWN = ["web/lib/small.ex", "web/mix.exs", "web/pkgrel.toml"]
MIX = "defmodule A.MixProject do\nend\n"


def names(folder: Path, *include: str) -> list[str]:
    found = find(folder)
    assert found
    return sources.find_sources(found, include=[folder / path for path in include]).paths


def web(folder: Path, deps: str) -> Path:
    return builds.small(folder / "web", project=f"deps: [{deps}]")


def test_a_dependency_by_path_goes_in_with_those_of_its_own(tmp_path: Path) -> None:
    project = web(tmp_path, '{:shared, path: "../shared"}')
    deep = (
        'def deps, do: [{:deep, path: Path.join(__DIR__, "../libs/deep")}, {:web, path: "../web"}]'
    )
    builds.write(
        tmp_path,
        {
            "shared/mix.exs": deep,
            "shared/lib/shared.ex": "",
            "shared/_build/x": "",
            "libs/deep/mix.exs": MIX,
            "libs/other/mix.exs": MIX,
        },
    )
    shared = ["libs/deep/mix.exs", "shared/lib/shared.ex", "shared/mix.exs"]
    assert names(project) == sorted([*OWN, *shared])

    builds.write(
        tmp_path, {".gitignore": "ignored\n_build\n", "shared/ignored": "", "shared/new.ex": ""}
    )
    builds.commit(tmp_path)
    assert names(project) == sorted([*OWN, *shared, "shared/new.ex"])


def test_an_example_of_a_library_goes_in_with_the_library(tmp_path: Path) -> None:
    project = web(tmp_path, '{:library, path: ".."}')
    builds.write(tmp_path, {"mix.exs": MIX, "lib/library.ex": "", "deps/x/mix.exs": ""})
    assert names(project) == sorted([*OWN, "lib/library.ex", "mix.exs"])


def test_a_file_that_mix_exs_reads_goes_in(tmp_path: Path) -> None:
    project = web(tmp_path, "")
    mix = (project / "mix.exs").read_text()
    (project / "mix.exs").write_text(mix.replace('"0.1.0"', 'File.read!("../VERSION")'))
    builds.write(tmp_path, {"VERSION": "1.0.0", "README.md": ""})
    assert names(project) == sorted([*OWN, "VERSION"])


@pytest.mark.parametrize(
    "path",
    ["../gone", "../data", "../web", "lib/../../web", "../#{name()}", f"../{300 * 'x'}", "../\0"],
)
def test_what_is_no_project_does_not(tmp_path: Path, path: str) -> None:
    project = web(tmp_path, f'{{:it, path: "{path}"}}')
    builds.write(tmp_path, {"data/x": ""})
    assert names(project) == [name.removeprefix("web/") for name in OWN]


@pytest.mark.parametrize("path", ["../.ssh/id", "../.config/gh/hosts.yml", "../id_rsa", "../key"])
def test_nobodys_secrets_go_in_because_a_text_names_them(tmp_path: Path, path: str) -> None:
    project = web(tmp_path, f'{{:it, path: "{path}"}}')
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    builds.write(tmp_path / "web", {path: key})
    assert names(project) == [name.removeprefix("web/") for name in OWN]
    assert path.removeprefix("../") in names(project, path)


def test_a_mix_exs_that_has_no_end_is_not_read(tmp_path: Path) -> None:
    project = web(tmp_path, "")
    (project / "more").mkdir()
    (project / "more/mix.exs").symlink_to("/dev/zero")
    assert "more/mix.exs" in names(project)


def test_more_is_included_by_name_whatever_git_ignores(tmp_path: Path) -> None:
    project = web(tmp_path, "")
    builds.write(tmp_path, {"proto/a.proto": "", "web/priv/made/x": "", ".gitignore": "made\n"})
    builds.commit(tmp_path)
    assert names(project) == OWN
    assert names(project, "../proto", "priv/made") == sorted(
        ["proto/a.proto", *OWN, "web/priv/made/x"]
    )
    with pytest.raises(BuildError, match=r"build.include: `.*/gone` is not there"):
        names(project, "gone")
