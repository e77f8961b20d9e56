"""What an attacker with write access to the bucket but without a key can do; and a gpg with occasional bad output."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pysequoia
import pytest

from pkgrel import signing
from pkgrel.repository import layout, manifest, trust
from pkgrel.repository.head import Head
from pkgrel.repository.settings import Settings
from pkgrel.repository.store import Kind
from pkgrel.signing.rpm import verify as verify_rpm
from tests import openpgp_keys, repositories
from tests.packages import package
from tests.test_repository import Shell, store

HEAD, SETTINGS = layout.HEAD, layout.SETTINGS
SIGNING = (
    ("publish", "new.deb"),
    ("publish", "new.deb", "--dry-run"),
    ("repo", "promote", "hello", "1.0.0", "--from", "stable", "--to", "testing"),
    ("repo", "remove", "hello"),
    ("repo", "rollback"),
    ("repo", "rollback", "--list"),
    ("repo", "prune", "--keep", "1"),
    ("repo", "sync"),
    ("repo", "sync", "--refresh"),
    ("repo", "set", "--description", "x"),
    ("repo", "set", "--new-key"),
)
READING = (
    ("repo", "list"),
    ("repo", "client", "--distro", "debian12"),
    ("repo", "gc"),
)


class Bucket:
    """A repository with two states, and what somebody writes over it."""

    def __init__(self, folder: Path) -> None:
        self.shell, self.folder = Shell(folder), folder
        self.shell("repo", "init", "--url", repositories.URL)
        self.shell("publish", *repositories.pair(folder))
        self.first = self.bytes(HEAD)
        self.shell("publish", package(folder, version="2.0.0"))
        package(folder, "new").rename(folder / "new.deb")
        shutil.copytree(folder / "repo", folder / "theirs")
        shutil.rmtree(folder / "theirs/.pkgrel")
        self.good = {key: self.bytes(key) for key in (HEAD, SETTINGS)}

    def bytes(self, key: str) -> bytes:
        return (self.folder / "repo" / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        store(self.folder).overwrite(key, data, Kind.POINTER)

    def restore(self) -> None:
        for key, data in self.good.items():
            self.write(key, data)

    def head(self) -> Head:
        return Head.decode(self.bytes(HEAD))

    def forged(self) -> Head:
        """The head with a package more."""
        (evil,) = (p for p in self.head().manifests if p.format == "deb")
        sha256 = self.head().manifests[evil]
        records = manifest.decode(self.bytes(layout.manifest_key(sha256)), sha256)
        more = replace(
            records[0], name="evil", index=(records[0].index[0].replace("hello", "evil"),)
        )
        data = manifest.encode([*records, more])
        self.write(layout.manifest_key(hashlib.sha256(data).hexdigest()), data)
        manifests = {**self.head().manifests, evil: hashlib.sha256(data).hexdigest()}
        return replace(self.head(), manifests=manifests)

    def sign(self, key: str, text: bytes, by: signing.Signer) -> None:
        self.write(key, trust.seal(text, by))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Bucket:
    return Bucket(tmp_path_factory.mktemp("bucket"))


@pytest.fixture
def bucket(made) -> Iterator[Bucket]:
    yield made
    made.restore()


def other_key() -> signing.Signer:
    return signing.signer(str(pysequoia.Tsk.generate("Evil <evil@example.org>")))


def _with_the_old_signature(bucket: Bucket) -> None:
    bucket.write(HEAD, bucket.forged().encode() + trust.signature_of(bucket.good[HEAD]))


def _without_a_signature(bucket: Bucket) -> None:
    bucket.write(HEAD, bucket.forged().encode())


def _with_a_key_of_their_own(bucket: Bucket) -> None:
    evil = other_key()
    old = Settings.decode(bucket.good[SETTINGS])
    new = replace(old, fingerprints=evil.fingerprints)
    bucket.write(layout.public_key(evil.fingerprints[0]), evil.public_key)
    bucket.sign(SETTINGS, new.encode(), evil)
    bucket.sign(HEAD, bucket.forged().encode(), evil)


def _by_saying_that_it_is_unsigned(bucket: Bucket) -> None:
    new = replace(Settings.decode(bucket.good[SETTINGS]), fingerprints=())
    bucket.write(SETTINGS, new.encode())
    bucket.write(HEAD, bucket.forged().encode())


def _with_another_address(bucket: Bucket) -> None:
    text = trust.signed_text(bucket.good[SETTINGS]).replace(b"packages.example", b"evil.example")
    bucket.write(SETTINGS, text + trust.signature_of(bucket.good[SETTINGS]))


@pytest.mark.parametrize(
    "attack",
    [
        _with_the_old_signature,
        _without_a_signature,
        _with_a_key_of_their_own,
        _by_saying_that_it_is_unsigned,
        _with_another_address,
    ],
)
def test_nobody_signs_what_somebody_without_the_key_has_written(
    bucket, attack: Callable[[Bucket], None]
):
    attack(bucket)
    for words in SIGNING:
        bucket.shell.refused(*words)
    before = bucket.shell.files()
    bucket.shell("repo", "import", "theirs", status=1)
    assert bucket.shell.files() == before
    pin = repositories.signer().fingerprints[0]
    for words in READING:
        bucket.shell.refused(*words, "--signed-by", pin)
    out, _ = bucket.shell("repo", "verify", "--quick", "--signed-by", pin, status=1)
    assert "sign" in out
    if attack not in (_with_a_key_of_their_own, _by_saying_that_it_is_unsigned):
        for words in READING:  # even with nothing at hand but the bucket's own keys
            bucket.shell.refused(*words)


def test_what_the_bucket_vouches_for_itself_is_said(bucket):
    """A key of the attacker's own is all that a reader without a fingerprint sees."""
    for words in (*READING[:2], ("repo", "verify", "--quick")):
        assert "--signed-by FINGERPRINT" in bucket.shell(*words)[1]
        pin = " ".join(repositories.signer().fingerprints).lower()
        assert "--signed-by" not in bucket.shell(*words, PKGREL_SIGNED_BY=pin)[1]
    assert "not a fingerprint" in bucket.shell("repo", "list", "--key", "x", status=2)[1]


