"""Importing from servers that want to know who asks, that answer to everything, and from repositories with flaws."""

import base64
import gzip
import hashlib
import lzma
import re
import shutil
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main
from pkgrel.errors import RepositoryError
from pkgrel.repository.imports.discovery import unpack
from pkgrel.repository.imports.web import Web
from pkgrel.repository.record import Record
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from pkgrel.rpm_tags import Tag
from tests import repositories, rpm_forgery
from tests.packages import package
from tests.repositories import put
from tests.tools import need

TOKEN = "s3cr3t/t%ken"
SECRETS = (TOKEN, "s3cr3t%2Ft%25ken", base64.b64encode(f"bot:{TOKEN}".encode()).decode())


@pytest.fixture
def ours(tmp_path: Path) -> Repository:
    return repositories.make(Local(tmp_path / "ours"))


def bring(ours: Repository, source: object, *words: str, **environment: str) -> Result:
    """`pkgrel repo import`; nothing that it says has a secret in it."""
    environment = {"PKGREL_SIGNING_KEY": repositories.key(), **environment}
    command = ["repo", "import", str(source), "--to", ours.store.url, *words]
    done = CliRunner().invoke(main, command, env=environment)
    assert not done.exception or isinstance(done.exception, SystemExit), done.exception
    assert not [s for s in SECRETS if s in done.output + done.stderr]
    return done


def names(ours: Repository) -> set[str]:
    return {record.name for record in records(ours)}


def records(ours: Repository) -> list[Record]:
    view = repositories.again(ours.store).view()
    return [record for place in view.places() for record in view.records(place)]


