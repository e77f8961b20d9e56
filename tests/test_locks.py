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
    script = """
    . /srv/patiently
    mkfifo /tmp/held
    perl /srv/held.pl /var/lib/rpm/.rpm.lock >/tmp/held & read -r _ </tmp/held
    patiently dnf -y --disablerepo='*' --nogpgcheck install /srv/hello.rpm 2>/tmp/said & dnf=$!
    until grep -q 'waiting for' /tmp/said || ! kill -0 $dnf; do sleep 0.1; done
    touch /tmp/free
    wait $dnf; cat /tmp/said
    rpm --query hello
    """
    said = suite_root.ok("bookworm", script, tmp_path)
    assert "hello: waiting for another package manager: can't create transaction lock" in said
    assert said.endswith("hello-1.0.0-1.el9.x86_64\n")


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
    exec 3>&2 2>/tmp/said
    patiently apt-get -q update >/dev/null & first=$!
    patiently apt-get -q -y -o DPkg::Lock::Timeout=0 install /srv/hello.deb >/dev/null & second=$!
    patiently apt-mark hold dpkg & third=$!
    exec 2>&3
    until [ "$(grep -c 'waiting for' /tmp/said)" -ge 3 ] || ! kill -0 $first; do sleep 0.1; done
    touch /tmp/free
    wait $first; wait $second; wait $third; cat /tmp/said
    dpkg-query --show hello
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
    assert said.count("hello: waiting for another package manager: ") >= 3
    assert "/var/lib/apt/lists/lock" in said
    assert "hello\t1.0.0-1~debian11\n" in said
    assert "dpkg set on hold" in said
    assert "Unable to locate package no-such-package" in said
