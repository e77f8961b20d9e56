"""`publish --upload`: a strict stand-in for each server, made from its makers' documentation, since none can be had here."""

import base64
import email
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main
from pkgrel.cli.outputs import output_schema
from tests import repositories
from tests.packages import package

SECRET = "T0KEN/with+odd=characters"
BASIC = base64.b64encode(b"user:secret").decode()

# By preset: what is asked, and in what order: method, path, header, its value; `*` is the file itself.
GITHUB = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
TOKEN = {"Authorization": f"Bearer {SECRET}"}
DEB = "hello_1.0.0-1~debian12_amd64.deb"
RPM = "hello-1.0.0-1.el9.x86_64.rpm"
EXPECTED = {
    "artifactory": [
        ("PUT", f"/main/pool/hello/{DEB};deb.distribution=bookworm;deb.component=testing;deb.architecture=amd64", {**TOKEN, "X-Checksum-Sha256": "*"}, "*"),
        ("PUT", f"/main/el9/testing/{RPM}", {**TOKEN, "X-Checksum-Sha256": "*"}, "*"),
    ],
    "nexus": [
        ("POST", "/repository/main/", {"Authorization": f"Basic {BASIC}", "Content-Type": "multipart/form-data"}, "*"),
        ("PUT", f"/repository/main/el9/testing/{RPM}", {"Authorization": f"Basic {BASIC}"}, "*"),
    ],
    "cloudsmith": [
        ("PUT", f"/acme/main/{DEB}", {"X-Api-Key": SECRET, "Content-Sha256": "*"}, "*"),
        ("POST", "/v1/packages/acme/main/upload/deb/", {"X-Api-Key": SECRET, "Content-Type": "application/json"},
         {"package_file": "id-1", "distribution": "debian/bookworm"}),
        ("PUT", f"/acme/main/{RPM}", {"X-Api-Key": SECRET, "Content-Sha256": "*"}, "*"),
        ("POST", "/v1/packages/acme/main/upload/rpm/", {"X-Api-Key": SECRET}, {"package_file": "id-1", "distribution": "el/9"}),
    ],
    "packagecloud": [
        ("GET", "/api/v1/distributions.json", {"Authorization": f"Basic {BASIC}"}, None),
        ("POST", "/api/v1/repos/acme/main/packages.json", {"Authorization": f"Basic {BASIC}"}, {"package[distro_version_id]": "215", "package[package_file]": "*"}),
        ("GET", "/api/v1/distributions.json", {"Authorization": f"Basic {BASIC}"}, None),
        ("POST", "/api/v1/repos/acme/main/packages.json", {"Authorization": f"Basic {BASIC}"}, {"package[distro_version_id]": "240", "package[package_file]": "*"}),
    ],
    "gitea": [
        ("PUT", "/api/packages/acme/debian/pool/bookworm/testing/upload", {"Authorization": f"token {SECRET}"}, "*"),
        ("PUT", "/api/packages/acme/rpm/el9/testing/upload", {"Authorization": f"token {SECRET}"}, "*"),
    ],
    "gitlab": [
        ("PUT", f"/api/v4/projects/main/packages/generic/hello/1.0.0/{DEB}", {"PRIVATE-TOKEN": SECRET}, "*"),
        ("PUT", f"/api/v4/projects/main/packages/generic/hello/1.0.0/{RPM}", {"PRIVATE-TOKEN": SECRET}, "*"),
    ],
    "github": [
        ("GET", "/repos/acme/main/releases/tags/v1.0.0", {**TOKEN, **GITHUB}, None),
        ("POST", f"/repos/acme/main/releases/77/assets?name={DEB}", {**TOKEN, **GITHUB, "Content-Type": "application/octet-stream"}, "*"),
        ("GET", "/repos/acme/main/releases/tags/v1.0.0", TOKEN, None),
        ("POST", f"/repos/acme/main/releases/77/assets?name={RPM}", TOKEN, "*"),
    ],
}  # fmt: skip
ANSWERS = {
    "/api/v1/distributions.json": {
        "deb": [{"index_name": "ubuntu", "versions": []}, {"index_name": "debian", "versions": [{"id": 200, "index_name": "bullseye"}, {"id": 215, "index_name": "bookworm"}]}],
        "rpm": [{"index_name": "el", "versions": [{"id": 240, "index_name": "9"}]}],
    },
    "/repos/acme/main/releases/tags/v1.0.0": {"id": 77},
    f"/acme/main/{DEB}": {"identifier": "id-1"},
    f"/acme/main/{RPM}": {"identifier": "id-1"},
}  # fmt: skip


