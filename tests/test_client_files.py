"""What machines are given to install from a repository: read by apt, gpg, rpm, shells and parsers."""

import base64
import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from debian.deb822 import Deb822

from pkgrel import signing
from pkgrel.cli import main
from pkgrel.errors import RepositoryError
from pkgrel.repository import setup
from pkgrel.repository.client import commands, file
from pkgrel.repository.client.config import client_config, decode_keys, file_name
from pkgrel.repository.client.files import read_config
from pkgrel.repository.layout import Place
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from pkgrel.repository.trust import Trust
from tests import openpgp_keys, private_root, repositories, suite_root
from tests.conftest import skip_unless
from tests.packages import package
from tests.repositories import URL, again, make, put
from tests.tools import need, run
from tests.web_server import served

PLACES = [
    Place("deb", "debian11", "amd64", "stable"),
    Place("deb", "debian12", "amd64", "stable"),
    Place("deb", "debian12", "amd64", "testing"),
    Place("deb", "debian13", "arm64", "stable"),
    Place("deb", "ubuntu22", "all", "stable"),
    *(
        Place("rpm", distro, "x86_64", "stable")
        for distro in "el7 el8 el9 amzn2 amzn2023 fedora42 leap15 sles15 tumbleweed".split()
    ),
]

HOSTILE = 'Acme\'s "best" `reboot` $(reboot) \\ $HOME\n[other]\nbaseurl=http://evil\r\nTrusted: yes'


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository for three distros and a second channel."""
    root = tmp_path_factory.mktemp("published")
    packages = tmp_path_factory.mktemp("packages")
    repository = make(Local(root), label="Acme Packages")
    revisions = ("1~debian11", "1~debian12", "1.el9")
    put(repository, *(package(packages, revision=each) for each in revisions))
    put(repository, package(packages, version="2.0.0"), channel="testing")
    return root


def signed(places: list[Place], title: str = "Acme", url: str = URL, mirrors: str = URL):
    key = signing.signer(openpgp_keys.secret("ed25519"))
    keys = decode_keys(key.fingerprints, [key.public_key])
    settings = Settings(origin=title, label=title, url=mirrors)
    return client_config(Local(Path("/srv/repo")), settings, places, keys, url)


def pkgrel(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def printed(*words: object) -> str:
    done = pkgrel("repo", "client", *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def refused(*words: object) -> str:
    done = pkgrel("repo", "client", *words)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert " hint: " in done.stderr
    return done.stderr


# Keys ---------------------------------------------------------------------------------------------


def test_the_key_is_there_in_both_forms(published: Path) -> None:
    need("gpg")
    armored, binary = published / "acme-packages.asc", published / "acme-packages.gpg"
    assert armored.read_bytes().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    assert b"\r" not in armored.read_bytes()
    (fingerprint,) = repositories.signer().fingerprints
    for key in (armored, binary):
        assert fingerprint in run("gpg", "--show-keys", "--with-colons", key)


def test_two_keys_while_a_repository_changes_from_one_to_the_other(tmp_path: Path) -> None:
    """rpm reads the first key of every block, apt before 3.0 every key of the first block."""
    need("gpg")
    store = Local(tmp_path / "repo")
    put(make(store, label="Acme"), package(tmp_path), package(tmp_path, revision="1.el9"))
    new = signing.signer(openpgp_keys.secret("rsa"))
    repository = again(store)
    repository.signer = signing.combine(repositories.signer(), new)
    both = repository.signer.fingerprints
    setup.change_settings(repository, {"fingerprints": both})
    armored = (tmp_path / "repo/acme.asc").read_text()
    assert armored.count("BEGIN PGP") == 2
    for text in (armored, (tmp_path / "repo/acme.gpg").read_bytes()):
        listing = openpgp_keys.gpg(
            tmp_path, "--show-keys", "--with-colons",
            data=text if isinstance(text, bytes) else text.encode(),
        ).decode()  # fmt: skip
        assert all(fingerprint in listing for fingerprint in both)


# apt ----------------------------------------------------------------------------------------------


def offers(suite: str, shared: Path, name: str) -> str:
    """What the suite's apt can install with a source of that name beside the repository."""
    script = f"""
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
    mkdir -p /etc/apt/keyrings
    cp /srv/acme-packages.gpg /etc/apt/keyrings/
    cp /srv/{name} /etc/apt/sources.list.d/
    apt-get update >&2
    apt-cache madison hello
    """
    return suite_root.ok(suite, script, shared)


