"""Versions that are for a part of the hosts: `publish --phase`, `repo phase`, and what apt, the pull timer and dnf see."""

import gzip
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pkgrel.cli import main
from pkgrel.compressors import zstd
from pkgrel.repository.store.local import Local
from tests import openpgp_keys, repositories, suite_root
from tests.packages import package
from tests.test_plan import text
from tests.test_validation import hello, make

__all__ = ["hello", "make"]

MASK = 0xFFFFFFFF


def draw(name: str, version: str, machine: str, parts: int) -> int:
    """What apt draws: seed_seq and minstd_rand of C++, 26.6.8 and 26.6.5, and libstdc++'s uniform_int_distribution."""
    seed = f"{name}-{version}-{machine}".encode()
    state, size = [0x8B8B8B8B] * 4, len(seed)
    for k in range(size + 1):
        one = state[k % 4] ^ state[(k + 1) % 4] ^ state[(k - 1) % 4]
        first = 1664525 * (one ^ one >> 27) & MASK
        second = first + (k % 4 + seed[k - 1] if k else size) & MASK
        state[(k + 1) % 4] = state[(k + 1) % 4] + first & MASK
        state[(k + 2) % 4] = state[(k + 2) % 4] + second & MASK
        state[k % 4] = second
    for k in range(size + 1, size + 5):
        one = state[k % 4] + state[(k + 1) % 4] + state[(k - 1) % 4] & MASK
        first = 1566083941 * (one ^ one >> 27) & MASK
        second = first - k % 4 & MASK
        state[(k + 1) % 4] ^= first
        state[(k + 2) % 4] ^= second
        state[k % 4] = second
    number = state[3] % 2147483647 or 1
    width = 2147483645 // parts
    while True:
        number = number * 48271 % 2147483647
        if number <= width * parts:
            return (number - 1) // width


def machines(version: str, parts: int) -> dict[str, int]:
    """Machine-ids, with what they draw for the version: on both sides of every bound."""
    wanted = {0, 5, 9, 10, 11, 30, 49, 50, 51, parts - 1}
    found: dict[int, str] = {}
    numbers = itertools.count()
    while not wanted <= found.keys():
        machine = f"{next(numbers):032x}"
        found.setdefault(draw("hello", version, machine, parts), machine)
    return {found[one]: one for one in sorted(wanted)}


STABLE = "rpm/el9/x86_64/stable"


def pkgrel(*words: object, code: int = 0) -> Result:
    key = Path(openpgp_keys.secret("rsa")).read_text()
    done = CliRunner().invoke(main, [str(word) for word in words], env={"PKGREL_SIGNING_KEY": key})
    assert done.exit_code == code, done.output
    return done


SUITES = {"bullseye": ("debian11", "bullseye", 101), "bookworm": ("debian12", "bookworm", 101),
          "trixie": ("debian13", "trixie", 101), "sid": ("debian14", "forky", 100)}  # fmt: skip
"""The last is what apt draws of: until 3.3 it took one part more of 101."""


@pytest.mark.parametrize("suite", SUITES)
def test_apt_upgrades_the_same_hosts_each_time(suite: str, tmp_path: Path) -> None:
    distro, codename, parts = SUITES[suite]
    shared, repo = tmp_path / "shared", tmp_path / "repo"
    old, new = (package(tmp_path, version=v, revision=f"1~{distro}") for v in ("1.0.0", "1.1.0"))
    shared.mkdir()
    shutil.copy(old, shared / "old.deb")
    shutil.copy(new, shared / "new.deb")
    shutil.copy(Path(openpgp_keys.secret("rsa")).with_suffix(".pub"), shared / "key.asc")
    pkgrel("repo", "init", repo, "--label", "Acme")
    pkgrel("publish", old, "--to", repo)
    for state in ("10", "50", "stop"):
        if state == "10":
            pkgrel("publish", new, "--to", repo, "--phase", 10)
        else:
            pkgrel("repo", "phase", repo, "hello", "1.1.0", state)
        shutil.copytree(repo, shared / state)
    ids = machines(f"1.1.0-1~{distro}", parts)
    script = f"""
    dpkg --install /srv/old.deb >/dev/null
    rm -rf /etc/apt/sources.list.d/* /etc/apt/sources.list
    upgrade() {{ apt-get -s -q "$@" | grep -c '^Inst hello' || :; }}
    for state in 10 50 stop; do
        echo "deb [signed-by=/srv/key.asc] copy:/srv/$state/apt {codename} stable" >/etc/apt/sources.list
        apt-get -q -o APT::Sandbox::User=root update >/dev/null
        for id in {" ".join(ids)}; do
            echo "$state $id $(upgrade -o APT::Machine-ID=$id upgrade)"
        done
    done
    echo "install $(upgrade install hello)"
    dpkg --install /srv/new.deb >/dev/null
    echo "kept $(upgrade dist-upgrade)"
    """
    told = [line.split() for line in suite_root.ok(suite, script, shared).splitlines()]
    upgraded = {tuple(words[:-1]) for words in told if words[-1] == "1"}
    assert upgraded == {
        (state, id)
        for state in ("10", "50")
        for id, drawn in ids.items()
        if drawn < int(state) + parts - 100
    }
    assert len(told) == 3 * len(ids) + 2


