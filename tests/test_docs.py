"""Every snippet of the documentation: configuration is loaded, programs are parsed, commands are run.

What a console shows is run by a story: here, or on hosts in acceptance/test_guides.py. A snippet that no story has
stands in ELSEWHERE, with the reason or the test that does it.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml

from pkgrel import plan, release
from pkgrel.cli import main
from pkgrel.config import load
from pkgrel.distro import find
from tests import openpgp_keys, s3_servers, snippets, tiny_release
from tests.conftest import skip_unless
from tests.openpgp_keys import secret
from tests.snippets import Snippet
from tests.tools import pkgrel

MAINTAINER = '[package]\nmaintainer = "Test <test@example.org>"\n'

ON_HOSTS = ("docs/guide.md", "docs/relx.md", "docs/phoenix.md")
"""Pages that acceptance/test_guides.py follows from the beginning to the end."""

HERE = {
    ("README.md", "$ pkgrel init                                  # a commented pkgrel.toml"),
    ("docs/ci.md", "$ pkgrel repo init s3://packages.example.com --signing-key release.asc --url https://packages.example.com"),
    ("docs/distros.md", "$ pkgrel inspect _build/prod/hello-1.0.0.tar.gz"),
    ("docs/signing.md", "$ pkgrel sign dist/*.rpm --signing-key signing-key.asc"),
    ("docs/publishing.md", "$ pkgrel repo init s3://packages.example.com --url https://packages.example.com"),
    ("docs/publishing.md", "$ pkgrel repo init ./repo --label acme --url https://packages.example.org"),
    ("docs/publishing.md", "$ pkgrel publish dist/*.rpm --advisory security --fixes CVE-2026-12345"),
}  # fmt: skip
"""Consoles that a test of this module runs."""

ELSEWHERE = {
    ("README.md", "$ MIX_ENV=prod mix release"): "what docs/guide.md does, step by step",
    ("README.md", "$ curl -fsSL https://packages.example.com/install.sh | sudo sh"): "acceptance/test_repository_clients.py runs install.sh",
    ("README.md", "$ script/demo     # builds the example, packages it for Debian and EL, publishes both, says what to try next"): "script/test is the test run itself",
    ("CONTRIBUTING.md", "$ script/test tests/test_version.py    # arguments go to pytest"): "the test run itself",
    ("docs/builder.md", "$ pkgrel images build --distro debian12 --distro ubuntu24   # beforehand; `pkgrel build` does it as well"): "needs Docker and Ubuntu's registry: acceptance/test_images.py",
    ("docs/from-mix-systemd.md", "$ MIX_ENV=prod mix release          # with `steps: [:assemble, :tar]`"): "what docs/guide.md does",
    ("docs/publishing.md", "$ pkgrel repo verify s3://packages.example.org --signed-by FINGERPRINT    # only the two signatures are missing"): "test_repository_trust.py has a repository of an earlier pkgrel",
    ("docs/publishing.md", "$ pkgrel repo import s3://old.example.org --to s3://packages.example.org --dry-run"): "test_import.py has foreign repositories",
    ("docs/publishing.md", "$ pkgrel publish dist/* --phase 10"): "test_phases.py",
    ("docs/publishing.md", "$ pkgrel repo set s3://packages.example.org --mirrorable"): "test_mirrors.py",
    ("docs/signing.md", "$ umask 077"): "test_signing.py",
    ("docs/signing.md", "$ base64 -w0 signing-key.asc    # GitLab: a masked variable"): "not of pkgrel",
    ("docs/signing.md", "$ gpg --quick-generate-key 'Example packages <packages@example.org>' rsa4096 cert never"): "asks for a passphrase on a terminal",
}  # fmt: skip
"""Consoles that no story runs, and why."""


RSYNC = re.compile(r"rsync .* web:/srv/packages/")


def name(snippet: Snippet) -> str:
    return f"{snippet.page}: {snippet.first[:40]}"


def test_every_console_is_run_or_has_a_reason() -> None:
    found = {
        (snippet.page, snippet.first)
        for snippet in snippets.snippets("console")
        if snippet.page not in ON_HOSTS
    }
    assert found - HERE - ELSEWHERE.keys() == set()
    assert (HERE | ELSEWHERE.keys()) - found == set()


def test_every_language_has_a_test() -> None:
    known = {"", "console", "toml", "yaml", "elixir", "erlang", "python", "sh", "json"}
    for page in snippets.PAGES:
        for snippet in snippets.of_page(page):
            assert snippet.language in known, name(snippet)
            # test_operations.py runs that page as it stands.
            assert snippet.language != "python" or page == "docs/python.md"


@pytest.mark.parametrize("snippet", snippets.snippets("toml"), ids=name)
def test_settings_are_settings(snippet: Snippet, tmp_path: Path) -> None:
    file = tmp_path / "pkgrel.toml"
    file.write_text(snippet.text if "maintainer" in snippet.text else MAINTAINER + snippet.text)
    for distro in ("debian12", "el9"):
        assert plan.refusal_of(load(file), find(distro)) is None


@pytest.mark.parametrize("snippet", snippets.snippets("yaml", "json"), ids=name)
def test_what_ci_reads_is_yaml(snippet: Snippet) -> None:
    assert yaml.safe_load(snippet.text)


READS = """
for file <- Path.wildcard("*.elixir") do
  text = File.read!(file)
  # A part of a keyword list, such as an option of mix.exs, is none by itself.
  with {:error, _} <- Code.string_to_quoted(text), do: Code.string_to_quoted!("[" <> text <> "]")
