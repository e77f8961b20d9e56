"""Build images, made by a real daemon."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from docker import DockerClient

from pkgrel.builder import docker_daemon as daemons
from pkgrel.builder import facts, image_builder, image_inventory
from pkgrel.builder.recipe import Recipe, recipe_for
from pkgrel.builder.toolchain import Toolchain
from pkgrel.distro import find
from pkgrel.errors import BuildError
from tests.acceptance import mirror
from tests.acceptance.docker import Daemon
from tests.tools import wait_until

pytestmark = pytest.mark.acceptance

STRANGER = 12345
"""A user that no image knows."""


@pytest.fixture
def client(
    docker_daemon: Daemon, docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DockerClient]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    docker_daemon.base("bookworm")
    with daemons.connected() as connected:
        yield connected


@pytest.fixture(scope="module")
def mirrors(
    docker_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("mirror")
    mirror.publish(folder)
    with mirror.served(folder, docker_daemon.address) as variables:
        yield variables


@pytest.fixture
def use_mirrors(mirrors: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in mirrors.items():
        monkeypatch.setenv(name, url)


@pytest.fixture
def unchanged(client: DockerClient) -> Iterator[None]:
    """Nothing that the test made is left: no image, no layer, no container."""
    before = _there(client)
    yield
    # Long enough for a daemon to end a build that nobody waits for.
    wait_until(lambda: _there(client) <= before)


def _there(client: DockerClient) -> set[str]:
    layers = {str(image.id) for image in client.images.list(all=True)}
    return layers | _containers(client)


def _containers(client: DockerClient) -> set[str]:
    return {str(row["Id"]) for row in client.api.containers(all=True)}


def _own(*packages: str) -> Recipe:
    return recipe_for(find("debian12"), Toolchain(), "amd64", packages)


def _small(distro: str, line: str = "") -> Recipe:
    """An image of a moment: the base with one more line."""
    text = f"# Small.\nFROM debian:bookworm\nENV LANG=C.UTF-8\n{line}\n"
    return replace(_own(), distro=find(distro), dockerfile=text, tools="nothing")


def _downloads(wanted: Toolchain) -> Recipe:
    """What comes after the distro's packages, on an image that has them."""
    made = recipe_for(find("debian12"), wanted, "amd64")
    text = made.dockerfile[made.dockerfile.index("ARG ") :]
    return replace(made, dockerfile=f"# Quick.\nFROM {_own().name}\nENV LANG=C.UTF-8\n{text}")


def _silent(text: str) -> None:
    raise AssertionError(f"nothing should be done: {text}")


def _ignore(text: str) -> None:
    pass


def _run(client: DockerClient, image: str, script: str) -> str:
    out = client.containers.run(
        image, ["sh", "-euc", script], remove=True, user=str(STRANGER), network_mode="none"
    )
    return str(out.decode())


def test_an_image_with_the_distros_tools(client: DockerClient) -> None:
    said: list[str] = []
    made = image_builder.ensure(client, _own(), said.append)
    assert made.name == _own().name
    assert made.distro == "debian12"
    assert made.facts.erlang.startswith("25.2.3")
    assert made.facts.elixir == "1.14.0"
    # The table is right, and the numbers are those of the libraries.
    assert facts.drift(find("debian12"), made.facts) == ()
    assert made.facts.gcc.startswith("12.")
    assert _run(client, made.id, "ldd --version | head -n 1").split()[-1] == made.facts.glibc
    assert made.facts.openssl in _run(client, made.id, "openssl version")
    # Anyone can build a NIF with it.
    out = _run(
        client,
        made.id,
        """cd "$(mktemp -d)"; export HOME=$PWD
        mix new hello >/dev/null; cd hello; mix run -e 'IO.puts(Hello.hello())' | tail -n 1
        echo '#include <erl_nif.h>' | gcc -c -x c -I /usr/lib/erlang/usr/include -o nif.o -; ls nif.o
        git init --quiet; git --version""",
    )
    assert out.splitlines()[:2] == ["world", "nif.o"]
    # It is used again without a word.
    assert image_builder.ensure(client, _own(), _silent) == made
    assert not _containers(client)


