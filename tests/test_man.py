"""`pkgrel man`: pages that mandoc and man-db have nothing to say against, with what --help says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import skip_unless
from tests.tools import PKGREL, run

DATE = "1700000000"


def printed(*arguments: str | Path) -> str:
    return run(*PKGREL, *arguments, SOURCE_DATE_EPOCH=DATE)


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Page by name."""
    folder = tmp_path_factory.mktemp("man")
    paths = [Path(line) for line in printed("man", "--output", folder).splitlines()]
    assert sorted(paths) == sorted(folder.glob("man*/*"))
    return {path.stem: path for path in paths}


def shown(page: Path) -> str:
    """What man prints; nothing may be wrong with it."""
    skip_unless(shutil.which("man"), "needs man")
    environment = {**os.environ, "MANWIDTH": "200", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}
    command = ["man", "--warnings", "--encoding=utf-8", "--local-file", page]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return re.sub(r".\x08|\x1b\[\d*m", "", done.stdout)


def test_one_page_for_each_command(pages):
    for name in (
        "pkgrel",
        "pkgrel-build",
        "pkgrel-repo",
        "pkgrel-repo-list",
        "pkgrel-images-prune",
    ):
        assert name in pages


def test_mandoc_finds_nothing(pages):
    skip_unless(shutil.which("mandoc"), "needs mandoc")
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wstyle", *pages.values()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_page_says_what_help_says(pages):
    text = shown(pages["pkgrel-build"])
    assert "pkgrel-build - Package the release SOURCE for each distro" in text
    assert "pkgrel build [OPTIONS] [SOURCE]" in text
    assert "-o, --output DIRECTORY" in text
    assert "pkgrel build hello-1.0.0.tar.gz --distro debian12" in text
    assert "PKGREL_BUILDER" in text
    assert "2023-11-14" in text


def test_every_word_of_help_is_in_its_page(pages):
    """Nothing is taken for a request of roff's, and nothing is lost."""
    for name in ("pkgrel", "pkgrel-completion", "pkgrel-repo-client", "pkgrel-sign"):
        _usage, _, rest = printed(*name.split("-")[1:], "--help").partition("\n\n")
        words = {word.strip("`.") for word in rest.replace("`", "").split()}
        there = {word.strip(".") for word in shown(pages[name]).split()}
        assert words - there <= {"Options:", "Commands:"}


def test_every_page_can_be_shown(pages):
    for page in (pages["pkgrel-completion"], pages["pkgrel-man"], pages["pkgrel-repo-import"]):
        assert "EXIT STATUS" in shown(page)


def test_pages_lead_to_each_other(pages):
    for page in pages.values():
        named = re.findall(r"^\.BR (\S+) \((\d)\)", page.read_text(), re.MULTILINE)
        assert named
        for name, section in named:
            assert pages[name.replace("\\-", "-")].suffix == f".{section}"


def test_the_same_bytes_again(pages, tmp_path):
    printed("man", "-o", tmp_path)
    for page in pages.values():
        assert (tmp_path / page.parent.name / page.name).read_bytes() == page.read_bytes()


def test_all_pages_are_there_for_who_reads_one_line(pages, tmp_path):
    command = [sys.executable, "-m", "pkgrel", "man", "-o", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        running.stdout.close()
    assert {path.name for path in tmp_path.glob("man*/*")} == {p.name for p in pages.values()}


def test_the_settings_have_a_page_with_every_key(pages):
    text = shown(pages["pkgrel.toml"])
    assert re.search(r"^\[service\]$", text, re.MULTILINE)
    assert re.search(r"^ +on-upgrade = .*\bhot\b", text, re.MULTILINE)
    keys = json.loads(printed("schema"))["$defs"]["ServiceSettings"]["properties"]
    for key, value in keys.items():
        if "$ref" not in value and value.get("type") != "object":
            assert f"{key} = " in text, key
    assert "pkgrel.toml(5)" in shown(pages["pkgrel-build"])


def test_the_first_page_names_files_and_variables(pages):
    text = shown(pages["pkgrel"])
    for word in (
        "FILES",
        ".tool-versions",
        "ENVIRONMENT",
        "NO_COLOR",
        "SOURCE_DATE_EPOCH",
        "pkgrel.toml(5)",
    ):
        assert word in text


def test_a_page_names_those_of_what_it_speaks_of(pages: dict[str, Path]) -> None:
    def also(name: str) -> str:
        return " ".join(pages[name].read_text().partition(".SH SEE ALSO\n")[2].split("\n"))

    assert r"pkgrel\-repo\-phase (1), .BR pkgrel\-try (1)" in also("pkgrel-publish")
    assert "pkgrel.toml (5)" in also("pkgrel-init")
    assert r"pkgrel\-try (1)" not in also("pkgrel-try")
