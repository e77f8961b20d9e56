"""Reports of hosts: they contain no secrets, and are not trusted beyond their purpose."""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from click.testing import CliRunner

from pkgrel.cli import main
from tests import aws, repositories
from tests.test_phases import pkgrel
from tests.test_plan import text
from tests.test_validation import hello, make

__all__ = ["hello", "make"]

REPORT = '[deploy]\npull = "5min"\nreport = "https://reports.example.org/it\'s"\n'
SECRETS = """SECRET_KEY_BASE=aaaaaaaaaabbbbbbbbbb
RELEASE_COOKIE='aaaaaaaaaabbbbbbbbbbCC'
"""
ENVIRONMENT = """# DATABASE_URL=ecto://x
DATABASE_URL="ecto://shop:s3cr&t\\\\pw@db/shop"
SMTP_PASSWORD=correct horse "battery" [a-z]*
PORT=4000
GREETING=Good morning
"""


def functions(script: str, folder: Path) -> str:
    """Those of the report alone, in a host whose files are in the folder."""
    found = script[script.index("redacted() {") : script.index("stays() {")]
    return found.replace("/etc/hello/", f"{folder}/").replace("/run/hello-pull", f"{folder}/run")


def test_a_report_has_no_secret(make, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(SECRETS)
    (tmp_path / "environment").write_text(ENVIRONMENT)
    script = functions(text(make(REPORT), "/usr/libexec/hello/pull"), tmp_path)
    said = (
        "boot aaaaaaaaaabbbbbbbbbb aaaaaaaaaabbbbbbbbbbCC end\n"
        'connect ecto://shop:s3cr&t\\pw@db/shop with s3cr&t\\pw and "correct horse "battery" [a-z]*"\n'
        "other https://me:hunter22@example.org/ Good morning 4000\x1b[31m\tred\x07\n"
    )
    stub = f"journalctl() {{ cat {tmp_path}/said; }}\nsystemctl() {{ echo ActiveState=active; }}\n"
    (tmp_path / "said").write_text(said)
    rest = "now=1.0.0-1 before=1.0.0-1 began=0\nwrite_report 'rolled back' 1.1.0-1 active\n"
    for shell in ("dash", "bash"):
        done = subprocess.run([shell, "-euc", script + stub + rest], capture_output=True, text=True)
        assert done.stderr == ""
        report = json.loads(done.stdout)
        lines = "\n".join(report["journal"])
        for secret in (
            "aaaaaaaaaa",
            "CC end",
            "s3cr",
            "pw",
            "correct",
            "battery",
            "hunter22",
            "\x1b",
        ):
            assert secret not in lines, lines
        assert "boot *** *** end" in lines
        assert "Good morning 4000[31m red" in lines
        assert report["result"] == "rolled back"
        assert re.fullmatch("[0-9a-f]{32}", report["machine"])
        assert Path("/etc/machine-id").read_text().strip() not in done.stdout


def test_what_a_host_sends_is_what_is_read(make, tmp_path: Path) -> None:
    """By the AWS CLI into a bucket, and out of it."""
    with aws.aws() as server:
        server.client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": aws.REGION}
        )
        settings = '[deploy]\npull = "5min"\nreport = "s3://bucket/prod/"\n'
        script = functions(text(make(settings), "/usr/libexec/hello/pull"), tmp_path)
        script = script.replace("/var/lib/misc/", f"{tmp_path}/")
        stub = (
            'say() { echo "$1" >&2; }\nuname() { echo \'web"1\'; }\nstate=active\n'
            "journalctl() { printf 'it\\377s over\\n'; }\nsystemctl() { echo ActiveState=$state; }\n"
            "now=1.0.0-1~debian12 before=1.0.0-1~debian12 began=0\n"
        )
        environment = server.environment(tmp_path, LC_ALL="C")  # as the script says

        def told(call: str, **more: str) -> str:
            line = ["dash", "-euc", script + stub + call]
            done = subprocess.run(line, capture_output=True, text=True, env=environment | more)
            assert done.returncode == 0, done.stderr
            return done.stderr

        def read() -> list[dict]:
            words = ("fleet", "reports", "hello", "--from", "s3://bucket/prod", "--json")
            done = CliRunner().invoke(main, words, env=environment)
            assert done.exit_code == 0, done.output
            return json.loads(done.stdout)

        assert "no AWS CLI" in told("tell unchanged", PATH="/usr/bin:/bin")
        assert "was not sent" in told("tell unchanged", AWS_ENDPOINT_URL="http://127.0.0.1:1")
        assert read() == []
        assert told("tell 'rolled back' 1.1.0-1~debian12") == ""
        [report] = read()
        assert (report["host"], report["result"]) == ('web"1', "rolled back")
        assert report["wanted"] == "1.1.0-1~debian12"
        assert report["journal"] == ["it\ufffds over"]
        # That all is as it was is told once a day; a service that ends, at once.
        told("tell unchanged")
        assert read() == [report]
        told("state=failed; tell unchanged")
        assert [one["state"] for one in read()] == ["failed"]


