"""[notify]: recipients and formats of messages, which contain no secrets and whose failures do no harm."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pkgrel import config
from pkgrel.cli import main
from pkgrel.operations.notifying import rolled_out, said
from pkgrel.operations.rollouts import Outcome, RolledOut
from pkgrel.package import Change
from pkgrel.rollout.hosts import parse_host
from pkgrel.rollout.steps import Seen
from tests import repositories
from tests.packages import EPOCH, package

SECRET = "T0KEN-in-the-address"


@dataclass
class Server:
    """Takes what it is sent; an address below /broken it refuses."""

    url: str
    requests: list[tuple[str, str, dict, object]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.requests.append((self.command, self.path, dict(self.headers), body))
            status = {"broken": 500, "moved": 307}.get(self.path.split("/")[1], 200)
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{made.url}/elsewhere")
            self.end_headers()

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            """Nothing."""

    http = HTTPServer(("127.0.0.1", 0), Handler)
    made = Server(f"http://127.0.0.1:{http.server_port}")
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield made
    http.shutdown()
    http.server_close()


def publish(
    folder: Path, settings: str, version: str, code: int = 0, *more: str, **env: str
) -> Result:
    (folder / "pkgrel.toml").write_text(settings)
    news = Change(
        version=version, author="A <a@example.org>", time=EPOCH, lines=("Says <hello> & more",)
    )
    file = package(folder, version=version, revision="1.el9", changelog=(news,))
    with contextlib.chdir(folder):
        done = CliRunner().invoke(
            main,
            ["publish", str(file), "--to", "repo", *more],
            env={"PKGREL_SIGNING_KEY": repositories.key(), **env},
        )
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done


SETTINGS = """
[notify.chat]
kind = "slack"
url = "$HOOK/slack"
[notify.other-chat]
kind = "mattermost"
url = "${HOOK}/mattermost"
text = "@all {{ name }} <{{ version }}> after {{ before }}"
[notify.room]
kind = "matrix"
url = "$HOOK"
token = "$MATRIX"
room = "!abc:example.org"
[notify.service]
url = "$HOOK/any"
token = "$MATRIX"
body = '{"msg": {{ text | tojson }}, "v": "{{ version }}", "d": {{ distros | tojson }}}'
[notify.everything]
url = "$HOOK/all"
[notify.script]
kind = "command"
command = 'cat >told; echo "$PKGREL_EVENT $PKGREL_NAME $PKGREL_VERSION" >said; echo noise'
[notify.mail]
kind = "mail"
to = ["team@example.org", "boss@example.org"]
sender = "ci@example.org"
[notify.only-failures]
on = ["failed", "rolled-back"]
url = "$HOOK/never"
"""


def test_each_kind_is_told_in_its_own_form(tmp_path: Path, server: Server) -> None:
    sendmail = tmp_path / "bin/sendmail"
    sendmail.parent.mkdir()
    sendmail.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/words; cat >{tmp_path}/mail\n')
    sendmail.chmod(0o755)
    env = {
        "HOOK": f"{server.url}/{SECRET}",
        "MATRIX": SECRET,
        "PATH": f"{sendmail.parent}:/usr/bin:/bin",
    }
    publish(tmp_path, "", "1.0.0")
    done = publish(tmp_path, SETTINGS, "1.1.0", 0, "--after", 'echo "$PKGREL_ADDED" >added', **env)
    assert "warning" not in done.stderr
    assert "noise" not in done.stdout
    sent = {path: (method, headers, body) for method, path, headers, body in server.requests}
    assert len(server.requests) == len(sent) == 5
    slack = sent[f"/{SECRET}/slack"][2]["text"]
    assert slack.startswith("hello 1.1.0 is published in stable for el9 (")
    assert "\nSince 1.0.0:\n* Says &lt;hello&gt; &amp; more" in slack
    assert sent[f"/{SECRET}/mattermost"][2] == {"text": "@\u200ball hello <1.1.0> after 1.0.0"}
    [room] = [path for path in sent if "/rooms/" in path]
    assert "/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/" in room
    assert sent[room][0] == "PUT"
    assert sent[room][1]["Authorization"] == f"Bearer {SECRET}"
    assert sent[room][2]["msgtype"] == "m.notice"
    everything = sent[f"/{SECRET}/all"][2]
    assert sent[f"/{SECRET}/any"][2] == {"msg": everything["text"], "v": "1.1.0", "d": ["el9"]}
    assert (everything["event"], everything["before"]) == ("published", "1.0.0")
    assert json.loads((tmp_path / "told").read_text()) == everything
    assert (tmp_path / "said").read_text() == "published hello 1.1.0\n"
    assert (tmp_path / "words").read_text() == "-i -t\n"
    mail = (tmp_path / "mail").read_text()
    assert (
        "To: team@example.org, boss@example.org\nFrom: ci@example.org\nSubject: hello 1.1.0 is"
        in mail
    )
    assert (tmp_path / "added").read_text() == "hello 1.1.0-1.el9 x86_64 el9 stable\n"
    # The same again is no news, and neither is what only would be done.
    publish(tmp_path, SETTINGS, "1.1.0", **env)
    publish(tmp_path, SETTINGS, "1.2.0", 0, "--dry-run", **env)
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('url = "$HOOK/broken"', "the answer was 500"),
        ('url = "$MOVED/moved"\ntoken = "$TOKEN"', "the answer was 307"),
        ('url = "$UNSET"', "needs the variable UNSET, which is not set"),
        ('url = "$ODD"', "its address or its answer is not right"),
        ('url = "$NOWHERE"', "could not be reached"),
        ('url = "$TOKEN"', "does not begin with https://"),
        ('url = "$HOOK"\nbody = "{{ text }}"', "`body` does not become JSON"),
        ('url = "$HOOK"\ntext = "{{ nothing }}"', "its template"),
        ('text = \'{{ "".__class__.__mro__ }}\'\nurl = "$HOOK"', "its template"),
        ('kind = "command"\ncommand = "exit 3"', "ended with 3"),
        ('kind = "mail"', "`to` names nobody"),
        ('kind = "slack"', "it has no `url`"),
    ],
)
def test_what_cannot_be_told_is_a_warning(
    tmp_path: Path, server: Server, settings: str, said: str
) -> None:
    env = {"HOOK": f"{server.url}/{SECRET}", "MOVED": server.url, "TOKEN": SECRET,
           "ODD": f"http://127.0.0.1:1/{SECRET} \x01", "NOWHERE": f"http://127.0.0.1:1/{SECRET}"}  # fmt: skip
    if "broken" in settings:
        env["HOOK"] = server.url
    done = publish(tmp_path, f"[notify.them]\n{settings}\n", "1.0.0", **env)
    assert "[notify.them] was not told: " in done.stderr
    assert said in done.stderr
    assert "/elsewhere" not in [path for _, path, _, _ in server.requests]
    assert "published as generation 1" in done.stderr


def test_settings_that_are_wrong_do_not_hold_a_package_up(tmp_path: Path) -> None:
    done = publish(tmp_path, '[notify.them]\nkind = "pigeon"\n', "1.0.0")
    assert "nobody was told" in done.stderr
    assert "must be one of slack, mattermost" in done.stderr


def test_what_became_of_a_roll_out(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n## Unreleased\n- later\n## 1.2.0\n- two\n## 1.1.0-rc.1\n- one\n## 1.0.0\n- none\n"
    )
    (tmp_path / "pkgrel.toml").write_text(
        '[package]\nmaintainer = "A <a@example.org>"\nchangelog = "CHANGELOG.md"\n'
    )
    document = config.load(tmp_path / "pkgrel.toml")

    def told(*outcomes: str, now: str = "1.2.0-1.el9") -> tuple[str, str]:
        done = [
            RolledOut(
                host=parse_host(f"web{number}", "--host"),
                seen=Seen(installed="1.0.0-1.el9"),
                outcome=Outcome(outcome),
                now=now,
                detail="no answer" if outcome in ("failed", "rolled back") else "",
            )
            for number, outcome in enumerate(outcomes)
        ]
        event = rolled_out(document, "hello", "1.2.0", "production", done)
        return (event.event.value, said(event).partition(" (")[0]) if event else ("", "")

    assert told("unchanged", "untouched") == ("", "")
    assert told("unchanged", "upgraded", "upgraded") == (
        "deployed",
        "hello 1.2.0 runs on 2 hosts of production",
    )
    assert told("rolled back", "untouched", now="1.0.0-1.el9") == (
        "rolled-back", "hello 1.2.0 failed in production and 1.0.0 is back; web0: no answer")  # fmt: skip
    assert told("upgraded", "failed")[0] == "failed"
    assert told("upgraded", "failed")[1] == "hello 1.2.0 failed in production; web1: no answer"
    done = [
        RolledOut(
            host=parse_host("web1", "--host"),
            seen=Seen(installed="1.0.0-1.el9"),
            outcome=Outcome.UPGRADED,
            now="1.2.0-1.el9",
        )
    ]
    text = said(rolled_out(document, "hello", "", "", done))
    assert text.endswith("Since 1.0.0:\n* two\n* one")
