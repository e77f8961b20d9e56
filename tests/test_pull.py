"""[deploy] `pull`: when a host asks by itself, and which versions it takes."""

import subprocess

import pytest

from pkgrel.errors import ConfigError
from tests.test_plan import text
from tests.test_validation import hello, make

__all__ = ["hello", "make"]

PULL = '[deploy]\npull = "5min"\n'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[deploy]\npull = "5"', "`deploy.pull` must be a time span"),
        ('[deploy]\npull = "0min"', "`deploy.pull` must be a time span"),
        (f'{PULL}jitter = "1min; id"', "`deploy.jitter` must be a time span"),
        (f'{PULL}channel = "stable main"', "`deploy.channel` must be the name of a channel"),
        (f'{PULL}window = "25:00-26:00"', "`deploy.window` must be two times"),
        (f'{PULL}window = "Mon 02:00"', "`deploy.window` must be two times"),
        ('[deploy]\npull = "2h"\nwindow = "23:30-01:00"', "may miss 23:30-01:00"),
        (
            f'{PULL}[[unit]]\nname = "hello-pull.timer"\ncontent = "[Timer]\\n"',
            "`pull` of .deploy. makes hello-pull.timer",
        ),
    ],
)
def test_what_could_not_work_is_refused(make, settings: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(settings)


def test_by_default_no_host_asks(make) -> None:
    assert not [entry.path for entry in make("").entries if "pull" in str(entry.path)]


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        # 2026-11-27 is a Friday.
        ("02:00-05:00", ["2026-11-27 02:00", "2026-11-28 04:59"], ["2026-11-27 01:59", "2026-11-27 05:00"]),
        ("Mon-Fri 09:00-16:30", ["2026-11-27 16:29"], ["2026-11-27 16:30", "2026-11-28 10:00"]),
        ("Sat,Mon 08:08-09:09", ["2026-11-28 09:08", "2026-11-30 08:08"], ["2026-11-29 09:00"]),
        (
            "Fri 22:00-06:00",
            ["2026-11-27 22:00", "2026-11-28 05:59"],
            ["2026-11-27 05:00", "2026-11-28 06:00", "2026-11-28 22:30"],
        ),
        ("Sun-Mon 12:00-12:00", ["2026-11-29 12:00", "2026-12-01 11:59"], ["2026-12-01 12:00"]),
    ],
)  # fmt: skip
def test_a_host_asks_within_its_window(
    make, window: str, inside: list[str], outside: list[str]
) -> None:
    script = text(make(f'{PULL}window = "{window}"'), "/usr/libexec/hello/pull")
    function = script[script.index("in_window() {") : script.index("draw() {")]
    for moment in (*inside, *outside):
        at = f'date() {{ command date --date="{moment}" "$@"; }}\n'
        done = subprocess.run(["dash", "-euc", f"{at}{function}in_window && echo yes || echo no"],
                              capture_output=True, text=True)  # fmt: skip
        assert done.stdout == ("yes\n" if moment in inside else "no\n"), (moment, done.stderr)
