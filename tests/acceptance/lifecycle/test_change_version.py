"""`NAME upgrade` and `NAME rollback`, and a version that fails and goes back by itself: with apt, dnf 4, dnf5 and zypper."""

import pytest

from tests.acceptance.lifecycle.machines import Machine, on
from tests.acceptance.lifecycle.published import Published

pytestmark = pytest.mark.acceptance

GOOD = """[service]
deploy-user = "deploy"
on-upgrade = "wait"
[service.ready]
http = "http://127.0.0.1:4000/health"
timeout-sec = 180
[upgrade]
on-failure = "rollback"
"""
# It starts, and nobody finds it.
BAD = (
    GOOD.replace("timeout-sec = 180", "timeout-sec = 2") + '[service.environment]\nPORT = "4444"\n'
)


def runs(published: Published, version: str) -> bool:
    """Whether that one is installed, answers, and is as the package manager wants it."""
    answer = published.machine.host.http()
    return answer == f"Hello from hello {version}\n" and published.is_whole()


@pytest.fixture
def published(machine: Machine) -> Published:
    """Version 1.0.0 is in the repository, and installed from there."""
    made = Published.on(machine)
    made.publish("1.0.0", GOOD)
    made.subscribe()
    machine.host.http()
    return made


@on("nightly-deb", "nightly-rpm", "trixie-rpm", "sid-rpm", "zypper-rpm")
def test_one_word_forward_and_one_back(published: Published, suite: str) -> None:
    host = published.machine.host
    assert "newest version" in host.run("hello upgrade 2>&1")
    phased = not published.machine.deb and not published.zypper
    published.publish("1.1.0", GOOD, *(("--phase", "1") if phased else ()))
    deploy = "cd / && runuser -u deploy -- hello"
    if phased:
        # One of a hundred hosts gets it, and nobody by the package manager's own upgrade.
        published.unattended_upgrade()
        assert runs(published, "1.0.0")

    host.run(f"{deploy} upgrade")
    assert runs(published, "1.1.0")
    # Nobody else reads what the service's user and root may.
    assert host.run("stat --format=%a%U /var/cache/hello.packages") == "700root\n"

    # With no repository at all.
    host.run(f"mv {published.source} /root/source")
    assert "1.0.0" in host.run(f"{deploy} rollback 2>&1")
    assert runs(published, "1.0.0")
    host.run(f"mv /root/source {published.source}")
    published.refresh()
    refused = published.unattended_upgrade()
    assert runs(published, "1.0.0")
    # dnf 4 has `versionlock` in a plugin.
    if suite != "trixie":
        assert "it stays with" not in refused

    if suite == "trixie":
        return  # whose dnf differs from bookworm's in that plugin alone

    published.publish("1.2.0-rc.1", BAD)
    output = host.fails("hello upgrade 1.2.0-rc.1; echo status $?; false")
    assert "going back to 1.0.0" in output
    assert "status 3" in output
    assert runs(published, "1.0.0")
    assert "1.0.0" in host.run("journalctl --unit hello-rollback | grep 'is back and stays'")
    published.unattended_upgrade()
    assert runs(published, "1.0.0")

    host.run("hello upgrade 1.1.0")
    assert runs(published, "1.1.0")
    assert not host.succeeds("ls /var/lib/misc/hello.held")
    assert len(host.run("ls /var/cache/hello.packages").split()) <= 2

    # Nothing holds it any more.
    if suite == "nightly":
        assert "going back to 1.1.0" in published.unattended_upgrade()
        host.wait_until("journalctl --unit hello-rollback | grep '1.1.0.* is back and stays'")
        assert runs(published, "1.1.0")
        published.unattended_upgrade()
        assert runs(published, "1.1.0")

    published.machine.erase()
    assert not host.succeeds("ls -d /var/lib/misc/hello.* /var/cache/hello.* /run/hello.*")


