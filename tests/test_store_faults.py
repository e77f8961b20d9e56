"""Publishes through a network that spoils six requests of a hundred."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options, open_store
from pkgrel.repository.verification import verify
from tests import faulty_proxy, s3_servers, ssh_server
from tests.packages import package
from tests.repositories import again, apt, key, make, put
from tests.tools import PATIENCE, PKGREL

PUBLISHES = 5


@pytest.mark.parametrize("kind", faulty_proxy.KINDS)
def test_every_publish_gets_through(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    store = s3_servers.store("moto", tmp_path)
    make(store)
    # Each hang takes as long as a client waits.
    most = 3 if kind == "hang" else 1000
    proxy = faulty_proxy.Proxy(s3_servers.endpoint("moto"), kind, 0.06, seed=1, most=most)
    options = Options(endpoint=proxy.url, region=s3_servers.REGION, timeout=faulty_proxy.TIMEOUT)
    versions = [f"1.0.{number}" for number in range(PUBLISHES)]
    for version in versions:
        put(again(open_store(store.url, options)), package(tmp_path, version=version))
    proxy.shutdown()
    proxy.server_close()
    assert proxy.spoilt
    assert apt(store) == {("hello", f"{version}-1~debian12") for version in versions}
    assert not verify(again(store), quick=True).problems


@pytest.mark.parametrize("name", ["401", "403", "forbidden", "nosuchbucket"])
def test_the_name_of_a_package_is_no_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the text of a fault, which is repeated all the same."""
    for variable, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    store = s3_servers.store("moto", tmp_path)
    proxy = faulty_proxy.Proxy(s3_servers.endpoint("moto"), "500", 1.0, seed=1, most=1)
    options = Options(endpoint=proxy.url, region=s3_servers.REGION)
    assert open_store(store.url, options).stat(f"apt/pool/{name}/{name}") is None
    assert proxy.spoilt == 1
    proxy.shutdown()
    proxy.server_close()