def test_going_back(tmp_path):
    """An old state, or another repository's, is the key's own word; what can be known is."""
    bucket = Bucket(tmp_path)
    shell = bucket.shell
    bucket.write(HEAD, bucket.first)
    for words in SIGNING:
        said = shell.refused(*words, "--expect-generation", "2")
        assert "is at generation 1, and not at `2` or later" in said
    (bucket.folder / "repo" / HEAD).unlink()
    assert f"`{HEAD}` is missing, though there have been changes" in shell.refused(*SIGNING[0])
    bucket.restore()
    shell("repo", "sync", "--expect-generation", "2")
    shell("publish", package(tmp_path), "--to", "other")
    bucket.write(HEAD, (tmp_path / "other" / HEAD).read_bytes())
    assert f"{HEAD}: is that of another repository" in shell.refused(*SIGNING[0])
    bucket.restore()
    (bucket.folder / "repo" / SETTINGS).unlink()
    assert f"`{SETTINGS}` is missing" in shell.refused(*SIGNING[0])
    bucket.restore()
    shell("repo", "set", "--description", "new")
    bucket.write(SETTINGS, bucket.good[SETTINGS])
    assert f"{SETTINGS}: is older than those" in shell.refused(*SIGNING[0])


def test_names_of_objects_do_not_reach_the_terminal(bucket):
    bucket.write(".pkgrel/manifests/\x1b[2Jx", b"")
    for _ in range(2):
        out, said = bucket.shell("repo", "gc", "--grace", "0")
        assert "\x1b" not in out + said
        assert "\x1b" not in "".join(bucket.shell("repo", "verify", "--quick"))