@pytest.mark.parametrize(
    ("suite", "form", "channel", "version"),
    [("bullseye", "list", "stable", "1.0.0"), ("bookworm", "sources", "testing", "2.0.0")],
)
def test_apt_takes_the_source(
    published: Path, tmp_path: Path, suite: str, form: str, channel: str, version: str
) -> None:
    root = tmp_path / "served"
    shutil.copytree(published, root)
    root.chmod(0o755)
    words = (published, "--distro", suite, "--channel", channel, "--format", form)
    (root / f"acme.{form}").write_text(printed(*words, "--url", "file:///srv"))
    assert f"hello | {version}-1~" in offers(suite, root, f"acme.{form}")
    label = "acme-packages" if channel == "stable" else f"acme-packages-{channel}"
    id = {"bullseye": "debian11", "bookworm": "debian12"}[suite]
    assert (root / f"client/{id}/{channel}/{label}.{form}").read_text() == printed(*words)


def test_no_apt_warns_of_the_keys_that_release_names(tmp_path: Path) -> None:
    """apt 3.3 ignores the field, and says so at every update."""
    repository = make(Local(tmp_path / "repo"), label="Acme", signed_by=True)
    suites = {"bullseye": "debian11", "trixie": "debian13", "sid": "debian14"}
    for id in suites.values():
        put(repository, package(tmp_path, revision=f"1~{id}"))
    tmp_path.chmod(0o755)
    for suite, id in suites.items():
        form = "list" if suite == "bullseye" else "sources"
        words = ("--distro", id, "--format", form, "--url", "file:///srv/repo")
        (tmp_path / f"acme.{form}").write_text(printed(tmp_path / "repo", *words))
        script = f"""
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
        mkdir -p /etc/apt/keyrings
        cp /srv/repo/acme.gpg /etc/apt/keyrings/
        cp /srv/acme.{form} /etc/apt/sources.list.d/
        apt-get -q update
        apt-get -q update
        """
        said = suite_root.ok(suite, script, tmp_path).splitlines()
        assert [line for line in said if line[:2] in ("W:", "N:", "E:")] == [], suite
        codename = {"sid": "forky"}.get(suite, suite)
        release = (tmp_path / f"repo/apt/dists/{codename}/InRelease").read_text()
        assert ("\nSigned-By: " in release) is (suite != "sid")


def writers(repository: Path, to: Path) -> None:
    """Scripts that each set one channel up in one of the ways, all of the repository at /tmp/repo."""
    to.mkdir()
    for channel in ("stable", "testing"):
        label = "acme-packages" if channel == "stable" else f"acme-packages-{channel}"
        by = replace(read_config(again(Local(repository))), url="file:///tmp/repo")
        elsewhere = replace(by, url="https://x")
        (distro,) = (row for row in by.distros if row.id == "debian12")
        cloud = yaml.safe_load(file(elsewhere, "cloud-init", distro, channel).text)["write_files"]
        assert [written["path"] for written in cloud] == [
            f"/etc/apt/sources.list.d/{label}.sources",
            "/etc/apt/preferences.d/acme-packages",
            "/etc/apt/keyrings/acme-packages.gpg",
        ]
        image = file(elsewhere, "dockerfile", distro, channel).text
        ways = {
            "install": f"sh /tmp/repo/install.sh --channel {channel}",
            "page": "\n".join(commands(by, distro, channel)),
            "list": f"cp /tmp/repo/acme-packages.gpg /etc/apt/keyrings/; cp /tmp/repo/client/debian12/{channel}/{label}.list /etc/apt/sources.list.d/",
            "cloud": "\n".join(map(cloud_init, cloud)),
            "image": "\n".join(re.findall(r"^ADD (.*)", image, re.M)).replace(
                "https://x", "cp /tmp/repo"
            ),
        }
        for name, text in ways.items():
            (to / f"{name}-{channel}").write_text(text + "\n")


