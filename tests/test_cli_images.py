"""`pkgrel images`, as far as it needs no Docker."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mix.exs").write_text("defmodule Shop.MixProject do\nend\n")
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4\nelixir 1.18.4-otp-27\n")
    (tmp_path / "pkgrel.toml").write_text(
        '[build]\npackages = ["libpq-dev"]\n[distro.el9.build]\npackages = ["libpq-devel"]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    return tmp_path


def _print(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["images", "build", "--print", *arguments])


def test_the_dockerfile_of_a_project(project: Path) -> None:
    done = _print("--distro", "jammy", "--distro", "rocky9", "--arch", "arm64")
    assert done.exit_code == 0, done.output
    ubuntu, el = done.stdout.split("# pkgrel/")[1:]
    assert ubuntu.startswith("ubuntu22:")
    assert ", arm64\n" in ubuntu
    assert "FROM ubuntu:22.04\n" in ubuntu
    assert " libpq-dev " in ubuntu
    assert "RUN /usr/local/lib/pkgrel/erlang 27.3.4 ubuntu-22.04\n" in ubuntu
    assert "FROM almalinux:9\n" in el
    assert " libpq-devel " in el


def test_the_same_as_json(project: Path) -> None:
    (row,) = json.loads(_print("--distro", "jammy", "--json").stdout)
    assert row["name"].startswith("pkgrel/ubuntu22:")
    assert "FROM ubuntu:22.04\n" in row["dockerfile"]
    assert row["files"]["erlang"].startswith("#!")


def test_a_folder_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = _print("--distro", "debian13")
    assert done.exit_code == 0, done.output
    assert "erlang-nox erlang-dev" in done.stdout


def test_all_are_those_that_can_have_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the distro's own Erlang and Elixir, which not every one has."""
    monkeypatch.chdir(tmp_path)
    done = _print("--distro", "all")
    assert done.exit_code == 0, done.output
    assert "# pkgrel/debian13:" in done.stdout
    assert "# pkgrel/el9:" not in done.stdout
    assert "warning: left out: el9: the distro has no Erlang/OTP of its own" in done.stderr
    done = _print("--distro", "all", "--distro", "el9")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: el9: ")


def test_what_is_wrong_is_one_error(project: Path) -> None:
    done = _print("--distro", "debian99")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: unknown distro `debian99`")
    (project / ".tool-versions").write_text("erlang latest\n")
    done = _print("--distro", "debian12")
    assert done.exit_code == 1
    assert "erlang `latest` is not a version that an image can be made with" in done.stderr