def test_a_state_that_is_not_the_one_of_its_name(tmp_path):
    bucket = Bucket(tmp_path)
    state = layout.state_key(1, hashlib.sha256(bucket.first).hexdigest())
    bucket.write(state, bucket.forged().encode())
    assert f"{state}: damaged" in bucket.shell.refused("repo", "rollback")
    assert f"{state}: damaged" in bucket.shell.refused("repo", "gc")


def test_a_repository_that_an_earlier_pkgrel_has_made_is_taken_over_once(tmp_path):
    bucket = Bucket(tmp_path)
    for key, data in bucket.good.items():
        text = json.loads(trust.signed_text(data))
        for name in ("id", "repository", "revision"):
            text.pop(name, None)
        old = json.dumps(text).encode()
        bucket.write(key, old)
    bucket.write(
        layout.state_key(2, hashlib.sha256(bucket.bytes(HEAD)).hexdigest()), bucket.bytes(HEAD)
    )
    shell = bucket.shell
    for words in SIGNING:
        assert "`pkgrel repo sync --adopt`" in shell.refused(*words)
    out, said = shell("repo", "verify", status=1)
    assert f"`{SETTINGS}` is not signed" in out
    assert f"`{HEAD}` is not signed" in out
    assert "`pkgrel repo sync --adopt`" in said
    before = shell.files()
    out, _ = shell("repo", "sync", "--adopt", "--dry-run")
    assert "stable debian12 hello 2.0.0-1~debian12 amd64\n" in out
    assert shell.files() == before
    shell("repo", "sync", "--adopt")
    shell("repo", "verify", "--signed-by", repositories.signer().fingerprints[0])
    shell("repo", "rollback")
    shell("publish", tmp_path / "new.deb")
    shell("repo", "verify")


def test_jobs_have_one_key_or_the_other_while_it_changes(tmp_path):
    shell, old, new = Shell(tmp_path), repositories.key(), openpgp_keys.secret("ed25519")
    shell("publish", package(tmp_path))
    lost = shell.refused("repo", "set", "--new-key", PKGREL_SIGNING_KEY=new)
    assert "--adopt" in lost
    both = tmp_path / "both.asc"
    both.write_text(f"{old}\n{Path(new).read_text() if Path(new).exists() else new}")
    shell("repo", "set", "--new-key", PKGREL_SIGNING_KEY=str(both))
    for number, key in enumerate((old, new, both, new, old)):
        shell("publish", package(tmp_path, f"p{number}"), PKGREL_SIGNING_KEY=str(key))
        for name in (old, new):
            fingerprint = signing.signer(name).fingerprints[0]
            shell("repo", "list", "--signed-by", fingerprint)
    said = shell.refused("repo", "set", "--description", "x", PKGREL_SIGNING_KEY=new)
    assert "signed by all its keys" in said
    shell("repo", "set", "--new-key", PKGREL_SIGNING_KEY=new)
    shell.refused("publish", package(tmp_path, "late"), PKGREL_SIGNING_KEY=old)
    shell("publish", package(tmp_path, "late"), PKGREL_SIGNING_KEY=new)
    shell("repo", "verify")


# A gpg that signs badly ---------------------------------------------------------------------------

