"""Accounts, directories and files on a host that existed before the package, and belong to something else."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, bookworm, on

pytestmark = pytest.mark.acceptance

QUIET = '[service]\nenable = false\non-upgrade = "none"\n'
"""Nothing starts: what is looked at is what the package leaves on the host."""

NOLOGIN = "/usr/sbin/nologin"


def refusal(machine: Machine, settings: str = "", version: str = "1.0.0") -> str:
    """What an installation says that is refused, and leaves nothing."""
    said = machine.host.fails(f"{machine.install_command(version, settings)} 2>&1")
    assert not machine.host.succeeds("test -e /usr/lib/hello")
    return said


@bookworm
def test_an_account_that_is_here_already(machine: Machine) -> None:
    host = machine.host
    gone = QUIET + "remove-user = true\n"

    # A person's, whatever else is asked of the package.
    host.run("useradd --create-home --shell /bin/bash hello")
    assert "the account hello (uid 1000, /bin/bash) is a person's" in refusal(machine)
    host.run(f"usermod --shell {NOLOGIN} hello")
    assert "is a person's" in refusal(machine)
    host.run("userdel --remove hello")

    # The base system's, its groups, a person's group: `build` refuses those that it knows.
    host.run("useradd --system --uid 77 odd && groupadd developers")
    assert "the account odd (uid 77" in refusal(machine, QUIET + 'user = "odd"\n')
    assert "the group developers (gid 1000) is not" in refusal(
        machine, QUIET + 'group = "developers"\n'
    )

    # What the administrator prepared is taken, and that is said once.
    host.run(f"useradd --system --home /srv --shell {NOLOGIN} --comment 'by hand' hello")
    uid = host.run("id -u hello")
    said = machine.install("1.0.0", gone)
    assert f'the service runs as hello (uid {uid.strip()}, "by hand"), an account' in said
    assert "hello" not in machine.install("1.1.0", gone)
    assert "the account hello stays" in host.run(f"{machine.erase_command()} 2>&1")
    assert host.run("id -u hello") == uid
    host.run("userdel hello")

    # Ours comes and goes.
    assert "hello" not in machine.install("1.0.0", gone)
    machine.erase()
    assert not host.succeeds("getent passwd hello || getent group hello")


@bookworm
def test_an_account_to_share_is_said_to_be_one(machine: Machine) -> None:
    host = machine.host
    host.run("useradd --create-home --shell /bin/bash ann")
    own = f'{QUIET}user = "ann"\n'
    shared = f'{own}shared-accounts = ["ann"]\n'
    assert "is a person's" in refusal(machine, own)
    assert "there is no bob in passwd(5)" in refusal(machine, shared.replace("ann", "bob"))
    assert "ann" not in machine.install("1.0.0", shared)
    assert "ann" not in host.run("cat /usr/lib/sysusers.d/hello.conf")

    # As after a version that did not ask: what runs so runs on, and it is said.
    said = machine.install("1.1.0", own)
    assert "the service runs as ann, which is a person's account" in said
    machine.erase()
    assert host.run("getent passwd ann")


@bookworm
def test_what_others_have_where_the_package_goes(machine: Machine) -> None:
    host = machine.host
    host.write("/etc/hello", "mine\n")
    assert "/etc/hello is here already and is not a directory" in refusal(machine)
    assert host.read("/etc/hello") == "mine\n"
    host.run("rm /etc/hello")

    host.run(f"useradd --system --shell {NOLOGIN} other")
    for directory in ("/var/lib/hello", "/run/hello"):
        host.run(f"install -d -o other {directory} && touch {directory}/data")
        assert f"{directory} is other's" in refusal(machine)
        assert host.run(f"stat --format=%U {directory}") == "other\n"
        host.run(f"rm -r {directory}")

    # A copy from another machine: that is said.
    host.run("mkdir /var/lib/hello && touch /var/lib/hello/data")
    said = machine.install("1.0.0", QUIET)
    assert "/var/lib/hello was here before this package" in said
    machine.erase()
    assert host.succeeds("test -e /var/lib/hello/data")
    # Root's, as Docker makes it; `build` has warned of the name.
    host.run("mkdir --parents /var/lib/docker/volumes")
    said = refusal(machine, f'name = "docker"\n{QUIET}')
    assert "/var/lib/docker is another service's on many hosts" in said
    assert host.run("stat --format=%U /var/lib/docker") == "root\n"
    if machine.deb:
        assert "/var/lib/dpkg belongs to the package dpkg" in host.fails(
            f"dpkg-deb --ctrl-tarfile {machine.package('1.0.0', QUIET)} | tar xO ./preinst |"
            " sed 's,/var/lib/hello,/var/lib/dpkg,' >/tmp/preinst && sh /tmp/preinst install 2>&1"
        )


@on("bookworm-deb")
def test_a_purge_removes_what_the_package_made(machine: Machine) -> None:
    host = machine.host
    every = f"{QUIET}[service.directories]\ncache = true\n"
    made = "/var/lib/hello", "/var/cache/hello"

    def installed(settings: str = QUIET) -> None:
        machine.install("1.0.0", settings)
        host.run("runuser -u hello -- touch /var/lib/hello/data /var/lib/hello/.hidden")

    def purged() -> str:
        said = host.run(f"{machine.erase_command()} 2>&1")
        assert not host.succeeds("ls -d /etc/hello /var/lib/misc/hello* 2>/dev/null | grep .")
        return said

    # Never configured: not the package's, as /var/log/journal.
    host.run("mkdir /var/log/hello /var/cache/hello && touch /var/log/hello/a /var/cache/hello/a")
    installed()
    assert "stays" not in purged()
    assert host.run("ls /var/log/hello /var/cache/hello").count("a\n") == 2
    assert not host.succeeds("test -e /var/lib/hello")
    host.run("rm -r /var/cache/hello")

    # Mounted before, and what is mounted within.
    host.run("mkdir /var/lib/hello && mount -t tmpfs none /var/lib/hello")
    installed(every)
    assert "/var/lib/hello stays" in purged()
    assert host.run("ls -A /var/lib/hello") == ""
    assert not host.succeeds("test -e /var/cache/hello")
    host.run("umount /var/lib/hello && rmdir /var/lib/hello")
    installed()
    host.run("mkdir /srv/films /var/lib/hello/films && touch /srv/films/a")
    host.run("mount --bind /srv/films /var/lib/hello/films")
    assert "something is mounted below /var/lib/hello" in purged()
    assert host.run("ls /srv/films") == "a\n"
    host.run("umount /var/lib/hello/films && rm -r /var/lib/hello")

    # A link to an empty directory, and one to what is not the service's.
    host.run("mkdir /srv/hello && ln -s /srv/hello /var/lib/hello")
    host.run("useradd --system hello || true; chown hello /srv/hello")
    installed()
    assert "/var/lib/hello stays" in purged()
    assert host.run("ls -A /srv/hello") == ""
    host.run("rm /var/lib/hello && ln -s /srv/films /var/lib/hello")
    machine.install("1.0.0", QUIET)
    purged()
    assert host.run("ls /srv/films") == "a\n"
    host.run("rm /var/lib/hello")

    # From a version without a record.
    installed(every)
    host.run("rm /var/lib/misc/hello.directories")
    machine.install("1.1.0", every)
    purged()
    for path in made:
        assert not host.succeeds(f"test -e {path}")
