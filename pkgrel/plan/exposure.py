"""Refuses secrets in settings that everybody on the host can read: units are world-readable, and
`systemctl show` tells them to every user.

Source: systemd.exec(5), Environment=: "not suitable for passing secrets"; proc(5), cmdline.
"""

from collections.abc import Iterator, Mapping

from pkgrel.config.model import Config
from pkgrel.errors import ConfigError
from pkgrel.plan.inputs import Inputs
from pkgrel.plan.layout import Layout
from pkgrel.secrecy import secret, secret_in_command, secret_in_unit


def refuse_exposed(inputs: Inputs) -> None:
    """ConfigError for the first secret in [service] or [commands]."""
    for key, value in inputs.config.service.environment.items():
        _refuse(f"service.environment.{key}", secret(key, value), inputs.layout)
    for key, text in _commands(inputs.config):
        _refuse(key, secret_in_command(text), inputs.layout)


def refuse_exposed_unit(text: str, where: str, layout: Layout) -> None:
    """ConfigError for a secret in a unit or drop-in of the user's."""
    _refuse(where, secret_in_unit(text), layout)


def _commands(config: Config) -> Iterator[tuple[str, str]]:
    service = config.service
    for key, texts in (("command", service.command), ("exec-start-pre", service.exec_start_pre)):
        for number, text in enumerate(texts):
            yield f"service.{key}[{number}]", text
    yield "service.wrap", service.wrap
    yield "service.ready.http", service.ready.http
    yield "service.ready.rpc", service.ready.rpc
    tables: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("service.sandbox", service.sandbox),
        ("commands", config.commands),
    )
    for table, values in tables:
        for name, text in values.items():
            yield f"{table}.{name}", text


def _refuse(where: str, what: str, layout: Layout) -> None:
    if what:
        raise ConfigError(
            f"`{where}` has {what}, and everybody on the host could read it",
            hint=f"`generate` in [secrets] makes one for each host; others belong into {layout.etc}/environment "
            "on the host, into [service.credentials] or [helpers.ssm]",
        )