@dataclass
class Server:
    """Remembers what it is asked, and answers as it is told."""

    url: str
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Statuses and texts for the next requests."""


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert "Transfer-Encoding" not in self.headers  # Nexus and S3 take none
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.asked.append((self.command, self.path, headers, body))
            status, text = made.faults.pop(0) if made.faults else (201, "")
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{made.url}/elsewhere")
            self.end_headers()
            answer = json.dumps(ANSWERS[self.path]) if self.path in ANSWERS else "{}"
            self.wfile.write((text or answer).encode())

        do_POST = do_GET = do_PUT

        def log_message(self, *_: object) -> None:
            """Nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Server(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield made
    http.shutdown()
    http.server_close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return repositories.pair(tmp_path_factory.mktemp("packages"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "ARTIFACTORY_TOKEN",
        "CLOUDSMITH_API_KEY",
        "GITEA_TOKEN",
        "GITLAB_TOKEN",
        "GITHUB_TOKEN",
    ):
        monkeypatch.setenv(name, SECRET)
    for name in ("NEXUS_BASIC", "PACKAGECLOUD_BASIC"):
        monkeypatch.setenv(name, BASIC)

    def called(*words: object, code: int = 0) -> Result:
        done = CliRunner().invoke(main, ["publish", *map(str, words)])
        assert done.exit_code == code, done.output
        assert SECRET not in done.output
        assert "with%2Bodd" not in done.output
        assert BASIC not in done.output
        assert not (tmp_path / "repo").exists()
        return done

    return called


def settings(preset: str, server: str, more: str = "") -> None:
    Path("pkgrel.toml").write_text(
        f'[publish.uploads.there]\npreset = "{preset}"\nserver = "{server}"\nowner = "acme"\n'
        f'repository = "main"\n{more}\n'
    )


def form(headers: dict[str, str], body: bytes) -> dict[str, bytes]:
    """The fields of a form, as another parser reads them."""
    text = f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body
    parts = email.message_from_bytes(text, policy=HTTP).iter_parts()
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in parts
    }


@pytest.mark.parametrize("preset", EXPECTED)
def test_presets(preset: str, server: Server, files: tuple[Path, Path], run) -> None:
    settings(preset, server.url)
    server.faults += [(503, "busy")]  # is asked again
    out = run("--upload", "there", "--channel", "testing", *files).stdout
    assert [line.split()[:2] for line in out.splitlines()] == [["+", DEB], ["+", RPM]]
    (first, *rest), wanted = server.asked, EXPECTED[preset]
    assert first == rest[0] or "boundary" in first[2]["content-type"]
    assert len(rest) == len(wanted)
    sent = iter(file for file in files)
    for (method, path, headers, body), asked in zip(wanted, rest, strict=True):
        assert asked[:2] == (method, path)
        data = b""
        if body is not None and (body == "*" or "*" in body.values()):
            data = next(sent).read_bytes()
        for name, value in headers.items():
            assert asked[2][name.lower()] == (
                hashlib.sha256(data).hexdigest() if value == "*" else value
            )
        if body == "*":
            assert asked[3] == data
        elif isinstance(body, dict) and "*" in body.values():
            got = form(asked[2], asked[3])
            assert {k: data if v == "*" else v.encode() for k, v in body.items()} == got
        else:
            assert (json.loads(asked[3]) if asked[3] else None) == body


def test_a_url_alone(server: Server, files: tuple[Path, Path], run, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("PKGREL_UPLOAD_HEADERS", "X-Token: $TOKEN\nX-Sum: {sha256}")
    url = f"{server.url}/$TOKEN/{{channel}}/{{distro}}/{{file}}"
    assert run("--upload", url, "--dry-run", *files).stdout.count("+ hello") == 2
    assert server.asked == []
    run("--upload", url, files[0])
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("PUT", f"/T0KEN%2Fwith%2Bodd%3Dcharacters/stable/debian12/{DEB}")
    assert headers["x-token"] == SECRET
    assert headers["x-sum"] == hashlib.sha256(body).hexdigest()
    assert body == files[0].read_bytes()


@pytest.mark.parametrize(
    ("preset", "status", "text"),
    [("gitea", 409, ""), ("packagecloud", 422, '{"filename":["has already been taken"]}'), ("github", 422, '{"errors":[{"code":"already_exists"}]}')],
)  # fmt: skip
def test_what_is_there_already_stays(preset, status, text, server, files, run) -> None:
    settings(preset, server.url)
    answer = (200, json.dumps(ANSWERS["/api/v1/distributions.json"])) if preset == "packagecloud" else (200, '{"id": 1}')  # fmt: skip
    server.faults += [answer, (status, text)] if preset != "gitea" else [(status, text)]
    assert run("--upload", "there", files[0]).stdout.startswith(f"= {DEB}")


def test_refusals_say_what_to_do_and_no_secret(
    server: Server, files: tuple[Path, Path], run, monkeypatch
) -> None:
    settings("artifactory", server.url)
    server.faults += [(401, f"bad token {SECRET}\x1b[2J")]
    done = run("--upload", "there", *files, code=1)
    assert f"{DEB}: " in done.stderr
    assert re.search(r"401 .*bad token …", done.stderr)
    assert "\x1b" not in done.stderr
    assert len(server.asked) == 1
    server.faults += [(307, "")]
    assert "307" in run("--upload", "there", files[0], code=1).stderr
    assert server.asked[-1][1] != "/elsewhere"
    monkeypatch.delenv("ARTIFACTORY_TOKEN")
    settings("artifactory", server.url, 'headers = ["X-Own: 1", "Authorization:"]')
    run("--upload", "there", files[0])
    assert server.asked[-1][2]["x-own"] == "1"
    assert "authorization" not in server.asked[-1][2]
    settings("artifactory", server.url)
    before = len(server.asked)
    assert "ARTIFACTORY_TOKEN, which is not set" in run("--upload", "there", *files, code=1).stderr
    assert "`{fiel}`" in run("--upload", f"{server.url}/{{fiel}}", *files, code=1).stderr
    settings("artifctory", server.url)
    assert "`artifactory`" in run("--upload", "there", *files, code=1).stderr
    assert "publish.uploads.where" in run("--upload", "where", *files, code=2).stderr
    settings("gitlab", server.url)
    Path("pkgrel.toml").write_text(Path("pkgrel.toml").read_text().replace("main", ""))
    assert "`{repository}`, which is not set" in run("--upload", "there", *files, code=1).stderr
    assert len(server.asked) == before


def test_with_a_repository_and_a_signature(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PKGREL_SIGNING_KEY", repositories.key())
    rpm = package(tmp_path, revision="1.el9")
    words = ["publish", str(rpm), "--to", "there", "--upload", f"{server.url}/{{file}}"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    alone = [*words[:2], *words[4:], "--json", "--dry-run"]
    ((_, _, _, body),) = server.asked
    assert body != rpm.read_bytes()
    assert len(list((tmp_path / "there").rglob("*.rpm"))) == 1
    alone = CliRunner().invoke(main, [*words[:2], *words[4:], "--json"])
    document = json.loads(alone.stdout)
    jsonschema.validate(document, output_schema("publish-upload"))
    assert document == [{"path": str(rpm), "url": f"{server.url}/{rpm.name}", "was_there": False}]
