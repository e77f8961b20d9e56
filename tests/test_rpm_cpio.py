"""cpio archives: read by cpio(1) and by a decoder that shares nothing with the writer."""

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pkgrel.formats.rpm import cpio
from tests.rpm_decoder import Member, members
from tests.tools import need

uint32 = st.integers(0, 2**32 - 1)
names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name != "TRAILER!!!")
entries = st.builds(
    Member,
    name=names,
    index=st.none(),
    inode=uint32,
    mode=uint32,
    links=uint32,
    mtime=uint32,
    content=st.binary(max_size=40),
)


def archive(entries: list[Member]) -> bytes:
    pieces = []
    for entry in entries:
        pieces += [
            cpio.newc(
                entry.name.encode(),
                inode=entry.inode,
                mode=entry.mode,
                links=entry.links,
                mtime=entry.mtime,
                size=len(entry.content),
            ),
            entry.content,
            cpio.padding(len(entry.content)),
        ]
    return b"".join([*pieces, cpio.trailer()])


@given(st.lists(entries, max_size=5))
def test_newc_says_everything(entries: list[Member]) -> None:
    assert list(members(archive(entries))) == entries


@given(st.lists(st.binary(max_size=20), max_size=5), st.randoms())
def test_stripped_leaves_all_but_the_content_to_the_header(contents, random) -> None:
    order = list(range(len(contents)))
    random.shuffle(order)
    pieces = [
        cpio.stripped(index) + contents[index] + cpio.padding(len(contents[index]))
        for index in order
    ]
    read = members(b"".join([*pieces, cpio.trailer()]), [len(content) for content in contents])
    assert [(member.index, member.content) for member in read] == [
        (index, contents[index]) for index in order
    ]


def test_an_entry_byte_by_byte() -> None:
    header = """
        070701 00000001 000081a4 00000000 00000000 00000002 00000003 00000004
        00000000 00000000 00000000 00000000 00000004 00000000
    """
    entry = cpio.newc(b"./a", inode=1, mode=0o100644, links=2, mtime=3, size=4)
    assert entry == "".join(header.split()).encode() + b"./a\0\0\0"
    assert cpio.stripped(26) == b"07070X0000001a\0\0"
    trailer = b"070701" + b"0" * 32 + b"00000001" + b"0" * 48 + b"0000000b" + b"0" * 8
    assert cpio.trailer() == trailer + b"TRAILER!!!\0\0\0\0"


def test_the_largest_number_of_a_field_is_the_largest_file() -> None:
    header = cpio.newc(b"a", inode=1, mode=0, links=1, mtime=0, size=cpio.LARGEST)
    assert header[54:62] == b"ffffffff"
    assert len(header) % cpio.ALIGNMENT == 0


def test_cpio_unpacks_it(tmp_path: Path) -> None:
    need("cpio")
    made = [
        Member("./folder", None, 1, 0o040750, 1, 1_700_000_000, b""),
        Member("./folder/file", None, 2, 0o100640, 1, 1_700_000_000, b"12345"),
        Member("./folder/link", None, 3, 0o120777, 1, 1_700_000_000, b"file"),
        # data with the last name
        Member("./folder/one", None, 4, 0o100600, 2, 1_700_000_000, b""),
        Member("./folder/two", None, 4, 0o100600, 2, 1_700_000_000, b"linked"),
    ]
    subprocess.run(
        ["cpio", "-id", "--quiet", "--preserve-modification-time"],
        input=archive(made),
        cwd=tmp_path,
        check=True,
    )
    folder = tmp_path / "folder"
    assert folder.stat().st_mode == 0o040750
    assert (folder / "link").read_bytes() == b"12345"
    assert (folder / "file").stat().st_mtime == 1_700_000_000
    assert (folder / "one").read_bytes() == b"linked"
    assert (folder / "one").stat().st_ino == (folder / "two").stat().st_ino
