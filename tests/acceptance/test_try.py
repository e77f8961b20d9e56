"""`pkgrel try` on hosts booted by a real Docker daemon: good packages pass, and failures are explained."""

import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from docker.errors import NotFound

from pkgrel.cli import outputs
from pkgrel.errors import BuildError, PkgrelError
from pkgrel.operations.trials import On, TryRequest, try_packages
from pkgrel.package import Relation, Relations, Version
from pkgrel.signing.statement import path_of
from pkgrel.trial.docker_shell import DockerShell
from tests import native_code, openpgp_keys, releases, repositories, tiny_release
from tests.acceptance import docker, suite_releases
from tests.acceptance.terminal import Terminal
from tests.artifacts import MAINTAINER, Artifacts
from tests.bases import usable_base
from tests.packages import bare, package, saved
from tests.tools import PKGREL, pkgrel, run

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


def tried(
    *words: object, folder: Path, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[dict]]:
    done = pkgrel("try", "--json", *words, folder=folder, **environment)
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

SETTINGS = f"""\
{MAINTAINER}
[service.limits]
memory-max = "1G"
[try]
environment.GREETING = "Hello"
env-file = "try.env"
script = "smoke.sh"
[try.services.postgres]
image = "store:1"
environment.WORD = "stored"
"""

SMOKE = """\
set -e
test "$PKGREL_NAME $PKGREL_VERSION" = "hello 1.1.0-1~debian12"
test "$(curl -fsS http://postgres:5432/)" = stored
if ip route | grep default; then exit 1; fi
[ ! -e /proc/net/if_inet6 ] || grep -q '^0*1 .* lo$' /proc/net/if_inet6
test "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = 1024
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
        *(hello_release("1.1.0"), "--distro", "debian12", "--settle", "60", "--skip", "stays"),
        *("--from", "repo", "--junit", "report.xml"),
        folder=tmp_path,
        PKGREL_SIGNING_KEY=repositories.key(),
    )
    assert (done.returncode, document["passed"]) == (0, True), done.stdout
    steps = {step["id"]: step for step in document["steps"]}
    controllers = Path("/sys/fs/cgroup/cgroup.controllers")
    limited = controllers.exists() and "memory" in controllers.read_text()
    unproven = {name: step["detail"] for name, step in steps.items() if step["outcome"] != "passed"}
    said = "not in force on a host of this kind: MemoryMax"
    assert unproven == ({} if limited else {"sandbox": said})
    assert steps["ready"]["detail"] == "listens on port 4000"
    assert "from 1.0.0-1~debian12; " in steps["upgrade"]["detail"]
    assert "requests refused" in steps["upgrade"]["detail"]
    assert steps["script"]["detail"] == "Moin from hello 1.1.0"
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert (suite.attrib["failures"], len(suite)) == ("0", len(steps))
    assert left(daemon) == []
    words = ("publish", "dist/hello_1.1.0-1~debian12_amd64.deb", "--to", "repo", "--tried")
    published = pkgrel(*words, folder=tmp_path, PKGREL_SIGNING_KEY=repositories.key())
    assert published.returncode == 0, published.stderr


def repositories_store(folder: Path):
    from pkgrel.repository.store.local import Local

    return Local(folder / "repo")


BROKEN = {
    # Settings, the step that fails, and what is said about it; what else is in the folder.
    "crash": (
        '[service]\ncommand = ["eval", "raise \\"it is Friday\\""]\n',
        {"ready": "stops with RuntimeError: it is Friday"},
    ),
    "denied": (
        '[service.sandbox]\nSystemCallFilter = "~@network-io"\n',
        {"ready": "the sandbox denies a system call"},
    ),
    "port": (
        '[scripts]\nbefore-install = "squat.sh"\n',
        {"ready": ("the port that it wants is taken", '"perl"')},
    ),
    "path": (
        '[service]\nhardening = "strict"\nexec-start-pre = ["/bin/sh -c \'echo >/home/state\'"]\n',
        {"ready": "`ProtectHome=yes` of its unit keeps `/home/state` from it"},
    ),
    "library": (
        '[service]\nexec-start-pre = ["/usr/libexec/hello-tool"]\n[[file]]\npath = "/usr/libexec/hello-tool"\nsource = "tool"\nmode = "0755"\n',
        {"ready": "the library `libmissing.so.9` is not on the host"},
    ),
    "variable": ("", {"variables": "DATABASE_URL", "ready": "the release needs"}),
    "careless": (
        '[scripts]\nbefore-install = "refuse.sh"\nafter-install = "left.sh"\n',
        {
            "files": ("nobody root, not 644 root root", "/etc/hello/environment is nobody "),
            "upgrade": "no way up",
            "secrets": (
                "/etc/hello/cookie",
                "/srv/signing.key",
                "/etc/hello/environment with a value for `API_TOKEN`",
            ),
            "purge": (
                "/boot/left-behind\n/etc/hello\n/etc/hello/cookie\n/etc/left-behind\n/home/left-behind\n",
                "/srv/signing.key\n/usr/share/left-behind\n/var/log/left-behind",
            ),
        },
    ),
}

FILES = {
    "squat.sh": "setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 4000, Listen => 1); sleep'"
    " >/dev/null 2>&1 </dev/null &\n",
    # Only where something of it is there already.
    "refuse.sh": "if [ -e /usr/lib/hello/releases/1.0.0 ]; then echo 'no way up' >&2; exit 1; fi\n",
    "left.sh": "touch /boot/left-behind /etc/left-behind /home/left-behind /usr/share/left-behind /var/log/left-behind\nchown nobody /usr/lib/hello/releases/1.1.0/*.rel /etc/hello/environment\n"
    "echo API_TOKEN=abc >>/etc/hello/environment\necho 1 >/srv/signing.key\numask 077\necho NOT_ON_EVERY_HOST=1 >/etc/hello/cookie\n",
}

RUNTIME = """
if config_env() == :prod do
  config :hello, path: System.fetch_env!("DATABASE_URL")
