"""`pkgrel build` of a project in images of Debian's suites, by a real Docker daemon."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pkgrel.builder.image_inventory import CACHE
from pkgrel.builder.reaper import RUN, ContainerReaper
from pkgrel.signing import statement
from tests import builds
from tests.acceptance import docker, hosts
from tests.bases import usable_base
from tests.openpgp_keys import secret
from tests.tools import wait_until

pytestmark = pytest.mark.acceptance

SUITES = {"debian11": "bullseye", "debian12": "bookworm", "debian13": "trixie"}
NO_SECURITY = "pkgrel-tests/bullseye"

DATA = Path(__file__).parents[1] / "data"

Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def daemon(docker_daemon: docker.Daemon, docker_host: str) -> docker.Daemon:
    """The daemon with an image of bookworm; no container is there, before and after."""
    docker_daemon.base("bookworm")
    return docker_daemon


@pytest.fixture
def build(tmp_path: Path, daemon: docker.Daemon) -> Iterator[Build]:
    """Build a project; whatever becomes of it, no container is left."""

    def _build(project: Path, *arguments: str, distro: str = "debian12", **variables: str):
        return builds.build(tmp_path, project, "--distro", distro, *arguments, **variables)

    yield _build
    assert containers(daemon) == []


def containers(daemon: docker.Daemon) -> list[str]:
    return [
        container.name for container in daemon.client.containers.list(all=True, ignore_removed=True)
    ]


def small(tmp_path: Path, settings: str = "", **texts: str) -> Path:
    files = {"pkgrel.toml": builds.MAINTAINER + settings, **texts}
    return builds.small(tmp_path / "small", files=files)


@contextmanager
def running(tmp_path: Path, project: Path) -> Iterator["subprocess.Popen[str]"]:
    """A build that is in the midst of its first step."""
    with subprocess.Popen(
        builds.command(project, "--distro", "debian12"),
        cwd=tmp_path,
        env=builds.environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background lets them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        log = tmp_path / "state/pkgrel/small-debian12.log"

        def is_running() -> bool:
            assert process.poll() is None, process.stderr.read()
            return log.exists() and "step is running\n" in log.read_text()

        wait_until(is_running)
        try:
            yield process
        finally:
            process.kill()


LONG = '[build]\nbefore = ["echo step is running; sleep 1000"]\n'


def wait_until_empty(daemon: docker.Daemon) -> None:
    wait_until(lambda: not containers(daemon))


OLD_AND_NEW = f"""
[distro.debian11.build]
image = "{NO_SECURITY}"
"""


def without_security(daemon: docker.Daemon) -> None:
    """An image of bullseye that has Erlang from the suite itself: the security updates of an old
    suite are not always whole."""
    daemon.base("bullseye")
    dockerfile = b"FROM debian:bullseye\nRUN sed -i /security/d /etc/apt/sources.list\n"
    daemon.client.images.build(fileobj=io.BytesIO(dockerfile), tag=NO_SECURITY, rm=True)


def old_and_new_hello(folder: Path) -> Path:
    """examples/hello for every Elixir since 1.10, which has another name for runtime.exs."""
    project = builds.hello(folder, OLD_AND_NEW)
    (project / "config/runtime.exs").rename(project / "config/releases.exs")
    mix = project / "mix.exs"
    mix.write_text(mix.read_text().replace('elixir: "~> 1.14"', 'elixir: "~> 1.10"'))
    builds.commit(project)
    return project


def relations(package: Path) -> str:
    command = ["dpkg-deb", "--field", str(package), "Depends"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_one_source_for_three_suites_twice(build: Build, daemon, tmp_path: Path) -> None:
    without_security(daemon)
    daemon.base("trixie")
    project = old_and_new_hello(tmp_path / "hello")
    distros = [part for row in SUITES for part in ("--distro", row)]

    done = builds.build(tmp_path, project, *distros, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert [package["distro"] for package in made] == list(SUITES)
    assert made[0]["version"] == "1.0.0-1~debian11"

    first = digests(tmp_path / "dist")
    for volume in daemon.client.volumes.list(filters={"label": CACHE}):
        volume.remove()
    again = builds.build(tmp_path, project, *distros, "--output", "again", "--jobs", "1")
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path / "again") == first

    depends = {row["distro"]: relations(tmp_path / row["path"]) for row in made}
    assert "libssl1.1" in depends["debian11"]
    assert re.search(r"libssl3\b", depends["debian12"])
    assert "libssl3t64" in depends["debian13"]
    assert "libc6 (>= 2.38)" in depends["debian13"]
    assert not re.search(r"libc6 \(>= 2\.3[2-9]", depends["debian11"])

    served = tmp_path / "served"
    shutil.copytree(tmp_path / "dist", served)
    for folder in (tmp_path, served):
        folder.chmod(0o755)
    with hosts.boot(usable_base("bookworm"), "built", {served: "/srv/built"}) as host:
        host.run("apt-get install --yes -qq /srv/built/*debian12*.deb")
        host.run("systemctl start hello")
        assert host.http() == "Hello from hello 1.0.0\n"


def test_what_was_compiled_for_a_lock_is_kept_in_labelled_volumes(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    project = builds.with_dependency(tmp_path)
    revision = builds.git(tmp_path / "dependency", "rev-parse", "HEAD")
    lock = f'%{{"dependency": {{:git, "/build/dependency.bundle", "{revision}", []}}}}\n'
    # Volumes outlive a test run, and this is to be a new state of the configuration.
    builds.write(project, {"mix.lock": lock, "config/config.exs": f"# {uuid.uuid4()}\n"})
    before = {volume.name for volume in daemon.client.volumes.list()}

    for fetched in (True, False):
        done = build(project)
        assert done.returncode == 0, done.stderr
        assert ("mix deps.get" in done.stderr) is fetched

    made = [volume for volume in daemon.client.volumes.list() if volume.name not in before]
    assert {volume.attrs["Labels"][CACHE] for volume in made} >= {"deps", "build"}
    assert all(volume.name.startswith("pkgrel-debian12-amd64-") for volume in made)
    for volume in made:
        volume.remove()


def test_a_project_of_a_larger_checkout_has_its_neighbours_and_its_version(
    build: Build, tmp_path: Path
) -> None:
    done = build(builds.poncho(tmp_path / "a: checkout"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dist/small_1.2.3-1~debian12_amd64.deb\n"


def test_an_umbrella(build: Build, daemon: docker.Daemon, tmp_path: Path) -> None:
    """Also in what is signed of its build: the image is named by its digest."""
    key = ("--signing-key", secret("ed25519"))
    done = build(builds.write(tmp_path / "umbrella", builds.UMBRELLA), "--release", "one", *key)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dist/one_0.1.0-1~debian12_amd64.deb\n"
    (said,) = statement.beside(tmp_path / "dist/one_0.1.0-1~debian12_amd64.deb")
    definition = said.statement.predicate["buildDefinition"]
    assert definition["externalParameters"]["release"] == "one"
    inputs = {each["name"]: each for each in definition["resolvedDependencies"]}
    images = {image.id for image in daemon.client.images.list()}
    assert f"sha256:{inputs['image']['digest']['sha256']}" in images
    assert "Erlang/OTP" in inputs["image"]["annotations"]["of"]
    assert definition["internalParameters"]["toolchain"].keys() >= {"erlang", "erts", "elixir"}


def test_a_failing_compilation_of_one_distro_does_not_stop_the_other(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    daemon.base("trixie")
    bad = 'if System.version() >= "1.18", do: raise("not here")\n'
    done = build(small(tmp_path, **{"lib/bad.ex": bad}), "--distro", "debian13")
    assert done.returncode == 1
    assert done.stdout == "dist/small_0.1.0-1~debian12_amd64.deb\n"
    assert "error: debian13: `mix release` failed" in done.stderr
    assert "lib/bad.ex:1" in done.stderr
    assert f"the whole log is {tmp_path}/state/pkgrel/small-debian13.log" in done.stderr
    assert done.stderr.count("error:") == 1 + done.stderr.count("    error:")


def test_an_interrupted_build_leaves_no_container(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    with running(tmp_path, small(tmp_path, LONG)) as process:
        assert len(containers(daemon)) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
        assert containers(daemon) == []
    assert not (tmp_path / "dist").exists()


def test_a_killed_build_leaves_no_container(daemon: docker.Daemon, tmp_path: Path) -> None:
    with running(tmp_path, small(tmp_path, LONG)) as process:
        process.kill()
        process.wait()
        wait_until_empty(daemon)


def test_what_a_killed_pkgrel_left_is_removed_by_the_next_and_nothing_else(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    label = ContainerReaper().labels()[RUN].replace(f" {os.getpid()} ", f" {gone.pid} ")
    left = daemon.client.containers.run(
        "debian:bookworm", ["sleep", "1000"], detach=True, labels={RUN: label}
    )
    other = daemon.client.containers.create("debian:bookworm", labels={RUN: f"elsewhere {label}"})
    try:
        assert build(small(tmp_path)).returncode == 0
        assert left.name not in containers(daemon)
        assert other.name in containers(daemon)
    finally:
        other.remove()


def test_a_container_that_somebody_removes_is_said(daemon: docker.Daemon, tmp_path: Path) -> None:
    with running(tmp_path, small(tmp_path, LONG)) as process:
        (container,) = daemon.client.containers.list()
        container.remove(force=True)
        _, said = process.communicate()
    assert process.returncode == 1
    assert "during the build" in said, said
    assert "Traceback" not in said


WRONG = {
    "another version": ({"project": 'elixir: "~> 7.0"'}, "", "wants Elixir `~> 7.0`"),
    "full disk": (
        {},
        '[build]\nbefore = ["dd if=/dev/zero of=$PKGREL_SECRETS/x"]\n',
        "the disk is full",
    ),
    "no network": (
        {"project": 'deps: [{:x, git: "https://nowhere.invalid/x.git"}]'},
        "",
        "`mix deps.get` failed: the network cannot be reached",
    ),
    "killed": ({}, '[build]\nbefore = ["kill -9 $$"]\n', "it was killed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_goes_wrong_is_one_error(build: Build, tmp_path: Path, what: str) -> None:
    given, settings, message = WRONG[what]
    files = {"pkgrel.toml": builds.MAINTAINER + settings}
    done = build(builds.small(tmp_path / "small", files=files, **given))
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("error: debian12:") == 1
    assert not (tmp_path / "dist").exists()


NATIVE = """
[build]
packages = ["libsodium-dev"]
after = ["mkdir -p $PKGREL_RELEASE/lib/small-0.1.0/priv && gcc -shared -fPIC -o $PKGREL_RELEASE/lib/small-0.1.0/priv/x.so x.c -lsodium"]
"""
CODE = "#include <{}>\nint nif(void) {{ return sodium_init(); }}\n"


def test_native_code_asks_for_what_the_image_says_that_it_needs(build: Build, tmp_path) -> None:
    """And a header that lacks is named by its package."""
    asking = '# System.get_env("A")\nSystem.get_env("SMALL_VERSION")\n'
    files = {"x.c": CODE.format("libpq-fe.h"), "config/config.exs": asking}
    project = small(tmp_path, NATIVE, **files)
    failed = build(project, SMALL_VERSION="1")
    assert "asks for `SMALL_VERSION`, set in this shell" in failed.stderr
    assert 'env = ["SMALL_VERSION"]' in failed.stderr
    assert failed.returncode == 1
    assert "a header of C, `libpq-fe.h`, is missing" in failed.stderr
    assert "name `libpq-dev` in `packages` of [build]" in failed.stderr

    (project / "x.c").write_text(CODE.format("sodium.h"))
    done = build(project)
    assert done.returncode == 0, done.stderr
    [package] = (tmp_path / "dist").iterdir()
    assert "libsodium23" in relations(package)
    # What the symbols say, of which no table of ours has a number; shlibs have that of the day.
    assert "libtinfo6 (>= 6)" in relations(package)
    assert "libsystemd0 (>= 252" not in relations(package)


@contextmanager
def tls_server(folder: Path, address: str) -> Iterator[int]:
    """One that an authority of its own vouches for; `authority.pem` is that."""
    (folder / "index").mkdir(parents=True)
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    certificate += ["-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}"]
    certificate += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "authority.pem")]
    subprocess.run(certificate, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "authority.pem", folder / "key.pem")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder / "index"))
    with ThreadingHTTPServer((address, 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_company_s_authority_is_trusted_by_all_that_fetches(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    """The system's store, which curl, git and Erlang read, and the file for Hex."""
    with tls_server(tmp_path / "server", daemon.address) as port:
        url = f"https://{daemon.address}:{port}/"
        steps = [
            f"curl --fail --silent --show-error {url} -o /dev/null",
            # Of certificates in one file the lines are those of the file that was given.
            'grep -qxF "$(sed -n 5p "$NODE_EXTRA_CA_CERTS")" "$HEX_CACERTS_PATH"',
        ]
        settings = f"[build]\nbefore = {json.dumps(steps)}\n"
        project = small(tmp_path, settings)
        assert "failed" in build(project).stderr
        with_authority = settings + 'ca-certificates = "../server/authority.pem"\n'
        (project / "pkgrel.toml").write_text(builds.MAINTAINER + with_authority)
        done = build(project)
        assert done.returncode == 0, done.stderr


