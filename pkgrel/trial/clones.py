"""Hosts that are made from one image, as those of a fleet are: no secret of theirs may come out of the image."""

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
    """What two hosts have that were made from one image."""

    shared: tuple[str, ...]
    """Files of the image that have secrets in them, each with what tells so."""
    secrets: tuple[frozenset[str], ...] = ()
    """Of each host, once it has booted."""


def start_clones(trial: Trial) -> Clones:
    """Install it into an image before any host of that boots, as images of machines are made, and boot two.

    It needs nothing of the trial's own host, so it may be done meanwhile.
    """
    template = package_manager.words(trial.distro).anyhow
    with trial.machines.installed(
        [each.file for each in (trial.artifact, *trial.beside)],
        lambda *paths: f": >{_BEGUN}; {package_manager.command(template, *paths)}",
    ) as (machines, run):
        if shared := tuple(_in_image(trial, run)):
            return Clones(shared)
        file = quote(_generated(trial))
        # Theirs are made by the first start of the service.
        wait = f"timeout 30 sh -c 'until test -s {file}; do sleep 0.1; done'; grep -o '=.*' {file}"
        with machines.boot() as one, machines.boot() as two:
            seen = [frozenset(host.run(wait).output.split()) for host in (one, two)]
    return Clones((), tuple(seen))


def secrets(trial: Trial) -> str:
    """Two hosts made from one image have secrets of their own, and so has this one."""
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
"""As old as the installation."""

_MARK = "--- pkgrel"

# The package managers', systemd's, the accounts', and what other packages make for themselves.
_OTHERS = re.compile(
    r"/(var/(lib/(dpkg|apt|rpm|dnf|zypp|systemd|ucf)|cache|log)|usr/lib/sysimage|proc|sys|dev|run|tmp|root/image)\b"
    r"|/etc/(g?shadow|passwd|group|sub[ug]id|machine-id|ld\.so|ssh/ssh_host|ssl/certs)"
)
_MOST = 200
"""Files whose contents are read."""
_VALUE = re.compile(r"^[ \t]*(?:export\s+)?[\"']?([A-Za-z][\w.-]*)[\"']?\s*[=:]\s*(.+)$", re.MULTILINE)  # fmt: skip


def _in_image(trial: Trial, run: Callable[[str], Ran]) -> Iterator[str]:
    """Files that scripts have made or changed, with what tells that there is a secret in them."""
    listed, verify = _questions(trial)
    made = f"find / -xdev -type f -size +0 -cnewer {_BEGUN} -printf '%m %p\\n'"
    shown = run(f"{made}; echo {_MARK}; {verify}; echo {_MARK}; {listed}")
    parts = shown.output.split(f"{_MARK}\n")
    if len(parts) != 3:
        raise Failed("the image with it cannot be looked through", shown)
    found, changed, packaged = parts
    # A merged distro has another path for it.
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
    """What lists the files of all packages, and what those of this one that are not as packaged."""
    name = quote(trial.name)
    match trial.artifact.format:
        case Format.DEB:
            return "cat /var/lib/dpkg/info/*.list", f"dpkg --verify {name}"
        case Format.RPM:
            return "rpm --query --all --list", f"rpm --verify {name}"
        case other:
            raise unsupported(other)
