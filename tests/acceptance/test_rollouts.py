"""`pkgrel deploy` and `pkgrel fleet`: real ssh and sshd, apt and dnf, three hosts that answer, and a version that does not."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pkgrel.cli import outputs
from tests.acceptance import hosts
from tests.acceptance.conftest import PACKAGES
from tests.acceptance.hosts import Host
from tests.acceptance.lifecycle.machines import Machine
from tests.acceptance.lifecycle.test_change_version import Published
from tests.artifacts import Artifacts
from tests.bases import usable_base
from tests.packages import package
from tests.tools import PATIENCE, PKGREL, need, pkgrel, run

pytestmark = pytest.mark.acceptance

GOOD = """[service]
deploy-user = "deploy"
on-upgrade = "wait"
[service.ready]
http = "http://127.0.0.1:4000/health"
timeout-sec = 180
"""
# It starts, and nobody finds it.
BAD = GOOD.replace("180", "5") + '[service.environment]\nPORT = "4444"\n'
FAMILIES = {"web1": ("deb", "debian12"), "web2": ("deb", "debian12"), "web3": ("rpm", "amzn2023")}


@dataclass(frozen=True)
class Hosts:
    """Three hosts that ssh reaches, hello 1.0.0 on them, and the folder with the settings."""

    folder: Path
    published: dict[str, Published]

    def command(self, *words: str) -> list[str]:
        return [*map(str, PKGREL), *words]

    def deploy(self, *words: str, status: int = 0) -> Any:
        """What `pkgrel deploy --json` prints, by host."""
        line = self.command("deploy", *words, "--to", "production", "--json")
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        document = json.loads(done.stdout)
        jsonschema.validate(document, outputs.output_schema("deploy"))
        return {one["host"]: one for one in document}

    def refused(self, *words: str) -> str:
        """What it says when it does nothing."""
        line = self.command("deploy", *words)
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stdout == ""
        return done.stderr

    def publish(self, version: str, settings: str = GOOD) -> None:
        each = [self.published[name] for name in ("web1", "web3")]
        with ThreadPoolExecutor(len(each)) as pool:
            list(pool.map(lambda one: one.machine.package(version, settings), each))
        for one in each:
            one.publish(version, settings)

    def answers(self) -> list[str]:
        return [one.machine.host.http().split()[-1] for one in self.published.values()]

    def run(self, name: str, command: str) -> str:
        return self.published[name].machine.host.run(command)


@pytest.fixture(scope="module")
def fleet(
    artifacts: Artifacts,
    hello_release: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hosts]:
    need("ssh", "ssh-keygen")
    folder = tmp_path_factory.mktemp("fleet")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "person")
    public = (folder / "id.pub").read_text()
    with ExitStack() as stack:
        published: dict[str, Published] = {}
        config = ""
        booted = boot_together(stack, FAMILIES, artifacts)
        for (name, (family, distro)), host in zip(FAMILIES.items(), booted, strict=True):
            machine = Machine(host, family, distro, artifacts, hello_release)
            first = next(iter(published.values()), None)
            published[name] = replace(first, machine=machine) if first else Published.on(machine)
            config += f"Host {name}\n  ProxyCommand {sshd(host)}\n"
            let_in(host, "root", public)
        made = Hosts(folder, published)
        made.publish("1.0.0")
        with ThreadPoolExecutor(len(published)) as pool:
            list(pool.map(Published.subscribe, published.values()))
        for one in published.values():
            _let_in_by_verbs(one.machine.host, public, (folder / "person.pub").read_text())
        (folder / "ssh_config").write_text(
            f"{config}Host *\n  User root\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n"
            f"  StrictHostKeyChecking accept-new\n  UserKnownHostsFile {folder}/known\n"
        )
        (folder / "pkgrel.toml").write_text(
            '[package]\nname = "hello"\nmaintainer = "Example Team <team@example.org>"\n'
            '[service.ready]\nhttp = "http://127.0.0.1:4000/health"\ntimeout-sec = 20\n'
            '[deploy.production]\nhosts = ["web1", "deploy@web2", "web3"]\nwait = 1\nssh-config = "ssh_config"\n'
            f"[notify.us]\nkind = 'command'\ncommand = 'cat >>{folder}/told; echo >>{folder}/told'\n"
        )
        yield made


def boot_together(stack: ExitStack, names: Iterable[str], artifacts: Artifacts) -> list[Host]:
    """Hosts that ssh reaches, as long as the stack lasts."""
    base = usable_base("bookworm-ssh")
    # They end with the thread that has started them.
    pool = stack.enter_context(ThreadPoolExecutor())

    def boot(name: str) -> Host:
        return stack.enter_context(hosts.boot(base, name, {artifacts.folder: PACKAGES}))

    return list(pool.map(boot, names))


def _children(process: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may have ended
            found += map(int, (task / "children").read_text().split())
    return found


def _break_connections(process: int) -> None:
    for child in _children(process):
        with suppress(ProcessLookupError):  # one may have ended by itself
            os.kill(child, signal.SIGKILL)


def sshd(host: Host) -> str:
    """The host's network has no way here: its own sshd, on the connection's pipes."""
    return f"nsenter --target={host.leader} -m -u -i -n -p -C -r -w /usr/sbin/sshd -i"


def as_installed(host: Host, *, deb: bool) -> None:
    """A host that knows no repository, of Debian's or of Amazon's."""
    if deb:
        host.write("/etc/apt/sources.list", "")
        return
    host.run("mv /usr/bin/apt-get /usr/bin/apt-get.not; rm /etc/os-release")
    host.write("/etc/os-release", 'ID=amzn\nVERSION_ID="2023"\nPRETTY_NAME="Amazon Linux"\n')


def let_in(host: Host, user: str, key: str) -> None:
    host.run(f"id {user} 2>/dev/null || useradd --create-home --shell /bin/bash {user}")
    # systemd has no session for an sshd on pipes, and PAM would wait for one.
    host.run("usermod -p '*' root && echo UsePAM no >/etc/ssh/sshd_config.d/pam.conf")
    home = host.run(f"getent passwd {user} | cut -d : -f 6").strip()
    host.run(f"install -d -m 0700 -o {user} {home}/.ssh")
    host.write(f"{home}/.ssh/authorized_keys", key)
    # A login shell that greets is no reason to misunderstand it.
    host.write(f"{home}/.bashrc", "echo pkgrel installed nonsense; echo welcome\n")


def _let_in_by_verbs(host: Host, key: str, person: str) -> None:
    """What a CI job has, and what a person has, for the account that the package made."""
    line = f'restrict,command="/usr/libexec/hello/deploy" {key}'
    host.write("/home/deploy/.ssh/authorized_keys", line + person)


def test_one_version_to_every_host_and_a_bad_one_to_none(fleet: Hosts) -> None:
    fleet.publish("1.1.0")
    looked = fleet.deploy("hello=1.1.0", "--dry-run")
    assert {one["outcome"] for one in looked.values()} == {"untouched"}
    assert fleet.answers() == ["1.0.0"] * 3

    done = fleet.deploy("hello=1.1.0", "--batch", "2")
    assert [one["outcome"] for one in done.values()] == ["upgraded"] * 3
    assert [one["version"] for one in done.values()] == ["1.1.0-1~debian12"] * 2 + [
        "1.1.0-1.amzn2023"
    ]
    assert "Debian" in done["deploy@web2"]["distro"]
    assert fleet.answers() == ["1.1.0"] * 3
    assert {one["outcome"] for one in fleet.deploy("hello=1.1.0").values()} == {"unchanged"}

    fleet.publish("1.2.0", BAD)
    done = fleet.deploy("hello=1.2.0", status=1)
    assert [one["outcome"] for one in done.values()] == ["rolled back", "untouched", "untouched"]
    assert done["web1"]["version"] == "1.1.0-1~debian12"
    assert "4444" in done["web1"]["journal"] or "hello" in done["web1"]["output"]
    assert fleet.answers() == ["1.1.0"] * 3
    told = [json.loads(line) for line in (fleet.folder / "told").read_text().splitlines()]
    assert [one["event"] for one in told] == ["deployed", "rolled-back"]
    assert [one["version"] for one in told] == ["1.1.0", "1.2.0"]
    assert "hello 1.1.0 runs on 3 hosts of production (" in told[0]["text"]
    assert "failed in production and 1.1.0 is back; web1: " in told[1]["text"]
    # Nor can one that nobody has published do harm.
    assert fleet.deploy("hello=9.9.9", status=1)["web1"]["outcome"] == "failed"
    assert fleet.answers() == ["1.1.0"] * 3

    asked = pkgrel("fleet", "status", "--to", "production", "--json", folder=fleet.folder)
    assert asked.returncode == 0, asked.stderr
    jsonschema.validate(json.loads(asked.stdout), outputs.output_schema("fleet-status"))
    status = {one["host"]: one for one in json.loads(asked.stdout)}
    assert [one["ready"] for one in status.values()] == [True] * 3
    assert status["web1"]["how"] == "rolled back"
    assert status["deploy@web2"]["how"] == "started"
    assert abs(status["web3"]["since"] - time.time()) < 600


def test_two_at_once_ctrl_c_and_back_on_every_host(fleet: Hosts) -> None:
    have = fleet.answers()
    fleet.publish("1.3.0")
    line = fleet.command("deploy", "hello=1.3.0", "--to", "production", "--wait", "15", "--json")
    going = subprocess.Popen(
        line, cwd=fleet.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert going.stderr
    while "being ready" not in going.stderr.readline():
        assert going.poll() is None
    refused = fleet.refused("hello=1.2.0", "--to", "production")
    assert refused.count("another roll-out is at it, by ") == 3
    assert "nothing was changed" in refused
    assert "another roll-out" in fleet.refused(
        "hello=1.2.0", "--host", "web3", "--dry-run", "--ssh-config", "ssh_config"
    )

    # Connections that break while a host is watched are no reason to go back.
    _break_connections(going.pid)
    going.send_signal(signal.SIGINT)
    said, _ = going.communicate(timeout=PATIENCE)
    assert going.returncode == 1
    done = {one["host"]: one["outcome"] for one in json.loads(said)}
    assert list(done.values()) == ["upgraded", "untouched", "untouched"]
    assert fleet.answers() == ["1.3.0", *have[1:]]
    before = fleet.answers()

    fleet.published["web1"].publish("1.4.0", GOOD)
    # Its package waits for nothing: here it is the roll-out that sees that nobody answers.
    fleet.published["web3"].publish("1.4.0", '[service.environment]\nPORT = "4444"\n')
    line = fleet.command(
        "deploy", "hello=1.4.0", "--to", "production", "--batch", "2", "--rollback-all", "--json"
    )
    going = subprocess.Popen(
        line, cwd=fleet.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert going.stderr
    while "-> 1.4.0" not in going.stderr.readline():
        assert going.poll() is None
    # All connections break in the middle, which the hosts' package managers do not notice.
    time.sleep(0.5)
    _break_connections(going.pid)
    said, complaint = going.communicate(timeout=PATIENCE)
    assert going.returncode == 1, complaint
    result = {one["host"]: one for one in json.loads(said)}
    assert [one["outcome"] for one in result.values()] == ["rolled back"] * 3
    assert "not ready within 20 s" in result["web3"]["detail"]
    assert fleet.answers() == before
    # Nobody holds a lock any more.
    assert fleet.deploy("hello=1.4.0", "--dry-run")


def test_a_host_that_is_not_there_or_not_ready_keeps_all_as_they_are(fleet: Hosts) -> None:
    before = fleet.answers()
    let_in(fleet.published["web2"].machine.host, "bob", (fleet.folder / "id.pub").read_text())
    fleet.run("web2", "usermod -p '*' bob")
    fleet.run("web1", "apt-mark hold hello; rm -f /var/lib/misc/hello.held")
    # As dnf 4 has it; this one has no plugin.
    locks = "/etc/dnf/plugins/versionlock.list"
    fleet.run("web3", f"mkdir -p /etc/dnf/plugins && echo 'hello-0:1.0.0-1.*' >{locks}")
    fleet.run("web3", "rm -f /var/lib/misc/hello.held")
    hosts = ("nowhere.invalid", "web1", "bob@web2", "web3")
    words = [word for host in hosts for word in ("--host", host)]
    said = fleet.refused("hello=1.3.1", *words, "--ssh-config", "ssh_config")
    fleet.run("web1", "apt-mark unhold hello")
    fleet.run("web3", f"rm {locks}")
    assert "nowhere.invalid: cannot be reached" in said
    assert "bob@web2: does not let you change a version: sudo: " in said
    assert "without a password and a terminal" in said
    for host in ("web1", "web3"):
        assert f"{host}: an administrator holds hello at " in said
    assert "4 hosts of 4 cannot take part, and nothing was changed" in said
    assert fleet.answers() == before


DOWN = """
pkill -KILL -f 'change-version|apt-get|dpkg|bin/dnf|rpm-tmp|preinst|sleep 300|sshd: '
rm -f /run/stop-before /run/stop-after /run/is-here
"""
"""What is left of an installation on a host that goes down in the middle."""


def test_a_host_that_goes_down_in_the_middle_is_whole_again(fleet: Hosts) -> None:
    before = fleet.answers()
    snippet = fleet.published["web1"].machine.snippet
    scripts = "\n[scripts]\n"
    for when in ("before", "after"):
        text = f"[ ! -e /run/stop-{when} ] || {{ : >/run/is-here; sleep 300; }}\n"
        scripts += f'{when}-install = "{snippet(text)}"\n'
    fleet.publish("1.4.3", GOOD + scripts)
    # dpkg has unpacked nothing yet, of rpm's both versions are there.
    hosts = {"web1": "before", "web3": "after"}
    names = [word for host in hosts for word in ("--host", host)]
    line = fleet.command("deploy", "hello=1.4.3", *names, "--ssh-config", "ssh_config")
    line += ["--batch", "2", "--wait", "1", "--json"]
    for host, when in hosts.items():
        fleet.published[host].machine.host.write("/root/down", DOWN)
        fleet.run(host, f"touch /run/stop-{when}")
    going = subprocess.Popen(
        line, cwd=fleet.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for host in hosts:
        fleet.published[host].machine.host.wait_until("ls /run/is-here", timeout=120)
        fleet.run(host, "sh /root/down")
    said, complaint = going.communicate(timeout=300)
    assert [one["outcome"] for one in json.loads(said)] == ["rolled back"] * 2, said + complaint
    assert fleet.answers() == before
    assert fleet.run("web1", "dpkg --audit") == ""
    assert fleet.run("web3", "rpm --query hello").count("\n") == 1


def test_a_package_without_commands_of_its_own_and_one_that_is_not_there_yet(
    fleet: Hosts, tmp_path: Path
) -> None:
    for name, revision in (("web1", "1~debian12"), ("web3", "1.amzn2023")):
        fleet.published[name].add(
            *(
                package(tmp_path, "plain", version, revision)
                for version in ("1.0.0", "1.1.0", "1.2.0-rc.1".replace("-", "~"))
            )
        )
    # dnf itself asks all that it knows.
    fleet.run("web3", "rm /etc/yum.repos.d/other.repo")
    # Debian below it: only what is installed says that this host is dnf's.
    fleet.run("web3", "dnf install -y --refresh plain-1.0.0")
    for version in ("1.2.0-rc.1", "1.1.0"):
        line = (
            "plain=" + version,
            "--host",
            "web1",
            "--host",
            "web3",
            "--ssh-config",
            "ssh_config",
        )
        done = subprocess.run(
            fleet.command("deploy", *line, "--json"),
            cwd=fleet.folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        upstream = version.replace("-", "~")
        assert [one["version"] for one in json.loads(done.stdout)] == [
            f"{upstream}-1~debian12",
            f"{upstream}-1.amzn2023",
        ]


HOLD = """
import fcntl, pathlib, time
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
pathlib.Path("/run/holding").touch()
time.sleep(6)
"""


def test_a_lock_that_is_held_is_waited_for_and_a_full_disk_leaves_what_runs(fleet: Hosts) -> None:
    fleet.publish("1.4.1")
    host = fleet.published["web1"].machine.host
    one = ("--host", "web1", "--ssh-config", "ssh_config", "--json", "--wait", "1")
    # As unattended-upgrades has it, for a while; apt-mark does not wait for it as apt-get does.
    host.run(
        "apt-mark hold hello && apt-mark showhold && dpkg-query -W -f '${Version}\\n' hello >/var/lib/misc/hello.held"
    )
    host.write("/root/hold.py", HOLD)
    host.run("systemd-run --quiet --unit=hold python3 /root/hold.py")
    host.wait_until("test -e /run/holding")
    done = subprocess.run(
        fleet.command("deploy", "hello=1.4.1", *one),
        cwd=fleet.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert host.http() == "Hello from hello 1.4.1\n"

    fleet.publish("1.4.2")
    # No room beside what is there: dpkg notices in the middle.
    host.run(
        "cp -a /usr/lib/hello /root/copy && size=$(du -sk /root/copy | cut -f 1) && "
        "mount -t tmpfs -o size=$((size + 1000))k,mode=0755 tmpfs /usr/lib/hello && cp -a /root/copy/. /usr/lib/hello/ && "
        "systemctl restart hello"
    )
    host.http()
    done = subprocess.run(
        fleet.command("deploy", "hello=1.4.2", *one),
        cwd=fleet.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    [result] = json.loads(done.stdout)
    assert result["outcome"] == "failed"
    assert "No space left on device" in result["output"]
    assert result["version"] == "1.4.1-1~debian12"
    assert host.http() == "Hello from hello 1.4.1\n"
    host.run("umount -l /usr/lib/hello && systemctl restart hello")
    host.http()


def test_a_roll_out_by_a_job_s_key_keeps_the_system_running(fleet: Hosts) -> None:
    hot = GOOD.replace('"wait"', '"hot"')
    one = ("--host", "deploy@web2", "--ssh-config", "ssh_config", "--json", "--wait", "1")

    def deploy(version: str) -> str:
        fleet.published["web1"].publish(version, hot)
        line = fleet.command("deploy", f"hello={version}", *one)
        done = subprocess.run(line, cwd=fleet.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert fleet.published["web2"].machine.host.http() == f"Hello from hello {version}\n"
        return fleet.published["web2"].machine.invocation()

    assert deploy("1.4.5") == deploy("1.4.6")
    asked = pkgrel("fleet", "status", "hello", *one[:5], folder=fleet.folder)
    assert [host["how"] for host in json.loads(asked.stdout)] == ["hot upgrade"]


REFUSED = (
    *("", "id", "sh", "sh -c id", "restart", "rpc 1", "remove", "upgrade 1 2", "upgrade plain"),
    *("upgrade;id", "upgrade 1.0.0;touch /tmp/pwned", "upgrade\ntouch /tmp/pwned", "upgrade `id`"),
    *(
        "upgrade $(touch /tmp/pwned)",
        "upgrade *",
        "upgrade [a-z]*",
        "upgrade 1.0.0|id",
        "upgrade&id",
    ),
    *("upgrade --help", "upgrade -o1", "upgrade /tmp/x.deb", "upgrade ./x", "rollback ../../x"),
    *(
        "upgrade 'a b'",
        'upgrade "1"',
        "upgrade \\1",
        "upgrade é",
        "UPGRADE",
        "upgrade " + "1" * 300,
    ),
    *(
        "lock a b",
        "watch 1",
        "watch 1 x",
        "watch 08 1",
        "watch -1 1",
        "watch 999999 1",
        "look 1",
        "logs -f",
    ),
    *("scp -t /tmp", "scp -f /etc/passwd", "/usr/lib/openssh/sftp-server", "internal-sftp"),
    *("deploy pkgrel-lock-hello me", "rsync --server . /", "git-upload-pack /", "tee /tmp/pwned"),
)


def test_the_key_of_a_job_can_do_one_thing(fleet: Hosts) -> None:
    fleet.publish("1.5.0", GOOD + '[deploy]\nminimum = "1.5.0"\nrpc = true\n')

    def ssh(host: str, *words: str) -> subprocess.CompletedProcess[str]:
        line = ["ssh", "-F", "ssh_config", *words[:-1], host, words[-1]]
        return subprocess.run(
            line, cwd=fleet.folder, capture_output=True, text=True, timeout=PATIENCE, stdin=-3
        )

    for name, revision in (("web2", "1~debian12"), ("web3", "1.amzn2023")):
        host = f"deploy@{name}"
        # One connection for all of them.
        again = ("-oControlMaster=auto", "-oControlPersist=20", f"-oControlPath=/tmp/{name}-%C")
        for asked in REFUSED:
            done = ssh(host, *again, asked)
            assert done.returncode in (1, 2), asked + done.stdout + done.stderr
            assert "uid=" not in done.stdout
        assert ssh(host, *again, "upgrade 9.9.9").returncode == 1
        ssh(host, *again, "-Oexit", "")
        # No file, no port, no terminal.
        for tool in (["sftp", "-b", "/dev/null"], ["scp", "pkgrel.toml"]):
            where = host if tool[0] == "sftp" else f"{host}:/tmp/pwned"
            done = subprocess.run(
                [tool[0], "-F", "ssh_config", *tool[1:], where],
                cwd=fleet.folder,
                capture_output=True,
            )
            assert done.returncode, tool
        assert "prohibited" in ssh(host, "-W", "127.0.0.1:4000", "-v", "").stderr
        forwarded = ssh(
            host, "-o", "ExitOnForwardFailure=yes", "-R", "4444:127.0.0.1:22", "version"
        )
        assert forwarded.returncode == 255
        assert "PTY allocation request failed" in ssh(host, "-tt", "version").stderr
        evil = ("LC_ALL=/tmp/x", "LC_PWN=() { :; }; touch /tmp/pwned", "LC_CTYPE=../../tmp")
        done = ssh(host, *(word for each in evil for word in ("-o", f'SetEnv="{each}"')), "version")
        assert done.returncode == 0, done.stderr
        assert not fleet.published[name].machine.host.succeeds("ls -d /tmp/pwned")
        # Nor does the account let anybody else in.
        fleet.published[name].machine.host.fails(
            "runuser -u deploy -- sh -c 'echo >>/home/deploy/.ssh/authorized_keys || mv /home/deploy/.ssh /home/deploy/x'"
        )

        assert ssh(host, "upgrade 1.5.0").returncode == 0
        assert ssh(host, "version").stdout == f"1.5.0-{revision}\n"
        assert "Active: active" in ssh(host, "status").stdout
        assert "hello" in ssh(host, "logs").stdout
        for asked in ("rollback", "rollback 1.0.0", "upgrade 1.0.0"):
            assert "is older than 1.5.0" in ssh(host, asked).stdout, asked
        assert fleet.run(name, "curl -s http://127.0.0.1:4000") == "Hello from hello 1.5.0\n"

        # A person, who may log in.
        person = ("-i", "person", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none")

        def said(*words: str, host: str = host, person: tuple[str, ...] = person) -> str:
            done = ssh(host, *person, " ".join(words))
            assert done.returncode == 0, (words, done.stdout + done.stderr)
            return done.stdout

        assert said("id", "-un") == "deploy\n"
        assert "hello" in said("hello logs | grep Started")
        assert "Active: active" in said("hello", "status")
        assert "Active: active" in said("sudo -n systemctl status hello")
        before = fleet.published[name].machine.invocation()
        said("hello", "restart")
        assert fleet.published[name].machine.invocation() != before
        fleet.published[name].machine.host.http()
        assert said("hello", "rpc", "'IO.puts(6 * 7)'") == "42\n"
        for beyond in ("sudo -n id", "sudo -n journalctl --no-pager", "sudo -n -u hello id"):
            assert ssh(host, *person, beyond).returncode == 1
        assert "is older than" in ssh(host, *person, "hello rollback 2>&1").stdout
        fleet.run(name, "hello rollback")
        assert fleet.run(name, "curl -s http://127.0.0.1:4000") != "Hello from hello 1.5.0\n"


def test_a_new_host_gets_all_that_a_roll_out_needs(
    fleet: Hosts, artifacts: Artifacts, hello_release: Callable[[str], Path]
) -> None:
    config = (fleet.folder / "ssh_config").read_text()
    repository = fleet.published["web1"].repository
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ci job", "-f", fleet.folder / "ci")
    fleet.publish("1.6.0")
    fleet.publish("1.7.0")
    with ExitStack() as stack:
        booted = boot_together(stack, ("new1", "new2"), artifacts)
        for name, deb, host in zip(("new1", "new2"), (True, False), booted, strict=True):
            config = f"Host {name}\n  ProxyCommand {sshd(host)}\n{config}"
            let_in(host, "root", (fleet.folder / "id.pub").read_text())
            as_installed(host, deb=deb)
            (fleet.folder / "new_config").write_text(config)
            line = fleet.command(
                *("deploy", "hello=1.6.0", "--setup", name, "--from", str(repository), "--json"),
                *("--url", f"file://{PACKAGES}/{repository.name}", "--ssh-config", "new_config"),
                *("--config", "setup.toml", "--key", "ci.pub"),
            )
            (fleet.folder / "setup.toml").write_text(
                '[package]\nmaintainer = "A <a@example.org>"\n[service]\ndeploy-user = "deploy"\n'
            )

            def setup(*words: str, line: list[str] = line) -> Any:
                done = subprocess.run(
                    [*line, *words], cwd=fleet.folder, capture_output=True, text=True
                )
                assert done.returncode == 0, done.stdout + done.stderr
                document = json.loads(done.stdout)
                jsonschema.validate(document, outputs.output_schema("deploy-setup"))
                return document[0]

            would = setup("--dry-run")["changes"]
            assert would[-2:] == ["would install hello 1.6.0", "would let the key in as deploy"]
            assert all(change.startswith("would ") for change in would)
            assert not host.succeeds("ls /etc/apt/sources.list.d/*.sources /etc/yum.repos.d/*.repo")
            done = setup()
            assert len(done["changes"]) == len(would)
            assert "1.6.0-1" in done["version"]
            assert setup()["changes"] == []
            job = ("ssh", "-F", "new_config", "-i", "ci", "-o", "IdentityAgent=none")
            asked = subprocess.run(
                [*job, "-o", "IdentitiesOnly=yes", f"deploy@{name}", "upgrade 1.7.0"],
                cwd=fleet.folder,
                capture_output=True,
                text=True,
            )
            assert asked.returncode == 0, asked.stdout + asked.stderr
            assert host.http() == "Hello from hello 1.7.0\n"
    assert "is the secret key" in fleet.refused(
        *("hello", "--setup", "x", "--from", str(repository), "--key", "ci")
    )
