"""Signatures against the programs that will read them: gpgv, and apt's sqv."""

import base64
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest

from pkgrel import distro, signing
from pkgrel.errors import SigningError
from tests import openpgp_keys, suite_root
from tests.openpgp_keys import PASSPHRASE, folder, secret

RELEASE = b"Origin: Example\nLabel: Example\n- dashes\n\nDate: Sat, 21 Nov 2026 00:00:00 UTC\n"
GOOD = ["rsa", "rsa2048", "ed25519", "p256", "subkey", "exported-subkey", "locked"]


def key_of(name: str) -> signing.Signer:
    return signing.signer(secret(name), PASSPHRASE if name == "locked" else None)


def fingerprint(name: str) -> str:
    """Of the primary key, as gpg says it."""
    command = ["gpg", "--with-colons", "--show-keys", folder() / f"{name}.pub"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr"))


def gpgv(tmp_path: Path, keys: bytes, *files: Path) -> "subprocess.CompletedProcess[str]":
    keyring = tmp_path / "keyring.gpg"
    keyring.write_bytes(keys)
    command = ["gpgv", "--status-fd", "1", "--keyring", keyring, *files]
    return subprocess.run(command, capture_output=True, text=True, errors="replace")


def written(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def says(error: pytest.ExceptionInfo[SigningError]) -> str:
    """The message, which is of one line and has a hint."""
    message = str(error.value)
    assert "\n" not in message
    assert error.value.hint
    return message


@pytest.mark.parametrize("name", GOOD)
def test_gpgv_accepts_every_kind_of_signature(tmp_path, name):
    key = key_of(name)
    clear = written(tmp_path, "InRelease", key.clear(RELEASE))
    release = written(tmp_path, "Release", RELEASE)
    armored = written(tmp_path, "Release.gpg", key.detached(RELEASE))
    (packet,) = key.detached_binary(RELEASE)
    binary = written(tmp_path, "Release.sig", packet)
    for files in ([clear], [armored, release], [binary, release]):
        done = gpgv(tmp_path, key.public_key_binary, *files)
        assert done.returncode == 0, done.stderr
        assert "VALIDSIG" in done.stdout
    written(tmp_path, "Release", RELEASE.replace(b"Origin", b"origin"))
    assert gpgv(tmp_path, key.public_key_binary, armored, release).returncode != 0


def test_the_text_in_the_clear_is_the_text(tmp_path):
    clear = written(tmp_path, "InRelease", key_of("rsa").clear(RELEASE))
    keyring = written(tmp_path, "keyring.gpg", key_of("rsa").public_key_binary)
    command = ["gpgv", "--keyring", keyring, "--output", "-", clear]
    assert subprocess.run(command, capture_output=True, check=True).stdout == RELEASE
    assert signing.verify_clear(clear.read_bytes(), key_of("rsa").public_key).text == RELEASE


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_sqv_accepts_what_check_lets_through(tmp_path, suite):
    """And with two keys it is content with one that it knows."""
    keys = {name: key_of(name) for name in GOOD if name != "rsa2048"}
    keys["two"] = signing.combine(keys["rsa"], keys["ed25519"])
    written(tmp_path, "Release", RELEASE)
    script = ""
    for name, key in keys.items():
        signing.check(key, distro.select(["debian13", "debian14"]))
        written(tmp_path, f"{name}.pub", key.public_key)
        written(tmp_path, f"{name}.gpg", key.public_key_binary)
        written(tmp_path, f"{name}.sig", key.detached(RELEASE))
        for keyring in (f"{name}.pub", f"{name}.gpg"):
            script += f"sqv --keyring {keyring} --signature-file {name}.sig Release\n"
    for known in ("rsa", "ed25519"):
        script += f"sqv --keyring {known}.pub --signature-file two.sig Release\n"
    said = suite_root.ok(suite, f"cd /srv\n{script}", tmp_path)
    assert said.splitlines().count(fingerprint("ed25519")) == 2 + 2 + 1


def test_two_keys_for_a_while(tmp_path):
    old, new = key_of("rsa"), key_of("ed25519")
    both = signing.combine(old, new)
    assert both.fingerprints == (fingerprint("rsa"), fingerprint("ed25519"))
    clear = both.clear(RELEASE)
    release = written(tmp_path, "Release", RELEASE)
    for files in (
        [written(tmp_path, "InRelease", clear)],
        [written(tmp_path, "Release.gpg", both.detached(RELEASE)), release],
    ):
        done = gpgv(tmp_path, both.public_key_binary, *files)
        assert done.returncode == 0
        assert done.stdout.count("VALIDSIG") == 2
        # apt counts each signature, where gpgv itself fails at a key that it does not know.
        assert gpgv(tmp_path, old.public_key_binary, *files).stdout.count("VALIDSIG") == 1
    assert clear.count(b"BEGIN PGP SIGNATURE") == 1
    for key in (old, new):
        assert signing.verify_clear(clear, key.public_key).fingerprint == key.fingerprints[0]
        assert signing.verify(RELEASE, both.detached(RELEASE), key.public_key)


def test_public_keys_are_only_the_owner_s(tmp_path):
    key = key_of("rsa")
    for data in (key.public_key, key.public_key_binary):
        file = written(tmp_path, "key", data)
        command = ["gpg", "--list-packets", file]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # One of the owner's; somebody else has signed it, too.
        assert said.count(":signature packet:") == 1
        assert ":secret key packet:" not in said
    assert b"\r" not in key.public_key
    vouched = (folder() / "rsa.pub").read_bytes()
    assert len(vouched) > len(key.public_key)


@pytest.mark.parametrize("several", ["rsa", "two"])
def test_rpm_and_gpg_import_the_public_keys(tmp_path, several):
    key = key_of("rsa")
    if several == "two":
        key = signing.combine(key, key_of("ed25519"))
    file = written(tmp_path, "RPM-GPG-KEY", key.public_key)
    database = ["--dbpath", str(tmp_path / "rpm")]
    subprocess.run(["rpmkeys", *database, "--import", file], check=True)
    query = ["rpm", *database, "-qa", "gpg-pubkey*"]
    imported = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    assert len(imported.split()) == len(key.fingerprints)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    said = subprocess.run(
        ["gpg", "--no-autostart", "--homedir", home, "--import", file],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert f"Total number processed: {len(key.fingerprints)}" in said


FORMS = {
    "file": lambda text: secret("ed25519"),
    "text": lambda text: text,
    "dos": lambda text: text.replace("\n", "\r\n"),
    "blanks around": lambda text: f"\n  {text}\n\n",
    "escaped line ends": lambda text: text.replace("\n", "\\n"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(text.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_taken_in_every_form_in_which_secrets_come(form):
    text = Path(secret("ed25519")).read_text()
    assert signing.signer(FORMS[form](text)).fingerprints == (fingerprint("ed25519"),)


def test_several_keys_in_one_secret():
    both = Path(secret("rsa")).read_text() + Path(secret("ed25519")).read_text()
    assert len(signing.signer(both).detached_binary(b"x")) == 2


def no_file(tmp_path: Path) -> str:
    return str(tmp_path / "missing.asc")


def no_key(tmp_path: Path) -> str:
    return str(written(tmp_path, "notes.txt", b"not a key\n"))


def half(tmp_path: Path) -> str:
    return str(written(tmp_path, "half.asc", Path(secret("rsa")).read_bytes()[:900]))


def public(tmp_path: Path) -> str:
    return str(folder() / "rsa.pub")


def a_folder(tmp_path: Path) -> str:
    return str(tmp_path)


def nothing(tmp_path: Path) -> str:
    return ""


@pytest.mark.parametrize(
    ("make", "passphrase", "message"),
    [
        (no_file, None, "missing.asc: there is no such file"),
        (no_key, None, "notes.txt: the key cannot be read"),
        (half, None, "half.asc: the key cannot be read"),
        (public, None, "rsa.pub: key * is a public key"),
        (a_folder, None, ": Is a directory"),
        (nothing, None, "there is no key to sign with"),
        (lambda _: secret("locked"), None, "locked.asc: key * needs a passphrase"),
        (lambda _: secret("locked"), "wrong", "the passphrase of key * is wrong"),
        (lambda _: secret("locked"), "", "locked.asc: key * needs a passphrase"),
        (lambda _: secret("expired"), None, "key * expired on 2020-12-31"),
        (lambda _: secret("certifying"), None, "key * has no secret key that may sign"),
        (lambda _: secret("sha1"), None, "bound to its owner with SHA1"),
        (lambda _: secret("rsa1024"), None, "key * has only 1024 bits"),
    ],
)
def test_a_key_that_cannot_sign(tmp_path, make, passphrase, message):
    with pytest.raises(SigningError) as error:
        signing.signer(make(tmp_path), passphrase)
    said = says(error)
    for part in message.split("*"):
        assert part in said


@pytest.mark.parametrize("spoil", [lambda t: t[:-40], lambda t: "!" + t, lambda t: t + "="])
def test_no_message_has_the_key_in_it(spoil):
    text = Path(secret("ed25519")).read_text()
    for form in (text, base64.b64encode(text.encode()).decode(), text.replace("\n", "\\n")):
        try:
            signing.signer(spoil(form))
        except SigningError as error:
            shown = f"{error} {error.hint}"
            assert not any(form[i : i + 12] in shown for i in range(40, len(form) - 12, 12))


CHECKS = {
    "rsa": [],
    "rsa2048": [],
    "ed25519": ["el7", "el8", "amzn2", "leap15", "sles15"],
    "p256": ["ubuntu24", "el7", "el8", "el9", "amzn2", "amzn2023", "leap15", "sles15"],
    "subkey": ["el7", "amzn2"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_target_refuses_is_refused(name):
    key = key_of(name)
    refusing = []
    for row in distro.distros().values():
        try:
            signing.check(key, [row])
        except SigningError as error:
            refusing += [row.id] if row.id in str(error) else ["something else"]
    assert refusing == CHECKS[name]
    if CHECKS[name]:
        with pytest.raises(SigningError) as error:
            signing.check(key, distro.distros().values())
        assert ", ".join(CHECKS[name]) in says(error)


def test_short_and_old_kinds_of_keys():
    (warning,) = signing.check(key_of("rsa2048"), distro.select(["debian13"]))
    assert "2048 bits" in warning
    assert signing.check(key_of("rsa"), distro.distros().values()) == ()
    with pytest.raises(SigningError) as error:
        signing.check(signing.signer(secret("dsa")), distro.select(["debian12"]))
    assert "DSA" in says(error)


@pytest.mark.parametrize(
    ("name", "curve"), [("brainpool", "brainpoolP256r1"), ("secp256k1", "secp256k1")]
)
def test_a_curve_that_only_gpg_reads(name, curve):
    with pytest.raises(SigningError, match=f"is on the curve {curve}, which neither apt"):
        signing.signer(secret(name))


def test_a_key_that_expires_soon(tmp_path):
    with openpgp_keys.gpg_home() as home:
        rsa = fingerprint("rsa")
        openpgp_keys.gpg(home, "--quick-set-expire", rsa, "seconds=86400")
        soon = openpgp_keys.gpg(home, "--armor", "--export-secret-keys", rsa).decode()
    (warning,) = signing.check(signing.signer(soon), distro.select(["debian12"]))
    assert "expires on" in warning
    assert "--quick-set-expire" in warning


@pytest.mark.parametrize("name", ["expired", "sha1"])
def test_the_remedy_of_a_hint_works(name):
    """The gpg command that the message names mends the key."""
    with pytest.raises(SigningError) as error:
        signing.signer(secret(name))
    (command,) = re.findall(r"`gpg ([^`]*)`", error.value.hint or "")
    with openpgp_keys.gpg_home() as home:
        openpgp_keys.gpg(home, *command.split())
        mended = openpgp_keys.gpg(home, "--armor", "--export-secret-keys", fingerprint(name))
    key = signing.signer(mended.decode())
    assert signing.check(key, distro.select(["debian13", "el10"])) == ()


@pytest.mark.parametrize("name", ["rsa1024", "p256"])
def test_the_key_that_a_hint_makes_is_for_every_distro(name):
    with pytest.raises(SigningError) as error:
        signing.check(signing.signer(secret(name)), distro.distros().values())
    (command,) = re.findall(r"`gpg ([^`]*)`", error.value.hint or "")
    words = shlex.split(command)
    assert words[1] == "NAME <ADDRESS>"
    words[1] = "Ours <ours@example.org>"
    with openpgp_keys.gpg_home() as home:
        openpgp_keys.gpg(home, "--passphrase", "", *words)
        made = openpgp_keys.gpg(home, "--armor", "--export-secret-keys", "ours@example.org")
    assert signing.check(signing.signer(made.decode()), distro.distros().values()) == ()


def test_a_subkey_that_only_old_distros_take():
    """EL 9 does not import a key if one subkey is bound with SHA-1, even one that does not sign."""
    with openpgp_keys.gpg_home() as home:
        rsa, sha1 = fingerprint("rsa"), ("--passphrase", "", "--cert-digest-algo", "SHA1")
        openpgp_keys.gpg(home, *sha1, "--quick-add-key", rsa, "cv25519", "encr", "never")
        key = signing.signer(
            openpgp_keys.gpg(home, "--armor", "--export-secret-keys", rsa).decode()
        )
        assert signing.check(key, distro.select(["debian13", "el8", "el10"])) == ()
        with pytest.raises(SigningError) as error:
            signing.check(key, distro.select(["el9"]))
        assert "el9 cannot read signatures of a key with a subkey" in says(error)
        openpgp_keys.gpg(home, "--quick-set-expire", rsa, "never", "*")
        key = signing.signer(
            openpgp_keys.gpg(home, "--armor", "--export-secret-keys", rsa).decode()
        )
    assert signing.check(key, distro.select(["el9"])) == ()


def test_a_key_with_critical_parts():
    """As sq makes them; unpatched rpms of SUSE do not import such a key, and say nothing of why."""
    from pysequoia import CipherSuite, Tsk

    made = str(Tsk.generate("Ann <ann@example.org>", cipher_suite=CipherSuite.RSA3k))
    assert signing.check(signing.signer(made), distro.select(["debian13", "el9"])) == ()
    (warning,) = signing.check(signing.signer(made), distro.select(["el9", "leap15", "sles15"]))
    assert "leap15, sles15 cannot import it" in warning


def test_a_key_of_a_new_version_of_openpgp():
    from pysequoia import Profile, Tsk

    for profile, message in ((Profile.RFC9580, "version 6"), (Profile.RFC4880, "no user ID")):
        key = signing.signer(str(Tsk.generate(profile=profile)))
        with pytest.raises(SigningError) as error:
            signing.check(key, distro.select(["debian13"]))
        assert message in says(error)


def test_verification(tmp_path):
    key, other = key_of("subkey"), key_of("ed25519")
    signature = key.detached(RELEASE)
    both = key.public_key + other.public_key
    assert signing.verify(RELEASE, signature, both) == fingerprint("subkey")
    for data, by, known in (
        (RELEASE + b"x", signature, key.public_key),
        (RELEASE, signature, other.public_key),
        (RELEASE, other.detached(RELEASE), key.public_key),
        (RELEASE, b"no signature", key.public_key),
        (RELEASE, b"", key.public_key),
        (RELEASE, key.public_key, key.public_key),
    ):
        with pytest.raises(SigningError) as error:
            signing.verify(data, by, known)
        says(error)
    clear = key.clear(RELEASE)
    for document in (clear.replace(b"Origin", b"origin"), RELEASE, b""):
        with pytest.raises(SigningError):
            signing.verify_clear(document, both)
    with pytest.raises(SigningError):
        signing.verify_clear(clear, other.public_key)


class TestGpg:
    """Keys that only gpg can use."""

    @pytest.fixture(autouse=True)
    def home(self):
        with openpgp_keys.gpg_home() as home, pytest.MonkeyPatch.context() as patch:
            patch.setenv("GNUPGHOME", str(home))
            patch.delenv("GPG_TTY", raising=False)
            yield home

    @pytest.mark.parametrize("name", ["rsa", "ed25519", "subkey"])
    def test_signs(self, tmp_path, name):
        key = signing.signer(gpg_key=f"{name}@example.org")
        assert key.fingerprints == (fingerprint(name),)
        assert signing.check(key, distro.select(["debian13", "el10"])) == ()
        assert signing.verify(RELEASE, key.detached(RELEASE), key.public_key) == fingerprint(name)
        clear = written(tmp_path, "InRelease", key.clear(RELEASE))
        assert gpgv(tmp_path, key.public_key_binary, clear).returncode == 0
        # The same key gives the same public key, however it is used.
        assert key.public_key_binary == key_of(name).public_key_binary

    def test_several(self):
        key = signing.signer(gpg_key="rsa@example.org, ed25519@example.org")
        clear = key.clear(RELEASE)
        for name in ("rsa", "ed25519"):
            found = signing.verify_clear(clear, key_of(name).public_key)
            assert found.fingerprint == fingerprint(name)

    def test_passphrase(self):
        with pytest.raises(SigningError) as error:
            signing.signer(gpg_key="locked@example.org", passphrase="wrong").clear(RELEASE)
        assert "passphrase is wrong" in says(error)
        # Nobody is there whom pinentry could ask.
        with pytest.raises(SigningError) as error:
            signing.signer(gpg_key="locked@example.org").clear(RELEASE)
        assert "passphrase" in says(error)
        key = signing.signer(gpg_key="locked@example.org", passphrase=PASSPHRASE)
        assert signing.verify_clear(key.clear(RELEASE), key.public_key).text == RELEASE

    @pytest.mark.parametrize(
        ("id", "message"),
        [
            ("nobody@example.org", "gpg has no key `nobody@example.org`"),
            ("example.org", "several keys"),
            ("expired@example.org", "cannot sign"),
            ("certifying@example.org", "cannot sign"),
            ("rsa@example.org,", "not a list of keys"),
        ],
    )
    def test_no_such_key(self, id, message):
        with pytest.raises(SigningError) as error:
            signing.check(signing.signer(gpg_key=id), ())
        assert message in says(error)

    def test_a_key_bound_with_sha1_is_refused_for_those_who_refuse_it(self):
        key = signing.signer(gpg_key="sha1@example.org")
        (warning,) = signing.check(key, distro.select(["debian12", "ubuntu22", "el8"]))
        assert "SHA-1" in warning
        for name in ("debian13", "debian14", "el9", "el10", "fedora44"):
            with pytest.raises(SigningError) as error:
                signing.check(key, distro.select([name]))
            assert name in says(error)

    def test_without_gpg(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SigningError) as error:
            signing.signer(gpg_key="rsa@example.org")
        assert "needs gpg" in says(error)


def test_gpg_is_not_asked_for_a_key_of_a_file(monkeypatch, tmp_path):
    file = secret("rsa")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GNUPGHOME", str(tmp_path))
    signing.signer(file).clear(RELEASE)
    assert not list(tmp_path.iterdir())


def test_the_page_on_signing_makes_a_key_without_a_terminal(tmp_path: Path) -> None:
    """Its own commands. With nothing in PASSPHRASE no key is made, and no empty file."""
    page = (Path(__file__).parents[1] / "docs/signing.md").read_text()
    block = page.partition("## A key that every distro reads")[2].partition("```console\n")[2]
    script = re.sub(r"(?m)^\$ ", "", block.partition("```")[0]).replace("rsa4096", "rsa3072")
    # gpg's agent listens on a path below it, which may not be long.
    with tempfile.TemporaryDirectory(prefix="gpg-", dir="/tmp") as home:
        environment = {**os.environ, "GNUPGHOME": home}

        def run(**variables: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["setsid", "--wait", "bash", "-c", script],
                cwd=tmp_path,
                env=environment | variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )

        try:
            assert "PASSPHRASE: is empty" in run(PASSPHRASE="").stderr
            assert list(tmp_path.iterdir()) == []
            done = run(PASSPHRASE="a secret")
            key = tmp_path / "signing-key.asc"
            assert key.exists(), done.stderr
            assert key.stat().st_mode & 0o777 == 0o600
            assert "PUBLIC KEY BLOCK" in (tmp_path / "signing-key.pub").read_text()
            with pytest.raises(SigningError):
                signing.signer(key.read_text(), "")
            assert signing.signer(key.read_text(), "a secret").clear(RELEASE)
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
