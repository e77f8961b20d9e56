"""The command line: a command parses, calls one function, prints its result.

stdout carries only data, everything for people goes to stderr. Exit status: 0 done, 1 a problem
that the user can act on, 2 wrong usage, 70 a bug of pkgrel's (EX_SOFTWARE in sysexits.h).
"""

import atexit
import errno
import gc
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn, TypeGuard

import click

from pkgrel import __version__, console
from pkgrel.cli.group import LazyGroup, usage_problem
from pkgrel.errors import PkgrelError

_COMMANDS = {
    "build": "pkgrel.cli.build",
    "bundle": "pkgrel.cli.bundle",
    "check": "pkgrel.cli.check",
    "completion": "pkgrel.cli.completion",
    "deploy": "pkgrel.cli.deploy",
    "diff": "pkgrel.cli.diff",
    "distros": "pkgrel.cli.distros",
    "doctor": "pkgrel.cli.doctor",
    "fleet": "pkgrel.cli.fleet",
    "images": "pkgrel.cli.images",
    "init": "pkgrel.cli.init",
    "inspect": "pkgrel.cli.inspect",
    "man": "pkgrel.cli.man",
    "nix": "pkgrel.cli.nix",
    "publish": "pkgrel.cli.publish",
    "repo": "pkgrel.cli.repo",
    "schema": "pkgrel.cli.schema",
    "show": "pkgrel.cli.show",
    "sign": "pkgrel.cli.sign",
    "try": "pkgrel.cli.try_",
    "verify": "pkgrel.cli.verify",
}


_EX_SOFTWARE = 70
_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group without a command; click 8.1 prints its help by itself."""

_THE_MACHINE_S = {
    getattr(errno, name)
    for name in """
    EACCES EADDRINUSE EAGAIN EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EDQUOT EEXIST EFBIG EHOSTUNREACH
    EINTR EIO EISDIR ELOOP EMFILE EMLINK ENAMETOOLONG ENETDOWN ENETUNREACH ENFILE ENOENT ENOMEM ENOSPC
    ENOTDIR ENOTEMPTY ENXIO EPERM EROFS ESTALE ETIMEDOUT ETXTBSY EXDEV
    """.split()
    if hasattr(errno, name)
}
"""Errors of disks, networks and permissions. With others we have asked for something senseless."""


class Cli(LazyGroup):
    """Shows errors as `error:` and `hint:`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the whole command line."""
        _leave_garbage()
        words = list(sys.argv[1:] if args is None else args)
        if "_PKGREL_COMPLETE" in os.environ:
            from pkgrel.cli.completion import know_bash

            know_bash()
        # How to say it must be known before anything can be wrong.
        console.manner.as_json = "--json" in words[: words.index("--") if "--" in words else None]
        console.manner.quiet = console.manner.verbose = False
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as e:
            if not standalone_mode:
                raise
            if isinstance(e, _HELP):
                e.show()
            else:
                console.error(usage_problem(e))
            status = e.exit_code
        except click.Abort:
            if not standalone_mode:
                raise
            console.error(PkgrelError("interrupted"))
            status = 1
        except SystemExit as e:  # a signal, or a command that ends with 1
            status = e.code if isinstance(e.code, int) else bool(e.code)
        if standalone_mode:
            _end(int(status) if isinstance(status, int) else 0)
        return status

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        _stop_cleanly()
        try:
            return super().invoke(ctx)
        except PkgrelError as e:
            problem = e
        except BrokenPipeError:
            raise  # click knows what to do when `head` has seen enough
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as e:
            if not _is_the_machine_s(e):
                if ctx.params["debug"]:
                    raise
                console.error(_bug(e))
                return ctx.exit(_EX_SOFTWARE)
            problem = PkgrelError(f"{e.filename or 'pkgrel'}: {e.strerror}")
        console.error(problem)
        return ctx.exit(1)


def _end(status: int) -> NoReturn:
    """Leave the process; at once if it was interrupted while a store takes something: see `repository.threads`."""
    # The name is that of repository.threads.NAME, which would take time to import.
    if any(thread.name.startswith("pkgrel-upload") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _is_the_machine_s(problem: Exception) -> TypeGuard[OSError]:
    """Whether it is a full disk, a folder without permission and the like, and so the user's to mend."""
    return isinstance(problem, OSError) and problem.errno in _THE_MACHINE_S


def _bug(problem: Exception) -> PkgrelError:
    what = f"{type(problem).__name__}: {problem}".strip(": ")
    version = f"pkgrel {__version__}, Python {sys.version.split()[0]}, {sys.platform}"
    return PkgrelError(
        f"this is a bug of pkgrel's, and not your mistake: {what}",
        hint=f"run the command again as `pkgrel --debug …` and report what it prints ({version})",
    )


def _leave_garbage() -> None:
    """Collect rarely, and not at the end: a command is over before its garbage matters."""
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _stop_cleanly() -> None:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does, so that no temporary file stays."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has only the first
        if number := getattr(signal, name, None):
            signal.signal(number, lambda number, frame: sys.exit(128 + number))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"pkgrel, version {__version__}")
    if {"-v", "--verbose"} & {*sys.argv[1:]}:
        from contextlib import suppress
        from importlib.metadata import PackageNotFoundError, requires, version

        click.echo(f"Python {sys.version.split()[0]}, {sys.platform}, {sys.executable}")
        for line in requires("pkgrel") or ():
            name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
            if "extra ==" not in line:
                with suppress(PackageNotFoundError):
                    click.echo(f"{name} {version(name)}")
    ctx.exit()


@click.group(
    cls=Cli,
    modules=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PKGREL"},
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    allow_from_autoenv=False,  # PKGREL_VERSION may well be a job's own
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit; with --verbose, what it runs with.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of a bug.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
def main(debug: bool, quiet: bool, verbose: bool) -> None:
    """Make native .deb and .rpm packages from Erlang and Elixir releases.

    \b
    MIX_ENV=prod mix release
    pkgrel init
    pkgrel build _build/prod/hello-1.0.0.tar.gz --distro debian12 --distro el10
    pkgrel publish dist/* --to s3://packages.example.org
    """
    console.manner.quiet = console.manner.quiet or quiet
    console.manner.verbose = console.manner.verbose or verbose