def test_drift_is_said_and_the_real_numbers_are_used(client: DockerClient) -> None:
    wrong = replace(find("debian12"), glibc="2.35", glibcxx="3.4.29", openssl="3.2.x", systemd=250)
    odd = replace(_small("debian12", "# drift"), distro=wrong)
    said: list[str] = []
    made = image_builder.ensure(client, odd, said.append)
    sentences = facts.drift(wrong, made.facts)
    assert sentences[0] == ("the image has glibc 2.36, where the table of distros says glibc 2.35")
    assert [sentence.split()[3] for sentence in sentences] == [
        "glibc",
        "GLIBCXX_3.4.30,",
        "systemd",
    ]
    assert [f"image: {sentence}" for sentence in sentences] == said[-len(sentences) :]
    real = facts.actual(wrong, made.facts)
    assert (real.glibc, real.glibcxx, real.systemd) == ("2.36", "3.4.30", 252)
    assert real.id == "debian12"
    image_inventory.remove(client, [made])


def test_tools_that_the_distro_does_not_have(client: DockerClient, use_mirrors: None) -> None:
    said: list[str] = []
    wanted = Toolchain("25.2.3.99", "1.14.99", "98.7")
    image_builder.ensure(client, _own(), _ignore)
    made = image_builder.ensure(client, _downloads(wanted), said.append)
    text = "\n".join(said)
    assert "Erlang/OTP 25.2.3.99, built for ubuntu-22.04" in text
    assert text.count(" as published") == 3
    assert made.facts.elixir == "1.14.0"
    assert made.facts.nodejs == "98.7.6"
    out = _run(
        client,
        made.id,
        """export HOME=/tmp; for name in erl elixir mix node; do command -v $name; done
        erl -noshell -eval '{ok, _} = application:ensure_all_started(ssl), halt().'
        mix --version | tail -n 1""",
    )
    assert out.splitlines()[:4] == [
        f"/usr/local/bin/{name}" for name in "erl elixir mix node".split()
    ]
    image_inventory.remove(client, [made])


@pytest.mark.usefixtures("use_mirrors", "unchanged")
@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (Toolchain("26.99", "1.14.99"), "there is no Erlang/OTP 26.99"),
        # 24.3.10 is newer than 24.3.9, but somebody who asks for all of 24.3.9 gets that.
        (
            Toolchain("24.3.9", "1.14.99"),
            "Erlang/OTP 24.3.9 cannot be built: `./configure --prefix=/usr/local --without-javac` failed",
        ),
        (Toolchain("", "1.99"), "there is no Elixir 1.99"),
        (Toolchain("", "1.18"), "Elixir 1.18.4 is not built for Erlang/OTP 25, only for 26 27"),
        (Toolchain("", "1.13"), "v1.13.4-otp-25.zip is not what was published"),
        (Toolchain("", "", "97"), "there is no Node.js 97"),
        (Toolchain("", "", "98.10.0"), "there is no Node.js 98.10.0 for amd64"),
    ],
)
def test_versions_that_cannot_be_had(client: DockerClient, wanted: Toolchain, reason: str) -> None:
    with pytest.raises(BuildError) as e:
        image_builder.ensure(client, _downloads(wanted), _ignore)
    assert reason in str(e.value)
    assert str(e.value).startswith("debian12: no build image from `debian:bookworm`: ")
    if "configure" in reason:
        assert "    configure: error: cannot find a termcap library" in str(e.value).splitlines()
    assert "image-debian12-amd64.log" in str(e.value.hint)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("made", "reason", "hint"),
    [
        (_own("nosuchthing"), "the distro has no package `nosuchthing`", "correct `packages`"),
        (
            _small("debian12", "RUN date >/made\nRUN false # fails"),
            "`RUN false # fails` failed",
            "mend what",
        ),
        (
            _small("debian12", "RUN cat /etc/passwd >/dev/full"),
            "the disk of the Docker daemon is full",
            "pkgrel images prune",
        ),
        (
            replace(_small("debian12", "RUN date >/made"), tools="Elixir 1.14.0"),
            "no build image from `debian:bookworm`: its Elixir does not run",
            "ask for another version",
        ),
        (
            replace(
                _own(), dockerfile="FROM debian:nosuch\nENV LANG=C.UTF-8\n", base="debian:nosuch"
            ),
            "no build image from `debian:nosuch`: its registry cannot be reached",
            "docker load",
        ),
    ],
    ids=["package", "step", "disk", "broken", "base"],
)
def test_what_fails_is_one_error(
    client: DockerClient, made: Recipe, reason: str, hint: str
) -> None:
    with pytest.raises(BuildError) as e:
        image_builder.ensure(client, made, _ignore)
    assert reason in str(e.value)
    assert hint in str(e.value.hint)
    assert len(str(e.value).splitlines()) < 30


