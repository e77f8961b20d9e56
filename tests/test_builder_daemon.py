"""The Docker builder's reactions to a daemon's responses, or to a missing daemon; needs none."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pkgrel.builder import docker_daemon, image_builder, log, reaper
from pkgrel.builder.recipe import Recipe, recipe_for
from pkgrel.builder.toolchain import Toolchain
from pkgrel.cli import main
from pkgrel.distro import find
from pkgrel.errors import BuildError
from tests.docker_answers import daemon


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)


def _run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["images", *arguments], env=environment)


@pytest.mark.parametrize(
    ("environment", "error"),
    [
        (
            {"DOCKER_HOST": "unix:///none.sock"},
            "the Docker daemon at `unix:///none.sock` does not run",
        ),
        (
            {"DOCKER_HOST": "tcp://127.0.0.1:1"},
            "the Docker daemon at `tcp://127.0.0.1:1` does not run",
        ),
        (
            {"DOCKER_HOST": "nonsense"},
            "DOCKER_HOST: `nonsense` is not an address of a Docker daemon",
        ),
        ({"DOCKER_CONTEXT": "none"}, "DOCKER_CONTEXT: there is no Docker context `none`"),
        (
            {
                "DOCKER_HOST": "tcp://127.0.0.1:1",
                "DOCKER_TLS_VERIFY": "1",
                "DOCKER_CERT_PATH": "/nowhere",
            },
            "the Docker daemon at `tcp://127.0.0.1:1` wants TLS, and its certificates are not there",
        ),
    ],
)
# The library does not close a socket that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_a_daemon_there_is_one_error(environment: dict[str, str], error: str) -> None:
    done = _run("list", **environment)
    gc.collect()
    assert done.exit_code == 1
    message, hint = done.stderr.splitlines()
    assert message == f"error: {error}"
    assert hint.startswith(" hint: ")


def _image(name: str, made: str, **labels: str) -> dict[str, Any]:
    return {
        "Id": f"sha256:{name:0>64}",
        "RepoTags": [f"pkgrel/{name}:0123", "mine:1"] if labels else None,
        "Created": made,
        "Size": 350_000_000,
        "Config": {"Labels": {"io.pkgrel.distro": "debian12", **labels}},
    }


FACTS = {"glibc": "2.36", "systemd": "252.39", "a_later_pkgrels": "7"}
OLD = _image(
    "debian12",
    "2020-01-02T03:04:05.123456789Z",
    **{
        "io.pkgrel.architecture": "amd64",
        "io.pkgrel.tools": "Erlang/OTP 25.2.3",
        "io.pkgrel.facts": json.dumps(FACTS),
    },
)
NEW = _image("el9", "2099-01-02T03:04:05+02:00", **{"io.pkgrel.distro": "el9"})
LEFT = _image("abc", "2099-01-02T03:04:05Z")
IMAGES = {
    "GET /images/json": [{"Id": image["Id"]} for image in (OLD, NEW, LEFT)],
    **{f"GET /images/{image['Id']}/json": image for image in (OLD, NEW, LEFT)},
    "GET /volumes": {
        "Volumes": [
            {"Name": "pkgrel-debian12-amd64-deps-1", "CreatedAt": "2020-01-01T00:00:00+01:00"},
            {"Name": "pkgrel-el9-amd64-deps-1", "CreatedAt": "2099-01-01T00:00:00Z"},
        ]
    },
}


def test_images_are_listed_by_their_labels_newest_first(tmp_path: Path) -> None:
    with daemon(tmp_path, IMAGES) as host:
        listed = json.loads(_run("list", "--json", DOCKER_HOST=host).stdout)
        table = _run("list", DOCKER_HOST=host).stdout
    assert [image["name"] for image in listed] == ["", "pkgrel/el9:0123", "pkgrel/debian12:0123"]
    assert listed[2]["facts"]["glibc"] == "2.36"
    assert listed[2]["created"] == 1577934245
    assert listed[1]["created"] == 4070999045
    assert "Erlang/OTP 25.2.3" in table


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ((), ["0" * 12, "pkgrel/debian12:0123", "pkgrel-debian12-amd64-deps-1"]),
        (("--distro", "el9"), []),
        (("--distro", "el9", "--all"), ["pkgrel/el9:0123", "pkgrel-el9-amd64-deps-1"]),
    ],
)
def test_what_is_old_or_half_made_is_pruned(
    options: tuple[str, ...], gone: list[str], tmp_path: Path
) -> None:
    with daemon(tmp_path, IMAGES) as host:
        done = _run("prune", "--dry-run", *options, DOCKER_HOST=host)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == gone


def test_what_is_in_use_stays_and_is_not_said_to_be_gone(tmp_path: Path) -> None:
    removals = {
        "GET /volumes/pkgrel-debian12-amd64-deps-1": {"Name": "pkgrel-debian12-amd64-deps-1"},
        "DELETE /volumes/.*": (409, {"message": "volume is in use"}),
        "DELETE /images/.*": [{"Deleted": "sha256:0"}],
    }
    with daemon(tmp_path, {**IMAGES, **removals}) as host:
        done = _run("prune", DOCKER_HOST=host)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == ["0" * 12, "pkgrel/debian12:0123"]


@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        (
            (500, {"message": "write /x: no space left on device"}),
            "the Docker daemon says: write /x: no space left on device",
            "images prune",
        ),
        (
            (404, {"message": "No such container: abc"}),
            "the container was removed meanwhile: No such container: abc",
            "run it again",
        ),
        (
            (400, {"message": "exec format error"}),
            "the Docker daemon says: exec format error",
            "binfmt",
        ),
    ],
)
def test_what_a_daemon_refuses_is_one_error(
    answer: object, error: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with daemon(tmp_path, {"POST /containers/create": answer}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with (
            docker_daemon.connected() as client,
            pytest.raises(BuildError) as refused,
            docker_daemon.docker_errors("debian12"),
        ):
            client.containers.create("debian:bookworm")
    assert str(refused.value) == f"debian12: {error}"
    assert hint in str(refused.value.hint)


def test_what_dead_runs_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours,) = reaper.ContainerReaper().labels().values()
    machine, pid, start = ours.split(" ")
    left = {
        "dead": f"{machine} {pid} 1",
        "gone": f"{machine} 4194304999 {start}",
        "ours": ours,
        "others": f"elsewhere {pid} 1",
    }
    containers = {
        f"GET /containers/{name}/json": {"Id": name, "Config": {"Labels": {reaper.RUN: label}}}
        for name, label in left.items()
    }
    listed = {"GET /containers/json": [{"Id": name} for name in left], **containers}
    networks = [{"Id": name, "Labels": {reaper.RUN: label}} for name, label in left.items()]
    # What a trial had besides. Others are not even asked about.
    answers = {
        **listed,
        "DELETE /containers/(dead|gone)": {},
        "GET /networks": networks,
        "GET /networks/(dead|gone)": {"Id": "dead", "Labels": {}},
        "DELETE /networks/dead": {},
        "GET /images/json": [],
    }
    with daemon(tmp_path, answers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with docker_daemon.connected() as client:
            assert reaper.remove_abandoned(client) == 2


def _made() -> Recipe:
    return recipe_for(find("debian12"), Toolchain(), "amd64", ("libpq-dev",))


def _build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object) -> tuple[str, ...]:
    """The layers of an image that such an answer makes; what is said goes to `said` of the log."""
    with daemon(tmp_path, {"POST /build": answer}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with docker_daemon.connected() as client, log.opened("image") as kept:
            return image_builder.make(
                client, _made(), kept, lambda text: None, stopped=lambda: False, pull=False
            )


def _events(*events: dict[str, str]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\r\n" for event in events)


def _step(text: str) -> dict[str, str]:
    return {"stream": f"Step 3/9 : {text}\n"}


def test_the_layers_of_an_image_are_those_that_the_daemon_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = _events(
        {"status": "Pulling from library/debian"},
        _step("FROM debian:bookworm"),
        {"stream": " ---> 0123456789ab\n"},
        _step("RUN date"),
        {"stream": " ---> Running in fedcba987654\n"},
        {"stream": "Fri\n"},
        {"stream": " ---> 1123456789ab\n"},
        {"aux": "x"},
    )
    assert _build(tmp_path, monkeypatch, answer) == ("0123456789ab", "1123456789ab")


@pytest.mark.parametrize(
    ("answer", "error", "hint"),
    [
        (
            _events(
                _step("RUN apt-get install -y libpq-dev"),
                {"stream": "E: Unable to locate package libpq-dev\n"},
                {"error": "The command '/bin/sh -c' returned a non-zero code: 100"},
            ),
            "the distro has no package `libpq-dev`",
            "`packages`",
        ),
        (
            _events(_step("RUN date"), {"error": "write /x: no space left on device"}),
            "the disk of the Docker daemon is full",
            "images prune",
        ),
        (
            _events(
                _step("RUN /usr/local/lib/pkgrel/elixir 1.99"),
                {"stream": "pkgrel: error: there is no Elixir 1.99\n"},
                {"error": "returned a non-zero code: 1"},
            ),
            "there is no Elixir 1.99",
            "another version in",
        ),
        (
            _events({"error": "manifest for debian:bookworm not found: manifest unknown"}),
            "the base image does not exist",
            "`image` in [build]",
        ),
        (
            _events({"error": 'Get "https://registry-1.docker.io/v2/": dial tcp: i/o timeout'}),
            "its registry cannot be reached",
            "docker load",
        ),
        (
            _events(
                _step("RUN x"),
                {"stream": "exec format error\n"},
                {"error": "returned a non-zero code: 1"},
            ),
            "the Docker daemon's machine does not run amd64",
            "binfmt",
        ),
        (
            _events(_step("RUN false # odd"), {"error": "returned a non-zero code: 1"}),
            "`RUN false # odd` failed",
            "mend what the lines above name",
        ),
        ((500, {"message": "dockerfile parse error"}), "dockerfile parse error", "whole log"),
    ],
)
def test_why_an_image_was_not_made(
    answer: object, error: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError) as failed:
        _build(tmp_path, monkeypatch, answer)
    assert str(failed.value).startswith("debian12: no build image from `debian:bookworm`: ")
    assert error in str(failed.value)
    assert hint in str(failed.value.hint)


BASE, TOP = "0" * 12, "1" * 12
BUILT = _events(
    _step("FROM debian:bookworm"), {"stream": f" ---> {BASE}\n"}, {"stream": f" ---> {TOP}\n"}
)
PRINTED = "glibc=2.36\narchitecture=x86_64\nerlang=25.2.3\nelixir=1.14.0\nsystemd=999\n"


def _ensure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, status: int = 0
) -> list[str]:
    """What is said while an image is made in which the script that asks for its facts prints this."""
    named = _image("debian12", "2026-01-02T03:04:05Z", **{"io.pkgrel.distro": "debian12"})
    answers = {
        f"GET /images/{_made().name}/json": named,
        f"GET /images/({BASE}|{TOP})/json": {"Id": f"sha256:{BASE:0>64}"},
        "POST /build": BUILT,
        "POST /containers/create": {"Id": "c"},
        "GET /containers/c/json": {"Id": "c", "Config": {"Tty": True, "Labels": {}}},
        "POST /containers/c/start": {},
        "POST /containers/c/wait": {"StatusCode": status},
        "GET /containers/c/logs": printed.encode(),
        "DELETE /.*": [],
    }
    said: list[str] = []
    with daemon(tmp_path, answers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with docker_daemon.connected() as client:
            image_builder.ensure(client, _made(), said.append, force=True)
    return said


def test_an_image_says_where_it_is_not_as_the_table_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = _ensure(tmp_path, monkeypatch, PRINTED)
    assert said[-1] == (
        "image: the image has systemd 999, where the table of distros says systemd 252"
    )


@pytest.mark.parametrize(
    ("printed", "status", "error", "hint"),
    [
        (
            PRINTED.replace("elixir=1.14.0", "elixir="),
            0,
            "its Elixir does not run",
            "another version",
        ),
        (
            PRINTED.replace("x86_64", "aarch64"),
            0,
            "the daemon has it for arm64, not for amd64",
            "docker pull --platform linux/amd64 debian:bookworm",
        ),
        ("sh: not found", 127, f"nothing runs in the image `{TOP}`: sh: not found", "/bin/sh"),
    ],
)
def test_an_image_that_cannot_be_used_gets_no_name(
    printed: str,
    status: int,
    error: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BuildError) as failed:
        _ensure(tmp_path, monkeypatch, printed, status)
    assert error in str(failed.value)
    assert hint in str(failed.value.hint)