def createrepo(folder: Path, *rpms: Path) -> Path:
    need("/usr/bin/createrepo_c")
    folder.mkdir(exist_ok=True)
    for rpm in rpms:
        shutil.copy(rpm, folder)
    subprocess.run(["/usr/bin/createrepo_c", "--quiet", folder], check=True)
    return folder


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """A server on this machine; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# --- who asks -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem has signed server.pem and client.pem, each with its key."""
    need("openssl")
    folder = tmp_path_factory.mktemp("ca")
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", *made, "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        openssl("req", "-x509", *made, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    return folder


def guarded(
    folder: Path, wanted: tuple[str, str] | None, asked: list[str]
) -> type[BaseHTTPRequestHandler]:
    """Serves the folder to who sends that header, and notes what else was sent."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def do_HEAD(self) -> None:
            self.answer(super().do_HEAD)

        def do_GET(self) -> None:
            self.answer(super().do_GET)

        def answer(self, serve) -> None:
            asked.append(
                f"{self.path} {self.headers.get('Authorization')} {self.headers.get('X-Token')}"
            )
            if wanted and self.headers.get(wanted[0]) != wanted[1]:
                self.send_error(401)
            else:
                serve()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


BASIC = ("Authorization", f"Basic {SECRETS[2]}")


@pytest.mark.parametrize("way", ["url", "netrc", "header", "certificate"])
def test_a_server_that_wants_to_know_who_asks(
    tmp_path: Path, ours: Repository, authority: Path, way: str
) -> None:
    theirs = createrepo(tmp_path / "theirs", package(tmp_path, revision="1.el9"))
    wanted = {"url": BASIC, "netrc": BASIC, "header": ("X-Token", TOKEN)}.get(way)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    if way == "certificate":
        context.load_verify_locations(authority / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login bot password {TOKEN}\n" if way == "netrc" else "")
    environment = {"NETRC": str(netrc)}
    words = ["--from-ca", str(authority / "ca.pem")]
    with serving(guarded(theirs, wanted, []), context) as address:
        refused = bring(ours, address, *words, NETRC="/dev/null")
        assert refused.exit_code == 1
        assert names(ours) == set()
        match way:
            case "url":
                assert "Unauthorized" in refused.stderr
                assert "~/.netrc" in refused.stderr
                address = address.replace("://", f"://bot:{SECRETS[1]}@")
                wrong = bring(ours, address.replace("bot:s", "bot:x"), *words, NETRC="/dev/null")
                assert wrong.exit_code == 1
                assert "x3cr3t" not in wrong.stderr
            case "header":
                environment["PKGREL_FROM_HEADERS"] = f"X-Token: {TOKEN}"
            case "certificate":
                words += [
                    "--from-cert",
                    str(authority / "client.pem"),
                    "--from-cert-key",
                    str(authority / "client.key"),
                ]
        done = bring(ours, address, *words, **environment)
        assert done.exit_code == 0, done.stderr
    assert names(ours) == {"hello"}
    assert not [
        s
        for s in SECRETS
        for f in (tmp_path / "ours").rglob("*")
        if f.is_file() and s.encode() in f.read_bytes()
    ]


def test_nobody_else_is_told_who_asks(tmp_path: Path, ours: Repository) -> None:
    """packagecloud, GitLab and others send to an object store for the files."""
    theirs = createrepo(tmp_path / "theirs", package(tmp_path, revision="1.el9"))
    asked: list[str] = []
    with serving(guarded(theirs, None, asked)) as elsewhere:

        class Redirect(guarded(theirs, BASIC, [])):  # type: ignore[misc]
            def answer(self, serve) -> None:
                if self.headers.get(BASIC[0]) != BASIC[1] or not self.path.endswith(".rpm"):
                    super().answer(serve)
                elif self.command == "HEAD":  # signed for GET alone
                    self.send_error(403)
                else:
                    self.send_response(302)
                    self.send_header("Location", f"{elsewhere}{self.path}")
                    self.end_headers()

        with serving(Redirect) as address:
            url = address.replace("://", f"://bot:{SECRETS[1]}@")
            done = bring(ours, url, PKGREL_FROM_HEADERS=f"X-Token: {TOKEN}")
            assert done.exit_code == 0, done.stderr
            assert bring(ours, url, PKGREL_FROM_HEADERS="no header").exit_code == 1
    assert names(ours) == {"hello"}
    assert asked
    assert {line.partition(" ")[2] for line in asked} == {"None None"}


def test_a_server_that_answers_to_everything(tmp_path: Path, ours: Repository) -> None:
    """A page for people is neither an index nor our head."""
    theirs = createrepo(tmp_path / "theirs", package(tmp_path, revision="1.el9"))
    everything: list[bool] = []

    class Always(guarded(theirs, None, [])):  # type: ignore[misc]
        def send_head(self):
            if not everything and Path(self.translate_path(self.path)).is_file():
                return super().send_head()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Welcome</title>" * (self.command == "GET"))
            return None

    with serving(Always) as address:
        assert bring(ours, address).exit_code == 0
        everything.append(True)
        done = bring(ours, address)
        assert done.exit_code == 1
        assert "not a repository: neither" in done.stderr
    assert names(ours) == {"hello"}


@contextmanager
def answering(pieces: Iterable[bytes], pause: float = 0) -> Iterator[Web]:
    """A server that says these bytes to everything, whatever HTTP would have them be."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            try:
                for piece in pieces:
                    self.request.sendall(piece)
                    time.sleep(pause)
            except OSError:
                pass  # whoever asked has gone

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Web(f"http://127.0.0.1:{server.server_address[1]}", pause=0.001, patience=0.5)
        finally:
            server.shutdown()
            thread.join()


_OK = b"HTTP/1.1 200 OK\r\n"
_MOVED = b"HTTP/1.1 302 Found\r\nLocation: "
ODD_ANSWERS = {
    "cut off": (_OK + b"Content-Length: 100\r\n\r\nOrigin: x", "ended after 9 of 100 bytes"),
    "a chunk cut off": (_OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\nOrigin", "IncompleteRead"),
    "not HTTP": (b"\x15\x03\x01\x1b]0;x\x07\r\n", r"\\x15\\x03"),
    "no address": (_MOVED + b"http://[::1/\r\n\r\n", "Invalid IPv6 URL"),
    "no name of a host": (_MOVED + b"http://a..b/\r\n\r\n", "label"),
    "a file of ours": (_MOVED + b"file:///etc/passwd\r\n\r\n", "sends to `file:`"),
    "in circles": (_MOVED + b"/a b\r\n\r\n", "/a%20b: sends from one address to another"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers(name: str) -> None:
    """A Release that is cut off would name a part of the packages, and nobody would hear of it."""
    answer, said = ODD_ANSWERS[name]
    with answering([answer]) as web, pytest.raises(RepositoryError, match=said) as error:
        web.get("Release")
    assert error.value.hint
    assert str(error.value).isprintable()


def test_a_server_that_hardly_sends_anything() -> None:
    start = _OK + b"Content-Length: 100000\r\n\r\n"
    with answering([start, *[b"x"] * 1000], 0.02) as web:
        began = time.monotonic()
        with pytest.raises(RepositoryError, match="less than a kilobyte a second"):
            web.get("Release")
    assert time.monotonic() - began < 20


def test_sizes_that_are_no_numbers() -> None:
    with answering([_OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"]) as web:
        assert web.size("x.deb") == -1


def test_many_xz_streams() -> None:
    """Linear, or refused: 32 MiB of them would take hours."""
    packed = lzma.compress(b"", check=lzma.CHECK_NONE)
    began = time.process_time()
    with pytest.raises(RepositoryError, match="more than 100 xz streams"):
        unpack("Packages.xz", packed * 200_000)
    assert time.process_time() - began < 5
    assert unpack("Packages.xz", lzma.compress(b"a") + bytes(4) + lzma.compress(b"b")) == b"ab"


def test_our_own_yum_repository_over_http(tmp_path: Path, ours: Repository) -> None:
    """Its packages are two folders further up."""
    other = repositories.make(Local(tmp_path / "www/other"), url="")
    put(other, package(tmp_path, revision="1.el9"))
    with serving(guarded(tmp_path / "www", None, [])) as address:
        done = bring(ours, f"{address}/other/rpm/el9/x86_64/stable")
        assert done.exit_code == 0, done.stderr
        assert names(ours) == {"hello"}
        # Not above the server's root.
        (primary,) = (tmp_path / "www/other/rpm/el9/x86_64/stable/repodata").glob("*primary*")
        assert primary.is_file()


# --- flaws --------------------------------------------------------------------------------------


def flawed(tmp_path: Path) -> Path:
    """Two good ones, one of an odd architecture, one that is missing, one twice, one that is not what it was."""
    rpms = [
        package(tmp_path, name=name, revision="1.el9")
        for name in ("good", "better", "lost", "changed")
    ]
    odd = {**rpm_forgery.valid(b"odd"), Tag.ARCH: rpm_forgery.string(b"mips64")}
    rpms.append(tmp_path / "odd.rpm")
    rpms[-1].write_bytes(rpm_forgery.rpm(rpm_forgery.header(odd, 63)))
    rpms.append(package(tmp_path, name="twice", revision="1.el9"))
    rpms.append(package(tmp_path, name="arm", revision="1.el9", architecture="aarch64"))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    again = tmp_path / "again"
    again.mkdir()
    (theirs / "a").mkdir()
    shutil.copy(package(again, name="twice", revision="1.el9", text="another\n"), theirs / "a")
    createrepo(theirs, *rpms)
    next(theirs.glob("lost*")).unlink()
    (changed,) = theirs.glob("changed*")
    changed.write_bytes(changed.read_bytes()[:-9] + b"\0" * 9)
    return theirs


def test_one_flaw_does_not_stop_the_others(tmp_path: Path, ours: Repository) -> None:
    theirs = flawed(tmp_path)
    for words in ([], ["--dry-run"]):
        done = bring(ours, theirs, *words)
        assert done.exit_code == 1
        for flaw in (
            "lost-1.0.0-1.el9.x86_64.rpm: is missing",
            "mips64",
            "twice 1.0.0-1.el9 (x86_64) is",
        ):
            assert flaw in done.stderr
        assert "--skip-broken" in done.stderr
    assert names(ours) == set()
    dry = bring(ours, theirs, "--dry-run", "--skip-broken")
    assert dry.stderr.count(": left out: ") == 3
    done = bring(ours, theirs, "--skip-broken")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count(": left out: ") == 4
    assert names(ours) == {"good", "better", "arm", "twice"}
    # What the dry run saw is what came, but for what only its hash tells.
    left = re.sub(r"^\+ \S+ \S+ changed .*\n", "", dry.stdout, flags=re.M)
    assert sorted(left.splitlines()) == sorted(done.stdout.splitlines())


def test_an_index_with_flaws_does_not_stop_the_others(tmp_path: Path, ours: Repository) -> None:
    """One package is elsewhere, of one no size is said; an address is encoded, and the server knows only GET."""
    rpms = [package(tmp_path, name=name, revision="1.el9") for name in ("good", "away", "small")]
    plus = package(tmp_path, name="encoded", version="1.0+git", revision="1.el9")
    theirs = createrepo(tmp_path / "theirs", *rpms, plus)

    def change(text: str) -> str:
        text = text.replace('href="away', 'xml:base="https://elsewhere.example/" href="away')
        text = text.replace("1.0+git-1.el9.x86_64.rpm", "1.0%2bgit-1.el9.x86_64.rpm")
        head, name, tail = text.partition("<name>small<")
        return head + name + tail.replace("<size package=", "<size pack=", 1)

    rewrite(theirs, change)

    class OnlyGet(guarded(theirs, None, [])):  # type: ignore[misc]
        def do_HEAD(self) -> None:
            self.send_error(404)

    with serving(OnlyGet) as address:
        for words in ([], ["--dry-run"]):
            done = bring(ours, address, *words)
            assert done.exit_code == 1
            assert "away-1.0.0-1.el9.x86_64.rpm: " in done.stderr
            assert "`small` has no size" in done.stderr
            assert "good" not in done.stderr + done.stdout
        done = bring(ours, address, "--skip-broken")
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count(": left out: ") == 2
    assert names(ours) == {"good", "encoded"}


def rewrite(theirs: Path, change: Callable[[str], str]) -> None:
    """Change primary.xml, and what repomd.xml says of it."""
    (packed,) = theirs.rglob("*primary.xml.gz")
    old = packed.read_bytes()
    new = gzip.compress(change(gzip.decompress(old).decode()).encode())
    packed.write_bytes(new)
    repomd = theirs / "repodata/repomd.xml"
    text = repomd.read_text()
    text = text.replace(
        f'"sha256">{hashlib.sha256(old).hexdigest()}', f'"sha256">{hashlib.sha256(new).hexdigest()}'
    )
    repomd.write_text(text.replace(f"<size>{len(old)}<", f"<size>{len(new)}<"))


def test_apt_paragraphs_with_flaws_do_not_stop_the_others(tmp_path: Path, ours: Repository) -> None:
    """One says no hash, one a version that dpkg refuses; that of another begins with `0:`, which means nothing."""
    files = [package(tmp_path, name=name) for name in ("good", "bare", "odd", "zero")]
    theirs = tmp_path / "theirs"
    folder = theirs / "dists/bookworm/main/binary-amd64"
    folder.mkdir(parents=True)
    paragraphs = []
    for file in files:
        shutil.copy(file, theirs)
        name, _, version = file.stem.partition("_")
        version = version.removesuffix("_amd64")
        version = {"odd": "v1", "zero": f"0:{version}"}.get(name, version)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        text = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {file.name}\n"
        text += f"Size: {file.stat().st_size}\n"
        paragraphs.append(text if name == "bare" else f"{text}SHA256: {digest}\n")
    index = "\n".join(paragraphs)
    (folder / "Packages").write_text(index)
    sum = hashlib.sha256(index.encode()).hexdigest()
    release = f"Codename: bookworm\nSHA256:\n {sum} {len(index)} main/binary-amd64/Packages\n"
    (theirs / "dists/bookworm/Release").write_text(release)
    refused = bring(ours, theirs)
    assert refused.exit_code == 1
    assert "`bare` has no 'SHA256'" in refused.stderr
    assert "`v1` is not a version" in refused.stderr
    done = bring(ours, theirs, "--skip-broken")
    assert done.exit_code == 0, done.stderr
    assert names(ours) == {"good", "zero"}


def test_only_some_architectures(tmp_path: Path, ours: Repository) -> None:
    """Debian's word for one does as well."""
    done = bring(ours, flawed(tmp_path), "--arch", "arm64")
    assert done.exit_code == 0, done.stderr
    assert names(ours) == {"arm"}


def test_advisories_come_along(tmp_path: Path, ours: Repository) -> None:
    other = repositories.make(Local(tmp_path / "other"), url="")
    rpm = package(tmp_path, revision="1.el9")
    command = ["publish", str(rpm), "--to", other.store.url, "--advisory", "security"]
    command += ["--fixes", "CVE-2026-12345", "--fixes", "https://example.org/7"]
    made = CliRunner().invoke(main, command, env={"PKGREL_SIGNING_KEY": repositories.key()})
    assert made.exit_code == 0, made.stderr
    done = bring(ours, tmp_path / "other/rpm")
    assert done.exit_code == 0, done.stderr
    (record,) = records(ours)
    assert record.advisory == ("security", "CVE-2026-12345", "https://example.org/7")