SECRET = "token-f6b1c2d3e4"


def test_secrets_reach_the_steps_and_stay_nowhere(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    settings = f"""
        [build]
        before = [
            'test "$TOKEN" = "$(cat $PKGREL_SECRETS/key)" && test "$TOKEN" = "$(cat ~/.netrc)"',
            'echo "this is $TOKEN"', "findmnt --noheadings --output FSTYPE $PKGREL_SECRETS",
            "id -u",
            "echo step is running; sleep 2",
        ]
        env = ["TOKEN"]
        secrets = {{ key = "{tmp_path}/key", "~/.netrc" = "{tmp_path}/key" }}
    """
    (tmp_path / "key").write_text(SECRET)
    project = small(tmp_path, settings)
    os.environ["TOKEN"] = SECRET
    try:
        with running(tmp_path, project) as process:
            (container,) = daemon.client.containers.list()
            assert SECRET not in json.dumps(container.attrs)
            changed = [change["Path"] for change in container.diff()]
            assert "/home/pkgrel/.netrc" in changed
            tar, _ = container.get_archive("/home/pkgrel")
            assert SECRET.encode() not in b"".join(tar)
            _, said = process.communicate()
    finally:
        del os.environ["TOKEN"]
    assert process.returncode == 0, said
    assert f"of this machine: the variable `TOKEN`, the file `{tmp_path}/key`" in said
    log = (tmp_path / "state/pkgrel/small-debian12.log").read_text()
    assert "this is [hidden]\n" in log
    assert "\ntmpfs\n" in log
    assert "\n1000\n" in log
    assert SECRET not in log + said
    data = Path(daemon.client.info()["DockerRootDir"])
    found = subprocess.run(
        ["grep", "--recursive", "--fixed-strings", "--files-with-matches", SECRET]
        + [str(data / name) for name in ("volumes", "containers", "image")],
        capture_output=True,
        text=True,
    )
    assert found.stdout == ""


def test_the_ssh_agent_answers_in_the_container(build: Build, tmp_path: Path) -> None:
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as agent:
        try:
            key = tmp_path / "id"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            mine = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["ssh-add", "-q", key], env=mine, check=True)
            steps = '"ssh-add -L", "ssh-keygen -F git.example.org"'
            project = small(tmp_path, f"[build]\nssh = true\nbefore = [{steps}]\n")
            known = f"git.example.org {key.with_suffix('.pub').read_text()}"
            builds.write(tmp_path, {".ssh/known_hosts": known})
            done = build(project, SSH_AUTH_SOCK=str(socket), HOME=str(tmp_path))
        finally:
            agent.terminate()
    assert done.returncode == 0, done.stderr
    public = key.with_suffix(".pub").read_text().split()[1]
    assert public in (tmp_path / "state/pkgrel/small-debian12.log").read_text()