end
"""


def test_what_is_broken_is_caught_and_explained(
    built: Built, hello_release: Callable[[str], Path], tmp_path: Path, daemon: docker.Daemon
) -> None:
    needy = releases.changed(
        hello_release("1.1.0"), tmp_path / "needy.tar.gz", {"releases/1.1.0/runtime.exs": RUNTIME}
    )
    # What fails before the VM starts needs none.
    tiny = tmp_path / "tiny.tar"
    tiny.write_bytes(tiny_release.with_())
    instead = {"variable": needy, "path": tiny, "library": tiny}
    made = {}
    for name, (settings, _) in BROKEN.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pkgrel.toml").write_text(f"{MAINTAINER}{settings}")
        for file, text in FILES.items():
            (folder / file).write_text(text)
        (folder / "tool").write_bytes(native_code.program(folder, "libmissing.so.9"))
        release = instead.get(name, hello_release("1.1.0"))
        done = pkgrel("build", release, "--distro", "debian12", folder=folder)
        assert done.returncode == 0, done.stderr
        made[name] = folder / done.stdout.strip()
    steps = ("variables", "ready", "files", "upgrade", "secrets", "purge")
    done, documents = tried(
        *(*made.values(), "--jobs", "3", "--settle", "40", "--from", built("1.0.0")),
        *(word for step in steps for word in ("--only", step)),
        folder=tmp_path,
    )
    assert done.returncode == 1
    for (name, (_, wanted)), document in zip(BROKEN.items(), documents, strict=True):
        steps = {each["id"]: each for each in document["steps"]}
        failed = {each for each, step in steps.items() if step["outcome"] == "failed"}
        assert failed == set(wanted), (name, document)
        for step, said in wanted.items():
            found = steps[step]
            shown = found["detail"] + found["explanation"] + found["output"]
            for each in said if isinstance(said, tuple) else (said,):
                assert each in shown, (name, found)
        if "ready" in wanted:
            assert steps["ready"]["journal"]
            assert steps["purge"]["outcome"] == "skipped"
    assert left(daemon) == []


RPM_STEPS = ("ready", "files", "downgrade", "upgrade", "writes", "secrets", "remove")


def test_an_rpm(
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    tmp_path: Path,
    daemon: docker.Daemon,
) -> None:
    """By dnf and rpm, on an image that has all that a host needs."""
    daemon.root("bookworm", "amazonlinux:2023")
    old, new = (
        artifacts.folder / artifacts.build(hello_release(version), "amzn2023")
        for version in ("1.0.0", "1.1.0")
    )
    only = [word for step in RPM_STEPS for word in ("--only", step)]
    done, (document,) = tried(new, "--from", old, *only, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    steps = {step["id"]: step for step in document["steps"]}
    assert "it is Debian GNU/Linux 12" in steps.pop("host")["detail"]
    assert {step["outcome"] for step in steps.values()} == {"passed"}
    assert steps["downgrade"]["detail"] == "to 1.0.0-1.amzn2023"
    assert "differ between three hosts" in steps["secrets"]["detail"]
    assert left(daemon) == []


DEB = {"bullseye": "debian11", "trixie": "debian13", "sid": "debian14"}
DEB_STEPS = ("ready", "files", "upgrade", "reboot", "purge")


@pytest.mark.parametrize("suite", DEB)
def test_a_release_of_each_suite(suite: str, artifacts: Artifacts, tmp_path: Path) -> None:
    """By its own dpkg, systemd and libraries, for which it was built; Debian 12's is in the other tests."""
    release = suite_releases.usable(suite)
    old, new = (
        artifacts.folder / artifacts.build(release, DEB[suite], version)
        for version in ('version = "0.9.0"\n', "")
    )
    only = [word for step in DEB_STEPS for word in ("--only", step)]
    words = ("--from", old, "--on", "nspawn", "--image", usable_base(suite), "--settle", "60")
    done, (document,) = tried(new, *words, *only, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert {step["outcome"] for step in document["steps"]} == {"passed"}, done.stdout


def test_without_a_daemon(artifacts: Artifacts, relx_release: Path, tmp_path: Path) -> None:
    """On hosts of systemd-nspawn, one of which a person looks around in and keeps; and what rebar3 has made.

    Its nodes find each other by an epmd of the package's own, which is no port of a client's.
    """
    file = artifacts.folder / artifacts.build(relx_release, "el10")
    words = ["try", file, "--on", "nspawn", "--image", usable_base("trixie")]
    words += ["--shell", "--keep"]
    words += [word for step in ("reboot", "secrets", "remove") for word in ("--only", step)]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["DOCKER_HOST"] = "unix:///nowhere.sock"
        os.execvp(PKGREL[0], [*PKGREL, *map(str, words)])
    try:
        seen = Terminal(fd, pid)
        seen.wait_for(r"[#$] $", 100)
        _, shown = seen.run("systemctl is-active relx-nif; ip -brief link | wc -l")
        assert "active\n1\n" in shown
        seen.type("exit\n")
        shown = seen.wait_for("remove it with: .*\n", 60)
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
    assert status == 0
    for said in (r"runs after a reboot: listens on port 4000", r"\d differ between three hosts"):
        assert re.search(said, shown), shown
    assert "FAILED" not in shown
    entrance, removal = re.findall(r"with: ([^;\r\n]+)", shown)
    try:
        name = run(*shlex.split(entrance), "-c", "hostname").strip()
        assert control_groups(name)
    finally:
        run(*shlex.split(removal))
    deadline = time.monotonic() + 60
    while control_groups(name) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not control_groups(name)


def control_groups(name: str) -> str:
    find = ["find", "/sys/fs/cgroup", "-name", name]
    # Those of others go meanwhile.
    return subprocess.run(find, capture_output=True, text=True).stdout


def test_a_shell_that_stays_open(daemon: docker.Daemon) -> None:
    """It tells commands apart, whatever they print, leave behind or are as long as; and outlives a restart."""
    container = daemon.client.containers.run("debian:bookworm", ["sleep", "60"], detach=True)
    shell = DockerShell(container)
    try:
        done = shell.run("printf 'one\\n\\0two'; printf three >&2; exit 3", 20)
        assert (done.status, done.output) == (3, "one\n\0twothree")
        assert shell.run("sleep 20", 1).status == 124
        assert shell.run("(sleep 1; echo late) & echo soon", 20).output == "soon\n"
        long = shell.run(
            "".join(f"echo {number}\n" for number in range(30_000)) + "sleep 1; cat", 20
        )
        assert long.output.split() == [str(number) for number in range(30_000)]
        container.restart(timeout=0)
        assert shell.run("true", 20).status == 137
        assert shell.run("echo back", 20).output == "back\n"
        container.remove(force=True)
        assert shell.run("true", 20).status == 137
        with pytest.raises(BuildError, match="the host: "):
            shell.run("true", 20)
    finally:
        shell.close()
        with suppress(NotFound):
            container.remove(force=True)


def test_a_package_without_a_service(tmp_path: Path, daemon: docker.Daemon) -> None:
    """Nothing of it is left for dpkg to know once it is removed; one that it depends on is there meanwhile.

    What is for another architecture is told from what is broken.
    """
    version, needs = Version(upstream="1", revision="1~debian12"), (Relation(name="plain"),)
    more = bare(name="more", version=version, relations=Relations(depends=needs))
    files = [package(tmp_path, "plain"), saved(more, tmp_path)]
    files.append(package(tmp_path, "other", architecture="aarch64"))
    done, documents = tried(*files, "--jobs", "3", folder=tmp_path)
    assert done.returncode == 1, done.stdout
    for document in documents[:2]:
        passed = {each["id"] for each in document["steps"] if each["outcome"] == "passed"}
        assert passed == {"host", "install", "files", "secrets", "remove", "purge"}, document
    (failed,) = (each for each in documents[2]["steps"] if each["outcome"] == "failed")
    assert "it is for arm64, and this host takes amd64" in failed["detail"]
    assert left(daemon) == []


def test_what_is_interrupted(built: Built, tmp_path: Path, daemon: docker.Daemon) -> None:
    """It leaves nothing on the daemon, and says nothing of the package."""
    file = built("1.0.0")
    words = [*PKGREL, "try", str(file), "--signing-key", str(openpgp_keys.secret("ed25519"))]
    running = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    seen = ""
    for line in running.stderr:
        seen += line
        if "its command reaches" in line:
            running.send_signal(signal.SIGINT)
            break
    _, said = running.communicate()
    assert running.returncode == 1, seen + said
    assert "error: interrupted" in said
    assert "failed" not in said
    assert left(daemon) == []
    assert not path_of(file).exists()


BAD = (
    # What is asked for, and what is said of it; paths are below the test's folder.
    ({"only": ["instal"]}, "did you mean `install`?"),
    ({"distros": ["debian"]}, "unknown distro `debian`"),
    ({"distros": ["debian13"]}, "says debian12, not `debian13`"),
    ({"on": On.NSPAWN}, "no base for the hosts"),
    ({"on": On.NSPAWN, "image": "source"}, "there is no systemd in it"),
    (
        {"on": On.NSPAWN, "image": "damaged.env", "keep": True},
        "would be unpacked for this run alone",
    ),
    ({"env_file": Path("damaged.env")}, "damaged.env:2: this is not NAME=VALUE"),
    ({"given": [Path("source")]}, "nothing says which distros"),
    ({"older": ["nowhere"]}, "nowhere: no repository"),
)


def test_bad_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error, and no host."""
    monkeypatch.chdir(tmp_path)
    file = package(tmp_path, "hello", "1.0.0")
    Path("damaged.env").write_text("A=1\nthe secret\n")
    Path("source").mkdir()
    for request, said in BAD:
        with pytest.raises(PkgrelError) as refused:
            try_packages(TryRequest(**{"given": [file], **request}))
        assert said in f"{refused.value} {refused.value.hint}"
    done = pkgrel("try", file, folder=tmp_path, DOCKER_HOST="unix:///nowhere.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not run" in done.stderr
    assert "`--on nspawn --image DIRECTORY`" in " ".join(done.stderr.split())
