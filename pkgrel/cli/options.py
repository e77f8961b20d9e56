"""Arguments and options that several commands share, and the conversion of their values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pkgrel.cli import candidates
from pkgrel.cli.paths import FilePath, refuse_empty

if TYPE_CHECKING:
    from pkgrel.repository.state import Repository
    from pkgrel.repository.store.opening import Options
    from pkgrel.signing import Signer


F = TypeVar("F", bound=Callable[..., Any])


def separate(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The values of an option that may be repeated, or that has several separated by commas."""
    found = tuple(name for words in given for name in words.split(",") if name)
    if given and not found:
        refuse_empty(param, ctx)
    return found


STATEMENTS = ".intoto.jsonl"
"""How the names end of what lies beside packages: see `signing.statement`, which is not loaded for it."""


def packages_alone(
    _: click.Context, __: click.Parameter, given: tuple[Path, ...]
) -> tuple[Path, ...]:
    """The packages without the statements beside them, which `dist/*` matches as well."""
    found = tuple(path for path in given if not path.name.endswith(STATEMENTS))
    if given and not found:
        raise click.BadParameter("statements about packages alone, and no package")
    return found


def there(_: click.Context, __: click.Parameter, source: Path) -> Path:
    """The release or project; an error if it does not exist, with a hint for a tarball that was not written."""
    if not source.exists():
        from pkgrel.errors import ReleaseError
        from pkgrel.release import hints  # imported here: it takes time, and most exist

        unpacked = source.parent / "rel" / source.name.partition("-")[0]
        raise ReleaseError(
            f"`{source}` is not there",
            hint=f"`{unpacked}` will do as well; `steps: [:assemble, :tar]` in mix.exs makes the tarball"
            if unpacked.is_dir()
            else hints.FOLDER,
        )
    return source


def distro_option(command: F) -> F:
    """Which distros; `distros` has the names."""
    return click.option(
        "--distro",
        "distros",
        multiple=True,
        required=True,
        metavar="ID",
        callback=separate,
        shell_complete=candidates.distros_or_all,
        help="Target, such as debian12, jammy, el10; repeat it, or say `el9,el10` or `all`.",
    )(command)