end

for file <- Path.wildcard("*.erlang") do
  {:ok, tokens, _} = :erl_scan.string(String.to_charlist("[" <> File.read!(file) <> "]."))
  {:ok, _} = :erl_parse.parse_term(tokens)
end
"""


def test_shell_elixir_and_erlang_are_read_by_their_own(tmp_path: Path) -> None:
    for snippet in snippets.snippets("sh"):
        subprocess.run(["sh", "-n"], input=snippet.text, text=True, check=True)
    skip_unless(shutil.which("elixir"), "elixir is missing")
    for number, snippet in enumerate(snippets.snippets("elixir", "erlang")):
        (tmp_path / f"{number}.{snippet.language}").write_text(snippet.text)
    done = subprocess.run(["elixir", "-e", READS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_each_command_of_pkgrel_has_the_options_that_pages_name() -> None:
    lines = [
        command.text
        for found in snippets.snippets("console")
        for command in snippets.commands(found)
    ]
    lines += [
        line.strip().removeprefix("- ").removeprefix("run: ")
        for found in snippets.snippets("yaml")
        for line in found.text.splitlines()
    ]
    seen = 0
    for line in lines:
        for part in line.split("&&"):
            words = _words(part)
            if words[:1] == ["pkgrel"]:
                seen += 1
                _refuse_unknown(words[1:], line)
    assert seen > 25


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return []


def _refuse_unknown(words: list[str], line: str) -> None:
    command: click.Command = main
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found, f"`{line}`: no command {words[0]}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in words:
        option = word.partition("=")[0]
        assert not option.startswith("--") or option in known, f"`{line}`: no option {option}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the tarball of a release, and a key."""
    tarball = tiny_release.tarball(tiny_release.files().values())
    (tmp_path / "hello-1.0.0.tar.gz").write_bytes(tarball)
    (tmp_path / "signing-key.asc").write_text(Path(secret("rsa")).read_text())
    settings = (
        '[package]\nname = "hello"\nversion = "1.0.0"\nmaintainer = "Test <test@example.org>"\n'
    )
    (tmp_path / "pkgrel.toml").write_text(settings)
    return tmp_path


