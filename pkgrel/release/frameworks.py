"""Settings that an application's libraries call for: commented lines for a first pkgrel.toml.

Source: Phoenix's "Deploying with releases"; Ecto.Adapters; Oban, `shutdown_grace_period`; libcluster and dns_cluster.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """Lines for projects with one of these applications."""

    applications: tuple[str, ...]
    """The first that is found gives the name."""
    explanation: tuple[str, str]
    """`{}` stands for that name."""
    settings: tuple[str, ...]
    """Lines of [service], or, if the first is in brackets, a table."""


_NAMES = {
    "phoenix": "Phoenix",
    "bandit": "Bandit",
    "plug_cowboy": "Cowboy",
    "cowboy": "Cowboy",
    "oban": "Oban",
    "postgrex": "Ecto with PostgreSQL",
    "myxql": "Ecto with MySQL",
    "tds": "Ecto with SQL Server",
    "ecto_sqlite3": "Ecto with SQLite",
    "exqlite": "SQLite",
}

ADVICE = (
    Advice(
        ("phoenix", "bandit", "plug_cowboy", "cowboy"),
        (
            "{} listens on a port: an upgrade can wait until it does, and fail if it never does.",
            "It must be the port that the host has in PORT; `ready.http` asks for a page instead.",
        ),
        ('on-upgrade = "wait"', "ready.tcp = 4000"),
    ),
    Advice(
        ("postgrex", "myxql", "tds"),
        (
            "{}: where the database is differs between hosts, and its password is secret:",
            "`NAME config set DATABASE_URL` on each. On the same host it should be there before the service is.",
        ),
        ('after = ["network.target", "postgresql.service"]',),
    ),
    Advice(
        ("ecto_sqlite3", "exqlite"),
        (
            "{}: without another word DATABASE_PATH is a file in /var/lib/NAME, where upgrades keep it.",
            "Elsewhere it has to be writable for the service:",
        ),
        ('read-write-paths = ["/srv/data"]',),
    ),
    Advice(
        ("oban",),
        (
            "{} lets the jobs that run come to an end when the service stops, for 15 s unless it is told otherwise.",
            "After these seconds systemd kills it: let there be more of them than in `shutdown_grace_period`.",
        ),
        ("timeout-stop-sec = 60",),
    ),
    Advice(
        ("libcluster", "dns_cluster"),
        (
            "{}: nodes that shall meet need a port that the others reach, and one cookie for all of them, which is",
            "RELEASE_COOKIE: `NAME config set RELEASE_COOKIE` on each. By default distribution is for the host alone.",
        ),
        ("[distribution]", 'reach = "cluster"', "port = 23456"),
    ),
)

_LOCKED = re.compile(r'^  "([a-z]\w{0,63})": \{|^[ \[]?\{<<"([a-z]\w{0,63})">>,', re.MULTILINE)
_ASKED = re.compile(r"\{:([a-z]\w{0,63}),")


def advice(applications: Collection[str], *, relx: bool) -> tuple[list[str], list[str]]:
    """Comments for [service], and for further tables."""
    service: list[str] = []
    tables: list[str] = []
    for row in ADVICE:
        found = next((name for name in row.applications if name in applications), "")
        if found:
            into = tables if row.settings[0].startswith("[") else service
            into += ["", *_lines(row, _NAMES.get(found, found))]
    if relx:
        tables += ["", *_RELX]
    return service, tables


_RELX = (
    "# relx: with this `config/sys.config` is /etc/NAME/sys.config on the host, for the administrator to edit.",
    "# `sys.config.src` and `vm.args.src` have variables instead, which `NAME config set` writes.",
    "# [configuration]",
    "# sys-config = true",
)


def _lines(row: Advice, name: str) -> Iterator[str]:
    yield from (f"# {text.format(name)}" for text in row.explanation)
    yield from (f"# {text}" for text in row.settings)


def of_project(*files: str) -> set[str]:
    """Applications named in these texts of mix.exs, mix.lock, rebar.config or rebar.lock."""
    found = {name for text in files for pair in _LOCKED.findall(text) for name in pair if name}
    return found | {name for text in files for name in _ASKED.findall(text)}
