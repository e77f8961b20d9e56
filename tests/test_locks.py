"""Another package manager at work: what `NAME upgrade`, the timer and a roll-out ask of apt waits for its locks."""

from pathlib import Path

import pytest

from pkgrel.templates import render
from tests import suite_root
from tests.packages import package

HELD = """
use Fcntl;
for (@ARGV) {
    open my $file, ">", $_ or die;
    my $lock = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
    fcntl($file, F_SETLK, $lock) or die;
    push @kept, $file;
}
print "held\\n"; close STDOUT; sleep 1 until -e "/tmp/free";
"""
"""As every apt and dpkg has them, fcntl(2)."""
LOCKS = "/var/lib/apt/lists/lock /var/cache/apt/archives/lock /var/lib/dpkg/lock-frontend"


def test_dnf_waits_for_rpm(tmp_path: Path) -> None:
    package(tmp_path, revision="1.el9").rename(tmp_path / "hello.rpm")
    (tmp_path / "patiently").write_text(render("scripts/patiently", name="hello"))
    (tmp_path / "held.pl").write_text(HELD)
    for name in ("packages", "hooks"):
        (tmp_path / name).mkdir()
    package(tmp_path, version="1.1.0", revision="1.el9").rename(tmp_path / "packages/later.rpm")
    values = {"name": "hello", "codenames": {}, "rpm": True, "files": [("*/*", "later.rpm")]}
    (tmp_path / "hooks/install").write_text(render("bundle/install", zypper=False, **values))
    script = """
    . /srv/patiently
    mkfifo /tmp/held
    perl /srv/held.pl /var/lib/rpm/.rpm.lock >/tmp/held & read -r _ </tmp/held
    patiently dnf -y --disablerepo='*' --nogpgcheck install /srv/hello.rpm 2>/tmp/said & dnf=$!
    until grep -q 'waiting for' /tmp/said || ! kill -0 $dnf; do sleep 0.1; done
    touch /tmp/free
    wait $dnf; cat /tmp/said
    rpm --query hello
    # A host that went down in the middle has both versions; CodeDeploy's hook ends what was begun.
    rpm --install --force /srv/packages/later.rpm
    rpm --query hello | wc -l
    sh /srv/hooks/install
    rpm --query hello
    """
    said = suite_root.ok("bookworm", script, tmp_path)
    assert "hello: waiting for another package manager: can't create transaction lock" in said
    assert "hello-1.0.0-1.el9.x86_64\n" in said
    assert "\n2\n" in said
    assert said.endswith("\nhello-1.1.0-1.el9.x86_64\n")


@pytest.mark.parametrize("suite", ["bullseye", "sid"])
def test_apt_and_dpkg_wait_for_each_other(suite: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    package(shared, revision="1~debian11").rename(shared / "hello.deb")
    (shared / "patiently").write_text(render("scripts/patiently", name="hello"))
    (shared / "held.pl").write_text(HELD)
    script = f"""
    . /srv/patiently
    rm -rf /etc/apt/sources.list.d/* /etc/apt/sources.list
    mkfifo /tmp/held
    perl /srv/held.pl {LOCKS} >/tmp/held & read -r _ </tmp/held
    patiently apt-get -q update >/dev/null 2>/tmp/update & update=$!
    patiently apt-get -q -y -o DPkg::Lock::Timeout=0 install /srv/hello.deb >/dev/null 2>/tmp/install & install=$!
    patiently apt-mark hold dpkg 2>/tmp/hold & hold=$!
    waits() {{ until grep -q 'waiting for.*lock' "$1" || ! kill -0 "$2"; do sleep 0.1; done }}
    waits /tmp/update $update; waits /tmp/install $install; waits /tmp/hold $hold
    touch /tmp/free
    wait $update && wait $install && wait $hold || failed=$?
    cat /tmp/update /tmp/install /tmp/hold
    [ -z "${{failed-}}" ] || exit "$failed"
    dpkg-query --show hello
    # As apt says it where `apt-get update` took away the cache that it was writing.
    raced() {{
        [ ! -e /tmp/raced ] || return 0; touch /tmp/raced
        echo 'E: Problem renaming the file /var/cache/apt/pkgcache.bin.xTJwbR to /var/cache/apt/pkgcache.bin - rename (2: No such file or directory)' >&2
        echo 'E: The package cache file is corrupted' >&2
        return 100
    }}
    patiently raced
    # A host that went down while a script ran.
    dpkg --unpack /srv/hello.deb >/dev/null
    printf '#!/bin/sh\\n[ -e /tmp/calm ] || {{ : >/tmp/began; sleep 99; }}\\n' >/var/lib/dpkg/info/hello.postinst
    chmod +x /var/lib/dpkg/info/hello.postinst
    dpkg --configure hello >/dev/null & dpkg=$!
    until [ -e /tmp/began ] || ! kill -0 $dpkg; do sleep 0.1; done
    kill -KILL $dpkg; pkill -f hello.postinst; touch /tmp/calm
    patiently apt-get -q -y --allow-change-held-packages install --reinstall /srv/hello.deb || exit 1
    dpkg --audit
    # What will not change is no lock to wait for, nor is one that a package's own script has met.
    ! patiently apt-get -q -y install no-such-package || exit 1
    printf 'echo "dpkg: error: dpkg frontend lock was locked by another process with pid 1" >&2; exit 1\n' >/var/lib/dpkg/info/hello.prerm
    chmod +x /var/lib/dpkg/info/hello.prerm
    ! patiently apt-get -q -y remove --allow-change-held-packages hello || exit 1
    ls /tmp
    """
    done = suite_root.shell(suite, script, shared)
    assert done.returncode == 0, done.stdout
    said = done.stdout
    assert (
        "hello: waiting for another package manager: Could not get lock /var/lib/apt/lists/lock"
        in said
    )
    assert (
        "hello: waiting for another package manager: Problem renaming the file /var/cache/apt/pkgcache.bin"
        in said
    )
    assert said.count("hello: waiting for another package manager: ") >= 4
    assert "hello\t1.0.0-1~debian11\n" in said
    assert "hello: dpkg was interrupted; finishing what it had begun\n" in said
    assert "dpkg set on hold" in said
    assert "Unable to locate package no-such-package" in said