def shell(folder: Path, environment: dict[str, str]):
    """A shell that keeps what a command exports."""
    programs = f"{Path(shutil.which('python3') or '').parent}:{environment['PATH']}"

    def run(command: str) -> str:
        script = f"set -e; [ ! -e .exports ] || . ./.exports\n{command}\nexport -p >.exports"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={**environment, "PATH": programs},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


def story(page: str, start: str) -> Snippet:
    return next(found for found in snippets.of_page(page) if found.text.startswith(start))


def test_the_commands_of_the_readme(folder: Path) -> None:
    (folder / "pkgrel.toml").rename(folder / "settings")
    run = shell(folder, {name: text for name, text in os.environ.items() if "PKGREL" not in name})

    def step(command: str) -> str:
        if command.startswith("pkgrel inspect"):  # `init` has asked for a maintainer
            (folder / "settings").rename(folder / "pkgrel.toml")
        if command.startswith("pkgrel diff"):
            (deb,) = (folder / "dist").glob("*~debian12*.deb")
            for copy in ("OLD", "NEW"):
                shutil.copy(deb, folder / copy)
        return run(command)

    snippets.follow(story("README.md", "$ pkgrel init "), {"$": step})
    assert "hello" in run("pkgrel repo list")


def test_the_commands_of_publishing(folder: Path) -> None:
    environment = s3_servers.environment("moto")
    s3_servers.client("moto").create_bucket(Bucket="packages.example.com")
    run = shell(folder, {**environment, "PKGREL_SIGNING_KEY": "signing-key.asc"})
    built = pkgrel(
        "build", "hello-1.0.0.tar.gz", "--distro", "debian12", "--distro", "el9", folder=folder
    )
    assert built.returncode == 0, built.stderr
    served = story("docs/publishing.md", "$ pkgrel repo init ./repo --label")
    snippets.follow(served, {"$": lambda text: run(RSYNC.sub("cp -a ./repo served", text))})
    assert (folder / "served/index.html").exists()
    shutil.rmtree(folder / "repo")
    snippets.follow(story("docs/publishing.md", "$ pkgrel repo init s3:"), {"$": run})
    assert "stable" in run("pkgrel repo list s3://packages.example.com")
    snippets.follow(story("docs/publishing.md", "$ pkgrel publish dist/*.rpm"), {"$": run})
    (folder / "signing-key.asc").rename(folder / "release.asc")
    s3_servers.client("moto").create_bucket(Bucket="ci.example.com")
    begin = story("docs/ci.md", "$ pkgrel repo init")
    elsewhere = {"$": lambda text: run(text.replace("s3://packages.", "s3://ci."))}
    snippets.follow(begin, elsewhere)


def test_the_commands_of_signing(folder: Path) -> None:
    """rpm's keys are in a database of this test's."""
    skip_unless(shutil.which("rpmkeys"), "rpmkeys is missing")
    (folder / ".rpmmacros").write_text(f"%_dbpath {folder}/rpmdb\n")
    shutil.copy(openpgp_keys.folder() / "rsa.pub", folder / "signing-key.pub")
    built = pkgrel("build", "hello-1.0.0.tar.gz", "--distro", "el9", folder=folder)
    assert built.returncode == 0, built.stderr
    run = shell(folder, {**os.environ, "HOME": str(folder)})
    snippets.follow(story("docs/signing.md", "$ pkgrel sign"), {"$": run})


def test_the_table_of_distros(folder: Path, hello_release: Callable[[str], Path]) -> None:
    tarball = hello_release("1.0.0")
    with release.read(tarball) as read:
        skip_unless(read.otp == "25", "the page is about what Debian 12 builds")
    (folder / "_build/prod").mkdir(parents=True)
    shutil.copy(tarball, folder / "_build/prod/hello-1.0.0.tar.gz")
    run = shell(folder, dict(os.environ))
    snippets.follow(story("docs/distros.md", "$ pkgrel inspect"), {"$": run})
