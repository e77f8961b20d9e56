"""Machines that come from what `pkgrel repo client` prints: an image by its Dockerfile, a host by its cloud-config."""

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import openpgp_keys
from tests.acceptance import docker, hosts, mirror, systems
from tests.artifacts import Artifacts
from tests.bases import usable_base
from tests.tools import PKGREL, run

pytestmark = pytest.mark.acceptance

SETTINGS = '[secrets]\ngenerate = ["SECRET_KEY_BASE"]\n'


def published(root: Path, url: str, package: Path) -> Callable[[str], str]:
    """A repository with that package, which clients see at the URL: FORMAT -> what `repo client` prints."""
    key = Path(openpgp_keys.secret("rsa")).read_text()

    def pkgrel(*words: object) -> str:
        return run(*PKGREL, *map(str, words), PKGREL_SIGNING_KEY=key)

    pkgrel("repo", "init", root, "--label", "Acme Packages", "--url", url)
    pkgrel("publish", package, "--to", root)
    return lambda form: pkgrel("repo", "client", root, "--distro", "debian12", "--format", form)


def test_an_image_by_the_dockerfile(
    docker_daemon: docker.Daemon,
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    docker_daemon.base("bookworm")
    client = docker_daemon.client
    package = artifacts.folder / artifacts.build(hello_release("1.0.0"), "debian12", SETTINGS)
    root = tmp_path / "served"
    root.mkdir()
    with mirror.serving(root, docker_daemon.address) as url:
        text = published(root, url, package)("dockerfile")
        image, _ = client.images.build(fileobj=io.BytesIO(text.encode()), rm=True, forcerm=True)
    try:
        assert secrets_in(client, image.id) == []
        asked = ["hello", "eval", 'IO.puts("key " <> System.get_env("SECRET_KEY_BASE"))']
        said = [client.containers.run(image.id, asked, remove=True).decode() for _ in range(2)]
        keys = {line for text in said for line in text.splitlines() if line.startswith("key ")}
        assert len(keys) == 2
    finally:
        client.images.remove(image.id, force=True)


def secrets_in(client, image: str) -> list[str]:
    """Files of the image with a cookie or a secret of the package's."""
    container = client.containers.create(image, "true")
    try:
        data = b"".join(client.api.export(container.id))
    finally:
        container.remove()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
    assert "usr/lib/hello/bin/hello" in names
    return [name for name in names if Path(name).name in ("secrets", "COOKIE", ".erlang.cookie")]


CLOUD = """
apt-get update -qq && apt-get install -qq --no-install-recommends cloud-init >/dev/null
rm /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true
systemctl enable served
cat >/etc/cloud/cloud.cfg.d/99-test.cfg <<'TEXT'
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write-files]
cloud_config_modules: []
cloud_final_modules: [package-update-upgrade-install]
TEXT
"""
"""Of cloud-init's modules those that the snippet asks for: the others want a larger system."""

SERVED = """
[Unit]
DefaultDependencies=no
Before=cloud-init-local.service
[Service]
ExecStart=/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 --directory /srv/served
[Install]
WantedBy=cloud-init.target
"""


@contextmanager
def started(image: Path, user_data: str, served: Path) -> Iterator[hosts.Host]:
    """A machine of the image on its first boot, with that user data."""
    seed = image / "var/lib/cloud/seed/nocloud"
    seed.mkdir(parents=True)
    (seed / "user-data").write_text(user_data)
    (seed / "meta-data").write_text("instance-id: first\n")
    with hosts.boot(image, "bookworm", {served: "/srv/served"}) as host:
        yield host


def test_a_host_by_cloud_init(
    artifacts: Artifacts, hello_release: Callable[[str], Path], tmp_path: Path
) -> None:
    package = artifacts.folder / artifacts.build(hello_release("1.0.0"), "debian12", SETTINGS)
    served = tmp_path / "served"
    user_data = published(served, "http://127.0.0.1:8000", package)("cloud-init")
    with systems.writable(usable_base("bookworm"), tmp_path) as image:
        (image / "etc/systemd/system/served.service").write_text(SERVED)
        systems.chroot(image, CLOUD, artifacts.folder)
        with started(image, user_data, served) as host:
            assert host.run("cloud-init status") == "status: done\n", host.read(
                "/var/log/cloud-init-output.log"
            )
            assert host.http() == "Hello from hello 1.0.0\n"
            assert host.run("stat --format='%a %U %G' /etc/hello/secrets") == "640 root hello\n"
            assert "http://127.0.0.1:8000/apt" in host.run("apt-cache policy hello")
