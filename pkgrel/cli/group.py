"""Groups of commands that are loaded when one is asked for, with the options that all have, and wrong usage.

A mistake in usage looks like any other error: what is wrong, and what to type instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import click

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
        """The command with that name, with what all have."""
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
        """The command that the first word names; an error with the nearest one if none is called so."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and name[0] != "-":
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

    Each module has the command as `command`. What one of them imports costs the others nothing.
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
        command: click.Command = importlib.import_module(self.modules[name]).command
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


def usage_problem(mistake: click.ClickException) -> UsageProblem:
    """The mistake in our words: which option or argument, what is wrong with it, what to do."""
    ctx = mistake.ctx if isinstance(mistake, click.UsageError) else None
    path = ctx.command_path if ctx else "pkgrel"
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


def _options(ctx: click.Context | None) -> Iterable[str]:
    if ctx is None:
        return ()
    return [
        name for option in ctx.command.get_params(ctx) for name in option.opts if name[:2] == "--"
    ]


def _ours(text: str) -> str:
    """Without a capital and a full stop, and with values between backquotes."""
    text = text.strip().removesuffix(".")
    return (text[:1].lower() + text[1:]).replace("'", "`")
