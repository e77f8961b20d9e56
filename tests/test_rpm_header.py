"""rpm headers: read by a decoder that asserts what rpm's own reader does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkgrel.errors import PackageError
from pkgrel.formats.rpm import header, lead
from pkgrel.rpm_tags import SignatureTag, Tag, Type
from tests import rpm_decoder
from tests.packages import sample

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = {
    Type.INT16: st.lists(st.integers(0, 2**16 - 1), max_size=5),
    Type.INT32: st.lists(st.integers(0, 2**32 - 1), max_size=5),
    Type.INT64: st.lists(st.integers(0, 2**64 - 1), max_size=5),
    Type.STRING: texts,
    Type.BIN: st.binary(max_size=20),
    Type.STRING_ARRAY: st.lists(texts, max_size=5),
    Type.I18NSTRING: texts,
}


@st.composite
def tags(draw: st.DrawFn, kind: type[Tag | SignatureTag], region: Tag | SignatureTag):
    chosen = draw(
        st.lists(st.sampled_from([tag for tag in kind if tag is not region]), unique=True)
    )
    return {tag: draw(VALUES[tag.type]) for tag in chosen}


def expected(values: dict) -> dict[int, tuple[int, list]]:
    return {
        int(tag): (tag.type, [value] if isinstance(value, str | bytes) else list(value))
        for tag, value in values.items()
        if value
    }


@given(tags(Tag, Tag.HEADERIMMUTABLE))
def test_every_value_comes_back_and_empty_ones_are_left_out(values) -> None:
    data = header.encode(values, region=Tag.HEADERIMMUTABLE)
    assert rpm_decoder.header(data, 63) == (expected(values), len(data))


@given(tags(SignatureTag, SignatureTag.HEADERSIGNATURES))
def test_so_it_is_with_signatures(values) -> None:
    data = header.encode(values, region=SignatureTag.HEADERSIGNATURES)
    assert rpm_decoder.header(data, 62) == (expected(values), len(data))


def test_the_order_of_tags_does_not_matter() -> None:
    values = {
        Tag.NAME: "demo",
        Tag.BUILDTIME: [1],
        Tag.FILEMODES: [0o100644, 0o40755],
        Tag.SIZE: [5],
    }
    backwards = dict(reversed(values.items()))
    assert header.encode(values, region=Tag.HEADERIMMUTABLE) == header.encode(
        backwards, region=Tag.HEADERIMMUTABLE
    )


def test_a_header_byte_by_byte() -> None:
    values = {Tag.NAME: "ab", Tag.EPOCH: [7]}
    assert header.encode(values, region=Tag.HEADERIMMUTABLE) == bytes.fromhex(
        "8eade801 00000000 00000003 00000018"  # three entries, 24 bytes
        "0000003f 00000007 00000008 00000010"  # region: 16 bytes at 8
        "000003e8 00000006 00000000 00000001"  # NAME: a string at 0
        "000003eb 00000004 00000004 00000001"  # EPOCH: an integer at 4
        "61620000 00000007"
        "0000003f 00000007 ffffffd0 00000010"  # 48 bytes before it the index begins
    )


def test_numbers_and_types_are_rpms() -> None:
    """Twice the same number would be a mistake in the table, and rpm wants these types."""
    for kind in (Tag, SignatureTag):
        assert len(kind) == len(kind.__members__)
        assert list(kind) == sorted(kind)
    assert {tag for tag in Tag if tag.type is Type.INT16} == {Tag.FILEMODES, Tag.FILERDEVS}
    assert SignatureTag.SHA256 == 273


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({Tag.NAME: "a\0b"}, "NAME of an rpm cannot hold a null character"),
        ({Tag.BASENAMES: ["a", "b\0c"]}, "BASENAMES of an rpm cannot hold a null character"),
        ({Tag.BASENAMES: ["a", "b\udcff"]}, r"BASENAMES of an rpm must be UTF-8, which b'\xff' is not"),
        ({Tag.SUMMARY: "\udce9"}, r"SUMMARY of an rpm must be UTF-8, which b'\xe9' is not"),
        ({Tag.BUILDTIME: [-1]}, "BUILDTIME of an rpm cannot hold such a number: "),
        ({Tag.BUILDTIME: [2**32]}, "BUILDTIME of an rpm cannot hold such a number: "),
        ({Tag.FILEMODES: [1 << 16]}, "FILEMODES of an rpm cannot hold such a number: "),
        ({Tag.FILEMODES: [0] * (1 << 20)}, "FILEMODES of an rpm can have 1048575 values, not 1048576"),
        ({Tag.POSTIN: "x" * (256 << 20)}, "an rpm's header can have 268435456 bytes, not 268435"),
    ],
)  # fmt: skip
def test_what_a_header_cannot_hold(values, message: str) -> None:
    with pytest.raises(PackageError) as error:
        header.encode(values, region=Tag.HEADERIMMUTABLE)
    assert str(error.value).startswith(message)


def test_a_lead_byte_by_byte() -> None:
    name = b"demo-2:1.4.0~rc.1-3.el9"
    assert lead(sample("rpm")) == (
        bytes.fromhex("edabeedb 03 00 0000 0001") + name.ljust(66, b"\0") + bytes.fromhex("0001 0005")
        + bytes(16)
    )  # fmt: skip


def test_a_long_name_is_cut_in_the_lead() -> None:
    data = lead(sample("rpm", name="n" * 100))
    assert len(data) == 96
    assert data[10:76] == b"n" * 65 + b"\0"
