"""A distro's package of the same name: apt takes the repository's, and nothing else than its names."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pkgrel.cli import main
from pkgrel.errors import RepositoryError
from pkgrel.repository import setup
from pkgrel.repository.apt import clients
from pkgrel.repository.client import commands, file
from pkgrel.repository.client.config import NO_KEYS, ClientConfig, client_config
from pkgrel.repository.client.files import read_config
from pkgrel.repository.layout import Place
from pkgrel.repository.settings import Settings
from pkgrel.repository.store.local import Local
from tests import reference_repositories, suite_root
from tests.packages import package
from tests.repositories import again, make, put

REVISION = {"bullseye": ("1~debian11", "3~debian11"), "sid": ("1~debian14", "3~debian14")}


def policies(output: str) -> dict[str, str]:
    """Version -> priority for each `apt-cache policy NAME`, with its candidate, by name."""
    blocks = re.findall(r"^(\S+):\n(  .*\n(?:   .*\n|  .*\n)*)", output, re.M)
    return {
        name: " ".join(re.findall(r"Candidate: (\S+)", text))
        + "".join(f" {v}={p}" for v, p in re.findall(r"^ [ *]{3} (\S+) (-?\d+)$", text, re.M))
        for name, text in blocks
    }


@pytest.mark.parametrize("suite", REVISION)
def test_the_distro_has_a_package_of_the_name(tmp_path: Path, suite: str) -> None:
    """Set up by the script, the page and cloud-init, and upgraded; then the repository gets a package more."""
    shared, packages = tmp_path / "shared", tmp_path / "packages"
    revision, others = REVISION[suite]
    ours, theirs = f"1.0.0-{revision}", f"2.10-{others}"
    shared.mkdir()
    packages.mkdir()
    names = ("hello", "later")
    reference_repositories.apt(
        shared / "distro", [package(packages, name, "2.10", others) for name in names]
    )
    store = Local(shared / "repo")
    repository = make(store, label="Acme Packages", origin="Acme & Söhne", url="")
    put(repository, package(packages, "hello", revision=revision))
    shutil.copytree(shared / "repo", shared / "first")
    put(repository, package(packages, "later", revision=revision))
    by = replace(read_config(again(store)), url="file:///tmp/repo")
    (distro,) = by.distros
    (shared / "page").write_text("\n".join(commands(by, distro, "stable", "hello")))
    for path in (*shared.rglob("install.sh"), *shared.rglob("client/**/*.*")):
        path.write_text(path.read_text().replace((shared / "repo").as_uri(), "file:///tmp/repo"))
    for path in (shared, *shared.iterdir()):
        path.chmod(0o755)
    script = """
    sudo() { "$@"; }
    apt() { apt-get -y "$@" >&2; }
    curl() { cp "${3#file://}" "$2"; }
    mkdir -p /etc/apt/keyrings
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
    cp -r /srv/first /tmp/repo
    echo 'deb [trusted=yes] file:/srv/distro ./' >/etc/apt/sources.list.d/distro.list
    sh /tmp/repo/install.sh >&2
    apt update
    apt-cache policy hello later | sed 's/^hello/script/'
    apt-get install -y hello >&2
    apt-get dist-upgrade -y >&2
    cat /opt/hello.txt
    rm -rf /tmp/repo
    cp -r /srv/repo /tmp/repo
    apt update
    apt-cache policy later | sed 's/^later/unknown/'
    sh /tmp/repo/install.sh >&2
    apt-cache policy later | sed 's/^later/known/'
    apt-get purge -y hello >&2
    rm -rf /etc/apt/sources.list.d/acme* /etc/apt/preferences.d/*
    . /srv/page
    ls /etc/apt/preferences.d
    dpkg-query --show hello
    """
    told = suite_root.ok(suite, script, shared)
    found = policies(told)
    assert found["script"] == f"{ours} {theirs}=500 {ours}=990"
    assert found["later"] == f"{theirs} {theirs}=500"
    assert found["unknown"] == f"{theirs} {theirs}=500 {ours}=500"
    assert found["known"] == f"{ours} {theirs}=500 {ours}=990"
    assert "\nhello\n" in told
    assert told.endswith(f"acme-packages\nhello\t{ours}\n"), told


ORIGINS = [
    "Acme",
    "Acme Packages 2.0",
    "Acme, Inc.",
    "Söhne & Töchter — GmbH",
    "Пакеты Acme",
    "/acme/",
    "a*b?[c-d]\\e \"f\" 'g' $(h) {i}",
    "o=Debian,a=stable",
]
OTHERS = ["Debian", "Acm", "Acme Packages 2.01", "Töchter GmbH", "ab"]


def by(origin: str, *names: str, **values: bool) -> ClientConfig:
    settings = Settings(origin=origin, label="Acme", url="https://example.org", **values)
    places = [Place("deb", "debian12", "amd64", "stable")]
    return client_config(Local(Path("/srv")), settings, places, NO_KEYS, names=names)


def test_any_origin_is_told_from_others(tmp_path: Path) -> None:
    """By apt, which splits a pin at commas, and takes what is left for a pattern or an expression."""
    shared = tmp_path / "shared"
    (shared / "pins").mkdir(parents=True)
    shared.chmod(0o755)
    for number, origin in enumerate([*ORIGINS, *OTHERS]):
        made = package(tmp_path, f"p{number}")
        reference_repositories.apt(folder := shared / f"repo{number}", [made])
        if origin:
            (folder / "Release").write_text(f"Origin: {origin}\nSuite: any\n")
    for number, origin in enumerate(ORIGINS):
        every = [f"p{n}" for n in range(len(ORIGINS) + len(OTHERS))]
        (shared / f"pins/{number}").write_text(clients.preferences(by(origin, *every)))
    script = """
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/preferences.d/*
    for repo in /srv/repo*; do echo "deb [trusted=yes] file:$repo ./"; done >/etc/apt/sources.list
    apt-get update >&2
    for pin in /srv/pins/*; do
        cp "$pin" /etc/apt/preferences.d/acme
        echo "pin ${pin##*/}:"
        apt-cache policy $(apt-cache pkgnames p | grep '^p[0-9]') 2>&1
    done
    """
    told = suite_root.ok("bookworm", script, shared)
    for number, text in enumerate(re.split(r"^pin \d+:\n", told, flags=re.M)[1:]):
        preferred = [name for name, found in policies(text).items() if found.endswith("=990")]
        assert preferred == [f"p{number}"], (ORIGINS[number], text)


def test_only_names_are_pinned() -> None:
    text = clients.preferences(by("Acme", "hello", "*", "src:bash", "/.*/", "a b", "c\nPackage: *"))
    assert "\nPackage: hello\n" in text
    assert "*" not in text
    for nothing in (by("Acme"), by("Acme", "*"), by("Пакеты", "a"), by("A", "a", not_automatic=True)):  # fmt: skip
        assert clients.preferences(nothing) == ""
        assert "preferences" not in file(nothing, "install").text
        with pytest.raises(RepositoryError):
            file(nothing, "preferences", nothing.distros[0], "stable")


@pytest.mark.parametrize("words", [("--origin", "Acme, Inc."), ("--label", "a,b"), ("--origin", "Пакеты")])  # fmt: skip
def test_a_new_repository_can_be_pinned(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["repo", "init", str(tmp_path / "r"), "--unsigned", *words])
    assert done.exit_code == 1
    assert f"the {words[0][2:]} `{words[1]}` has " in done.stderr
    assert f"`pkgrel repo init {words[0]}" in done.stderr
    assert not (tmp_path / "r/.pkgrel").exists()
    with pytest.raises(RepositoryError):
        setup.change_settings(
            make(Local(tmp_path / "old")), {words[0][2:]: words[1]}, allow_release_change=True
        )
