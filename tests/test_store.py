"""The stores: one suite for a directory and for two S3 servers."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from pkgrel.errors import RepositoryError
from pkgrel.repository.store import Kind, Stale, Store
from pkgrel.repository.store.local import Local
from pkgrel.repository.store.opening import Options, conditions_hold, open_store
from pkgrel.repository.store.remote import Remote
from tests import s3_servers

IMMUTABLE, POINTER = Kind.IMMUTABLE, Kind.POINTER


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    for name, value in s3_servers.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")


@pytest.fixture(params=s3_servers.KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def store(kind, tmp_path) -> Store:
    return s3_servers.store(kind, tmp_path)


def test_what_is_not_there(store):
    assert store.get("a/b") is None
    assert store.stat("a/b") is None
    assert store.digest("a/b") is None
    assert list(store.list("a/")) == []
    store.delete(["a/b", "c"])


@pytest.mark.parametrize("key", ["a", "a/b+c~1.2:3 ü.deb", "apt/dists/x/by-hash/SHA256/00ff"])
def test_create_writes_once(store, key):
    assert store.create(key, b"one", IMMUTABLE)
    assert not store.create(key, b"two", IMMUTABLE)
    found = store.get(key)
    assert found
    assert found.data == b"one"
    entry = store.stat(key)
    assert entry
    assert (entry.size, entry.token) == (3, found.token)
    assert [one.key for one in store.list("")] == [key]


def test_files_are_sent_as_they_are(store, tmp_path):
    file = tmp_path / "big"
    file.write_bytes(bytes(range(256)) * (9 << 12))
    empty = tmp_path / "empty"
    empty.touch()
    assert store.create("pool/big", file, IMMUTABLE)
    assert store.create("pool/empty", empty, IMMUTABLE)
    found = store.get("pool/big")
    assert found
    assert found.data == file.read_bytes()
    assert store.digest("pool/empty") == store.read_digest("pool/empty")
    assert store.read_digest("pool/big") == store.digest("pool/big")
    assert sorted((e.key, e.size) for e in store.list("pool/")) == [
        ("pool/big", 9 << 20),
        ("pool/empty", 0),
    ]


def test_replace_wants_the_state_that_was_read(store):
    store.create("head", b"1", POINTER)
    first = store.get("head")
    store.replace("head", b"2", POINTER, first.token)
    with pytest.raises(Stale):
        store.replace("head", b"3", POINTER, first.token)
    assert store.get("head").data == b"2"
    store.delete(["head"])
    with pytest.raises(Stale):
        store.replace("head", b"3", POINTER, first.token)
    assert store.get("head") is None


def test_the_same_bytes_are_still_another_state(store):
    store.create("head", b"1", POINTER)
    first = store.get("head")
    store.overwrite("head", b"2", POINTER)
    assert store.get("head").token != first.token


def test_listing_by_prefix(store):
    for key in ("a/b/c", "a/bc", "a/d", "ab", "b/x"):
        store.create(key, b"", IMMUTABLE)
    assert sorted(e.key for e in store.list("a/")) == ["a/b/c", "a/bc", "a/d"]
    assert sorted(e.key for e in store.list("a/b")) == ["a/b/c", "a/bc"]
    store.delete(["a/b/c", "a/bc", "nothing"])
    assert sorted(e.key for e in store.list("")) == ["a/d", "ab", "b/x"]


def test_one_of_many_creates_and_no_count_is_lost(store, kind):
    """Eight writers: one creates, and a counter that each raises five times ends at forty."""
    start = threading.Barrier(8)

    def work(number: int) -> bool:
        mine = s3_servers.same(store, kind)
        start.wait()
        made = mine.create("once", str(number).encode(), POINTER)
        mine.create("counter", b"0", POINTER)
        for _ in range(5):
            while True:
                found = mine.get("counter")
                try:
                    mine.replace("counter", b"%d" % (int(found.data) + 1), POINTER, found.token)
                except Stale:
                    continue
                break
        return made

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(work, range(8)))
    assert made.count(True) == 1
    assert store.get("once").data == str(made.index(True)).encode()
    assert store.get("counter").data == b"40"


def test_conditions_are_found_to_hold(store):
    assert conditions_hold(store)
    assert list(store.list("")) == []


def test_rclone_ignores_conditions(tmp_path):
    assert not conditions_hold(s3_servers.store("rclone", tmp_path))


@pytest.mark.parametrize("server", s3_servers.SERVERS)
def test_headers(server, tmp_path):
    store = s3_servers.store(server, tmp_path)
    store.create("pool/a.deb", b"x", IMMUTABLE)
    store.create("dists/InRelease", b"x", POINTER)
    store.create("dists/Packages.xz", b"x", POINTER)
    client, prefix = s3_servers.client(server), store.url.rpartition("/")[2]

    def head(key: str) -> dict[str, object]:
        return client.head_object(Bucket=s3_servers.BUCKET, Key=f"{prefix}/{key}")

    package = head("pool/a.deb")
    assert package["CacheControl"] == "public, max-age=31536000, immutable"
    assert package["ContentType"] == "application/vnd.debian.binary-package"
    assert head("dists/InRelease")["CacheControl"] == "no-cache"
    assert head("dists/InRelease")["ContentType"] == "text/plain; charset=utf-8"
    assert "ContentEncoding" not in head("dists/Packages.xz")


def test_encryption_and_storage_class_are_asked_for():
    address = s3_servers.endpoint("moto")
    wanted = Options(
        endpoint=address, region="us-east-1", encryption="AES256", storage_class="STANDARD_IA"
    )
    open_store(f"s3://{s3_servers.BUCKET}/special", wanted).create("a", b"x", IMMUTABLE)
    found = s3_servers.client("moto").head_object(Bucket=s3_servers.BUCKET, Key="special/a")
    assert found["ServerSideEncryption"] == "AES256"
    assert found["StorageClass"] == "STANDARD_IA"


def test_a_bucket_without_acls_is_fine(tmp_path):
    """Buckets are made like this since 2023; a write with an ACL fails there."""
    client = s3_servers.client("ministack")
    client.create_bucket(Bucket="owned", ObjectOwnership="BucketOwnerEnforced")
    options = s3_servers.options("ministack")
    assert open_store("s3://owned/x", options).create("a", b"x", POINTER)


@pytest.mark.parametrize("server", s3_servers.SERVERS)
def test_no_such_bucket(server):
    store = open_store("s3://no-such-bucket/x", s3_servers.options(server))
    for use in (lambda: store.get("a"), lambda: store.create("a", b"", POINTER)):
        with pytest.raises(RepositoryError, match=r"^s3://no-such-bucket/x: no such bucket$") as e:
            use()
        assert "--endpoint" in e.value.hint


def test_no_credentials(monkeypatch):
    for name in s3_servers.CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    store = open_store("s3://bucket", Options(endpoint=s3_servers.endpoint("moto")))
    with pytest.raises(RepositoryError, match=r"^s3://bucket: no credentials$") as e:
        store.get("a")
    assert "AWS_PROFILE" in e.value.hint


@pytest.mark.parametrize(
    ("folder", "url"),
    [
        ("deploy@host:/srv/repo", "ssh://deploy@host/srv/repo"),
        ("host:repo", "ssh://host/~/repo"),
    ],
)
def test_what_scp_calls_so(folder, url):
    with pytest.raises(RepositoryError) as caught:
        open_store(folder)
    assert f"`{url}`" in caught.value.hint
    assert open_store(url).url == url


def test_who_dies_with_a_claim(tmp_path, monkeypatch):
    """The next one finishes for him; and one who comes back finds that out."""
    monkeypatch.setattr("pkgrel.repository.store.ssh._DEAD", 0.5)
    dead, other = (s3_servers.store("ssh", tmp_path) for _ in range(2))
    assert dead.create("head", b"one", POINTER)
    token = dead.get("head").token
    steps = threading.Event(), threading.Event()

    class Slow:
        """The connection, but that it waits before the last step."""

        def __getattr__(self, name):
            return getattr(real, name)

        def replace(self, old, new):
            steps[0].set()
            steps[1].wait(20)
            real.replace(old, new)

    real = dead._connected()
    monkeypatch.setattr(dead, "_connected", Slow)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(dead.replace, "head", b"two", POINTER, token)
        assert steps[0].wait(20)
        with pytest.raises(Stale):
            other.replace("head", b"three", POINTER, token)
        assert other.get("head").data == b"two"
        other.replace("head", b"four", POINTER, other.get("head").token)
        steps[1].set()
        with pytest.raises(Stale):
            late.result()
    assert other.get("head").data == b"four"
    assert [each.name for each in (tmp_path / "repo/.pkgrel").rglob("*") if each.is_file()] == []


def test_no_way_to_the_host(tmp_path):
    s3_servers.url("ssh", tmp_path)
    store = open_store("ssh://nobody@127.0.0.1:9/srv/repo")
    with pytest.raises(RepositoryError, match=r"no connection by ssh.*refused"):
        store.get("a")


def test_endpoint_down():
    store = open_store("s3://bucket/x", Options(endpoint="http://127.0.0.1:9"))
    with pytest.raises(RepositoryError, match=r"^s3://bucket/x: the store cannot be reached$"):
        store.get("a")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "names no bucket"),
        ("ftp://host/x", "is not a place for a repository"),
        ("deploy@host:/srv/repo", "is a folder of another machine"),
        ("host:repo", "is a folder of another machine"),
        ("s3:bucket", "names no bucket"),
        ("ssh://host", "names no folder of a host"),
        ("ssh://host/", "names no folder of a host"),
        ("ssh://-oProxyCommand=x/srv", "names no folder of a host"),
        ("ssh://-oProxyCommand=x@host/srv", "names no folder of a host"),
        ("ssh://ho st/srv", "names no folder of a host"),
        ("ssh://host/srv/../..", "names no folder of a host"),
        ("ssh://host:port/srv", "ort"),
        ("ssh://me:secret@host/srv", "^ssh://host: a password"),
    ],
)
def test_bad_urls(url, message):
    with pytest.raises(RepositoryError, match=message):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("repo", {"encryption": "AES256"}),
        ("gs://bucket", {"encryption": "AES256"}),
        ("s3://bucket", {"kms_key": "alias/x"}),
        ("s3://bucket", {"kms_key": "alias/x", "encryption": "AES256"}),
        ("repo", {"storage_class": "GLACIER"}),
    ],
)
def test_options_that_a_store_has_not(url, options):
    with pytest.raises(RepositoryError, match="does nothing here"):
        open_store(url, Options(**options))


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "a//b", "a/./b", "", "a\0b"])
def test_a_key_does_not_leave_the_directory(tmp_path, key):
    store = Local(tmp_path / "repo")
    with pytest.raises(RepositoryError, match="not a key"):
        store.create(key, b"x", IMMUTABLE)
    assert not (tmp_path / "repo").exists()


def test_a_directory_has_no_leftovers(tmp_path):
    store = Local(tmp_path)
    store.create("a/b/c", b"x", IMMUTABLE)
    assert store.create("a/b/c", b"y", IMMUTABLE) is False
    assert (tmp_path / "a/b/c").stat().st_mode & 0o444 == 0o444
    store.delete(["a/b/c"])
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")} == {
        ".pkgrel",
        ".pkgrel/lock",
        ".pkgrel/tmp",
    }


def test_profiles_come_from_boto3(tmp_path, monkeypatch):
    """AWS_PROFILE, which obstore does not know."""
    for name in s3_servers.CREDENTIALS:
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text("[profile work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "work")
    store = s3_servers.store("moto", tmp_path)
    assert store.create("a", b"x", POINTER)
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(RepositoryError, match="no credentials"):
        s3_servers.store("moto", tmp_path)


class Recorder(BaseHTTPRequestHandler):
    """Answers what it is told to, then that all is well, and remembers what it was asked."""

    answers: ClassVar[list[int]]
    asked: ClassVar[list[tuple[str, dict[str, str]]]]

    def _all(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.command, {k.lower(): v for k, v in self.headers.items()}))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.send_header("ETag", '"tag"')
        self.send_header("x-goog-generation", "7")
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")
        self.send_header("Content-Length", "1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"x")

    do_GET = do_PUT = do_HEAD = _all

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, type[Recorder]]]:
    """A server's address, and what it was asked: for services that nobody offers for tests."""

    class Mine(Recorder):
        answers: ClassVar[list[int]] = []
        asked: ClassVar[list[tuple[str, dict[str, str]]]] = []

    with HTTPServer(("127.0.0.1", 0), Mine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Mine
        server.shutdown()


def test_google_goes_by_generations(recorder, tmp_path):
    """Google has conditions on generations only; 0 is an object that does not exist."""
    from obstore.store import GCSStore

    address, asked = recorder
    account = {
        "gcs_base_url": address,
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
        "private_key_id": "",
    }
    service = GCSStore(
        "b", service_account_key=json.dumps(account), client_options={"allow_http": True}
    )
    store = Remote("gs://b", service, service, Options())
    assert store.create("head", b"1", POINTER)
    found = store.get("head")
    store.replace("head", b"2", POINTER, found.token)
    conditions = [headers.get("x-goog-if-generation-match") for _, headers in asked.asked]
    assert conditions == ["0", None, "7"]


def test_azure_goes_by_etags(recorder):
    from obstore.store import AzureStore

    address, asked = recorder
    service = AzureStore(
        "b",
        account_name="a",
        endpoint=address,
        skip_signature=True,
        client_options={"allow_http": True},
    )
    store = Remote("az://b", service, service, Options())
    assert store.create("head", b"1", POINTER)
    found = store.get("head")
    store.replace("head", b"2", POINTER, found.token)
    conditions = [(h.get("if-none-match"), h.get("if-match")) for _, h in asked.asked]
    assert conditions == [("*", None), (None, None), (None, '"tag"')]


def test_a_store_that_is_overloaded_for_a_moment(recorder):
    address, asked = recorder
    asked.answers += [503, 500, 429]
    store = open_store("s3://b", Options(endpoint=address))
    assert store.create("a", b"x", POINTER)
    assert [command for command, _ in asked.asked] == ["PUT"] * 4


def test_a_write_that_comes_upon_another_one(recorder):
    """409 says that another write of the key is under way; it may fail, so this one tries again."""
    address, asked = recorder
    asked.answers += [409, 404]
    store = open_store("s3://b", Options(endpoint=address))
    assert store.create("a", b"x", POINTER)
    assert [command for command, _ in asked.asked] == ["PUT", "HEAD", "PUT"]


def test_a_repository_in_the_bucket_itself():
    """Without a folder."""
    store = open_store(f"s3://{s3_servers.BUCKET}", s3_servers.options("moto"))
    key = f"top-{Path(__file__).stat().st_mtime_ns}"
    assert store.create(key, b"x", POINTER)
    assert [e.key for e in store.list(key)] == [key]
    store.delete([key])
