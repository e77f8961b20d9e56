"""What a test asks about an installed service."""

import json

from tests.acceptance.hosts import Host


def starts(host: Host, name: str = "hello") -> int:
    """How often systemd has started the service since the host booted, crashes included."""
    log = host.run(f"journalctl --sync && journalctl UNIT={name}.service --output=json")
    messages = (json.loads(line) for line in log.splitlines())
    return len({message["INVOCATION_ID"] for message in messages if "INVOCATION_ID" in message})


def value(host: Host, key: str, name: str = "hello") -> str:
    """A property of the service, as `systemctl show` says it."""
    return host.run(f"systemctl show --value --property={key} {name}").strip()


def main_process(host: Host, name: str = "hello") -> list[str]:
    """User and program of the service's main process."""
    return host.run(f"ps --no-headers -o user:32,comm -p {value(host, 'MainPID', name)}").split()
