"""What was read from an image, and the table of distros."""

from dataclasses import replace

import pytest

from pkgrel.builder import facts
from pkgrel.builder.facts import Facts
from pkgrel.distro import distros, find, libraries

PRINTED = """\
architecture=x86_64
glibc=2.36
glibcxx=3.4.30
cxxabi=1.3.13
gcc=12.2.0
libcrypto=libcrypto.so.3
openssl=3.0.22
systemd=252.39
erlang=25.2.3
news=from a later pkgrel
"""


def test_what_the_script_prints_is_read() -> None:
    read = facts.parse(PRINTED)
    assert (read.glibc, read.openssl, read.erlang, read.nodejs) == ("2.36", "3.0.22", "25.2.3", "")
    assert facts.from_json(facts.to_json(read)) == read
    assert facts.from_json({"glibc": "2.36", "later": "1"}) == Facts(glibc="2.36")


@pytest.mark.parametrize("distro", distros())
def test_the_table_does_not_drift_from_itself(distro: str) -> None:
    row = find(distro)
    openssl = row.openssl.split("/")[0].replace("x", "7")
    same = Facts(
        glibc=row.glibc,
        glibcxx=row.glibcxx,
        cxxabi=row.cxxabi,
        gcc=f"{row.gcc}.2.0",
        openssl=openssl,
        libcrypto=row.libcrypto,
        systemd=f"{row.systemd}.9",
    )
    assert facts.drift(row, same) == ()
    assert facts.actual(row, same) == replace(row, openssl=openssl, gcc=same.gcc)


@pytest.mark.parametrize(
    ("table", "real", "says"),
    [
        ("3.0.22", "3.0.7", ""),
        ("3.5.x", "3.5.0", ""),
        ("3.5/3.6", "3.6.2", ""),
        ("3.5/3.6", "3.4.2", "OpenSSL 3.4.2"),
        ("3.5.5", "3.2.2", "OpenSSL 3.2.2"),
        ("1.1.1n", "1.1.1w", ""),
    ],
)
def test_openssl_may_have_another_patch(table: str, real: str, says: str) -> None:
    sentences = facts.drift(replace(find("el9"), openssl=table), Facts(openssl=real))
    assert bool(sentences) == bool(says)
    assert all(f"the image has {says}, where" in sentence for sentence in sentences)


def test_what_an_image_does_not_have_says_nothing() -> None:
    assert facts.drift(find("el9"), Facts()) == ()
    assert facts.actual(find("el9"), Facts()) == find("el9")


def test_an_older_libgcc_is_drift_and_decides_what_runs() -> None:
    older = Facts(gcc="11.5.0")
    (sentence,) = facts.drift(find("ubuntu22"), older)
    assert sentence == (
        "the image has the libgcc of GCC 11.5.0, where the table of distros says the libgcc of GCC 12"
    )
    needs = ("libgcc_s.so.1", "GCC_12.0.0")
    assert libraries.missing(find("ubuntu22"), *needs) is None
    lack = libraries.missing(facts.actual(find("ubuntu22"), older), *needs)
    assert lack is not None
    assert lack.has == "the libgcc of GCC 11.5.0"


def test_another_soname_is_drift() -> None:
    (sentence,) = facts.drift(find("leap15"), Facts(libcrypto="libcrypto.so.1.1"))
    assert sentence == (
        "the image has libcrypto.so.1.1, where the table of distros says libcrypto.so.3"
    )


def test_the_libraries_of_an_image_are_what_symbols_shlibs_and_files_say() -> None:
    printed = (
        "shlibs libpq 5 libpq5 (>= 17~beta1)\n"
        "shlibs udeb: libpq 5 libpq5-udeb\n"
        "shlibs libsystemd 0 libsystemd0 (>= 252.39)\n"
        "shlibs libdb 5.3 libdb5.3\n"
        "symbols libsystemd.so.0 libsystemd0 #MINVER#\n"
        "version LIBSYSTEMD_209 214\n"
        "symbols libother.so.1 libother1 (>= 1.0~), libmore\n"
        "version OTHER_2 2.0~\n"
        "file libpq5:amd64: /usr/lib/x86_64-linux-gnu/libpq.so.5\n"
        "file libown1: /usr/lib/libown.so.1\n"
        "file libown-dev: /usr/lib/libdev.so.1\n"
        "file own: /opt/own/lib/libhidden.so.1\n"
    )
    found = facts.libraries(printed)
    assert found.relations == {
        "libpq.so.5": "libpq5 (>= 17~beta1)",
        "libpq-5.so": "libpq5 (>= 17~beta1)",
        "libsystemd.so.0": "libsystemd0",
        "libsystemd-0.so": "libsystemd0 (>= 252.39)",
        "libdb.so.5.3": "libdb5.3",
        "libdb-5.3.so": "libdb5.3",
        "libother.so.1": "libother1",
        "libown.so.1": "libown1",
    }
    assert found.versions == {
        ("libsystemd.so.0", "LIBSYSTEMD_209"): "214",
        ("libother.so.1", "OTHER_2"): "2.0",
    }
