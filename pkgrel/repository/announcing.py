"""Tells others that something was published: a CDN, or a command of the user's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from pkgrel.errors import RepositoryError
from pkgrel.repository.layout import Place
from pkgrel.repository.page import INDEX
from pkgrel.repository.record import Record
from pkgrel.repository.state import Change
from pkgrel.repository.store import Store

_LONGEST = 100_000
"""Characters of a variable: Linux takes 128 KiB."""
_PATHS = 3000
"""What CloudFront takes at once."""


def announce(
    store: Store,
    pointers: Sequence[str],
    *,
    changes: Sequence[Change] = (),
    command: str | None,
    cloudfront: str | None,
) -> None:
    """Run the command and invalidate the pointers, if any have changed."""
    if not pointers:
        return
    if cloudfront:
        _invalidate(cloudfront, pointers)
    if command:
        variables = {
            "PKGREL_REPO": store.url,
            "PKGREL_POINTERS": "\n".join(pointers),
            "PKGREL_ADDED": _lines((c.place, r) for c in changes for r in c.added),
            "PKGREL_REMOVED": _lines((c.place, r) for c in changes for r in c.removed),
        }
        _run(command, {name: text[:_LONGEST] for name, text in variables.items()})


def _lines(packages: Iterable[tuple[Place, Record]]) -> str:
    """A package a line, in the order in which a shell's `read` wants its words."""
    return "\n".join(
        f"{record.name} {record.version} {record.architecture} {place.distro} {place.channel}"
        for place, record in packages
    )


def _run(command: str, variables: dict[str, str]) -> None:
    # stdout is for our own data.
    done = subprocess.run(command, shell=True, check=False, stdout=2, env=os.environ | variables)
    if done.returncode:
        raise RepositoryError(
            f"everything is published, but the command `{command}` failed with status {done.returncode}",
            hint="run it by hand",
        )


def _invalidate(distribution: str, pointers: Sequence[str]) -> None:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise RepositoryError(
            "everything is published, but CloudFront needs boto3", hint="install pkgrel[aws]"
        ) from None
    paths = [f"/{quote(key)}" for key in pointers][:_PATHS]
    if INDEX in pointers:
        paths = ["/", *paths[: _PATHS - 1]]  # where people see it
    try:
        # It is one service for all regions.
        boto3.client("cloudfront", region_name="us-east-1").create_invalidation(
            DistributionId=distribution,
            InvalidationBatch={
                "Paths": {"Quantity": len(paths), "Items": paths},
                "CallerReference": f"pkgrel-{time.time_ns()}",
            },
        )
    except (BotoCoreError, ClientError) as e:
        raise RepositoryError(
            f"everything is published, but CloudFront `{distribution}` was not told: {e}",
            hint="give the role cloudfront:CreateInvalidation, and name the distribution's id",
        ) from e
