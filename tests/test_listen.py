"""`[service] listen`: what NAME.socket listens on, and what no host could."""

import pytest

from pkgrel.errors import ConfigError
from tests import unit_file
from tests.test_plan import text
from tests.test_validation import hello, make

__all__ = ["hello", "make"]

SOCKET = "/usr/lib/systemd/system/hello.socket"
SERVICE = "/usr/lib/systemd/system/hello.service"


def test_the_service_needs_its_socket_which_nobody_has_to_enable(make) -> None:
    package = make('listen = ["4000", "[::1]:9000"]\nrequires = ["postgresql.service"]\n')
    socket, service = text(package, SOCKET), text(package, SERVICE)
    assert unit_file.directives(socket, "ListenStream") == ["4000", "[::1]:9000"]
    assert unit_file.directives(service, "Requires") == ["hello.socket postgresql.service"]
    assert "[Install]" not in socket
    # Who stops the service wants nobody to be answered.
    assert unit_file.directives(service, "ExecStopPost") == ["+/usr/libexec/hello/close-socket"]


def test_without_it_there_is_no_socket(make) -> None:
    package = make("")
    assert SOCKET not in {str(entry.path) for entry in package.entries}
    assert unit_file.directives(text(package, SERVICE), "Requires") == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('listen = ["0"]', "0 is not a port"),
        ('listen = ["65536"]', "65536 is not a port"),
        ('listen = ["127.0.0.256:80"]', "127.0.0.256"),
        ('listen = ["[::zz]:80"]', "a port, perhaps with an IP address in front"),
        ('listen = ["[1::2::3]:80"]', "1::2::3"),
        ('listen = ["localhost:80"]', "a port, perhaps with an IP address in front"),
        ('listen = ["/run/hello.sock"]', "a port, perhaps with an IP address in front"),
        ('listen = ["80\\nExecStartPre=/bin/sh"]', "one line"),
        ('listen = ["80", "80"]', "80 and 80 at once"),
        ('listen = ["127.0.0.1:80", "80"]', "127.0.0.1:80 and 80 at once"),
        ('listen = ["[::]:80", "0.0.0.0:80"]', r"\[::\]:80 and 0.0.0.0:80 at once"),
        ('listen = ["80"]\ntype = "forking"', "run_erl"),
        (
            'listen = ["80"]\non-upgrade = "wait"\n[service.ready]\ntcp = 80',
            "accepts connections to it whatever the service does",
        ),
        (
            'listen = ["80"]\n[[unit]]\nname = "hello.socket"\ncontent = "[Socket]\\n"',
            "`listen` of .service. makes hello.socket",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, settings: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make(settings)
    assert caught.value.hint or "one line" in said


def test_addresses_that_go_together(make) -> None:
    make('listen = ["80", "127.0.0.1:81", "[::1]:81", "0.0.0.0:82", "[::1]:82"]')
