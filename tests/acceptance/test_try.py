"""`pkgrel try` on hosts that a real Docker daemon boots: what is right passes, and what is broken is explained."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from pkgrel.cli import outputs
from tests import repositories
from tests.acceptance import docker
from tests.artifacts import Artifacts
from tests.tools import pkgrel

pytestmark = pytest.mark.acceptance

Built = Callable[..., Path]


@pytest.fixture
def built(artifacts: Artifacts, hello_release: Callable[[str], Path]) -> Built:
    """A package of examples/hello for Debian 12."""

    def make(version: str, settings: str = "") -> Path:
        name = artifacts.build(hello_release(version), "debian12", settings)
        return artifacts.folder / name

    return make


@pytest.fixture(autouse=True)
def daemon(docker_daemon: docker.Daemon, docker_host: str) -> docker.Daemon:
    docker_daemon.base("bookworm")
    return docker_daemon


def left(daemon: docker.Daemon) -> list[str]:
    """Containers, networks and images of trials that are on the daemon."""
    client = daemon.client
    labelled = {"filters": {"label": "io.pkgrel.run"}}
    found = (
        *client.containers.list(all=True, ignore_removed=True),
        *client.networks.list(**labelled),
        *client.images.list(**labelled),
    )
    return [str(each) for each in found]


def tried(*words: object, folder: Path) -> tuple[subprocess.CompletedProcess[str], list[dict]]:
    done = pkgrel("try", "--json", *words, folder=folder)
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, outputs.output_schema("try"))
    return done, document


# What a database is to an application: it takes a while, and answers only those on its network.
STORE = b"""FROM debian:bookworm
EXPOSE 5432
CMD perl -MIO::Socket::INET -e 'sleep 2; $s = IO::Socket::INET->new(LocalPort => 5432, Listen => 9) or die; \
  while ($c = $s->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$ENV{WORD}\\n"; close $c }'
"""

SETTINGS = """\
[package]
maintainer = "T <t@example.org>"
[try]
environment = { GREETING = "Hello" }
env-file = "try.env"
services = { postgres = { image = "store:1", environment = { WORD = "stored" } } }
script = "smoke.sh"
"""

SMOKE = """\
set -e
test "$PKGREL_NAME $PKGREL_VERSION" = "hello 1.1.0-1~debian12"
test "$(curl -fsS http://postgres:5432/)" = stored
if ip route | grep default; then exit 1; fi
grep -qxF 'UNUSED="\\$HOME"' /etc/hello/environment
curl -fsS "http://127.0.0.1:$PKGREL_PORT/"
"""


def test_a_package_that_is_right(
    built: Built, hello_release: Callable[[str], Path], tmp_path: Path, daemon: docker.Daemon
) -> None:
    """The whole life of a package that is built for it, upgraded from what the repository has, beside a service."""
    repository = repositories.make(repositories_store(tmp_path))
    repositories.put(repository, built("1.0.0"))
    daemon.client.images.build(fileobj=io.BytesIO(STORE), tag="store:1", rm=True)
    (tmp_path / "pkgrel.toml").write_text(SETTINGS)
    (tmp_path / "try.env").write_text("# two\nGREETING='Moin'\nUNUSED=$HOME\n")
    (tmp_path / "smoke.sh").write_text(SMOKE)
    done, (document,) = tried(
        *(hello_release("1.1.0"), "--distro", "debian12"),
        *("--from", "repo", "--junit", "report.xml"),
        folder=tmp_path,
    )
    assert (done.returncode, document["passed"]) == (0, True), done.stdout
    steps = {step["id"]: step for step in document["steps"]}
    assert {name for name, step in steps.items() if step["outcome"] != "passed"} == set()
    assert steps["ready"]["detail"] == "listens on port 4000"
    assert "from 1.0.0-1~debian12; " in steps["upgrade"]["detail"]
    assert "requests refused" in steps["upgrade"]["detail"]
    assert steps["script"]["detail"] == "Moin from hello 1.1.0"
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert (suite.attrib["failures"], len(suite)) == ("0", len(steps))
    assert left(daemon) == []
    assert (tmp_path / "dist/hello_1.1.0-1~debian12_amd64.deb").exists()


def repositories_store(folder: Path):
    from pkgrel.repository.store.local import Local

    return Local(folder / "repo")


BROKEN = {
    # Settings, the step that fails, and what is said about it.
    "crash": (
        '[service]\ncommand = ["eval", "raise \\"it is Friday\\""]\n',
        "ready",
        "stops with RuntimeError: it is Friday",
    ),
    "denied": (
        '[service.sandbox]\nSystemCallFilter = "~@network-io"\n',
        "ready",
        "the sandbox denies a system call",
    ),
    "leftover": (
        '[scripts]\nafter-install = "left.sh"\n',
        "purge",
        "/etc/left-behind",
    ),
}


def test_what_is_broken_is_caught_and_explained(
    hello_release: Callable[[str], Path], tmp_path: Path, daemon: docker.Daemon
) -> None:
    files = []
    for name, (settings, _, _) in BROKEN.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pkgrel.toml").write_text(
            f'[package]\nmaintainer = "T <t@example.org>"\n{settings}'
        )
        (folder / "left.sh").write_text(
            "touch /etc/left-behind\nchown nobody /usr/lib/hello/releases/1.0.0/*.rel\n"
        )
        made = pkgrel("build", hello_release("1.0.0"), "--distro", "debian12", folder=folder)
        assert made.returncode == 0, made.stderr
        files.append(folder / made.stdout.strip())
    done, documents = tried(
        *(*files, "--jobs", "3", "--settle", "1", "--skip", "reboot", "--skip", "recovery"),
        folder=tmp_path,
    )
    assert done.returncode == 1
    for (name, (_, step, said)), document in zip(BROKEN.items(), documents, strict=True):
        steps = {each["id"]: each for each in document["steps"]}
        found = steps[step]
        assert found["outcome"] == "failed", (name, document)
        assert said in found["explanation"] + found["output"], (name, found)
        if step == "ready":
            assert found["journal"]
            assert steps["remove"]["outcome"] == "skipped"
        if name == "leftover":
            assert "nobody root, not 644 root root" in steps["files"]["detail"]
    assert left(daemon) == []


def test_bad_requests(built: Built, tmp_path: Path) -> None:
    """One error, and no host."""
    file = built("1.0.0")
    (tmp_path / "damaged.env").write_text("A=1\nthe secret\n")
    (tmp_path / "source").mkdir()
    for words, said in (
        (["--only", "instal"], "did you mean `install`?"),
        (["--distro", "debian"], "unknown distro `debian`"),
        (["--distro", "debian13"], "says debian12, not `debian13`"),
        (["--on", "nspawn"], "no base for the hosts"),
        (["--on", "nspawn", "--image", tmp_path], "there is no systemd in it"),
        (["--on", "nspawn", "--keep"], "ends with pkgrel"),
        (["--env-file", "damaged.env"], "damaged.env:2: this is not NAME=VALUE"),
        ([tmp_path / "source"], "nothing says which distros"),
        (["--from", "nowhere"], "nowhere: no repository"),
    ):
        done = pkgrel("try", file, *words, folder=tmp_path)
        assert done.returncode == 1
        assert said in done.stderr, done.stderr
    done = pkgrel("try", file, folder=tmp_path, DOCKER_HOST="unix:///nowhere.sock")
    assert "does not run" in done.stderr
