"""Tests that hosts made from one image, as in a fleet, share no secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from pkgrel.artifact import Kind
from pkgrel.distro import Format, unsupported
from pkgrel.secrecy import named_like_a_secret, secret, secret_in
from pkgrel.trial import package_manager
from pkgrel.trial.host import Ran
from pkgrel.trial.trial import Failed, Trial


@dataclass(frozen=True, slots=True)
class Clones:
    """What was found in an image and on two hosts made from it."""

    shared: tuple[str, ...]
    """Files of the image that contain secrets, each with the reason."""
    secrets: tuple[frozenset[str], ...] = ()
    """The secrets of each host after its first boot."""


def start_clones(trial: Trial) -> Clones:
    """Install the package into an image, as builders of machine images do, and boot two hosts of it.

    Does not touch the trial's host, so it can run in parallel.
    """
    template = package_manager.words(trial.distro).anyhow
    with trial.machines.installed(
        [each.file for each in (trial.artifact, *trial.beside)],
        lambda *paths: f": >{_BEGUN}; {package_manager.command(template, *paths)}",
    ) as (machines, run):
        if shared := tuple(_in_image(trial, run)):
            return Clones(shared)
        file = quote(_generated(trial))
        # The first start of the service generates the secrets.
        wait = f"timeout 30 sh -c 'until test -s {file}; do sleep 0.1; done'; grep -o '=.*' {file}"
        with machines.boot() as one, machines.boot() as two:
            seen = [frozenset(host.run(wait).output.split()) for host in (one, two)]
    return Clones((), tuple(seen))


def secrets(trial: Trial) -> str:
    """The secrets of two hosts made from one image, and of the trial's host, differ."""
    for entry in trial.artifact.entries:
        if (
            entry.kind is Kind.FILE
            and not entry.mode & 0o004
            and named_like_a_secret(entry.path.name)
        ):
            raise Failed(
                f"the package itself has {entry.path}, which nobody else may read, and so all hosts have the same"
            )
    if not trial.unit:
        return "the package makes none"
    found = trial.clones.result() if trial.clones else start_clones(trial)
    if found.shared:
        raise Failed(
            f"an image with it has {found.shared[0]}, and so all hosts made from it have the same",
            Ran("find / -newer what was there before", 0, "\n".join(found.shared)),
        )
    if not trial.run(f"test -s {quote(_generated(trial))}"):
        return "the package makes none"
    own = trial.run(f"grep -o '=.*' {quote(_generated(trial))}").output.split()
    seen = [*found.secrets, frozenset(own)]
    if not all(seen):
        raise Failed("a host made from an image has no secrets after its first boot")
    if same := (seen[0] & seen[1]) | (seen[0] & seen[2]) | (seen[1] & seen[2]):
        raise Failed(f"{len(same)} secrets are the same on two hosts")
    return f"{len(seen[0])} differ between three hosts, two of them of one image"


def _generated(trial: Trial) -> str:
    return f"/etc/{trial.name}/secrets"


_BEGUN = "/root/image.begun"
"""Created just before the installation."""

_MARK = "--- pkgrel"

# Files of package managers, systemd and accounts, and files that other packages generate.
_OTHERS = re.compile(
    r"/(var/(lib/(dpkg|apt|rpm|dnf|zypp|systemd|ucf)|cache|log)|usr/lib/sysimage|proc|sys|dev|run|tmp|root/image)\b"
    r"|/etc/(g?shadow|passwd|group|sub[ug]id|machine-id|ld\.so|ssh/ssh_host|ssl/certs)"
)
_MOST = 200
"""How many files are read at most."""
_VALUE = re.compile(r"^[ \t]*(?:export\s+)?[\"']?([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*(.+)$", re.MULTILINE)  # fmt: skip


def _in_image(trial: Trial, run: Callable[[str], Ran]) -> Iterator[str]:
    """Files that maintainer scripts created or changed and that contain a secret, each with the reason."""
    listed, verify = _questions(trial)
    made = f"find / -xdev -type f -size +0 -cnewer {_BEGUN} -printf '%m %p\\n'"
    shown = run(f"{made}; echo {_MARK}; {verify}; echo {_MARK}; {listed}")
    parts = shown.output.split(f"{_MARK}\n")
    if len(parts) != 3:
        raise Failed("the image with it cannot be looked through", shown)
    found, changed, packaged = parts
    # After the usrmerge, the same file also has a path below /usr.
    of_packages = {way for path in packaged.splitlines() for way in (path, f"/usr{path}")}
    edited = {line.split()[-1] for line in changed.splitlines() if line.startswith(("?", "S", "."))}
    own = [f"/etc/{each.name}/environment" for each in (trial.artifact, *trial.beside)]
    to_read = []
    for line in found.splitlines():
        mode, _, path = line.partition(" ")
        if _OTHERS.match(path) or path in of_packages - edited:
            continue
        if path not in (*own, *edited) and not int(mode, 8) & 0o004:
            yield f"{path}, which nobody else may read"
        elif path not in edited and named_like_a_secret(PurePosixPath(path).name):
            yield f"{path}, by its name a secret"
        else:
            to_read.append(path)
    if not to_read:
        return
    paths = " ".join(quote(path) for path in to_read[:_MOST])
    contents = run(f"for path in {paths}; do printf '\\0%s\\n' $path; head -c 65536 $path; done")
    for part in contents.output.split("\0")[1:]:
        path, _, text = part.partition("\n")
        values = (secret(name, value.strip("\"' ,")) for name, value in _VALUE.findall(text))
        if what := secret_in(text) or next(filter(None, values), ""):
            yield f"{path} with {what}"


def _questions(trial: Trial) -> tuple[str, str]:
    """Commands that list the files of all packages, and those of this package that differ from the packaged ones."""
    name = quote(trial.name)
    match trial.artifact.format:
        case Format.DEB:
            return "cat /var/lib/dpkg/info/*.list", f"dpkg --verify {name}"
        case Format.RPM:
            return "rpm --query --all --list", f"rpm --verify {name}"
        case other:
            raise unsupported(other)
