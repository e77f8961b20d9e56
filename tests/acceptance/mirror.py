"""Erlang, Elixir and Node.js as their makers publish them, on a server of the tests' own.

What is published is this machine's own Erlang and Elixir, under version numbers that no distro has.
"""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ERLANG = "25.2.3.99"
ELIXIR = "1.14.99"
NODEJS = "98.7.6"

_OTP, _ELIXIR = Path("/usr/lib/erlang"), Path("/usr/lib/elixir")

_APPLICATIONS = "kernel stdlib compiler crypto asn1 public_key ssl".split()

_INSTALL = """#!/bin/sh
# What `Install -minimal DIRECTORY` of a built Erlang/OTP does.
sed -i "s|/usr/lib/erlang|$2|" "$2/bin/erl"
"""

_CONFIGURE = """#!/bin/sh
echo "checking for gcc... gcc"
echo "configure: error: cannot find a termcap library" >&2
exit 1
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path, address: str) -> Iterator[str]:
    """Serve the folder at the address, and a port of the system's choice; the URL."""
    with ThreadingHTTPServer((address, 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def served(folder: Path, address: str) -> Iterator[dict[str, str]]:
    """Serve the folder at the address; the variables that name the mirrors."""
    with serving(folder, address) as url:
        yield {
            "HEX_BUILDS_URL": f"{url}/hex",
            "OTP_GITHUB_URL": f"{url}/otp",
            "NODEJS_ORG_MIRROR": f"{url}/node",
        }


def publish(folder: Path) -> None:
    """Write everything; the names and lists are those of the real places."""
    _publish_otp(folder / "hex/builds/otp/amd64/ubuntu-22.04")
    _publish_source(folder / "otp")
    _publish_elixir(folder / "hex/builds/elixir")
    _publish_nodejs(folder / "node")


def _publish_otp(folder: Path) -> None:
    name = f"OTP-{ERLANG}"
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        tar.add(_OTP, name, filter=_is_needed)
        _add(tar, f"{name}/Install", _INSTALL)
    digest = _write(folder / f"{name}.tar.gz", out.getvalue())
    lines = ["OTP-24.3 1a 2022-03-16T10:00:00Z 00", f"{name} 2b 2026-01-01T10:00:00Z {digest}"]
    (folder / "builds.txt").write_text("\n".join([*lines, "maint 3c 2026-01-01T10:00:00Z 00\n"]))


def _is_needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Not all of it, which takes its time."""
    parts = entry.name.split("/")
    kept = len(parts) < 3 or parts[1] != "lib" or parts[2].partition("-")[0] in _APPLICATIONS
    return entry if kept and "src" not in parts else None


def _publish_source(folder: Path) -> None:
    """A release whose configure fails, and the list of all releases."""
    release = folder / "releases/download/OTP-24.3.9"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        _add(tar, "otp_src_24.3.9/configure", _CONFIGURE)
    digest = _write(release / "otp_src_24.3.9.tar.gz", out.getvalue())
    (release / "SHA256.txt").write_text(f"00  MD5.txt\n{digest}  otp_src_24.3.9.tar.gz\n")
    table = folder / "raw/master/otp_versions.table"
    table.parent.mkdir(parents=True)
    table.write_text("".join(f"OTP-{v} : a-1 # b-2 :\n" for v in ("26.0", "24.3.9", "24.3.10.1")))


def _publish_elixir(folder: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(_ELIXIR.rglob("*")):
            archive.write(path, path.relative_to(_ELIXIR))
    digest = _write(folder / f"v{ELIXIR}-otp-25.zip", out.getvalue())
    _write(folder / "v1.13.4-otp-25.zip", b"not what was published")
    (folder / "builds.txt").write_text(
        "main 1a 2026-01-01T10:00:00Z 00\n"
        f"v1.13.4-otp-25 2b 2022-01-01T10:00:00Z {'0' * 64} \n"
        f"v{ELIXIR} 3c 2026-01-01T10:00:00Z 00 \n"
        f"v{ELIXIR}-otp-24 3c 2026-01-01T10:00:00Z 00 \n"
        f"v{ELIXIR}-otp-25 3c 2026-01-01T10:00:00Z {digest} \n"
        "v1.18.4 4d 2026-01-01T10:00:00Z 00 \n"
        "v1.18.4-otp-26 4d 2026-01-01T10:00:00Z 00 \n"
        "v1.18.4-otp-27 4d 2026-01-01T10:00:00Z 00 \n"
    )


def _publish_nodejs(folder: Path) -> None:
    """A shell script: there is no small Node.js."""
    name = f"node-v{NODEJS}-linux-x64"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        _add(tar, f"{name}/bin/node", f"#!/bin/sh\necho v{NODEJS}\n")
        _add(tar, f"{name}/README.md", "")
    digest = _write(folder / f"v{NODEJS}/{name}.tar.gz", out.getvalue())
    (folder / f"v{NODEJS}/SHASUMS256.txt").write_text(f"{digest}  {name}.tar.gz\n")
    (folder / "index.tab").write_text(
        f"version\tdate\tfiles\nv98.10.0\t2026-01-02\t-\nv{NODEJS}\t2026-01-01\tlinux-x64\n"
    )


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text.encode()), 0o755
    tar.addfile(entry, io.BytesIO(text.encode()))


def _write(file: Path, content: bytes) -> str:
    """The SHA-256 of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
