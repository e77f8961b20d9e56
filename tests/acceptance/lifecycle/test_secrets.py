"""Secrets that each host makes for itself, and what others on the host see of them."""

import tarfile
from pathlib import Path

import pytest

from tests.acceptance import service
from tests.acceptance.lifecycle.machines import Machine, bookworm, extremes, on

pytestmark = pytest.mark.acceptance

SECRETS = "/etc/hello/secrets"
GENERATE = '[secrets]\ngenerate = ["SECRET_KEY_BASE"]\n'


def values(machine: Machine) -> dict[str, str]:
    """What is in the file of secrets."""
    lines = machine.host.read(SECRETS).splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def cookie(release: Path) -> str:
    """The one that `mix release` put into the tarball."""
    with tarfile.open(release) as tar:
        member = tar.extractfile("releases/COOKIE")
        assert member
        return member.read().decode().strip()


@on("trixie-deb", "sid-rpm")
def test_secrets_are_made_once_and_stay_the_administrators(machine: Machine) -> None:
    machine.serve("1.0.0", GENERATE)
    made = values(machine)
    assert set(made) == {"RELEASE_COOKIE", "SECRET_KEY_BASE"}
    assert all(len(value) == 64 for value in made.values())
    assert machine.stat(SECRETS) == "640 root hello"

    own = machine.host.read(SECRETS).replace(made["SECRET_KEY_BASE"], "the-administrators-own")
    machine.host.write(SECRETS, own)
    # An upgrade, a reinstallation, a downgrade.
    for version in ("1.1.0", "1.1.0", "1.0.0"):
        machine.serve(version, GENERATE)
        assert machine.host.read(SECRETS) == own
        assert machine.stat(SECRETS) == "640 root hello"
    pid = service.value(machine.host, "MainPID")
    environment = machine.host.run(f"tr '\\0' '\\n' </proc/{pid}/environ")
    assert "SECRET_KEY_BASE=the-administrators-own\n" in environment

    machine.erase()
    if not machine.deb:
        # As rpm does with configuration that was edited: data may be encrypted with them.
        assert machine.host.read(f"{SECRETS}.rpmsave") == own
        assert machine.stat(f"{SECRETS}.rpmsave") == "640 root hello"
    assert not machine.host.succeeds(f"test -e {SECRETS}")
    machine.serve("1.0.0", GENERATE)
    assert not set(made.values()) & set(values(machine).values())


@bookworm
def test_a_version_that_wants_another_secret_adds_it(machine: Machine) -> None:
    machine.serve("1.0.0")
    before = values(machine)
    machine.serve("1.1.0", GENERATE)
    after = values(machine)
    assert len(after.pop("SECRET_KEY_BASE")) == 64
    assert after == before


@on("bookworm-deb")
def test_the_cookie_of_the_tarball_stays_where_it_was_built(machine: Machine) -> None:
    machine.serve("1.0.0")
    tarballs = cookie(machine.release("1.0.0"))
    # Scripts and lists of the package managers included.
    where = "/usr/lib/hello /usr/bin/hello /usr/libexec /etc /var /run"
    assert machine.host.run(f"grep -rlF --devices=skip {tarballs} {where} || true") == ""
    assert tarballs not in machine.host.run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")


EVERY_DIRECTORY = "[service.directories]\ncache = true\nlogs = true\ntmp = true\n"


@extremes
def test_others_on_the_host_get_nothing(machine: Machine) -> None:
    machine.serve("1.0.0", GENERATE + EVERY_DIRECTORY)
    an_unprivileged_user_reads_no_secret(machine)
    links_planted_by_the_service_lead_root_nowhere(machine)


def an_unprivileged_user_reads_no_secret(machine: Machine) -> None:
    host = machine.host
    host.run("useradd --create-home mallory")
    host.run("echo DATABASE_URL=ecto://hello:hunter2@db >>/etc/hello/environment")
    host.run("hello eval 'Hello.Release.migrate()' && systemctl restart hello")
    host.http()

    made = values(machine)
    every = {made["SECRET_KEY_BASE"], made["RELEASE_COOKIE"], "hunter2"}

    def seen(command: str) -> set[str]:
        output = host.run(f"{machine.as_user('mallory', command)} 2>/dev/null || true")
        return {value for value in every if value in output}

    assert seen("systemctl cat hello; systemctl show hello") == set()
    assert seen("journalctl --no-pager; cat /proc/[0-9]*/environ") == set()
    assert seen("cat /etc/hello/* /var/lib/hello/* /run/hello/*; sudo -n cat /etc/hello/*") == set()
    patterns = " ".join(f"-e {value}" for value in every)
    readable = f"grep -rlsF --devices=skip {patterns} /etc /usr/lib/hello /var /run /tmp"
    assert host.run(f"{machine.as_user('mallory', readable)} || true") == ""
    # The journal is for administrators, but does not tell them either.
    log = host.run("journalctl --sync; journalctl --no-pager")
    assert not [value for value in every if value in log]
    # `systemctl status` shows arguments, too.
    assert seen("cat /proc/[0-9]*/cmdline; systemctl --no-pager --full status hello") == set()
    assert host.run("hello rpc 'IO.puts(Node.get_cookie())'").strip() == made["RELEASE_COOKIE"]
    watched = "hello rpc 'Process.sleep(1500)' & sleep 1; cat /proc/[0-9]*/cmdline; wait"
    assert made["RELEASE_COOKIE"] not in host.run(watched)


PLANT = """
cd /var/lib/hello && ln -s /etc/shadow schema_version && ln -s /etc/shadow erl_crash.dump
ln -s /etc config
cd /var/cache/hello && rm -rf tmp && ln -s /etc tmp && ln -s /root root
cd /var/log/hello && ln -s /etc/shadow hello.log && ln -s /root old
cd /run/hello && ln -s /etc/shadow hello.pid && ln -s /etc/shadow machine
ln -s /etc/shadow /tmp/hello && ln -s /etc /tmp/hello-restart && ln -s /root /tmp/tmp.hello
"""
"""What a service that was broken into may do in every directory that it can write to."""


def tree(machine: Machine) -> set[str]:
    """Everything in the directories that the links lead to."""
    found = machine.host.run("find /etc /root -printf '%p %y %m %U:%G %l\n'")
    return {*found.splitlines(), machine.host.run("sha256sum /etc/shadow")}


def links_planted_by_the_service_lead_root_nowhere(machine: Machine) -> None:
    host = machine.host
    host.run("sysctl --quiet --write fs.protected_symlinks=0 2>/dev/null || true")
    host.run("rm -f /var/lib/hello/schema_version")
    host.run(machine.as_user("hello", PLANT))
    before = tree(machine)

    machine.install("1.1.0", GENERATE + EVERY_DIRECTORY)
    host.run("hello eval 'IO.puts(1)' || true; hello eval 'Hello.Release.migrate()' || true")
    host.run("systemctl restart hello || true")
    machine.install("1.0.0", GENERATE + EVERY_DIRECTORY)
    assert tree(machine) == before

    machine.erase()
    # Nothing that is not the package's own.
    assert not [line for line in before - tree(machine) if "/hello" not in line]
    assert not [line for line in tree(machine) - before if ".rpmsave" not in line]