def config_option(command: F) -> F:
    """Which pkgrel.toml; `config_file` has its path, see `settings.document`."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=FilePath(exists=True, dir_okay=False),
        help="Settings; by default the pkgrel.toml of this folder or of one above it.",
    )(command)


DEFAULT = "./repo"
"""The repository if none is named."""


def repository_argument(command: F) -> F:
    """The repository, first among the arguments."""
    return click.argument(
        "url",
        metavar="[REPOSITORY]",
        default=DEFAULT,
        envvar="PKGREL_REPO",
        shell_complete=candidates.repositories,
    )(command)


def words(metavar: str) -> Callable[[F], F]:
    """`[REPOSITORY]` and what `metavar` says, as one tuple; `split` takes it apart."""
    return click.argument(
        "words",
        metavar=f"[REPOSITORY] {metavar}",
        nargs=-1,
        required=True,
        shell_complete=candidates.repository_name_version,
    )


def is_repository(word: str) -> bool:
    """Whether the word names a repository rather than a package."""
    return "/" in word or Path(word, ".pkgrel").is_dir()


def split(
    ctx: click.Context, words: Sequence[str], fewest: int, most: int
) -> tuple[str, list[str]]:
    """The repository, and the other words.

    The first word is a repository if it is a URL, has a slash, or is the folder of one; otherwise the
    repository is PKGREL_REPO, or ./repo.
    """
    rest = list(words)
    url = os.environ.get("PKGREL_REPO") or DEFAULT
    if len(rest) > most or is_repository(rest[0]):
        url = rest.pop(0)
    if not fewest <= len(rest) <= most:
        raise click.UsageError(f"wrong number of arguments: {' '.join(words)}", ctx)
    return url, rest


def to_option(help: str) -> Callable[[F], F]:
    """The repository, where the arguments are something else; `url` has it."""
    return click.option(
        "--to",
        "url",
        metavar="REPOSITORY",
        default=DEFAULT,
        show_default=True,
        envvar="PKGREL_REPO",
        shell_complete=candidates.repositories,
        help=help,
    )


def channel_option(
    *names: str, default: str | None = None, help: str | None = None, metavar: str = "NAME"
) -> Callable[[F], F]:
    """A channel, offered by the shell."""
    return click.option(
        *names,
        metavar=metavar,
        default=default,
        show_default=bool(default),
        help=help,
        shell_complete=candidates.channels,
    )


def distros_option(help: str = "Only these; repeats.") -> Callable[[F], F]:
    """Several distros; `distros` has the names."""
    return click.option(
        "--distro",
        "distros",
        multiple=True,
        metavar="ID",
        callback=separate,
        shell_complete=candidates.distros,
        help=help,
    )


def sign_packages_option(command: F) -> F:
    """Whether packages are signed and not the indices alone."""
    return click.option(
        "--sign-packages/--no-sign-packages", default=True, help="Add our signature to .rpm files."
    )(command)


_STORE = (
    click.option(
        "--endpoint",
        metavar="URL",
        envvar=("PKGREL_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        help="Of an S3-compatible service.",
    ),
    click.option(
        "--region",
        metavar="NAME",
        envvar=("AWS_REGION", "AWS_DEFAULT_REGION"),
        help="Of the bucket.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0.1, 3600),
        default=20.0,
        show_default=True,
        metavar="SECONDS",
        envvar="PKGREL_TIMEOUT",
        help="How long a bucket may take to answer until it is asked again.",
    ),
)
_WRITING = (
    click.option(
        "--encryption",
        type=click.Choice(["AES256", "aws:kms", "aws:kms:dsse"]),
        help="Server-side encryption of what is written.",
    ),
    click.option("--kms-key", metavar="ID", help="The key for aws:kms."),
    click.option(
        "--storage-class",
        metavar="NAME",
        help="Of what is written, such as INTELLIGENT_TIERING.",
    ),
)
_SIGNING = (
    click.option(
        "--signing-key",
        metavar="FILE",
        envvar="PKGREL_SIGNING_KEY",
        help="The secret key: a file, or the armored key itself; PKGREL_SIGNING_KEY.",
    ),
    click.option(
        "--signing-passphrase",
        envvar="PKGREL_SIGNING_PASSPHRASE",
        help="The passphrase of the secret key.",
        hidden=True,
    ),
    click.option(
        "--gpg-key",
        metavar="ID",
        envvar="PKGREL_GPG_KEY",
        help="Sign with gpg instead: agents and cards.",
    ),
)


def reading_options(command: F) -> F:
    """Options for a store that is only read; `store_given` converts them."""
    return together(command, _STORE)


def store_options(command: F) -> F:
    """Options for a store that is written to; `store_given` converts them."""
    return together(command, (*_STORE, *_WRITING))


def signing_options(command: F) -> F:
    """Options for the signing key; `signer_given` converts them."""
    return together(command, _SIGNING)


def signed_by_option(command: F) -> F:
    """The key that must have signed the repository, for commands that do not sign."""
    return click.option(
        "--signed-by",
        "--key",
        "signed_by",
        metavar="FINGERPRINT",
        envvar="PKGREL_SIGNED_BY",
        callback=fingerprint_given,
        help="Of the key that must have signed the repository; PKGREL_SIGNED_BY.",
    )(command)


def expect_generation_option(command: F) -> F:
    """What a job knows of the past."""
    return click.option(
        "--expect-generation",
        type=click.IntRange(0),
        metavar="N",
        envvar="PKGREL_EXPECT_GENERATION",
        help="Refuse a repository that has gone back to before this generation.",
    )(command)


def fingerprint_given(_: click.Context, option: click.Parameter, text: str | None) -> str:
    """A fingerprint without spaces; empty if there is none."""
    wanted = "".join((text or "").split()).upper()
    if wanted and not re.fullmatch("[0-9A-F]{40}|[0-9A-F]{64}", wanted):
        raise click.BadParameter(
            f"`{text}` is not a fingerprint of 40 or 64 hexadecimal digits", param=option
        )
    return wanted


def together(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """The command with all the options, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def dry_run_option(command: F) -> F:
    """Only show what would change."""
    return click.option(
        "--dry-run", is_flag=True, help="Show what would change, and change nothing."
    )(command)


def json_option(command: F) -> F:
    """For programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def store_given(values: Mapping[str, Any]) -> Options:
    """How to reach the store, as the options say."""
    from pkgrel.repository.store.opening import Options

    names = ("endpoint", "region", "encryption", "kms_key", "storage_class", "timeout")
    given: dict[str, Any] = {name: values[name] for name in names if values.get(name)}
    return Options(**given)


def signer_given(values: Mapping[str, Any]) -> Signer | None:
    """The key that the options name, if any."""
    key, gpg_key = values.get("signing_key"), values.get("gpg_key")
    if not key and not gpg_key:
        return None
    from pkgrel import signing

    return signing.signer(key or None, values.get("signing_passphrase") or None, gpg_key or None)


def open_repository(url: str, values: Mapping[str, Any], *, tolerant: bool = False) -> Repository:
    """The repository, with its settings and the key; if `tolerant`, what is not signed is only noted."""
    from pkgrel.operations import repositories

    return repositories.open_repository(
        url,
        store=store_given(values),
        signer=signer_given(values),
        signed_by=values.get("signed_by") or "",
        expect_generation=values.get("expect_generation") or 0,
        tolerant=tolerant,
    )