def test_a_report_that_is_sent_elsewhere_was_not_sent(make, tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(int(self.path[1:]))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    asked: list[str] = []
    script = functions(text(make(REPORT), "/usr/libexec/hello/pull"), tmp_path)
    script += 'say() { echo "$1" >&2; }\necho {} >report; send report\n'
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for status, sent in ((204, True), (301, False), (307, False)):
            done = subprocess.run(
                ["dash", "-euc", script],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env={
                    "PATH": os.environ["PATH"],
                    "REPORT": f"http://127.0.0.1:{server.server_port}/{status}",
                },
            )
            assert (done.returncode == 0) is sent, done.stderr
            assert sent or f"the answer to the report was {status}" in done.stderr
        server.shutdown()
    assert asked == ["/204", "/301", "/307"]


def report(folder: Path, number: int, **values: object) -> None:
    machine = f"{number:032x}"
    made = {"format": 1, "package": "hello", "machine": machine, "host": f"web{number}", "distro": "debian12",
            "time": 1_764_000_000, "version": "1.1.0-1~debian12", "state": "active", "result": "upgraded"}  # fmt: skip
    file = folder / "hello" / f"{machine}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made | values))


def test_a_version_goes_on_while_it_works_and_stops_when_it_fails(tmp_path: Path) -> None:
    repo, prefix = tmp_path / "repo", tmp_path / "reports"
    auto = ("repo", "phase", repo, "hello", "1.1.0", "--auto", "--reports", prefix, "--bound", 10)
    pkgrel("publish", *repositories.pair(tmp_path), "--to", repo)
    pkgrel("publish", *repositories.pair(tmp_path, "1.1.0"), "--to", repo, "--phase", 10)

    def phase() -> set[int]:
        listed = json.loads(pkgrel("repo", "list", repo, "--json").stdout)
        return {one["phase"] for one in listed if one["version"].startswith("1.1.0")}

    prefix.mkdir()
    assert "stays at 10%" in pkgrel(*auto).stderr
    report(prefix, 1)
    report(prefix, 2, version="1.0.0-1~debian12", result="unchanged")
    assert "goes on to 25%" in pkgrel(*auto).stderr
    assert phase() == {25}
    assert "stays at 25%" in pkgrel(*auto, "--least", 2).stderr
    for number in range(3, 12):
        report(prefix, number)
    # A tenth is as many as may fail.
    back = {"version": "1.0.0-1~debian12", "wanted": "1.1.0-1~debian12", "result": "rolled back"}
    report(prefix, 12, **back)
    assert "goes on to 50%" in pkgrel(*auto).stderr
    # It runs, and then does not.
    report(prefix, 3, state="failed")
    assert "failed on 2: stopped" in pkgrel(*auto, code=1).stderr
    assert phase() == {0}
    assert "was stopped" in pkgrel(*auto, code=1).stderr
    pkgrel("repo", "phase", repo, "hello", "1.1.0", "50")
    report(prefix, 3)
    pkgrel(*auto, "--every", 1)
    assert phase() == {100}
    assert "--reports" in pkgrel(*auto[:6], code=2).output


def test_what_is_no_report_is_passed_over(tmp_path: Path) -> None:
    report(tmp_path, 1, version="1.0.0-1~debian12", wanted="1.1.0-1~debian12", result="rolled back",
           journal=["went wrong: \u00e9"])  # fmt: skip
    file = tmp_path / "hello" / f"{2:032x}.json"
    for wrong in (b"", b"[]", b"{" * 9999, b'{"format": 1}', b"\xff" * 300_000,
                  (tmp_path / "hello" / f"{1:032x}.json").read_bytes()):  # fmt: skip
        file.write_bytes(wrong)
        done = pkgrel("fleet", "reports", "--from", tmp_path)
        assert done.stdout.splitlines()[1].split()[:4] == [
            "web1",
            "debian12",
            "hello",
            "1.0.0-1~debian12",
        ]
        assert "rolled back, 1.1.0-1~debian12" in done.stdout
        assert "went wrong" in done.stderr
        assert "warning" in done.stderr
    report(tmp_path, 2, host="web2\x1b[2J", version="1; id")
    assert "web2" not in pkgrel("fleet", "reports", "hello", "--from", tmp_path).stdout
    file.unlink()
    assert not json.loads(pkgrel("fleet", "reports", "other", "--from", tmp_path, "--json").stdout)