_GPG = """#!{python}
import os, re, subprocess, sys
done = subprocess.run([{gpg!r}, *sys.argv[1:]], stdin=sys.stdin, stdout=subprocess.PIPE, close_fds=False)
out = done.stdout
signs = {{"--clearsign", "--detach-sign"}} & set(sys.argv)
with open({count!r}, "a+") as file:
    if signs:
        file.write("x")
    file.flush()
    number = os.path.getsize({count!r})
if signs and {when}:
    kind = {kinds!r}[number // 2 % {length}]
    if kind == "text":
        out = out.replace(b"Origin", b"origin") if "--clearsign" in signs else out[:40] + out
    elif kind == "cut":
        out = out[:-60]
    elif kind == "noise":
        out = b"gpg: warning\\n" + out
    elif kind == "integer" and "--detach-sign" in signs:  # has a zero in front
        bits = int.from_bytes(out[-386:-384], "big") + 8
        body = out[3:-386] + bits.to_bytes(2, "big") + b"\\0" + out[-384:]
        out = out[:1] + len(body).to_bytes(2, "big") + body
    elif kind == "integer":
        out = re.sub(rb"(?m)^[A-Za-z0-9+/]{{64}}$", lambda m: m[0][::-1], out)
    elif kind == "nothing":
        out = b""
sys.stdout.buffer.write(out)
sys.exit(done.returncode)
"""
_KINDS = ("integer", "text", "cut", "noise", "nothing")


@pytest.fixture
def faulty(tmp_path, monkeypatch) -> Iterator[Callable[..., None]]:
    """Puts a gpg in front of the real one, which signs badly `when` it says."""
    real, folder = shutil.which("gpg"), tmp_path / "bin"
    folder.mkdir()

    def install(when: str, kinds: tuple[str, ...] = _KINDS) -> None:
        count = tmp_path / "signatures"
        count.unlink(missing_ok=True)
        values = {"python": sys.executable, "gpg": real, "count": str(count), "when": when}
        script = _GPG.format(**values, kinds=kinds, length=len(kinds))
        (folder / "gpg").write_text(script)
        (folder / "gpg").chmod(0o755)

    with openpgp_keys.gpg_home() as home:
        monkeypatch.setenv("GNUPGHOME", str(home))
        yield install


@pytest.fixture
def by_gpg(tmp_path, faulty) -> Shell:
    shell = Shell(tmp_path)
    shell.environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "GNUPGHOME": os.environ["GNUPGHOME"],
        "PKGREL_GPG_KEY": "rsa@example.org",
    }
    return shell


@pytest.mark.parametrize("kind", _KINDS)
def test_nothing_is_published_with_a_bad_signature(by_gpg, faulty, tmp_path, kind):
    files = repositories.pair(tmp_path)
    faulty("False")
    by_gpg("repo", "init", "--url", repositories.URL)
    by_gpg("publish", *files)
    faulty("True", (kind,))
    rpm = package(tmp_path, version="3.0.0", revision="1.el9")
    before = rpm.read_bytes()
    for words in (
        ("publish", package(tmp_path, version="2.0.0")),
        ("publish", package(tmp_path, version="2.0.0", revision="1.el9")),
        ("publish", package(tmp_path, version="2.0.0", revision="1.el9"), "--no-sign-packages"),
        ("repo", "set", "--description", "x"),
        ("sign", rpm),
    ):
        said = by_gpg(*words, status=1)[1]
        error, hint = (line for line in said.splitlines() if "uploaded" not in line)
        assert "makes signatures that nobody would accept" in error
        assert hint.startswith(" hint: ")
    assert rpm.read_bytes() == before
    there = store(tmp_path)
    assert Head.decode(there.get(HEAD).data).generation == 1
    faulty("False")
    out, _ = by_gpg("repo", "verify", PKGREL_GPG_KEY="")
    assert out == ""


def test_a_signature_that_is_bad_at_times_is_made_again(by_gpg, faulty, tmp_path):
    faulty("number % 2")
    by_gpg("repo", "init", "--url", repositories.URL)
    for version in ("1.0.0", "2.0.0"):
        by_gpg("publish", *repositories.pair(tmp_path, version))
    assert (tmp_path / "signatures").stat().st_size >= 16
    by_gpg("repo", "verify", PKGREL_GPG_KEY="")
    public = signing.signer(openpgp_keys.secret("rsa")).public_key
    for rpm in (tmp_path / "repo/rpm").rglob("*.rpm"):
        with rpm.open("rb") as source:
            verify_rpm(source, public)
