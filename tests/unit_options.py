"""Combinations of what pkgrel.toml can say about a service, for tests that let systemd judge them."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Choose = Callable[[list[Any]], Any]
"""Picks one; `random.Random(1).choice` or a hypothesis draw."""

OMITTED = object()

SERVICE: dict[str, list[Any]] = {
    "type": ["auto", "exec", "simple", "notify", "forking"],
    "hardening": ["off", "baseline", "strict", "chroot"],
    "low-ports": [True, False],
    "wrap": ["/usr/bin/env EXTRA=1"],
    "exec-start-pre": [["/usr/bin/true"], ["-/usr/bin/false", "+/usr/bin/touch {{ state }}/x"]],
    "environment-files": [["-{{ etc }}/extra"], ["-/etc/default/hello", "-/run/hello-extra"]],
    "working-directory": ["/", "{{ root }}"],
    "description": ['100% "quoted" \\ description', "Grüße $HOME"],
    "umask": ["0022", "077"],
    "after": [[], ["network.target", "local-fs.target"]],
    "wants": [["network.target"]],
    "requires": [["sysinit.target"]],
    "extra-groups": [["adm", "ssl-cert"]],
    "restart": ["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "always"],
    "restart-steps": [5],
    "start-limit-burst": [3],
    "start-limit-interval-sec": [60],
    "timeout-start-sec": [30],
    "watchdog-sec": [20],
    "read-write-paths": [["-/srv/hello", "-/srv/with space"]],
    "read-only-paths": [["/etc"]],
    "inaccessible-paths": [["-/opt"]],
    "restart-method": ["systemctl", "flag"],
    "deploy-user": ["deploy"],
}

TABLES: dict[str, dict[str, list[Any]]] = {
    "service.directories": {
        "cache": [True],
        "logs": [True],
        "tmp": [True],
        "mode": ["0700", "0755"],
        "runtime-preserve": ["no", "yes", "restart"],
    },
    "service.limits": {
        "nofile": [0, 1024],
        "core": ["infinity", "0"],
        "tasks": ["4096", "infinity", "50%"],
        "memory-max": ["2G", "80%"],
        "memory-high": ["1G"],
        "cpu-weight": [1, 200, 10000],
        "io-weight": [1, 50, 10000],
        "nice": [-5, 19],
        "slice": ["web.slice", "web-front.slice"],
    },
    "service.environment": {
        "PLAIN": ["value"],
        "ODD": ['a "b" \\ 100% $HOME', "", "{{ state }}/db", "naïve ☃"],
    },
    "service.sandbox": {
        "ProtectHome": ["", "read-only", "tmpfs"],
        "MemoryDenyWriteExecute": ["yes"],
        "IPAddressDeny": ["any"],
        "SystemCallFilter": ["", "@system-service @known"],
        "PrivateTmp": ["", "disconnected"],
        "OOMScoreAdjust": ["-100"],
        "CPUQuota": ["150%"],
    },
    "service.credentials": {"tls-key": ["/etc/ssl/private/hello.key"]},
    "migrations": {"function": ["Hello.Release.migrate"], "when": ["start", "install"]},
    "helpers": {"s3": ["s3://bucket/prefix"], "cloud-init": [True]},
    "distribution": {"reach": ["none", "loopback", "cluster"], "node": ["hello@10.0.0.5"]},
    "configuration": {"vm-args": [True], "sys-config": [True], "runtime": [True]},
}


def some_settings(choose: Choose) -> str:
    """A pkgrel.toml without [package] in which every setting is there or not."""
    tables: dict[str, dict[str, Any]] = {
        "service": dict(_chosen(SERVICE, choose)),
        **{name: dict(_chosen(rows, choose)) for name, rows in TABLES.items()},
    }
    if "restart-steps" in tables["service"]:
        tables["service"]["restart-max-delay-sec"] = 60
    service, directories = tables["service"], tables["service.directories"]
    if service.get("type") != "forking" and not tables["helpers"] and choose([True, False]):
        directories[choose(["state", "runtime"])] = False
    return toml(tables)


def _chosen(rows: Mapping[str, list[Any]], choose: Choose) -> Iterator[tuple[str, Any]]:
    for key, values in rows.items():
        value = choose([OMITTED, *values])
        if value is not OMITTED:
            yield key, value


def toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """TOML's strings, numbers and arrays are written like JSON's."""
    return "".join(
        f"[{name}]\n"
        + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in rows.items()
        )
        for name, rows in tables.items()
        if rows
    )
