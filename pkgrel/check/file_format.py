"""Rules about the file itself: whether the distro's package tools can read it, and trust it."""

from collections.abc import Iterator

from pkgrel.artifact.readers import unreadable
from pkgrel.check.subject import Hit, Rule, Severity, Subject
from pkgrel.distro import Format
from pkgrel.errors import SigningError

_MD5 = 1
_FILEDIGESTALGO = 5011


def _compression(subject: Subject) -> Iterator[Hit]:
    distro, used = subject.distro, subject.artifact.compression
    if distro and used == "zstd" and distro.compression != "zstd":
        yield (
            "payload",
            f"is compressed with zstd, which {distro.tool} of {distro.title} cannot read",
        )


def _format(subject: Subject) -> Iterator[Hit]:
    distro = subject.distro
    if distro and distro.format is Format.RPM and (problem := unreadable(subject.artifact, distro)):
        what, _ = problem
        if "zstd" not in what and "SHA-256" not in what:  # which have rules of their own
            yield "header", what


def _digests(subject: Subject) -> Iterator[Hit]:
    header = subject.artifact.header
    if header is None:
        return
    for what in ("header SHA256", "payload SHA256"):
        if what not in subject.artifact.digests:
            yield "header", f"has no {what}: hosts in FIPS mode refuse the package"
    if subject.files and header.number(_FILEDIGESTALGO, _MD5) == _MD5:
        yield "header", "has MD5 digests of its files: hosts in FIPS mode refuse the package"


def _signature(subject: Subject) -> Iterator[Hit]:
    """For an .rpm only: apt trusts the signature of the repository, not that of a .deb."""
    if not subject.key:
        return
    from pkgrel.signing import rpm

    with subject.artifact.file.open("rb") as source:
        try:
            rpm.verify(source, subject.key)
        except SigningError as e:
            yield "header", str(e).removeprefix("the package").removeprefix("'s").strip()


def _unread(subject: Subject) -> Iterator[Hit]:
    for path in subject.contents.unread:
        yield path, "was not looked into: the package unpacks to too much"


RULES = (
    Rule(
        "compression",
        Severity.ERROR,
        "deb(5); rpm-payloadflags(7)",
        "compress it with xz, or gzip",
        _compression,
    ),
    Rule(
        "package-format",
        Severity.ERROR,
        "docs/manual/format_v6.md of rpm 6.0, measured with rpm 4.18 and 4.20",
        "build it with `%_rpmformat 4`",
        _format,
        formats=(Format.RPM,),
    ),
    Rule(
        "weak-digests",
        Severity.ERROR,
        "%_pkgverify_level in macros.in, docs/manual/format_v4.md of rpm 4.20",
        "build it with a tool that writes SHA-256 everywhere",
        _digests,
    ),
    Rule(
        "signature",
        Severity.ERROR,
        "rpmkeys(8); only with a key to check against",
        "sign it with `pkgrel sign`, or find out who has changed it",
        _signature,
        formats=(Format.RPM,),
    ),
    Rule("unread", Severity.WARNING, "pkgrel", "look at the file yourself", _unread),
)
