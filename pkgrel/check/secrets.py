"""Rules about secrets that everybody who gets the package could read."""

import re
from collections.abc import Iterator

from pkgrel.check.subject import Hit, Rule, Severity, Subject
from pkgrel.check.units import units_of
from pkgrel.secrecy import secret_in_unit

_COOKIE_FILE = re.compile(r".*/(releases/COOKIE|\.erlang\.cookie)")
_VM_ARGS = re.compile(r".*\.args(\.src|\.orig)?")
_SET_COOKIE = re.compile(r"^[ \t]*-setcookie[ \t]+(?![\"']?\$)\S", re.MULTILINE)
_COOKIE_VARIABLE = re.compile(
    r"^[ \t]*(?:export[ \t]+)?RELEASE_COOKIE=(?![\"']?[$`]|[\"']?\s*$)\S", re.MULTILINE
)
_PRIVATE_KEY = re.compile(
    r"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*$", re.MULTILINE
)
_ENV_FILE = re.compile(r"\.env(\.(?!example$|sample$|template$)[\w-]+)?")

_SETTINGS = re.compile(r".*\.(config|src|args|exs|env|ini|conf|toml|ya?ml|json|sh|service)|/etc/.*")
_WORD = "secret_key_base|secret|passw(?:or)?d|api_?key|access_?key|private_?key|auth_?token"
# {secret_key_base,<<"…">>}; password => "…", SECRET='…', "api_key": "…"
_SECRET = re.compile(
    rf"(?P<name>{_WORD})\b[\"']?\s*(?P<sign>,|=>|[:=])\s*(?:<<)?"
    r"(?P<quote>[\"'])(?![$<{%])[^\s\"']{8,}(?P=quote)",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(\{\s{0,9})?([\w-]{0,32})$")
"""The beginning of a name, and of an Erlang tuple. Not in the pattern, which would try it everywhere."""
# In shells and units: DB_PASSWORD=…, Environment=DB_PASSWORD=…
_VARIABLE = re.compile(
    r"^[ \t]*(?:export[ \t]+|Environment=)?[\"']?"
    r"([A-Z0-9_]{0,32}(?:SECRET_KEY_BASE|SECRET|PASSW(?:OR)?D|API_?KEY|ACCESS_?KEY|AUTH_?TOKEN))"
    r"=[\"']?(?![$<{%])[^\s\"'$]{8,}[\"']?[ \t]*$",
    re.MULTILINE,
)
# The user before it is what a URL with a password is known by; Phoenix's own example has USER:PASS.
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,16}://)[\w.%-]{1,64}:(?!(?i:pass(?:word)?)@)[^\s:/@\"'$#{}<>]{3,99}@"
)
_OTHERS_READ = 0o004


def _cookie_files(subject: Subject) -> Iterator[Hit]:
    for entry in subject.files:
        if _COOKIE_FILE.fullmatch(str(entry.path)):
            yield entry.path, "is the cookie of every host that installs the package"


def _cookie_settings(subject: Subject) -> Iterator[Hit]:
    for entry, text in subject.texts():
        if _VM_ARGS.fullmatch(entry.path.name) and _SET_COOKIE.search(text):
            yield entry.path, "sets the cookie (`-setcookie`), the same on every host"
        elif _in_release(subject, entry.path) and _COOKIE_VARIABLE.search(text):
            yield entry.path, "sets RELEASE_COOKIE, the same on every host"


def _in_release(subject: Subject, path: object) -> bool:
    return any(str(path).startswith(f"{root}/releases/") for root in subject.releases)


def _private_keys(subject: Subject) -> Iterator[Hit]:
    for entry, text in subject.texts():
        if _PRIVATE_KEY.search(text):
            yield entry.path, "has a private key, which whoever has the package has too"


def _env_files(subject: Subject) -> Iterator[Hit]:
    for entry in subject.files:
        if _ENV_FILE.fullmatch(entry.path.name):
            yield entry.path, "is an environment of a developer's machine"


def _readable_secrets(subject: Subject) -> Iterator[Hit]:
    in_units = {entry.path for entry, _ in units_of(subject)}
    for entry, text in subject.texts():
        if entry.path in in_units:
            continue
        if not entry.mode & _OTHERS_READ or not _SETTINGS.fullmatch(str(entry.path)):
            continue
        if secret := _secret(text):
            what = f"has {secret} and can be read by every user (mode {entry.mode:04o})"
            yield entry.path, what


def _unit_secrets(subject: Subject) -> Iterator[Hit]:
    """Whatever the unit's mode: systemd shows it to every user."""
    for entry, _ in units_of(subject):
        text = subject.text(entry.path)
        if what := secret_in_unit(text) or _secret(text):
            yield entry.path, f"has {what}, which `systemctl show` tells every user"


def _secret(text: str) -> str:
    """The kind of secret, without its value; empty for none."""
    for found in _SECRET.finditer(text):
        before = _BEFORE.search(text, max(0, found.start() - 48), found.start())
        if before and (before[1] or found["sign"] != ","):
            return f"a value for `{before[2]}{found['name']}`"
    if variable := _VARIABLE.search(text):
        return f"a value for `{variable[1]}`"
    url = _URL.search(text)
    return f"a `{url[1]}` URL with a password" if url else ""


RULES = (
    Rule(
        "cookie-file",
        Severity.ERROR,
        "Erlang/OTP Reference Manual, Distributed Erlang, Security",
        "leave it out and let each host make its own",
        _cookie_files,
    ),
    Rule(
        "cookie-setting",
        Severity.ERROR,
        "Erlang/OTP Reference Manual, Distributed Erlang, Security",
        "remove it and let each host make its own",
        _cookie_settings,
    ),
    Rule(
        "private-key",
        Severity.ERROR,
        "RFC 7468, section 10",
        "leave it out, and name a file of the host in the settings",
        _private_keys,
    ),
    Rule(
        "env-file",
        Severity.ERROR,
        "The Twelve-Factor App, III. Config",
        "leave it out; settings belong in a file of the host that the unit names",
        _env_files,
    ),
    Rule(
        "readable-secret",
        Severity.ERROR,
        "CWE-732, Incorrect Permission Assignment for Critical Resource",
        "give it mode 0640 and the service's group, or read the value from the environment",
        _readable_secrets,
    ),
    Rule(
        "unit-secret",
        Severity.ERROR,
        "systemd.exec(5), Environment=",
        "name a file of the host that only root can write and others cannot read: EnvironmentFile= or LoadCredential=",
        _unit_secrets,
    ),
)
