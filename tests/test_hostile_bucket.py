"""Objects of a repository in which somebody has replaced one value by another: one error, that names it.

The repository is an unsigned one, where nothing stands before the decoder. Of a signed one these bytes are
not even read.
"""

import copy
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pkgrel.errors import PkgrelError
from pkgrel.repository import layout, typed
from pkgrel.repository.channels import promote, prune, remove, rollback, states
from pkgrel.repository.client import file, files
from pkgrel.repository.gc import collect
from pkgrel.repository.publishing import publish, read
from pkgrel.repository.selection import list_packages
from pkgrel.repository.setup import change_settings
from pkgrel.repository.state import Repository
from pkgrel.repository.store.local import Local
from pkgrel.repository.trust import Trust
from pkgrel.repository.verification import sync, verify
from tests import repositories
from tests.packages import package
from tests.test_repository import Shell

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INPUTS = int(os.environ.get("PKGREL_HOSTILE_INPUTS", "1000"))
_ENDLESS = "the number 1e400"
_NESTED = "two thousand lists"
_VALUES: tuple[Any, ...] = (
    None, [], {}, -1, _ENDLESS, True, False, "", [None], [[]], {"a": 1}, {"": {}}, 0, 1, 1.5, -0.0,
    10**30, 10**18, "x" * 70_000, "\x1b[2Jx", "a\nb", "\u202eb", "\ud800", "../../x", "/etc/passwd", "a" * 64,
    "0" * 64, "deb/debian12/amd64/stable", "rpm/x/y/z", "1" * 5000, "٣", _NESTED, [1, 2, 3], [True, "x"],
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")


def _dump(value: Any) -> bytes:
    text = json.dumps(value).replace(f'"{_ENDLESS}"', "1e400")
    return text.replace(f'"{_NESTED}"', "[" * 2000 + "]" * 2000).encode()


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value, and where a name."""
    yield path
    pairs: Any = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for name, each in pairs:
        yield from _places(each, (*path, name))


def _replaced(document: Any, path: tuple[Any, ...], value: Any, *, name: bool) -> Any:
    if not path:
        return value
    made = copy.deepcopy(document)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    if name and isinstance(inner, dict):
        inner[str(value)] = inner.pop(path[-1])
    else:
        inner[path[-1]] = value
    return made


@dataclass
class Victim:
    """An unsigned repository, and what is in the objects that it decodes."""

    root: Path
    new: Path
    head: Any
    settings: Any
    tombstones: Any
    manifests: dict[str, Any]

    def write(self, key: str, data: bytes) -> None:
        (self.root / key).parent.mkdir(exist_ok=True, parents=True)
        (self.root / key).write_bytes(data)

    def put_manifest(self, place: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.write(layout.manifest_key(sha256), data)
        manifests = {**self.head["manifests"], place: sha256}
        self.write(layout.HEAD, _dump({**self.head, "manifests": manifests}))
        return layout.manifest_key(sha256)

    def files(self) -> dict[str, tuple[int, int]]:
        found = (p for p in self.root.rglob("*") if p.is_file() and p.name != "lock")
        return {str(p): ((about := p.stat()).st_size, about.st_mtime_ns) for p in found}

    def open(self) -> Repository:
        return Repository.open(Local(self.root), Trust())


@pytest.fixture(scope="module")
def victim(tmp_path_factory) -> Victim:
    folder = tmp_path_factory.mktemp("hostile")
    shell = Shell(folder)
    shell.environment = {}
    shell("repo", "init", "--unsigned", "--url", repositories.URL, "--keep", "testing=3")
    shell("publish", *repositories.pair(folder), "--channel", "testing")
    shell("repo", "promote", "hello", "1.0.0")
    shell("publish", *repositories.pair(folder, "2.0.0"))
    shell("repo", "gc", "--grace", "0")
    root, new = folder / "repo", package(folder, "new")
    texts = {key: json.loads((root / key).read_text()) for key in (layout.HEAD, layout.SETTINGS)}
    head = texts[layout.HEAD]
    manifests = {
        place: _decoded((root / layout.manifest_key(sha256)).read_bytes())
        for place, sha256 in head["manifests"].items()
    }
    stones = {"format": 1, "unused": {"apt/pool/x.deb": 1.5, ".pkgrel/manifests/x": 2}}
    return Victim(root, new, head, texts[layout.SETTINGS], stones, manifests)


def _decoded(manifest: bytes) -> Any:
    """The only shard of a small one, which is read as one of an earlier pkgrel's when it is alone."""
    return json.loads(zstd.decompress(manifest[zstd.get_frame_size(manifest) :]))


def _client(repository: Repository) -> None:
    by = files.read_config(repository)
    wanted = files.select(repository, by, "install", None, "")
    file(by, wanted.format, wanted.distro, wanted.channel, wanted.package)


COMMANDS: dict[str, Callable[[Victim], object]] = {
    "list": lambda v: list_packages(v.open()),
    "verify": lambda v: verify(v.open(), quick=True),
    "client": lambda v: _client(v.open()),
    "states": lambda v: list(states(v.open(), "stable")),
    "rollback": lambda v: rollback(v.open(), "stable", dry_run=True),
    "gc": lambda v: collect(v.open(), dry_run=True),
    "sync": lambda v: sync(v.open(), dry_run=True),
    "set": lambda v: change_settings(v.open(), {"description": "x"}, dry_run=True),
    "prune": lambda v: prune(v.open(), 1, dry_run=True),
    "remove": lambda v: remove(v.open(), "hello", None, "stable", dry_run=True),
    "promote": lambda v: promote(v.open(), "hello", "2.0.0", "stable", "testing", dry_run=True),
    "publish": lambda v: publish(v.open(), read([v.new], (), "stable"), dry_run=True),
}


def _hostile(victim: Victim, chance: random.Random) -> str:
    """Replace one value; returns the key of the object, or nothing if the value may well be right."""
    kind = chance.choice(("head", "head", "settings", "manifest", "manifest", "tombstones"))
    place = chance.choice(sorted(victim.manifests))
    document = victim.manifests[place] if kind == "manifest" else getattr(victim, kind)
    path = chance.choice(list(_places(document)))
    value, name = chance.choice(_VALUES), chance.random() < 0.2
    data = _dump(_replaced(document, path, value, name=name))
    if kind == "manifest":
        key = victim.put_manifest(place, zstd.compress(data))
    else:
        keys = {"head": layout.HEAD, "settings": layout.SETTINGS, "tombstones": layout.TOMBSTONES}
        key = keys[kind]
        victim.write(key, data)
    old = document
    for step in path:
        old = old[step]
    same = type(value) is type(old) or name or (type(value) is int and type(old) is float)
    # Without one of its columns a manifest is read, as one of an earlier pkgrel's is.
    return "" if same or kind == "tombstones" or "columns" in path[:1] else key


def test_one_value_replaced(victim):
    chance = random.Random(INPUTS)
    pristine = {key: (victim.root / key).read_bytes() for key in (layout.HEAD, layout.SETTINGS)}
    errors = 0
    for number in range(INPUTS):
        wrong = _hostile(victim, chance)
        command = chance.choice(sorted(COMMANDS))
        before, start = (victim.files() if number % 8 == 0 else {}), time.process_time()
        try:
            COMMANDS[command](victim)
        except PkgrelError as e:
            errors += 1
            said = f"{e}{e.hint}"
            assert not _CONTROL.search(said), (number, command, said)
            assert len(said) < 1000
            assert "\n" not in said
            if wrong and command not in ("states", "rollback", "gc"):
                assert wrong in said or wrong.split("/")[-1][:12] in said, (number, command, said)
        else:
            read = layout.MANIFESTS not in wrong or command in ("list", "client", "prune")
            assert not wrong or not read or command == "verify", (number, command, wrong)
        assert time.process_time() - start < 5
        assert not before or victim.files() == before, (number, command)
        for key, data in pristine.items():
            victim.write(key, data)
        (victim.root / layout.TOMBSTONES).unlink(missing_ok=True)
    assert errors > INPUTS / 3


_HEADS = (
    b'{"format": Infinity}',
    b'{"format": 1e999}',
    b"[" * 200_000,
    b"null",
    b'{"format": {"a": 1}, "places": 3}',
    b'{"format": 1, "generation": "' + b"x" * 10_000_000 + b'"}',
    b" " * (40 << 20),
    b'\xff\xfe{"format": 1}',
)


# By a process of its own, because ru_maxrss begins with that of the process that started this one.
_MEASURED = """
import resource, subprocess, sys
status = subprocess.run([sys.executable, *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("\\f", used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("key", [layout.HEAD, layout.SETTINGS, "manifest"])
def test_what_a_process_says_and_takes(victim, key):
    """Each within 5 s of a processor, whatever else runs there, and 300 MB."""
    pristine = {name: (victim.root / name).read_bytes() for name in (layout.HEAD, layout.SETTINGS)}
    words = ("repo", "list", str(victim.root))
    for data in _HEADS[2:6] if key == "manifest" else _HEADS:
        named = key
        if key == "manifest":
            named = victim.put_manifest("deb/debian12/amd64/stable", zstd.compress(data))
        else:
            victim.write(key, data)
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, "-m", "pkgrel", *words],
            capture_output=True,
            text=True,
        )
        text, _, used = done.stderr.rpartition("\f")
        seconds, kilobytes = map(float, used.split())
        assert done.returncode == 1, text
        assert re.fullmatch(r"error: .+\n hint: .+\n", text), text[:500]
        assert named in text
        assert seconds < 5
        assert kilobytes < 300_000
        for name, old in pristine.items():
            victim.write(name, old)


_NO_FILES: dict[str, Callable[[Path], object]] = {
    "directory": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("name", _NO_FILES)
def test_what_is_no_file(victim, name):
    """A pipe would be waited for, and /dev/zero has no end."""
    manifest = layout.manifest_key(victim.head["manifests"]["deb/debian12/amd64/testing"])
    for key in (layout.HEAD, layout.SETTINGS, manifest, "index.html"):
        path = victim.root / key
        aside = path.rename(victim.root.parent / "aside")
        _NO_FILES[name](path)
        for command in ("list", "promote") if key != "index.html" else ("sync",):
            with pytest.raises(PkgrelError, match=f"`{re.escape(key)}` is not a regular file"):
                COMMANDS[command](victim)
        path.rmdir() if path.is_dir() else path.unlink()
        aside.rename(path)


def test_an_endless_manifest(victim):
    """A few kB that would be ever so many packages, or one without an end."""
    head = (victim.root / layout.HEAD).read_bytes()
    columns = json.dumps(victim.manifests["deb/debian12/amd64/stable"]["columns"])
    for row in ("[" + '"x",' * 1000, '"' + "x" * 1000, "[[],", "[],"):
        text = f'{{"columns":{columns},"packages":[' + row * (80_000_000 // len(row))
        compressor = zstd.ZstdCompressor(1)
        parts = [compressor.compress(text[n : n + (8 << 20)].encode()) for n in range(0, len(text), 8 << 20)]  # fmt: skip
        key = victim.put_manifest(
            "deb/debian12/amd64/stable", b"".join([*parts, compressor.flush()])
        )
        start = time.process_time()
        with pytest.raises(PkgrelError, match=re.escape(key)):
            list_packages(victim.open())
        assert time.process_time() - start < 5
        victim.write(layout.HEAD, head)


_LONG_TEXTS = """
import hashlib, json, resource
from pkgrel.errors import PkgrelError
from pkgrel.repository import manifest
from pkgrel.repository.head import Head
from pkgrel.repository.page import catalogue
from pkgrel.compressors import zstd
resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))
def head(targets):
    document = {"format": 1, "generation": 1, "targets": targets}
    try:
        Head.decode(json.dumps(document).encode())
    except PkgrelError:
        return
    raise AssertionError("it was read")