def test_two_builds_of_one_project_wait_for_each_other(build: Build, tmp_path: Path) -> None:
    alone = f"_build/run-{uuid.uuid4()}"
    settings = f"""
        [build]
        before = ["test ! -e {alone} && touch {alone}"]
        after = ["sleep 0.5; rm {alone}"]
    """
    project = small(tmp_path, settings)
    commands = [
        [*builds.command(project, "--distro", "debian12"), "--output", name] for name in ("a", "b")
    ]
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=tmp_path,
                    env=builds.environment(tmp_path / command[-1]),
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for command in commands
        ]
        said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("wait for another build" in text for text in said) <= 1


HOSTILE = {
    "plant.sh": (DATA / "plant.sh").read_text(),
    "pkgrel.toml": f"""
        {builds.MAINTAINER}
        [build]
        after = ["sh plant.sh", "grep -rl PLANTED /build /var/cache || true"]
    """,
}
VICTIM = {
    "look.sh": """
        mix hex.info
        find / -xdev -name "*9.9.9*" 2>/dev/null
        for place in "$HOME" $(findmnt --noheadings --list --output TARGET); do
            case $place in / | /proc* | /sys* | /dev*) continue ;; esac
            ls "$place/mark" 2>/dev/null
            find "$place" -name "*9.9.9*" 2>/dev/null
            grep --recursive --files-with-matches PLANTED "$place" 2>/dev/null
        done
        true
    """,
    "pkgrel.toml": f"""
        {builds.MAINTAINER}
        [build]
        env = ["TOKEN"]
        before = ["sh look.sh"]
    """,
}