def test_the_pull_timer_draws_as_apt_does(make) -> None:
    script = text(make('[deploy]\npull = "5min"'), "/usr/libexec/hello/pull")
    function = re.search(r"^draw\(\) \{.*?^\}", script, re.M | re.S)[0]
    versions = ("1.1.0-1~debian12", "1:2.0-1.el9", "1.1.0~rc.1-1.el9")
    wanted = [(v, id, parts) for parts in (100, 101) for v in versions for id in machines(v, parts)]
    calls = "".join(f"id={id}; draw '{version}' {parts}\n" for version, id, parts in wanted)
    function = function.replace("$(cat /etc/machine-id)", "$id")
    for shell in ("dash", "bash"):
        done = subprocess.run(
            [shell, "-euc", f"{function}\n{calls}"], capture_output=True, text=True
        )
        assert [*map(int, done.stdout.split())] == [draw("hello", *one) for one in wanted], (
            done.stderr
        )


def test_only_what_names_packages_changes(tmp_path: Path) -> None:
    repo, store = tmp_path / "repo", Local(tmp_path / "repo")
    pkgrel("publish", *repositories.pair(tmp_path), "--to", repo)
    new = repositories.pair(tmp_path, "1.1.0")
    pkgrel("publish", *new, "--to", repo, "--phase", 10)
    pool = {path: path.stat().st_mtime_ns for path in repo.glob("*/**/pool/**/*")}

    def deb() -> str:
        index = next(repo.glob("apt/dists/bookworm/stable/binary-amd64/Packages.gz"))
        packages = gzip.decompress(index.read_bytes()).decode()
        return "".join(re.findall(r"Version: 1\.1\.0.*?\n\n", packages, re.S))

    def listed(folder: str) -> list[str]:
        """The versions in a repository of yum."""
        repomd = store.get(f"{folder}/repodata/repomd.xml")
        [primary] = (
            re.findall('href="(.*-primary.xml.zst)"', repomd.data.decode()) if repomd else [""]
        )
        text = zstd.decompress(store.get(f"{folder}/{primary}").data).decode() if primary else ""
        found = re.findall(r'<version [^>]*ver="([^"]*)"', text)
        assert not text or f' packages="{len(found)}"' in text
        return found

    def seen() -> tuple[bool, bool, str]:
        repomd = store.get(f"{STABLE}/repodata/repomd.xml").data.decode()
        # What `dnf upgrade` would take, and what hosts ask for that it is for.
        phased = re.search(r"<content>phase", repomd)
        in_all = ["1.0.0"] + (["1.1.0"] if bool(deb()) and not phased else [])
        assert sorted(listed(STABLE)) == in_all
        assert listed(f"{STABLE}.phased") == (["1.1.0"] if phased else [])
        phase = re.findall(r"^Phased-Update-Percentage: (\d+)$", deb(), re.M)
        return bool(deb()), phase, re.findall("<content>(.*)</content>", repomd)

    assert seen() == (True, ["10"], ["phase:hello:1.1.0-1.el9:10"])
    assert "10%" in pkgrel("repo", "list", repo).stdout
    # Published again it stays as it is; it may be widened so, too.
    pkgrel("publish", *new, "--to", repo)
    assert seen()[1] == ["10"]
    pkgrel("publish", *new, "--to", repo, "--phase", 30)
    assert seen()[1] == ["30"]
    told = pkgrel("repo", "phase", repo, "hello", "1.1.0", "100", "--dry-run").stdout
    assert "+ stable debian12 hello 1.1.0-1~debian12 amd64\n" in told
    assert seen()[1] == ["30"]
    pkgrel("repo", "phase", repo, "hello", "1.1.0", "stop")
    assert seen() == (False, [], [])
    assert [one["phase"] for one in json.loads(pkgrel("repo", "list", repo, "--json").stdout)] == [
        0,
        100,
        0,
        100,
    ]
    assert "stopped" in pkgrel("repo", "list", repo).stdout
    # It is as whole as ever, and nobody has it from here by mistake.
    pkgrel("repo", "gc", repo, "--grace", 0)
    pkgrel("repo", "verify", repo)
    assert (
        "was stopped"
        in pkgrel(
            "repo", "promote", repo, "hello", "1.1.0", "--from", "stable", "--to", "next", code=1
        ).output
    )
    pkgrel("repo", "phase", repo, "hello", "1.1.0", "100")
    assert seen() == (True, [], [])
    pkgrel(
        "repo", "promote", repo, "hello", "1.1.0", "--from", "stable", "--to", "next", "--phase", 20
    )
    assert {path: path.stat().st_mtime_ns for path in pool} == pool
    for wrong in ("0", "101", "-5", "half", "٣"):
        assert pkgrel("repo", "phase", repo, "hello", "1.1.0", wrong, code=2).output