head({"apt" + "/a" * 4_000_000: {"generation": 1, "time": 1, "files": {}}})
head({"apt/dists/x": {"generation": 1, "time": 1, "files": {"a" + "/a" * 4_000_000: [1, "0" * 64]}}})
assert catalogue.decode(json.dumps([3, 1, "a\\n" * 4_000_000 + "!", {}, []]).encode()) is None
row = [1, 1, "0" * 64, "a", "1", "amd64", "apt/pool/a", 1, 0, 0, "a 1 1\\n" * 2_000_000 + "!"]
data = zstd.compress(json.dumps({"shards": [row], "format": "deb"}, separators=(",", ":")).encode())
try:
    manifest.read(data, hashlib.sha256(data).hexdigest())
    raise SystemExit("it was read")
except PkgrelError:
    pass
"""


def test_long_texts_take_no_memory_of_their_own():
    """Of each repetition Python's expressions remember 280 bytes: that was a gigabyte."""
    done = subprocess.run([sys.executable, "-c", _LONG_TEXTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_decoder_says_what_belongs_where():
    for text, said in (
        (b'{"format": true}', "its format is `true`"),
        (b"\x1b]0;x\x07", "it is not JSON"),
        (b'{"format": 99999999999999999999}', "format `99999999999999999999`"),
    ):
        with pytest.raises(PkgrelError) as error:
            typed.document(text, "x")
        assert said in str(error.value)
        assert not _CONTROL.search(str(error.value))