TRACE = re.compile(r".*(?:PLANTED|mark|9\.9\.9).*")


def test_a_hostile_project_reaches_no_other(
    build: Build, daemon: docker.Daemon, tmp_path: Path
) -> None:
    """Everything that stays of a build is planted with programs; another project of the same
    folder's name, lock and configuration, on the same image, finds none of it."""
    hostile = builds.small(tmp_path / "hostile/small", files=HOSTILE)
    planted = build(hostile)
    assert planted.returncode == 0, planted.stderr
    log = (tmp_path / "state/pkgrel/small-debian12.log").read_text()
    # The attack is one: what it leaves stays, in each of the volumes.
    for place in ("/var/cache/pkgrel", "/build/deps", "/build/_build"):
        assert f"\n{place}/mark\n" in log

    victim = builds.small(tmp_path / "victim/small", files=VICTIM)
    done = build(victim, TOKEN=SECRET)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "state/pkgrel/small-debian12.log").read_text()
    assert "build.before 1: sh look.sh" in log
    assert SECRET[::-1] not in log
    assert not TRACE.findall(log)

    # Nor does its own next build, if that is to be fresh; and that leaves no volume.
    (hostile / "plant.sh").unlink()
    builds.write(hostile, VICTIM)
    volumes = {volume.name for volume in daemon.client.volumes.list()}
    done = build(hostile, "--no-cache", TOKEN=SECRET)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "state/pkgrel/small-debian12.log").read_text()
    assert not TRACE.findall(log)
    assert {volume.name for volume in daemon.client.volumes.list()} == volumes


def test_no_step_gains_privileges(build: Build, tmp_path: Path) -> None:
    project = small(tmp_path, '[build]\nbefore = ["grep NoNewPrivs /proc/self/status"]\n')
    assert build(project).returncode == 0
    log = (tmp_path / "state/pkgrel/small-debian12.log").read_text()
    assert re.search(r"^NoNewPrivs:\s*1$", log, re.M)