@pytest.mark.usefixtures("unchanged")
def test_an_image_of_another_architecture_is_none(client: DockerClient) -> None:
    # This daemon would make it from what it has, and say nothing.
    with pytest.raises(BuildError, match="has it for amd64, not for arm64") as e:
        image_builder.ensure(client, replace(_small("debian12"), architecture="arm64"), _ignore)
    assert "docker pull --platform linux/arm64 debian:bookworm" in str(e.value.hint)


@pytest.mark.usefixtures("unchanged")
def test_an_image_that_cannot_be_made_anew_stays(client: DockerClient) -> None:
    there = image_builder.ensure(client, _own(), _ignore)
    # There is no registry here.
    with pytest.raises(BuildError, match="no build image from `debian:bookworm`"):
        image_builder.ensure(client, _own(), _ignore, force=True)
    assert image_inventory.find(client, _own()) == there


@pytest.mark.usefixtures("unchanged")
def test_no_network(
    client: DockerClient, docker_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEX_BUILDS_URL", f"http://{docker_daemon.address}:1")
    with pytest.raises(BuildError, match="cannot be reached") as e:
        image_builder.ensure(client, _downloads(Toolchain("", "1.15.8")), _ignore)
    assert "HEX_BUILDS_URL" in str(e.value.hint)


@pytest.mark.usefixtures("unchanged")
def test_ctrl_c_leaves_nothing(client: DockerClient) -> None:
    def interrupt(text: str) -> None:
        if "begin" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image_builder.ensure(
            client,
            _small("debian12", "RUN date >/made\nRUN echo 'pkgrel: begin' && sleep 60"),
            interrupt,
        )


def test_a_killed_build_leaves_no_container(
    client: DockerClient, docker_host: str, tmp_path: Path
) -> None:
    image_builder.ensure(client, _own(), _ignore)
    (tmp_path / "pkgrel.toml").write_text('[build]\npackages = ["nosuchthing-to-wait-for"]\n')
    with subprocess.Popen(
        [sys.executable, "-m", "pkgrel", "images", "build", "--distro", "debian12"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as building:
        assert building.stderr
        assert any("install packages" in line for line in building.stderr)
        while not _containers(client):
            assert building.poll() is None
        building.send_signal(signal.SIGKILL)
    wait_until(lambda: not _containers(client))
    # Layers may be left: they go however new they are, and what is complete stays.
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    old = image_inventory.prunable(client, long_ago, {"debian12"})
    assert image_inventory.remove(client, old) == old
    assert all(isinstance(image, image_inventory.Image) and not image.name for image in old)
    assert image_inventory.find(client, _own())


@pytest.fixture
def pkgrel(docker_host: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pkgrel", "images", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


def test_list_and_prune(
    client: DockerClient, pkgrel: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = image_builder.ensure(client, _small("ubuntu22"), _ignore)
    client.volumes.create("pkgrel-ubuntu22-amd64-test", labels={"io.pkgrel.cache": "downloads"})
    client.volumes.create("unrelated")
    own = ("--distro", "ubuntu22")
    listed = json.loads(pkgrel("list", "--json").stdout)
    row = next(row for row in listed if row["name"] == made.name)
    assert (row["distro"], row["architecture"], row["facts"]["glibc"]) == (
        "ubuntu22",
        "amd64",
        "2.36",
    )
    assert f"{made.name}  amd64" in pkgrel("list").stdout

    assert pkgrel("prune", *own).stdout == ""  # both are new
    names = {made.name, "pkgrel-ubuntu22-amd64-test"}
    dry = pkgrel("prune", "--all", "--dry-run", *own)
    assert set(dry.stdout.split()) == names
    assert "dry run" in dry.stderr
    rows = json.loads(pkgrel("prune", "--all", "--dry-run", "--json", *own).stdout)
    assert {(row["kind"], row["name"]) for row in rows} == {
        ("image", made.name),
        ("volume", "pkgrel-ubuntu22-amd64-test"),
    }

    user = client.containers.create(made.id, ["true"])
    try:
        assert set(pkgrel("prune", "--all", *own).stdout.split()) == names - {made.name}
    finally:
        user.remove()
    assert set(pkgrel("prune", "--older-than", "0", *own).stdout.split()) == {made.name}
    assert pkgrel("prune", "--all", *own).stdout == ""
    client.volumes.get("unrelated").remove()


@pytest.mark.usefixtures("use_mirrors", "unchanged")
def test_the_file_with_the_wrong_version_is_named(client: DockerClient) -> None:
    wanted = Toolchain("", "1.99", sources={"elixir": "/src/shop/.tool-versions"})
    with pytest.raises(BuildError, match=r"there is no Elixir 1\.99") as e:
        image_builder.ensure(client, _downloads(wanted), _ignore)
    hint = "ask for another version in /src/shop/.tool-versions; the whole log is "
    assert str(e.value.hint).startswith(hint)


def test_images_build_says_what_is_there(
    pkgrel: Callable[..., subprocess.CompletedProcess[str]], client: DockerClient
) -> None:
    done = pkgrel("build", "--distro", "debian12", "--distro", "bookworm", "--distro", "el9")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: el9: the distro has no Erlang/OTP of its own")
    done = pkgrel("build", "--distro", "debian12", "--distro", "bookworm")
    assert done.stdout == f"{_own().name}\n"
    assert (
        json.loads(pkgrel("build", "--distro", "debian12", "--json").stdout)[0]["name"]
        == _own().name
    )


def test_a_docker_context_is_used(tmp_path: Path) -> None:
    def error(**variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pkgrel", "images", "list"],
            env={**os.environ, "DOCKER_HOST": "", **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        message, hint = done.stderr.splitlines()
        assert hint.startswith(" hint: ")
        return message.removeprefix("error: ")

    nowhere = f"unix://{tmp_path}/none.sock"
    # A Docker context is used as the docker command does it; the library wants this file as well.
    (tmp_path / "config.json").write_text("{}")
    made = subprocess.run(
        ["docker", "context", "create", "elsewhere", "--docker", f"host={nowhere}"],
        env={**os.environ, "DOCKER_CONFIG": str(tmp_path)},
        capture_output=True,
    )
    assert made.returncode == 0
    assert error(DOCKER_CONTEXT="elsewhere", DOCKER_CONFIG=str(tmp_path)).endswith("does not run")


def test_a_daemon_that_one_may_not_use(docker_daemon: Daemon, docker_host: str) -> None:
    # The interpreter may be in a folder that nobody else may read: only the identity changes.
    script = (
        "import docker, requests, os; from pkgrel.builder import docker_daemon; os.setgroups([]); "
        "os.setegid(65534); os.seteuid(65534); docker_daemon.connect()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "may not be used by this user: permission denied" in done.stderr
