"""`pkgrel doctor`: which tools for building, signing, publishing and trying this machine has, and which it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pkgrel.console import one_line
from pkgrel.errors import PkgrelError


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a command needs."""

    purpose: str
    """The command, with an option if only that needs it: `build --builder host`."""
    what: str
    found: bool
    detail: str
    """A version or an address, or why it cannot be used."""
    remedy: str
    """The remedy; empty if none is needed."""


def examine_machine() -> Iterator[Need]:
    """Check everything, without changing anything, and without a network except to the Docker daemon."""
    python = sys.version.split()[0]
    yield Need("build SOURCE.tar.gz, check, show, diff", "Python", True, python, "")
    yield _docker()
    for program, purpose, remedy in _PROGRAMS:
        yield _program(program, purpose, remedy)
    yield _key()
    yield _store()


def _docker() -> Need:
    from pkgrel.builder import docker_daemon

    purpose = "build PROJECT, images, try"
    try:
        with docker_daemon.connected() as client:
            about = client.version()
            detail = f"{about['Version']}, {docker_daemon.architecture(client)}"
            return Need(purpose, "Docker daemon", True, detail, "")
    except PkgrelError as e:
        return Need(purpose, "Docker daemon", False, str(e), e.remedy)


_PROGRAMS = (
    # The program, its use, and what to do if it is missing.
    (
        "git",
        "build PROJECT, --version-from git",
        "install git: versions, changelogs and checkouts of projects come from it",
    ),
    (
        "mix",
        "build --builder host",
        "install Elixir, if projects are to be built without Docker",
    ),
    (
        "rebar3",
        "build --builder host",
        "install rebar3, if Erlang projects are to be built without Docker",
    ),
    ("gpg", "--gpg-key", "install gnupg for keys in agents and on cards; keys in files need none"),
    ("visudo", "check", "install sudo, and `check` lets it read sudoers files"),
)


_PATIENCE = 20


def _program(name: str, purpose: str, remedy: str) -> Need:
    path = shutil.which(name)
    if not path:
        return Need(purpose, name, False, "not in PATH", remedy)
    try:
        shown = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        why = f"{path} has not answered within {_PATIENCE} seconds"
        return Need(purpose, name, False, why, "run doctor again when the machine is less busy")
    except OSError as e:
        return Need(purpose, name, False, f"{path}: {e.strerror}", remedy)
    if shown.returncode:
        # For example a shim of asdf or pyenv without a chosen version.
        said = one_line((shown.stderr.strip() or shown.stdout.strip()).partition("\n")[0])
        why = f"{path} fails: {said or f'exit status {shown.returncode}'}"
        return Need(purpose, name, False, why, remedy)
    lines = [line for line in shown.stdout.splitlines() if line.strip()]
    return Need(purpose, name, True, lines[-1 if name == "mix" else 0] if lines else path, "")


def _key() -> Need:
    from pkgrel import signing

    purpose = "publish, repo, sign"
    given = os.environ.get("PKGREL_SIGNING_KEY", "")
    if not given:
        remedy = "set it to a file or to the armored key; docs/signing.md makes one"
        return Need(purpose, "PKGREL_SIGNING_KEY", False, "not set", remedy)
    try:
        signer = signing.signer(given, os.environ.get("PKGREL_SIGNING_PASSPHRASE"))
    except PkgrelError as e:
        return Need(purpose, "PKGREL_SIGNING_KEY", False, str(e), e.remedy)
    return Need(purpose, "PKGREL_SIGNING_KEY", True, ", ".join(signer.fingerprints), "")


_CREDENTIALS = (
    ("S3", ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE")),
    ("GCS", ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT")),
    ("Azure", ("AZURE_STORAGE_ACCOUNT_NAME",)),
)


def _store() -> Need:
    purpose = "publish --to s3://, gs://, az://"
    found = [
        f"{store} ({name})"
        for store, names in _CREDENTIALS
        for name in names
        if os.environ.get(name)
    ]
    if found:
        return Need(purpose, "credentials of a store", True, ", ".join(found), "")
    remedy = "see docs/ci.md for the variables; a directory needs none"
    return Need(purpose, "credentials of a store", False, "no variable is set", remedy)
