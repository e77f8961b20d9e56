"""Dockerfiles of build images: what is chosen, what is written, what names it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel.builder import recipe as recipes
from pkgrel.builder.project import Project, Tool
from pkgrel.builder.recipe import Recipe, choose, recipe_for
from pkgrel.builder.toolchain import Toolchain, may_meet
from pkgrel.config.delivery import BuildSettings
from pkgrel.distro import distros, find
from pkgrel.errors import BuildError
from pkgrel.resources import BUILD_IMAGES
from tests.conftest import skip_unless

NEW = Toolchain("27.3.4", "1.18.4", "22")

GOLDEN = {
    "debian12-own": ("debian12", Toolchain()),
    "debian12-new": ("debian12", NEW),
    "debian11-mixed": ("debian11", Toolchain("23", "1.11.4")),
    "debian10-own": ("debian10", Toolchain("", "", "10")),
    "ubuntu24-new": ("ubuntu24", NEW),
    "el7-old": ("el7", Toolchain("24.3.4.17", "1.14.5")),
    "el9-new": ("el9", NEW),
    "amzn2023-new": ("amzn2023", NEW),
    "fedora44-own": ("fedora44", Toolchain()),
    "leap16-new": ("leap16", NEW),
    "tumbleweed-own": ("tumbleweed", Toolchain()),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_dockerfiles(name: str, golden: Callable[[str, str], None]) -> None:
    distro, tools = GOLDEN[name]
    made = recipe_for(find(distro), tools, "amd64", ("libpq-dev", "perl(JSON)"))
    golden(f"images/{name}.Dockerfile", made.dockerfile)


def test_dockerfiles_name_a_locale_that_the_distro_has() -> None:
    for row in distros().values():
        wanted = "en_US.UTF-8" if row.id in ("el7", "amzn2") else "C.UTF-8"
        made = recipe_for(row, Toolchain("24.3.4.17", "1.14.5"), "amd64")
        assert f"\nENV LANG={wanted}\n" in made.dockerfile, row.id


def _run_scripts(made: Recipe) -> list[str]:
    """What the shell gets: instructions with their lines joined, comments within them left out."""
    text = "\n".join(
        line for line in made.dockerfile.splitlines() if not line.lstrip().startswith("#")
    )
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.removeprefix("RUN ") for line in joined.splitlines() if line.startswith("RUN ")]


@pytest.mark.parametrize("distro", distros())
def test_every_distro_has_a_recipe_that_shellcheck_likes(distro: str, tmp_path: Path) -> None:
    skip_unless(shutil.which("shellcheck"), "shellcheck is not installed")
    made = recipe_for(find(distro), NEW, "amd64", ("more",))
    scripts = _run_scripts(made)
    assert any("install" in script and "more" in script for script in scripts)
    for number, script in enumerate(scripts):
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/sh\n{script}\n")
    checked = subprocess.run(
        ["shellcheck", *map(str, tmp_path.iterdir())], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("distro", distros())
def test_only_instructions_that_every_docker_knows(distro: str) -> None:
    made = recipe_for(find(distro), NEW, "arm64")
    text = re.sub(r"\\\n", "", made.dockerfile)
    words = {line.split()[0] for line in text.splitlines() if not line.startswith((" ", "#"))}
    assert words <= {"FROM", "ENV", "RUN", "ARG", "COPY"}
    assert "--mount" not in text
    copied = re.search(r"^COPY (.*) /usr/local/lib/pkgrel/$", text, re.MULTILINE)
    assert set(copied[1].split() if copied else ()) == set(made.files)


def test_shellcheck_likes_the_scripts() -> None:
    skip_unless(shutil.which("shellcheck"), "shellcheck is not installed")
    scripts = [BUILD_IMAGES / "facts", *(BUILD_IMAGES / "install").iterdir()]
    subprocess.run(
        ["shellcheck", "--external-sources", *map(str, scripts)],
        cwd=BUILD_IMAGES.parent,
        check=True,
    )


@pytest.mark.parametrize("wanted", ["", "25", "25.2", "25.2.3"])
def test_the_distros_packages_when_their_version_begins_so(wanted: str) -> None:
    chosen = choose(find("debian12"), Toolchain(wanted))
    assert (chosen.erlang.version, chosen.erlang.packaged) == ("25.2.3", True)
    assert (chosen.elixir.version, chosen.elixir.packaged) == ("1.14.0", True)
    assert chosen.nodejs.version == ""


@pytest.mark.parametrize("wanted", ["2", "25.2.30", "25.2.3.1", "26", "25.3"])
def test_another_version_is_downloaded(wanted: str) -> None:
    chosen = choose(find("debian12"), Toolchain(wanted, "1.14"))
    assert not chosen.erlang.packaged
    # The distro's Elixir would bring the distro's Erlang with it.
    assert (chosen.elixir.version, chosen.elixir.packaged) == ("1.14", False)
    assert chosen.built_for == "ubuntu-22.04"


def test_the_distros_erlang_goes_with_another_elixir() -> None:
    made = recipe_for(find("debian12"), Toolchain("", "1.15.8"), "amd64")
    assert "erlang-nox erlang-dev" in made.dockerfile
    assert "RUN /usr/local/lib/pkgrel/elixir 1.15.8\n" in made.dockerfile
    assert "pkgrel/erlang" not in made.dockerfile
    assert set(made.files) == {"download", "elixir"}
    assert made.tools == "Erlang/OTP 25.2.3, Elixir 1.15.8"


def test_a_distro_without_erlang_wants_a_version() -> None:
    with pytest.raises(BuildError, match="el9: the distro has no Erlang/OTP of its own") as e:
        recipe_for(find("el9"), Toolchain(), "amd64")
    assert ".tool-versions" in str(e.value.hint)


def test_an_elixir_that_does_not_run_is_not_chosen() -> None:
    with pytest.raises(BuildError, match=r"ubuntu18: no version of Elixir is asked for"):
        recipe_for(find("ubuntu18"), Toolchain(), "amd64")


def test_another_erlang_wants_an_elixir_unless_the_project_does_not() -> None:
    with pytest.raises(BuildError, match="debian12: no version of Elixir is asked for"):
        recipe_for(find("debian12"), Toolchain("27"), "amd64")
    made = recipe_for(find("debian12"), Toolchain("27"), "amd64", elixir=False)
    assert "elixir" not in made.dockerfile
    assert (
        "elixir" not in recipe_for(find("debian12"), Toolchain(), "amd64", elixir=False).dockerfile
    )


def test_the_name_says_what_is_in_it() -> None:
    own = recipe_for(find("debian12"), Toolchain(), "amd64")
    assert re.fullmatch(r"pkgrel/debian12:[0-9a-f]{16}", own.name)
    # However the same thing is asked for, it is the same image.
    assert recipe_for(find("debian12"), Toolchain("25.2", "1.14"), "amd64").name == own.name
    others = [
        recipe_for(find("debian12"), Toolchain(), "arm64"),
        recipe_for(find("debian12"), Toolchain(), "amd64", ("libpq-dev",)),
        recipe_for(find("debian12"), Toolchain(), "amd64", image="example/debian:12"),
        recipe_for(find("debian12"), Toolchain("", "1.15.8"), "amd64"),
        recipe_for(find("debian13"), Toolchain(), "amd64"),
    ]
    assert len({own.name, *(other.name for other in others)}) == 6
    changed = replace(others[3], files={**others[3].files, "elixir": b"#!/bin/sh\n"})
    assert changed.name != others[3].name


def test_another_image_keeps_its_own_sources() -> None:
    assert "archive.debian.org" in recipe_for(find("debian10"), Toolchain(), "amd64").dockerfile
    made = recipe_for(find("debian10"), Toolchain(), "amd64", image="example/buster:1")
    assert "archive.debian.org" not in made.dockerfile
    assert made.dockerfile.splitlines()[1] == "FROM example/buster:1"
    assert made.base == "example/buster:1"


@pytest.mark.parametrize("package", ["", "-y", "a b", "a;reboot", "a\nRUN id", "$(id)"])
def test_what_is_no_package_is_refused(package: str) -> None:
    with pytest.raises(BuildError, match=r"build\.packages: `"):
        recipe_for(find("debian12"), Toolchain(), "amd64", (package,))


@pytest.mark.parametrize("image", ["-x", "a b", "debian\nRUN id", "Debian:12"])
def test_what_is_no_image_is_refused(image: str) -> None:
    with pytest.raises(BuildError, match=r"build\.image: `"):
        recipe_for(find("debian12"), Toolchain(), "amd64", image=image)


def test_an_architecture_without_images_is_refused() -> None:
    with pytest.raises(BuildError, match="no build images for the architecture `s390x`"):
        recipe_for(find("debian12"), Toolchain(), "s390x")


def test_a_project_brings_its_toolchain_and_settings(tmp_path: Path) -> None:
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4\nelixir 1.18.4\n")
    settings = BuildSettings(nodejs="22", packages=("libpq-dev",))
    mix = recipes.for_project(Project(tmp_path, Tool.MIX), settings, find("debian12"), "amd64")
    assert mix == recipe_for(find("debian12"), NEW, "amd64", ("libpq-dev",))
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4\n")
    rebar = recipes.for_project(Project(tmp_path, Tool.REBAR3), settings, find("el9"), "amd64")
    assert "elixir" not in rebar.files


@pytest.mark.parametrize(
    ("version", "required", "may"),
    [
        ("1.14.0", "~> 1.14", True),
        ("1.14.0", "~> 1.15", False),
        ("2.0.0", "~> 1.15", False),
        ("1.15.7", "~> 1.15.3", True),
        ("1.16.0", "~> 1.15.3", False),
        ("1.18.3", ">= 1.12.0 and < 1.18.0", False),
        ("1.18.3", ">= 1.12.0 and < 1.18.0 or == 1.18.3", True),
        ("1.18", "~> 1.18.4", True),
        ("1.17", "~> 1.18.4", False),
        ("1.18.3", "!= 1.18.3", False),
        ("1.18.3", "> 1.18.3", False),
        ("1.18.3", "<= 1.18.3", True),
        ("1.18.3", "1.18.3", True),
        ("1.18.0-rc.1", "~> 1.19", True),  # not known: left to mix
        ("?", "~> 1.19", True),
        ("1.10.3", "@elixir", True),
    ],
)
def test_a_requirement_is_read_as_elixir_does(version: str, required: str, may: bool) -> None:
    assert may_meet(version, required) is may


def elixir_project(folder: Path, required: str) -> Project:
    (folder / "mix.exs").write_text(f"""
