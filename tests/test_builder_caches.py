"""Builds share caches of dependencies and compiled code, but projects do not; forwarding of the SSH agent."""

from dataclasses import replace
from pathlib import Path

import pytest

from pkgrel.builder import container, secrets
from pkgrel.builder.project import Project, Tool
from pkgrel.builder.recipe import recipe_for
from pkgrel.builder.sources import Snapshot
from pkgrel.builder.toolchain import Toolchain
from pkgrel.distro import find
from pkgrel.errors import BuildError

SNAPSHOT = Snapshot(file=Path("source.tar"), digest="a", date=1, dependencies="lock", locked=True)


def names(
    folder="/src/hello", distro="debian12", packages=(), snapshot=SNAPSHOT, env="prod", user=1000
):
    made = recipe_for(find(distro), Toolchain(), "amd64", packages)
    return container.names(Project(Path(folder), Tool.MIX), made, snapshot, env, user)


def test_an_edit_of_the_code_changes_nothing() -> None:
    assert names() == names(snapshot=replace(SNAPSHOT, digest="b", date=2))


@pytest.mark.parametrize(
    ("change", "downloads"),
    [
        ({"snapshot": replace(SNAPSHOT, dependencies="other")}, True),
        ({"folder": "/src/other"}, False),
        ({"folder": "/tmp/hello"}, False),
        ({"packages": ("libpq-dev",)}, True),
        ({"env": "staging"}, True),
        ({"distro": "debian13"}, False),
        ({"user": 1001}, False),
    ],
)
def test_what_could_make_them_wrong_names_others(change: dict, downloads: bool) -> None:
    one, other = names(), names(**change)
    assert one.dependencies != other.dependencies
    assert one.build != other.build
    assert (one.downloads == other.downloads) is downloads


def test_they_say_what_they_are() -> None:
    assert list(names().labels().values()) == ["downloads", "deps", "build"]
    assert all(name.startswith("pkgrel-debian12-amd64-") for name in names().labels())


@pytest.mark.parametrize(
    ("address", "agent_socket", "message"),
    [
        ("tcp://127.0.0.1:1", "/dev/null", "cannot be lent to a Docker daemon on another machine"),
        ("unix:///nowhere", "/not/there", "no SSH agent is running here"),
        ("unix:///nowhere", "", "no SSH agent is running here"),
    ],
)
def test_an_agent_that_cannot_be_lent(
    monkeypatch: pytest.MonkeyPatch, address: str, agent_socket: str, message: str
) -> None:
    from docker import DockerClient

    monkeypatch.setenv("SSH_AUTH_SOCK", agent_socket)
    client = DockerClient(base_url=address, version="1.41")
    try:
        with pytest.raises(BuildError, match=message) as refused:
            secrets.ssh_agent(client)
    finally:
        client.close()
    assert refused.value.hint
