"""`pkgrel repo import`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pkgrel import console
from pkgrel.cli.options import (
    channel_option,
    distros_option,
    open_repository,
    sign_packages_option,
    to_option,
)
from pkgrel.cli.outputs import emit
from pkgrel.cli.paths import FilePath
from pkgrel.cli.repo.changes import change_document, change_options, finish

if TYPE_CHECKING:
    from pkgrel.operations.publishing import Imported


@click.command("import")
@click.argument("source", metavar="SOURCE")
@to_option("Ours; made by `pkgrel repo init`.")
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only these; repeats.")
@distros_option("Where neither a suite's name nor a revision says it; repeats.")
@channel_option("--channel", help="Instead of apt's component; of yum's packages.")
@click.option(
    "--public-key",
    type=FilePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="Who must have signed SOURCE.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    metavar="ARCH",
    help="Only packages for it, and those for any; repeats.",
)
@click.option(
    "--skip-broken", is_flag=True, help="Leave out what cannot be imported, with a warning each."
)
@click.option(
    "--from-cert",
    type=FilePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="A client's certificate for SOURCE, PEM.",
)
@click.option(
    "--from-cert-key",
    type=FilePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="Its key, if that is another file.",
)
@click.option(
    "--from-ca",
    type=FilePath(exists=True, dir_okay=False),
    metavar="FILE",
    help="Whose certificates of SOURCE's server are believed.",
)
@click.option("--from-endpoint", metavar="URL", help="Of SOURCE, if it is S3-compatible too.")
@click.option(
    "--replace", is_flag=True, help="Import other contents of a version that is there already."
)
@sign_packages_option
@change_options
def command(
    source: str,
    url: str,
    suites: tuple[str, ...],
    distros: tuple[str, ...],
    channel: str | None,
    public_key: Path | None,
    architectures: tuple[str, ...],
    skip_broken: bool,
    from_cert: Path | None,
    from_cert_key: Path | None,
    from_ca: Path | None,
    from_endpoint: str | None,
    replace: bool,
    sign_packages: bool,
    **values: Any,
) -> None:
    """Import the packages of a repository of another tool.

    SOURCE is the folder or the http(s)://, ssh://, s3://, gs:// or az:// URL that has `dists` or `repodata` in
    it. A suite with a distro's codename becomes that distro, a component a channel. Every hash is
    checked; what is here already stays as it is. SOURCE is only read. Advisories of yum come along.

    A private SOURCE is told who asks by ~/.netrc, by https://USER:TOKEN@HOST/PATH, by PKGREL_FROM_HEADERS
    (`Authorization: Bearer TOKEN`, one header a line), or by a certificate.

    \b
    pkgrel repo import s3://old.example.org --to s3://packages.example.org
    pkgrel repo import https://old.example.org/el9 --distro el9 --channel stable --dry-run
    """
    from pkgrel.cli.terminal import Terminal
    from pkgrel.operations.publishing import import_packages
    from pkgrel.repository.imports import Access, read_headers
    from pkgrel.repository.store.opening import Options

    repository = open_repository(url, values)
    endpoint, region = from_endpoint or values["endpoint"] or "", values["region"] or ""
    done = import_packages(
        repository,
        source,
        store=Options(endpoint=endpoint, region=region),
        suites=suites,
        distros=distros,
        channel=channel,
        public_key=public_key.read_bytes() if public_key else None,
        architectures=architectures,
        access=Access(
            read_headers(os.environ.get("PKGREL_FROM_HEADERS", "")),
            from_cert,
            from_cert_key,
            from_ca,
        ),
        replace=replace,
        sign_packages=sign_packages,
        skip_broken=skip_broken,
        dry_run=values["dry_run"],
        reporter=Terminal(),
    )
    if values["dry_run"]:
        _show(done, as_json=values["as_json"])
    else:
        finish(repository, done.outcome, values)


def _show(done: Imported, *, as_json: bool) -> None:
    """Print the packages that would be imported, in the same form as an import."""
    rows = [
        {
            "channel": place.channel,
            "distro": place.distro,
            "format": place.format,
            "name": each.package.name,
            "version": each.package.version,
            "architecture": each.package.architecture,
            "path": each.package.path,
            "size": each.package.sum.size,
            "sha256": each.package.sha256,
        }
        for each in done.chosen
        for place in each.places
    ]
    if as_json:
        emit(change_document(done.outcome.generation, added=rows, dry_run=True))
        return
    for r in rows:
        console.out(
            f"+ {r['channel']} {r['distro']} {r['name']} {r['version']} {r['architecture']}"
        )
    console.note("nothing was changed: --dry-run" if rows else "nothing to do")
