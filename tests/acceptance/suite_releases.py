"""Releases that the Erlang and Elixir of each Debian suite built.

They are built in a throw-away overlay of the suite's base. What is kept between runs is the tarball,
and what the suite's dpkg-shlibdeps says to the files in it.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import bases, cache, releases

# Everything that is mounted is in the namespace, and goes with its first process.
_SETUP = """
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
cp /etc/resolv.conf /mnt/root/etc/resolv.conf
cp -r "$SOURCE" /mnt/root/root/source
echo "$BUILD" | chroot /mnt/root sh -eu
cp /mnt/root/root/source/_build/prod/*.tar.gz /mnt/root/root/depends "$MADE"
"""

_BUILD = """
install() {
    apt-get -qq -o Acquire::Check-Valid-Until=false update
    apt-get -qq -y --no-install-recommends install "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
}
install dpkg-dev
# The security updates of an old suite are not always whole: Erlang comes from the suite itself.
sed -i /security/d /etc/apt/sources.list
install elixir erlang-dev
cd /root/source
# Elixir before 1.11 has another name for what is configured at run time, and boots anew after it.
if ! elixir -e 'true = Version.match?(System.version(), ">= 1.11.0")' 2>/dev/null; then
    sed -i 's/elixir: "[^"]*"/elixir: "~> 1.10"/' mix.exs
    grep -q runtime_config_path mix.exs || mv config/runtime.exs config/releases.exs
    export HELLO_REBOOT_AFTER_CONFIG=true
fi
mix release --quiet
cd _build/prod/rel/*
mkdir debian
printf 'Source: hello\\n\\nPackage: hello\\nArchitecture: any\\n' >debian/control
find erts-* lib -type f | while read -r file; do
    if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then echo "$file"; fi
done | xargs dpkg-shlibdeps -O 2>/dev/null >/root/depends
"""

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "MIX_ENV": "prod",
}


def usable(suite: str) -> Path:
    """Tarball of examples/hello, built on the suite; skips if a moving one cannot make it today."""
    base = bases.usable_base(suite)
    try:
        return hello(base, suite)
    except bases.BaseError as error:
        if bases.SUITES[suite].moving:
            pytest.skip(str(error))
        raise


def hello(base: Path, suite: str, version: str = "1.0.0") -> Path:
    """Tarball of examples/hello, built on `base`."""
    (tarball,) = _made(base, suite, version).glob("*.tar.gz")
    return tarball


def hot(base: Path, suite: str, version: str, config: str) -> Path:
    """Tarball of tests/data/hot, built on `base` with that file of config/."""
    source = releases.DATA / "hot"
    made = _made(base, suite, version, source, HOT_CONFIG=config, HOT_VERSION=version)
    (tarball,) = made.glob("*.tar.gz")
    return tarball


def shlibdeps(base: Path, suite: str) -> str:
    """The Depends that the suite's dpkg-shlibdeps finds for it."""
    return (_made(base, suite) / "depends").read_text().strip().removeprefix("shlibs:Depends=")


def _made(
    base: Path,
    suite: str,
    version: str = "1.0.0",
    source: Path = releases.EXAMPLES / "hello",
    **environment: str,
) -> Path:
    key = cache.key(releases.sources(source), _SETUP, _BUILD, base.name, *environment.values())
    name = f"releases/{suite}-{source.name}-{version}-{key}"

    def make(made: Path) -> None:
        copy = made.parent / "source"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*releases.BUILT))
        _inside(base, copy, made, HELLO_VERSION=version, **environment)

    return cache.directory(name, make)


def _inside(base: Path, source: Path, made: Path, **environment: str) -> None:
    where = {"BASE": str(base), "SOURCE": str(source), "MADE": str(made), "BUILD": _BUILD}
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _SETUP],
        env=_ENVIRONMENT | where | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise bases.BaseError(f"no release can be built on {base.name}:\n{end}")
