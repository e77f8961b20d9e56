"""`pkgrel show`, `diff`, `check` and `sign`: existing package files, from pkgrel or other tools.

for finding in operations.check(Path("dist/hello_1.0.0-1~debian12_amd64.deb")).findings:
    print(finding.severity, finding.path, finding.what)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pkgrel import artifact, signing
from pkgrel import check as rules
from pkgrel import distro as table
from pkgrel.artifact import Artifact
from pkgrel.artifact.difference import Difference, compare
from pkgrel.artifact.hot_upgrade import HotUpgrade, upgrade_between
from pkgrel.check import Checked
from pkgrel.distro import Distro
from pkgrel.errors import ConfigError, PackageError, SigningError, did_you_mean
from pkgrel.reporter import SILENT, Reporter
from pkgrel.repository.recognition import recognise
from pkgrel.signing import Signer, rpm
from pkgrel.signing.keys import split

_NOT_SIGNED = "apt trusts the signature of the repository, not that of a .deb"
_AR = b"!<arch>\n"


@dataclass(frozen=True, slots=True)
class SignedPackage:
    """A signed .rpm file."""

    file: Path
    signed: bool
    """Whether a signature was added; otherwise there was one already."""


def show(file: Path) -> Artifact:
    """Read a package; PackageError if it is damaged."""
    return artifact.read(file)


def diff(old: Path, new: Path) -> Difference:
    """Compare two packages."""
    return compare(artifact.read(old), artifact.read(new))


def hot_upgrade(old: Path, new: Path) -> HotUpgrade:
    """How an upgrade from one package to the other treats the running system, as far as the packages tell."""
    return upgrade_between(artifact.read(old), artifact.read(new))


def check(
    files: Sequence[Path],
    *,
    distro: str | None = None,
    ignore: Sequence[str] = (),
    key: bytes = b"",
    against: Sequence[Path] = (),
) -> Iterator[Checked]:
    """Check packages; each is yielded as soon as it has been checked.

    `distro` is for packages whose revision does not name it; `ignore` names rules. `key` has public keys, one of
    which should have signed the .rpm files. `against` are packages of the previous version, one for each name,
    format and architecture.
    """
    _refuse_unknown(ignore)
    of = _distro_of(distro)
    if key:
        split(key)  # report a file without keys before packages are read
    before = [artifact.read(file) for file in against]
    return (rules.package(file, of, ignore, key, before) for file in files)


def sign(
    files: Sequence[Path],
    signer: Signer,
    *,
    output: Path | None = None,
    keep: bool = False,
    reporter: Reporter = SILENT,
) -> Iterator[SignedPackage]:
    """Sign .rpm files, in place or into a folder; each is yielded when it is complete.

    A .deb is skipped with a message. `keep` skips files that already have any signature.
    """
    rpms = [file for file in files if not _is_deb(file)]
    if not rpms:
        raise PackageError(
            f"no .rpm is among the packages, and {_NOT_SIGNED}",
            hint="publish .deb files with `pkgrel publish`, which signs the repository",
        )
    for file in files:
        if file not in rpms:
            reporter.warn(f"{file}: left alone: {_NOT_SIGNED}")
    for warning in signing.check(signer, ()):
        reporter.warn(warning)
    if output:
        output.mkdir(parents=True, exist_ok=True)
    for file in rpms:
        target = output / file.name if output else file
        yield SignedPackage(target, rpm.sign(file, signer, target, keep=keep))


def read_public_key(file: Path) -> bytes:
    """Public keys of a file; SigningError, with its name, if there are none."""
    data = file.read_bytes()
    try:
        split(data)
    except SigningError as e:
        raise SigningError(
            f"{file}: {e}", hint="name a file that `gpg --armor --export ID` wrote"
        ) from None
    return data


def _distro_of(name: str | None) -> Callable[[Artifact], Distro | None]:
    """The given distro, or that of a package's revision."""
    if name is None:
        return recognise
    row = table.find(name)

    def named(package: Artifact) -> Distro:
        if package.format is not row.format:
            raise PackageError(
                f"{package.file}: a .{package.format} is not for `{row.id}`",
                hint="leave `--distro` out, or check packages of one format at a time",
            )
        return row

    return named


def _refuse_unknown(ignored: Sequence[str]) -> None:
    known = [rule.id for rule in rules.RULES]
    for name in ignored:
        if name not in known:
            raise ConfigError(
                f"--ignore: there is no rule `{name}`",
                hint=did_you_mean(name, known, otherwise="`pkgrel check --rules` lists them"),
            )


def _is_deb(file: Path) -> bool:
    with file.open("rb") as source:
        return source.read(len(_AR)) == _AR