defmodule A.MixProject do
  # elixir: "~> 0.1",
  def project, do: [app: :a, version: "1.0.0", elixir: "{required}"]
end
""")
    return Project(folder, Tool.MIX)


def test_an_elixir_that_mix_exs_refuses_is_said_before_an_image_is_made(tmp_path: Path) -> None:
    project = elixir_project(tmp_path, "~> 1.17")
    with pytest.raises(BuildError) as refused:
        recipes.for_project(project, BuildSettings(), find("debian12"), "amd64")
    assert (
        str(refused.value)
        == "debian12: mix.exs wants Elixir `~> 1.17`, and the distro's own is 1.14.0"
    )
    assert "elixir 1.18.4-otp-27" in (refused.value.hint or "")

    recipes.for_project(project, BuildSettings(), find("debian13"), "amd64")
    own = BuildSettings(image="example.org/with-elixir")
    recipes.for_project(project, own, find("debian12"), "amd64")

    (tmp_path / ".tool-versions").write_text("erlang 26\nelixir 1.16.3\n")
    with pytest.raises(BuildError, match=r"\.tool-versions asks for 1\.16\.3"):
        recipes.for_project(project, BuildSettings(), find("debian12"), "amd64")


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("distro", ["debian12", "el9", "leap16"])
def test_a_company_s_authorities_are_in_the_image(tmp_path: Path, distro: str) -> None:
    (tmp_path / "corp.pem").write_text(CERTIFICATE)
    settings = BuildSettings(erlang="27.3.4", elixir="1.18.4", ca_certificates="corp.pem")
    plain = BuildSettings(erlang="27.3.4", elixir="1.18.4")
    project = elixir_project(tmp_path, "~> 1.17")
    made = recipes.for_project(project, settings, find(distro), "amd64")
    assert made.files["pkgrel-authorities.crt"].decode() == CERTIFICATE
    trusted = made.dockerfile.index("RUN update-ca-")
    # Tools are fetched with them.
    assert trusted < made.dockerfile.index("RUN /usr/local/lib/pkgrel/erlang")
    assert "ENV HEX_CACERTS_PATH=/" in made.dockerfile
    other = recipes.for_project(project, plain, find(distro), "amd64")
    assert "authorities" not in other.dockerfile
    assert other.name != made.name


@pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\nA\n" + CERTIFICATE, None])
def test_what_are_no_certificates_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "corp.pem").write_text(text)
    settings = BuildSettings(ca_certificates="corp.pem")
    with pytest.raises(BuildError, match=r"build\.ca-certificates: `corp\.pem`"):
        recipes.for_project(
            elixir_project(tmp_path, "~> 1.10"), settings, find("debian12"), "amd64"
        )