def cloud_init(written: dict[str, str]) -> str:
    """What cloud-init's write_files does with one."""
    data = written["content"].replace("https://x", "file:///tmp/repo")
    encoded = data if written.get("encoding") == "b64" else base64.b64encode(data.encode()).decode()
    return f"echo '{encoded}' | base64 -d >{written['path']}"


def test_two_channels_set_up_in_two_ways_before_and_after_another_key(tmp_path: Path) -> None:
    """apt takes no two ways to name the key of one repository: then no command of it works."""
    shared = tmp_path / "served"
    old, new = shared / "old", shared / "new"
    for root in (old, new):
        root.mkdir(parents=True)
    repository = make(Local(old), label="Acme Packages", url="")
    packages = tmp_path / "packages"
    packages.mkdir()
    put(repository, package(packages, revision="1~debian12"))
    put(repository, package(packages, version="2.0.0", revision="1~debian12"), channel="testing")
    shutil.copytree(old, new, dirs_exist_ok=True)
    other = signing.signer(openpgp_keys.secret("rsa"))
    repository = again(Local(new))
    repository.signer = signing.combine(repositories.signer(), other)
    setup.change_settings(repository, {"fingerprints": repository.signer.fingerprints})
    for root in (old, new):
        for path in (root / "install.sh", *(root / "client").rglob("*.*")):
            if path.is_file():
                path.write_text(path.read_text().replace(root.as_uri(), "file:///tmp/repo"))
    writers(old, shared / "old-ways")
    writers(new, shared / "new-ways")
    for path in (shared, old, new):
        path.chmod(0o755)
    script = """
    sudo() { "$@"; }
    apt() { :; }
    curl() { cp "${3#file://}" "$2"; }
    mkdir -p /etc/apt/keyrings
    all="install page list cloud image"
    for first in $all; do for second in $all; do
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /tmp/repo
        cp -r /srv/old /tmp/repo
        . /srv/old-ways/$first-stable >&2
        . /srv/old-ways/$second-testing >&2
        apt-get update >&2 && echo before
        rm -rf /tmp/repo && cp -r /srv/new /tmp/repo
        . /srv/new-ways/$second-testing >&2
        apt-get update >&2 && echo after
    done; done
    # What earlier versions wrote for a channel is brought into line.
    printf '%s\n' 'Types: deb' 'URIs: file:///tmp/repo/apt' 'Suites: bookworm' 'Components: stable' \
        'Signed-By:' ' -----BEGIN PGP PUBLIC KEY BLOCK-----' ' .' > /etc/apt/sources.list.d/acme-packages.sources
    rm -f /etc/apt/sources.list.d/*.list
    . /srv/new-ways/install-testing >&2
    apt-get update >&2 && echo mended
    """
    done = suite_root.ok("bookworm", script, shared)
    told = [line for line in done.splitlines() if line in ("before", "after", "mended")]
    assert told == ["before", "after"] * 25 + ["mended"]


# dnf, yum and zypper ------------------------------------------------------------------------------


