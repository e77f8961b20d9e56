"""Names of hosts that cannot be options of ssh, and inventories as Ansible reads them."""

import os
import re
import shutil
from pathlib import Path

import pytest

from pkgrel.errors import ConfigError
from pkgrel.rollout.hosts import parse_host
from pkgrel.rollout.inventory import read_inventory
from pkgrel.rollout.steps import Seen, is_version
from pkgrel.templates import render
from tests.tools import need, pkgrel, run

INI = """\
lonely.example.org
[web]
web[01:03].example.org ansible_user=deploy   # three
web3b ansible_host=2001:db8::3 ansible_port=2222
[db]
db-[a:b] ansible_host=10.0.0.7
[web:vars]
ansible_become=true
[production:children]
web
db
"""
YAML = """\
all:
  hosts:
    lonely.example.org:
  children:
    production:
      children:
        web:
          hosts:
            web[01:03].example.org: {ansible_user: deploy}
            web3b: {ansible_host: "2001:db8::3", ansible_port: 2222}
        db:
          hosts:
            db-[a:b]: {ansible_host: 10.0.0.7}
"""


@pytest.mark.parametrize(("name", "text"), [("hosts", INI), ("hosts.yml", YAML)])
def test_an_inventory_is_read_as_ansible_reads_it(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    found = {host.name: host for host in read_inventory(file, "production")}
    assert list(found) == [*(f"web0{n}.example.org" for n in (1, 2, 3)), "web3b", "db-a", "db-b"]
    assert found["web02.example.org"].destination == "deploy@web02.example.org"
    assert (found["web3b"].destination, found["web3b"].port) == ("2001:db8::3", 2222)
    assert found["db-b"].destination == "10.0.0.7"
    assert "lonely.example.org" in {host.name for host in read_inventory(file, "all")}
    with pytest.raises(ConfigError, match="there is no group `prod`"):
        read_inventory(file, "prod")


ODD_INI = """\
; as Ansible's own examples have it
[web]
web1
web2 ansible_ssh_user=me
[old:children]
web
[hosts]
web1 ansible_host=10.0.0.1 ansible_port=2222
[2001:db8::7]:2200
[all:vars]
ansible_user = everybody
motd=It's here
[web:vars]
ansible_port=22
[old:vars]
ansible_user="deploy"
ansible_port=99
"""
ODD_YAML = """\
all:
  vars: {ansible_user: everybody}
  hosts:
    web1: {ansible_host: 10.0.0.1, ansible_port: 2222}
    web2: {ansible_ssh_user: me, password: !vault "$ANSIBLE_VAULT;1.1;AES256"}
  children:
    old:
      vars: &vars {ansible_user: deploy, ansible_port: 99}
      children:
        web:
    web:
      vars: {<<: *vars, ansible_port: 22, greeting: !unsafe "{{ }}"}
      hosts: {web1: , web2: }
    hosts:
      hosts: {web1: , "[2001:db8::7]:2200": }
"""


@pytest.mark.parametrize(("name", "text"), [("hosts", ODD_INI), ("hosts.yml", ODD_YAML)])
def test_how_to_connect_is_said_by_hosts_and_groups_as_ansible_weighs_it(
    tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)

    def connects(file: Path, group: str = "old") -> dict[str, str]:
        found = read_inventory(file, group)
        return {host.name: f"{host.destination} {host.port}" for host in found}

    assert connects(file) == {"web1": "deploy@10.0.0.1 2222", "web2": "deploy@web2 22"}
    assert connects(file, "hosts")["2001:db8::7"] == "everybody@2001:db8::7 2200"
    for path, said in (
        ("group_vars/all.yml", "ansible_user: nobody\n"),
        ("group_vars/web/users.yml", "ansible_user: team\n"),
        ("group_vars/web/secrets.json", '{"ansible_port": 23}'),
        ("host_vars/web2", "ansible_host: 10.0.0.2\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(said)
    there = {"web1": "team@10.0.0.1 2222", "web2": "team@10.0.0.2 23"}
    assert connects(file) == there
    if name == "hosts.yml":
        return  # Ansible takes a second to say the same of it
    need("ansible-inventory")
    listed = run("ansible-inventory", "-i", file, "--list")
    (tmp_path / "hosts.json").write_text(listed)
    assert connects(tmp_path / "hosts.json") == there


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/usr/bin/env python3\n", "is a program"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "is encrypted"),
        ("[web]\nweb1\n[production:children]\nwbe\n", "hosts:4: there is no group `wbe`"),
        (
            "web1\n[all:vars]\nansible_host={{ address }}\n",
            "hosts:1: `{{ address }}` is not a host",
        ),
    ],
)
def test_an_inventory_that_only_ansible_can_read_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "hosts"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_inventory(file, "all")


def test_a_host_is_a_name_an_address_or_neither() -> None:
    assert parse_host("deploy@web2:2222", "x").port == 2222
    assert parse_host("[2001:db8::1]:22", "x").destination == "2001:db8::1"
    assert parse_host("2001:db8::1", "x").port == 0
    for text in (
        *(
            "-oProxyCommand=id",
            "",
            " web1",
            "web1 id",
            "web1;id",
            "$(id)",
            "a@-x",
            "-l@web",
            "@web",
        ),
        *(
            "web1:99999",
            "web1:0x1",
            "web1\n-oX",
            "ssh://web1",
            "a@b@c",
            "wéb",
            "web1:",
            "[web1",
            "`id`",
        ),
    ):
        with pytest.raises(ConfigError, match="is not a host"):
            parse_host(text, "--host")


BAD = [
    ("web[01:99999999]\n", "more than 10,000 hosts"),
    ("web[a:9]\n", "not a range"),
    ("web 'open\n", "No closing quotation"),
    ("web ansible_host=-oProxyCommand=id\n", "is not a host"),
    ("web ansible_user='x -oProxyCommand=id'\n", "is not a host"),
    ("web ansible_port=x\n", "is not a host"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_what_is_wrong_in_an_inventory_is_said_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"[web]\n{text}")
    with pytest.raises(ConfigError, match=said) as raised:
        read_inventory(file, "web")
    assert str(raised.value).startswith(f"{file}:2: ")


def test_nothing_that_could_be_more_than_a_name_goes_to_a_host(tmp_path: Path) -> None:
    """ssh would fail, as there is no such host: it is not even asked."""
    for words in (
        ["hello;id", "--host", "nowhere.invalid"],
        ["hello=1;id", "--host", "nowhere.invalid"],
        ["hello=--help", "--host", "nowhere.invalid"],
        ["--", "-hello"],
        ["hello", "--host=-oProxyCommand=touch pwned"],
        ["hello", "--host", "nowhere.invalid", "--batch", "0"],
        ["hello"],
        ["hello", "--to", "nobody"],
    ):
        done = pkgrel("deploy", *words, folder=tmp_path)
        assert done.returncode == 1, words
        assert done.stderr.startswith("error: "), done.stderr
        assert "reached" not in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_group_of_pkgrel_toml_is_checked_when_it_is_read(tmp_path: Path) -> None:
    for line, said in (
        ('hosts = ["-oProxyCommand=id"]', "must be a host"),
        ('batch = "0%"', "must be a number of hosts"),
        ("wait = -1", "must be 0 to"),
        ("hsots = []", "did you mean"),
    ):
        (tmp_path / "pkgrel.toml").write_text(f"[deploy.production]\n{line}\n")
        done = pkgrel("deploy", "hello", "--to", "production", folder=tmp_path)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("full", "wanted", "same"),
    [
        ("1.1.0-1~debian12", "1.1.0", True),
        ("2:1.1.0-1.el9", "1.1.0", True),
        ("2:1.1.0-1.el9", "2:1.1.0-1.el9", True),
        ("2:1.1.0-1.el9", "1.1.0-1.el9", True),
        ("1.2.0~rc.1-1", "1.2.0-rc.1", True),
        ("1.1.0-1", "1.1", False),
        ("1.1.0-1", "1.1.0-2", False),
        ("", "1.1.0", False),
    ],
)
def test_a_version_is_known_by_all_of_its_names(full: str, wanted: str, same: bool) -> None:
    assert is_version(full, wanted) is same


@pytest.mark.parametrize("script", ["change", "journal", "lock", "look", "watch"])
def test_shellcheck_has_nothing_to_say(tmp_path: Path, script: str) -> None:
    need("shellcheck")
    file = tmp_path / script
    values = {"name": "my-app", "url": "http://[::1]/x", "tcp": 4000}
    file.write_text(render("rollout/tell", **values) + render(f"rollout/{script}", **values))
    run("shellcheck", "--shell=sh", "--severity=warning", file)


def test_how_a_version_came_to_run() -> None:
    # As scripts/hot-upgrade writes it.
    line = "2026-11-27T08:00:00Z 1.0.0 -> 1.1.0, upgraded while it ran"
    at = 1_795_766_400
    assert Seen(since=at - 60, history=line).how == "hot upgrade"
    assert Seen(since=at + 60, history=line).how == "started"
    assert (
        Seen(since=at - 60, history=line.replace("upgraded while it ran", "restarted")).how
        == "started"
    )
    assert Seen(since=at, installed="1-1", held="1-1").how == "rolled back"
    assert Seen(since=at, installed="2-1", held="1-1").how == "started"
    assert Seen(history=line).how == ""


def test_a_host_that_lets_nobody_in_is_told_with_what_helps(tmp_path: Path) -> None:
    need("ssh", "ssh-keygen")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or need("sshd")
    for name in ("host", "other"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name)
    Path("/run/sshd").mkdir(exist_ok=True)
    key = " ".join((tmp_path / "host.pub").read_text().split()[:2])
    wrong = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"stranger {key}\nchanged {wrong}\n")
    (tmp_path / "sshd_config").write_text(
        f"HostKey {tmp_path}/host\nAuthorizedKeysFile none\nUsePAM no\nPasswordAuthentication no\n"
    )
    (tmp_path / "config").write_text(
        f"Host unknown changed stranger\n  ProxyCommand {sshd} -i -f {tmp_path}/sshd_config\n"
        f"  UserKnownHostsFile {tmp_path}/known\n  IdentityFile {tmp_path}/other\n"
        "Host closed\n  HostName 127.0.0.1\n  Port 1\n"
    )
    names = {
        "unknown": "compare the fingerprint that `ssh root@unknown true` shows",
        "changed": "`ssh-keygen -R changed`",
        "stranger": "`ssh-copy-id root@stranger`",
        "nowhere.invalid": "mend the name",
        "closed": "does sshd run there",
    }
    words = [word for name in names for word in ("--host", f"root@{name}")]
    done = pkgrel("deploy", "hello=1.0.0", *words, "--ssh-config", "config", folder=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    for name, said in names.items():
        [at] = [n for n, line in enumerate(lines) if f"root@{name}: cannot be reached: " in line]
        assert said in lines[at + 1], done.stderr