def test_nobody_waits_in_silence(tmp_path: Path) -> None:
    """A server that takes every request and answers none: a third attempt, of twelve seconds, is not silent either."""
    proxy = faulty_proxy.Proxy("127.0.0.1:9", "hang", 1.0, seed=1)
    proxy.hang = 600
    words = ("repo", "list", "s3://bucket/repo", "--endpoint", proxy.url, "--timeout", "2")
    with subprocess.Popen(
        [sys.executable, "-m", "pkgrel", *words],
        env={**os.environ, **s3_servers.CREDENTIALS, "AWS_REGION": s3_servers.REGION},
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr
        said = {command.stderr.readline() for _ in range(4)}
        attempts = proxy.spoilt
        command.kill()
    proxy.shutdown()
    proxy.server_close()
    assert said == {"warning: s3://bucket/repo: no usable answer yet; trying again\n"}
    assert attempts <= 3, "each attempt says one thing"


def test_every_publish_gets_through_connections_that_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any byte, while a package, a manifest or the head is written."""
    local = Local(tmp_path / "repo")
    make(local)
    cuts = tmp_path / "cuts"
    monkeypatch.setenv(ssh_server.CUTS, str(cuts))
    url = s3_servers.ssh_url(local.root, ssh_server.CUT)
    versions = [f"1.0.{number}" for number in range(6)]
    for number, version in enumerate(versions):
        # From where the session begins to where it is over.
        ends = [6_000 + 3_500 * (number + step) for step in (0, 7, 14)]
        cuts.write_text("\n".join(map(str, ends)))
        store = open_store(url)
        put(again(store), package(tmp_path, version=version))
        store.close()
        assert len(cuts.read_text().splitlines()) < len(ends)
    assert apt(local) == {("hello", f"{version}-1~debian12") for version in versions}
    assert not verify(again(local)).problems


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (ssh_server.OLD, "its SFTP server cannot replace a file at once"),
        (ssh_server.READ_ONLY, "or is only to be read"),
        (ssh_server.ALIAS, "failure\n hint: is the disk full there"),
    ],
)
def test_a_server_that_does_not_take_it_is_told_of(
    host: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PKGREL_SIGNING_KEY", key())
    local = Local(tmp_path / "small/repo")
    (tmp_path / "small").mkdir()
    full = host == ssh_server.ALIAS
    if full:
        mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", tmp_path / "small"]
        subprocess.run(mount, check=True)
    try:
        make(local)
        url = s3_servers.ssh_url(local.root, host)
        file = package(tmp_path, text="".join(map(chr, range(0x4E00, 0x9F00))) * 4)
        words = [*PKGREL, "publish", str(file), "--to", url]
        refused = subprocess.run(words, capture_output=True, text=True)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not list((local.root / ".pkgrel").glob("tmp/*"))
        listed = subprocess.run([*PKGREL, "repo", "list", url], capture_output=True)
        assert listed.returncode == 0, listed.stderr
        assert apt(local) is None
    finally:
        if full:
            subprocess.run(["umount", tmp_path / "small"], check=True)


class _Slow(faulty_proxy._Handler):
    """Takes an object of some kind, and answers when the test is over."""

    part = ""
    taken = threading.Event()
    over = threading.Event()

    def do_PUT(self) -> None:
        if self.part in self.path:
            self.taken.set()
            self.rfile.read(int(self.headers["Content-Length"]))
            self.over.wait()
        else:
            super().do_PUT()


@pytest.mark.parametrize(
    ("end", "part"),
    [
        (signal.SIGINT, "/pool/"),
        (signal.SIGTERM, "/pool/"),
        (signal.SIGINT, "/manifests/"),
        (signal.SIGTERM, "/head.json"),
    ],
)
def test_an_upload_ends_when_it_is_told_to_and_nothing_is_published(
    end: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PKGREL_SIGNING_KEY", key())
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    store = s3_servers.store("moto", tmp_path)
    make(store)
    proxy = faulty_proxy.Proxy(s3_servers.endpoint("moto"), "500", 0, seed=1)
    taken, over = threading.Event(), threading.Event()
    proxy.RequestHandlerClass = type("Slow", (_Slow,), {"part": part, "taken": taken, "over": over})
    words = ["publish", str(package(tmp_path)), "--to", store.url, "--endpoint", proxy.url]
    with subprocess.Popen(
        [*PKGREL, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background lets them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stderr
        assert "uploading" in process.stderr.readline()
        assert taken.wait(PATIENCE)
        time.sleep(0.2)
        process.send_signal(end)
        _, said = process.communicate(timeout=PATIENCE)
    over.set()
    proxy.shutdown()
    proxy.server_close()
    assert process.returncode == (1 if end == signal.SIGINT else 128 + end)
    assert "Traceback" not in said
    assert list((tmp_path / "temporary").iterdir()) == []
    assert apt(store) is None
    assert not verify(again(store)).problems
    put(again(store), package(tmp_path))
    assert apt(store) == {("hello", "1.0.0-1~debian12")}


class _Held(faulty_proxy._Handler):
    """Takes a package when it is let, and no byte before."""

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        super().setup()

    def do_PUT(self) -> None:
        if ".deb" in self.path:
            assert self.server.let.wait(60)  # type: ignore[attr-defined]
        super().do_PUT()


@pytest.mark.parametrize("to", ["--to", "--upload"])
def test_who_waits_for_an_upload_sees_it_move(
    to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PKGREL_SIGNING_KEY", key())
    store = s3_servers.store("moto", tmp_path)
    make(store)
    proxy = faulty_proxy.Proxy(s3_servers.endpoint("moto"), "500", 0, seed=1)
    proxy.RequestHandlerClass = _Held
    proxy.let = threading.Event()  # type: ignore[attr-defined]
    size = {"--to": 1 << 20, "--upload": 6 << 20}[to]  # more than the system keeps of what was sent
    file = package(tmp_path, text=random.Random(1).randbytes(size).hex())
    bucket = store.url.removeprefix("s3:/")
    where = {"--to": store.url, "--upload": f"{proxy.url}{bucket}/{{file}}"}[to]
    words = ["publish", str(file), to, where, "--endpoint", proxy.url, "--json"]
    with subprocess.Popen([*PKGREL, *words], stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr
        said = (json.loads(line) for line in command.stderr)
        seen = next((message for message in said if message["level"] == "progress"), None)
        proxy.let.set()  # type: ignore[attr-defined]
        rest = list(said)
    proxy.shutdown()
    proxy.server_close()
    assert seen, rest
    assert (seen["part"], seen["size"]) == (file.name, file.stat().st_size)
    assert 0 < seen["done"] < seen["size"]
    assert command.returncode == 0
    assert rest[-1]["text"].startswith("uploaded, ")