def options(text: str) -> dict[str, str]:
    """Of the repository; beside it is one that nobody asks by accident, as strictly checked."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    section, phased = parser.sections()
    assert phased == f"{section}.phased"
    [address] = {"baseurl", "mirrorlist"} & set(parser[section])
    beside = parser[section][address].replace("/mirrorlist", "").rstrip("/") + ".phased"
    assert parser[phased][address].replace("/mirrorlist", "").rstrip("/") == beside
    own = {"name", address, "enabled", "skip_if_unavailable"}
    assert {k: v for k, v in parser[phased].items() if k not in own} == {
        k: v for k, v in parser[section].items() if k not in own
    }
    assert parser[phased]["enabled"] == "0"
    return {"id": section, **parser[section]}


ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\n'


def dnf_ways(repository: Path, channel: str) -> dict[str, str]:
    """The ways to set a channel up, as scripts."""
    by = read_config(again(Local(repository)))
    (distro,) = by.distros
    label = "acme-packages" if channel == "stable" else f"acme-packages-{channel}"
    key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-acme-packages"
    cloud = yaml.safe_load(file(by, "cloud-init", distro, channel).text)["write_files"]
    image = file(by, "dockerfile", distro, channel).text
    added = re.findall(r"^ADD (?:--\S+ )*(\S+) (\S+)", image, re.M)
    return {
        "install": f"curl -s {by.url}/install.sh | sh -s -- --channel {channel}",
        "page": "\n".join(commands(by, distro, channel)),
        "repo": f"curl -so {key} {by.url}/acme-packages.asc\n"
        f"curl -so /etc/yum.repos.d/{label}.repo {by.url}/client/el9/{channel}/{label}.repo",
        "cloud": "\n".join(map(cloud_init, cloud)),
        "image": "\n".join(f"curl -so {path} {url}" for url, path in added),
    }


SEEN = """
grep -hv '^#' yum.repos.d/* pki/rpm-gpg/*acme* | sha256sum
echo yum.repos.d/* pki/rpm-gpg/*acme*
"""


def key_change(folder: Path, packages: Path, address: str) -> dict[str, str]:
    """A repository before, while and after its key changes, by folder, and what is installed then."""
    old, new = (signing.signer(openpgp_keys.secret(name)) for name in ("ed25519", "rsa"))
    both = signing.combine(old, new)
    wanted = Settings(origin="Acme", label="Acme Packages", url=address)
    store = Local(folder / "old")
    repository = Repository(store, setup.initialise(store, wanted, old), old)
    for version, channel in (("1.0.0", "stable"), ("2.0.0", "testing")):
        put(repository, package(packages, version=version, revision="1.el9"), channel=channel)
    for before, after, signer in (("old", "both", both), ("both", "new", new)):
        shutil.copytree(folder / before, folder / after)
        store = Local(folder / after)
        later = Repository.open(store, Trust(both if signer is new else old))
        later.signer = both
        setup.change_settings(later, {"fingerprints": signer.fingerprints})
    later = Repository.open(Local(folder / "new"), Trust(new))
    put(later, package(packages, version="3.0.0", revision="1.el9"), channel="testing")
    return {"old": "hello-1.0.0", "both": "hello-2.0.0", "new": "hello-3.0.0"}


@pytest.mark.parametrize(("suite", "dnf"), [("bookworm", "dnf-3"), ("sid", "dnf5")])
def test_dnf_two_channels_in_two_ways_before_and_after_another_key(
    tmp_path: Path, suite: str, dnf: str
) -> None:
    """All ways leave the same files, so that any may follow any; and dnf checks metadata and packages by them."""
    site = tmp_path / "site"
    site.mkdir()
    packages = tmp_path / "packages"
    packages.mkdir()
    with served(site) as (address, _):
        stages = key_change(tmp_path, packages, address.rstrip("/"))
        script = [f"printf '%s' '{ROCKY}' >/etc/os-release", 'sudo() { "$@"; }', "dnf() { :; }"]
        script.append("rm -rf /etc/yum.repos.d; mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg")
        for stage, wanted in stages.items():
            script.append(f"rm -rf /srv/site/*; cp -r /srv/{stage}/. /srv/site")
            # Each way once first, and once second.
            for first, second in pairwise(["install", "page", "repo", "cloud", "image", "install"]):
                folder = tmp_path / stage
                script.append(f"({dnf_ways(folder, 'stable')[first]}) >&2")
                script.append(f"({dnf_ways(folder, 'testing')[second]}) >&2")
                script.append(f"echo files $(cd /etc; {SEEN})")
            script.append(f"command {dnf} -y --refresh install {wanted} && echo installed")
        said = suite_root.ok(suite, "\n".join(script), tmp_path)
    files = [line for line in said.splitlines() if line.startswith("files ")]
    assert len(files) == 15
    assert [len(set(files[at : at + 5])) for at in (0, 5, 10)] == [1, 1, 1], files
    assert len(set(files)) == 3
    assert said.splitlines().count("installed") == 3


def test_dnf_checks_the_metadata_by_the_mirrorlist(published: Path) -> None:
    text = (published / "client/el9/stable/acme-packages.repo").read_text()
    assert text == printed(published, "--distro", "rocky9")
    read = options(text)
    assert read["id"] == "acme-packages"
    assert read["mirrorlist"] == f"{URL}/rpm/el9/$basearch/stable/mirrorlist"
    assert (read["gpgcheck"], read["repo_gpgcheck"]) == ("1", "1")
    assert read["gpgkey"] == "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-acme-packages"
    assert (published / "rpm/el9/x86_64/stable/mirrorlist").is_file()
    assert (published / "acme-packages.asc").is_file()


def test_at_another_address_there_is_no_mirrorlist(published: Path) -> None:
    """The one that is there names the repository's own."""
    read = options(printed(published, "--distro", "el9", "--url", "https://mirror.example.org/a/"))
    assert "mirrorlist" not in read
    assert read["baseurl"] == "https://mirror.example.org/a/rpm/el9/$basearch/stable/"
    assert (read["gpgcheck"], read["repo_gpgcheck"]) == ("1", "0")


def test_zypper_refreshes_by_itself() -> None:
    by = signed(PLACES)
    (suse,) = (row for row in by.distros if row.id == "leap15")
    made = file(by, "repo", suse, "stable")
    assert made.path == "/etc/zypp/repos.d/acme.repo"
    assert options(made.text)["autorefresh"] == "1"


# What a hostile title could break ------------------------------------------------------------------


def test_a_title_stays_a_title() -> None:
    by = signed(PLACES, HOSTILE)
    rows = {row.id: row for row in by.distros}
    source = file(by, "sources", rows["debian12"], "stable").text
    assert list(Deb822(source)) == ["Types", "URIs", "Suites", "Components", "Signed-By"]
    assert len(options(file(by, "repo", rows["el9"], "stable").text)) == 9
    lines = [
        line for line in file(by, "list", rows["debian12"]).text.splitlines() if line[0] != "#"
    ]
    assert len(lines) == 1


def test_names_of_files_are_what_apt_and_dnf_take() -> None:
    assert file_name("Acme's Packages") == "acme-s-packages"
    assert file_name("Söhne & Töchter—GmbH") == "sohne-tochter-gmbh"
    assert file_name("../etc/passwd") == "etc-passwd"
    assert file_name("Пакеты") == "packages"
    assert file_name("x" * 300) == "x" * 60


# cloud-init and Docker ----------------------------------------------------------------------------


@pytest.mark.parametrize("distro", ["debian11", "debian12", "el9"])
def test_cloud_init_writes_the_same_files(published: Path, distro: str) -> None:
    text = printed(published, "--distro", distro, "--format", "cloud-init")
    assert text.startswith("#cloud-config\n")
    read = yaml.safe_load(text)
    assert read["packages"] == ["hello"]
    first, *more = read["write_files"]
    pins = [each for each in more if each["path"] == "/etc/apt/preferences.d/acme-packages"]
    keys = [each for each in more if each not in pins]
    pin = (published / "acme-packages.pref").read_text()
    assert [each["content"] for each in pins] == ([] if distro == "el9" else [pin])
    made = json.loads(printed(published, "--distro", distro, "--json"))
    assert first["path"] == made["path"]
    assert first["content"] == made["text"]
    (key,) = keys
    assert re.search(f"(Signed-By: |gpgkey=file://){key['path']}\n", first["content"])
    suffix = "asc" if distro == "el9" else "gpg"
    assert base64.b64decode(key["content"]) == (published / f"acme-packages.{suffix}").read_bytes()


def test_a_dockerfile_fetches_what_is_published(published: Path) -> None:
    for distro, base in (("debian11", "debian:bullseye"), ("el9", "almalinux:9")):
        text = printed(published, "--distro", distro, "--format", "dockerfile")
        assert text.startswith(f"FROM {base}\n")
        assert " hello " in text
        addresses = re.findall(rf"ADD {URL}/(\S+)", text)
        assert addresses
        assert all((published / address).is_file() for address in addresses)
        assert ("acme-packages.pref" in addresses) == (distro != "el9")


# What is missing ------------------------------------------------------------------------------------


def test_without_an_address_a_directory_is_one(tmp_path: Path) -> None:
    root = tmp_path / "with blank"
    put(make(Local(root), url=""), package(tmp_path), package(tmp_path, revision="1.el9"))
    done = pkgrel("repo", "client", root, "--distro", "el9")
    assert "repo set --url" in done.stderr
    read = options(done.stdout)
    assert read["baseurl"] == f"file://{tmp_path}/with%20blank/rpm/el9/$basearch/stable/"
    assert read["repo_gpgcheck"] == "0"
    assert "--url" in refused(root, "--distro", "el9", "--format", "dockerfile")


def test_without_an_address_a_bucket_has_only_keys() -> None:
    class Bucket(Local):
        """A store that is no directory."""

    bucket = Bucket(Path("/nowhere"))
    bucket.url = "s3://bucket/folder"
    by = client_config(bucket, Settings(origin="a", label="a"), PLACES, signed(PLACES).keys)
    with pytest.raises(RepositoryError) as caught:
        file(by, "install")
    assert "--url" in str(caught.value.hint)


def test_what_is_asked_for_must_be_there(published: Path, tmp_path: Path) -> None:
    assert "`debian10`" in refused(published, "--distro", "debian10")
    assert "debian11, debian12, el9" in refused(published, "--distro", "debian10")
    assert "stable, testing" in refused(published, "--distro", "debian12", "--channel", "edge")
    assert "--format repo" in refused(published, "--distro", "el9", "--format", "sources")
    assert "debian11, debian12\n" in refused(published, "--format", "list")
    assert "no repository" in refused(tmp_path)
    make(Local(tmp_path))
    assert "no packages" in refused(tmp_path)


def test_an_unsigned_repository_says_so(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    assert pkgrel("repo", "init", root, "--unsigned", "--url", URL).exit_code == 0
    made = [package(tmp_path), package(tmp_path, revision="1.el9")]
    assert pkgrel("publish", *made, "--to", root).exit_code == 0
    assert Deb822(printed(root, "--distro", "debian12"))["Trusted"] == "yes"
    assert options(printed(root, "--distro", "el9"))["gpgcheck"] == "0"
    assert not list(root.glob("*.asc"))


# install.sh -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "places",
    [PLACES, PLACES[:2], PLACES[-2:], [Place("deb", "debian12", "amd64", "testing")]],
    ids=["all", "deb", "rpm", "testing"],
)
@pytest.mark.parametrize("title", ["Acme", HOSTILE], ids=["acme", "hostile"])
def test_shellcheck_has_nothing_to_say(places: list[Place], title: str, tmp_path: Path) -> None:
    need("shellcheck")
    script = tmp_path / "install.sh"
    for by in (signed(places, title), client_config(Local(tmp_path), Settings(origin=title, label=title), places, decode_keys([], []))):  # fmt: skip
        script.write_text(file(by, "install").text)
        run("shellcheck", script)
        for shell in ("dash", "bash"):
            run(shell, "-n", script)


@pytest.fixture(scope="module")
def root() -> Iterator[private_root.Root]:
    impossible = private_root.impossible()
    skip_unless(not impossible, impossible)
    with private_root.private_root() as made:
        yield made


SET_UP = {
    "apt": "/etc/apt/sources.list.d/acme.sources",
    "yum": "/etc/yum.repos.d/acme.repo",
    "zypp": "/etc/zypp/repos.d/acme.repo",
}


def install(
    root: private_root.Root, os_release: str, *words: str, title: str = "Acme"
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the script as a machine would that says this of itself; and what it has written."""
    (root.path / "tmp/install.sh").write_text(file(signed(PLACES, title), "install").text)
    (root.path / "etc/os-release").unlink(missing_ok=True)
    (root.path / "etc/os-release").write_text(os_release)
    for path in SET_UP.values():
        (root.path / path.lstrip("/")).unlink(missing_ok=True)
    done = root.run("sh", "-c", 'sh -s -- "$@" </tmp/install.sh', "sh", *words)
    found = {name: root.path / path.lstrip("/") for name, path in SET_UP.items()}
    return done, {name: path.read_text() for name, path in found.items() if path.exists()}


DEBIAN = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
MACHINES = {
    "debian": (DEBIAN, "apt", "Suites: bookworm\n"),
    "ubuntu": ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\nUBUNTU_CODENAME=jammy\n', "apt", "Suites: jammy\n"),
    "mint": ('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21.3"\nVERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy\n', "apt", "Suites: jammy\n"),
    "lmde": ('ID=linuxmint\nID_LIKE=debian\nVERSION_ID="6"\nVERSION_CODENAME=faye\nDEBIAN_CODENAME=bookworm\n', "apt", "Suites: bookworm\n"),
    "rhel7": ('ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="7.9"\n', "yum", "/rpm/el7/$basearch/stable/"),
    "oracle": ('ID="ol"\nID_LIKE="fedora"\nVERSION_ID="8.9"\nPLATFORM_ID="platform:el8"\n', "yum", "/rpm/el8/$basearch/stable/"),
    "rocky": ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\n', "yum", "/rpm/el9/$basearch/stable/"),
    "amazon2": ('ID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"\n', "yum", "/rpm/amzn2/$basearch/stable/"),
    "amazon": ('ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\nPLATFORM_ID="platform:al2023"\n', "yum", "/rpm/amzn2023/$basearch/stable/"),
    "fedora": ('ID=fedora\nVERSION_ID=42\nPLATFORM_ID="platform:f42"\n', "yum", "/rpm/fedora42/$basearch/stable/"),
    "leap": ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n', "zypp", "/rpm/leap15/$basearch/stable/"),
    "sles": ('ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.7"\n', "zypp", "/rpm/sles15/$basearch/stable/"),
    "tumbleweed": ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20261101"\n', "zypp", "/rpm/tumbleweed/$basearch/stable/"),
}  # fmt: skip


def test_the_script_ends_with_the_only_package() -> None:
    for names, said in (
        (["hello"], "hello"),
        (["hello", "other"], "PACKAGE"),
        (["$(id)"], "PACKAGE"),
    ):
        text = file(replace(signed(PLACES), preferred=tuple(names)), "install").text
        assert f'apt install {said}"' in text


@pytest.mark.parametrize("machine", MACHINES)
def test_the_script_knows_the_machine(root: private_root.Root, machine: str) -> None:
    os_release, kind, wanted = MACHINES[machine]
    done, written = install(root, os_release)
    assert done.returncode == 0, done.stderr
    assert list(written) == [kind]
    assert wanted in written[kind]
    assert "install PACKAGE" in done.stdout
    if kind == "apt":
        key = root.path / "etc/apt/keyrings/acme.gpg"
        assert f"Signed-By: /{key.relative_to(root.path)}\n" in written[kind]
        assert key.read_bytes() == signed(PLACES).keys.binary
        assert key.stat().st_mode & 0o777 == 0o644
    else:
        assert options(written[kind])["repo_gpgcheck"] == "1"
        key = root.path / options(written[kind])["gpgkey"].removeprefix("file:///")
        assert key.read_bytes() == signed(PLACES).keys.armored


STRANGERS = {
    "arch": 'ID=arch\nPRETTY_NAME="Arch Linux"\n',
    "kali": 'ID=kali\nID_LIKE=debian\nVERSION_CODENAME=kali-rolling\nPRETTY_NAME="Kali"\n',
    "buster": 'ID=debian\nVERSION_CODENAME=buster\nPRETTY_NAME="Debian 10"\n',
    "fedora43": 'ID=fedora\nVERSION_ID=43\nPLATFORM_ID="platform:f43"\nPRETTY_NAME="Fedora 43"\n',
    "alpine": 'ID=alpine\nVERSION_ID=3.20.0\nPRETTY_NAME="Alpine"\n',
    "nothing": "PRETTY_NAME=Nothing\n",
    "arm": 'ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian 13"\n',
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_the_script_refuses_a_machine_without_packages(
    root: private_root.Root, stranger: str
) -> None:
    done, written = install(root, STRANGERS[stranger])
    name = re.search('PRETTY_NAME="?([^"\n]+)', STRANGERS[stranger])
    assert name
    assert done.returncode == 1
    assert f"Acme has no packages for {name[1]}" in done.stderr
    assert written == {}


def test_the_script_takes_a_channel(root: private_root.Root) -> None:
    done, written = install(root, DEBIAN, "--channel", "testing")
    assert done.returncode == 0
    path = root.path / "etc/apt/sources.list.d/acme-testing.sources"
    assert "Components: testing\n" in path.read_text()
    path.unlink()
    assert written == {}
    for words in (["--channel", "edge"], ["--channel"], ["--chanel=testing"]):
        done, written = install(root, DEBIAN, *words)
        assert done.returncode == 1
        assert "channel" in done.stderr
        assert written == {}


def test_the_script_prints_a_hostile_title_and_runs_nothing(root: private_root.Root) -> None:
    done, _ = install(root, DEBIAN, title=HOSTILE)
    name = file_name(HOSTILE)
    path = root.path / f"etc/apt/sources.list.d/{name}.sources"
    assert done.returncode == 0, done.stderr
    title = " ".join(HOSTILE.split())
    assert path.read_text().startswith(f"# {title}\nTypes: deb\n")
    path.unlink()


def test_half_a_script_does_nothing(root: private_root.Root) -> None:
    """`curl | sh` runs what has arrived when the connection ends."""
    install(root, DEBIAN)
    whole = (root.path / "tmp/install.sh").read_bytes()
    source = root.path / SET_UP["apt"].lstrip("/")
    source.unlink()
    end = len(whole) - 2  # without the line end it is whole
    lengths = [*range(0, end - 60, 211), *range(end - 60, end)]
    loop = 'for n in "$@"; do head -c "$n" /tmp/install.sh | sh || :; done'
    root.ok("sh", "-c", loop, "sh", *map(str, lengths))
    assert not source.exists()
    root.ok("sh", "-c", "head -c -1 /tmp/install.sh | sh")
    assert source.exists()


def test_the_script_needs_to_be_root(root: private_root.Root) -> None:
    install(root, DEBIAN)
    (root.path / SET_UP["apt"].lstrip("/")).unlink()
    programs = root.path / "tmp/bin"
    programs.mkdir()
    for name in ("sh", "id", "dpkg", "uname"):
        (programs / name).symlink_to(shutil.which(name) or "")
    done = root.run("env", "PATH=/tmp/bin", "/bin/sh", "/tmp/install.sh", user="daemon")
    assert "run this as root" in done.stderr, done
    assert not (root.path / SET_UP["apt"].lstrip("/")).exists()