@on("sid-deb")
def test_a_version_that_fails_under_apt_goes_back_too(published: Published) -> None:
    host = published.machine.host
    assert "1.0.0-" in host.run("ls /var/cache/hello.packages")
    published.publish("1.1.0", BAD)
    refresh = (
        f"apt-get update -o Dir::Etc::sourcelist={published.source} -o Dir::Etc::sourceparts=-"
    )
    assert "going back to 1.0.0" in host.fails(f"{refresh} && apt-get upgrade -y")
    host.wait_until("journalctl --unit hello-rollback | grep 'is back and stays'")
    assert runs(published, "1.0.0")
    published.unattended_upgrade()
    assert runs(published, "1.0.0")

    published.publish("1.2.0-rc.1", GOOD)
    host.run("hello upgrade 1.2.0-rc.1")
    assert runs(published, "1.2.0-rc.1")
    host.run("hello rollback")
    assert runs(published, "1.0.0")


@on("bookworm-deb")
def test_who_deploys_says_versions_and_nothing_else(published: Published) -> None:
    host = published.machine.host
    for words in (
        *(
            "--help",
            "upgrade --allow-unauthenticated",
            "upgrade -oDpkg::Pre-Invoke::=id",
            "rollback ../x",
        ),
        *(
            "rollback /tmp/x.deb",
            "upgrade 1.0.0/sid",
            "upgrade hello+",
            "upgrade 1 2",
            "rollback '1;id'",
        ),
        *("rollback '*'", "upgrade '1.0.0 bash'", "remove", "", "upgrade 1.0.0-", "upgrade 9.9.9"),
        f"upgrade {'1' * 200}",
    ):
        as_deploy = (
            f"cd / && runuser -u deploy -- sudo -n /usr/libexec/hello/change-version {words}"
        )
        host.fails(as_deploy)
    evil = "APT_CONFIG=/tmp/apt.conf DPKG_ROOT=/tmp LD_PRELOAD=/tmp/x.so"
    host.write(
        "/tmp/apt.conf",
        'DPkg::Pre-Invoke {"touch /tmp/pwned";}; APT::Update::Pre-Invoke {"touch /tmp/pwned";};',
    )
    host.run(
        f"{evil} hello upgrade; cd / && runuser -u deploy -- env {evil} sudo -n /usr/libexec/hello/change-version upgrade"
    )
    assert not host.succeeds("ls /tmp/pwned")
    for user in ("hello", "games"):
        assert "sudo" in host.fails(
            f"cd / && runuser -u {user} -- sudo -n /usr/libexec/hello/change-version upgrade"
        )
        assert "as root" in host.fails(
            f"cd / && runuser -u {user} -- /usr/libexec/hello/change-version upgrade"
        )
    assert runs(published, "1.0.0")

    # What an administrator holds is not who deploys to change.
    published.publish("1.1.0", GOOD)
    host.run("apt-mark hold hello")
    assert "apt-mark unhold" in host.fails("cd / && runuser -u deploy -- hello upgrade")
    assert runs(published, "1.0.0")

    # One that does not work leaves what an earlier one holds.
    host.run("apt-mark unhold hello && hello upgrade && hello rollback")
    host.write("/etc/apt/apt.conf.d/99fails", 'DPkg::Pre-Invoke {"false";};')
    for word in ("upgrade", "rollback 1.1.0"):
        assert "1.0.0-1~debian12 is installed" in host.fails(f"hello {word}")
    host.run("rm /etc/apt/apt.conf.d/99fails")
    published.unattended_upgrade()
    assert runs(published, "1.0.0")

    # Where an administrator has lifted it, the next hold is not ours.
    host.run("apt-mark unhold hello && apt-get install -y hello && apt-mark hold hello")
    assert "apt-mark unhold" in host.fails("hello rollback")
    assert host.run("apt-mark showhold") == "hello\n"
    assert runs(published, "1.1.0")
