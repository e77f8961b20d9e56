"""The command line: a command parses its options, calls one function, and prints the result.

Here are groups that load a command only when it is used, the options of all commands, and usage errors, which look like
any other error: what is wrong, and what to type instead.

Only data are written to stdout; messages go to stderr. Exit status: 0 done, 1 an error that the user can act on,
2 wrong usage, 70 a bug of pkgrel (EX_SOFTWARE in sysexits.h).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import click

from pkgrel import __version__, console
from pkgrel.cli.failures import bug, of_the_machine
from pkgrel.console import manner
from pkgrel.errors import PkgrelError, did_you_mean


class UsageProblem(PkgrelError):
    """The command line is wrong."""


class Group(click.Group):
    """A group whose commands all take `--quiet` and `--verbose`, and that knows `help COMMAND`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `help COMMAND` as `COMMAND --help`."""
        if args[:1] == ["help"] and not ctx.resilient_parsing:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with that name, and the options of all commands."""
        command = self.find(ctx, cmd_name)
        if command and not isinstance(command, click.Group):
            known = {name for option in command.params for name in option.opts}
            command.params += [option for option in _OPTIONS if not known & {*option.opts}]
        return command

    def find(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command with that name, as it was written."""
        return super().get_command(ctx, name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; a usage error with the most similar name if there is none."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and name[:1] != "-":
            names = self.list_commands(ctx)
            wrong = click.UsageError(f"no such command `{name}`", ctx)
            wrong.hint = did_you_mean(  # type: ignore[attr-defined]
                name,
                names,
                otherwise=f"`{ctx.command_path} --help` lists them",
                prefix=f"{ctx.command_path} ",
            )
            raise wrong
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group of the commands in `modules`: a command's name and the module that has it.

    A module has the command as `command`, or under the name behind the colon. What one of them imports costs the others nothing.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of `modules`."""
        return list(self.modules)

    def find(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command with that name, as it was written."""
        if name not in self.modules:
            return None
        module, _, attribute = self.modules[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute or "command")
        return command


def _be_quiet(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    manner.quiet = manner.quiet or wanted


def _be_verbose(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    manner.verbose = manner.verbose or wanted


_OPTIONS = (
    click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_be_quiet,
        help="Say only what is wrong.",
    ),
    click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_be_verbose,
        help="Say more: each step, and what was decided from what.",
    ),
)


def usage_problem(mistake: click.ClickException, typed: str = "pkgrel") -> UsageProblem:
    """click's error in our form: the option or argument, what is wrong with it, and a hint.

    `typed` is the command that was typed, where click does not know it.
    """
    ctx = mistake.ctx if isinstance(mistake, click.UsageError) else None
    path = ctx.command_path if ctx else typed
    hint = getattr(mistake, "hint", None) or f"`{path} --help` shows how it is used"
    match mistake:
        case click.NoSuchOption():
            name = mistake.option_name
            near = did_you_mean(name, _options(ctx), otherwise=f"`{path} --help` lists them")
            return UsageProblem(f"{path}: no such option `{name}`", hint=near)
        case click.BadParameter() if not isinstance(mistake, click.MissingParameter):
            named = mistake.param_hint or (mistake.param and mistake.param.get_error_hint(ctx))
            where = named if isinstance(named, str) else "/".join(named or (path,))
            bare = where.replace("'", "")
            return UsageProblem(f"{bare}: {_ours(mistake.message)}", hint=hint)
        case _:
            return UsageProblem(f"{path}: {_ours(mistake.format_message())}", hint=hint)


def command_path(group: Group, words: Iterable[str]) -> str:
    """The commands at the beginning of the words, as they are typed."""
    path, command, ctx = "pkgrel", group, click.Context(group)
    for word in words:
        if word.startswith("-"):
            continue
        found = command.find(ctx, word)
        if found is None:
            break
        path += f" {word}"
        if not isinstance(found, Group):
            break
        command = found
    return path


def _options(ctx: click.Context | None) -> Iterable[str]:
    if ctx is None:
        return ()
    return [
        name for option in ctx.command.get_params(ctx) for name in option.opts if name[:2] == "--"
    ]


def _ours(text: str) -> str:
    """Without a capital and a full stop, and with values between backquotes."""
    text = text.partition(". Choose from:")[0].strip().removesuffix(".")
    for pattern, ours in _RANGES:
        text = re.sub(pattern, ours, text)
    text = re.sub(r"^(\S+)(?= is not )", lambda found: _quoted(found[1]), text)
    return (text[:1].lower() + text[1:]).replace("'", "`")


_RANGES = (
    (r"is not in the range x>=(\S+)", r"is not \1 or more"),
    (r"is not in the range (\S+)<=x<=(\S+)", r"is not between \1 and \2"),
    (r"is not a valid integer(?: range)?", "is not a whole number"),
    (r"is not a valid float(?: range)?", "is not a number"),
)
"""What click says of numbers, and what people say."""


def _quoted(value: str) -> str:
    return value if value[0] in "`'" else f"`{value}`"


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
        _open_what_is_closed()
        words = list(sys.argv[1:] if args is None else args)
        if "_PKGREL_COMPLETE" in os.environ:
            from pkgrel.cli.completion import know_bash

            know_bash()
        # The form of messages must be known before there can be an error.
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
                console.error(usage_problem(e, command_path(self, words)))
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
            found = of_the_machine(e)
            if found is None:
                if ctx.params["debug"]:
                    raise
                console.error(bug(e))
                return ctx.exit(_EX_SOFTWARE)
            problem = found
        console.error(problem)
        return ctx.exit(1)


def _end(status: int) -> NoReturn:
    """Exit; without waiting if it was interrupted during a write to a store: see `repository.store`."""
    # The name is that of repository.store.THREAD_NAME, which would take time to import.
    if any(thread.name.startswith("pkgrel-upload") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _leave_garbage() -> None:
    """Collect garbage rarely, and not at exit: commands are too short for it to matter."""
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _open_what_is_closed() -> None:
    """Reopen closed standard streams, as under cron or after `>&-`: a file opened later must not get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _stop_cleanly() -> None:
    """Make SIGTERM and SIGHUP end the command as Ctrl-C does, so that temporary files are removed."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has only SIGTERM
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
    allow_from_autoenv=False,  # not from the environment: a job may use PKGREL_VERSION for something else
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
