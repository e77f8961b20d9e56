"""Headers of .rpms with one or two odd things in them, for tests that ask rpm what it makes of each."""

import gzip
import hashlib
import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

from pkgrel.rpm_tags import RELATIONS, SignatureTag, Tag, Type
from tests.hostile_packages import LEAD, cpio


class Value(NamedTuple):
    """What is stored of a tag; `count` None for as many as there are."""

    type: int
    values: list[bytes] | list[int] | bytes
    count: int | None = None


Tags = dict[int, Value]

NAMES = [
    b"c++",
    b"_x",
    b"a b",
    b"a/b",
    b"../x",
    b"-x",
    b".x",
    b"a<b",
    "ä".encode(),
    b"a\x01",
    b"a\n",
    b"",
]
NAMES += [
    b"a" * 300,
    b"a:b",
    b"a(b)",
    b"a=b",
    b"a,b",
    b"a~b",
    b"a^b",
    b"\xe4",
    b"a;b",
    b"A",
    b"0",
    b"+a",
    b"a%b",
    b"a{b}",
]
VERSIONS = [
    b"1",
    b"1.0-1",
    b"1:2",
    b"~1",
    b"1~",
    b"^",
    b"1^git",
    b"",
    b"1 0",
    b"1/0",
    "ä".encode(),
    b"1_0",
    b"1%",
]
VERSIONS += [
    b"v1",
    b"1\n",
    b"1+1",
    b"-1",
    b"1" * 300,
    b".",
    b"..",
    b"\xe4",
    b"1~~2",
    b"1..2",
    b"1\x01",
]
EVRS = [
    b"",
    b"1",
    b"1-1",
    b"0:1-1",
    b"1:2",
    b"1:",
    b"x:1",
    b":1",
    b"1:1:1",
    b"1-1-1",
    b"1 1",
    "ä".encode(),
    b"-1",
    b"1-",
]
EVRS += [
    b"99999999999:1",
    b"4294967295:1-1",
    b"4294967296:1",
    b"1~rc1",
    b"1^2",
    b"1/2",
    b"1\x01",
    b"\xe4",
    b"+1:2",
    b"1_2-3.el9",
]
RELATED = [
    b"a",
    b"/bin/sh",
    b"libc.so.6()(64bit)",
    b"perl(A::B)",
    b"",
    b"a b",
    b"a<b",
    b"(a or b)",
    b"(a or",
]
RELATED += [
    b"(a and (b or c))",
    b"(a if b else c)",
    b"(a or b",
    b"(a >= 1 or b)",
    b"(a xor b)",
    b"()",
    "ä".encode(),
    b"\xe4",
    b"a\x01",
]
RELATED += [
    b"rpmlib(FileDigests)",
    b"rpmlib(Foo)",
    b"config(x)",
    b"font(:lang=de)",
    b"a = 1",
    b"mimehandler(a/b)",
    b"a" * 5000,
]
RELATED += [
    b"/",
    b"/a b",
    b"a,b",
    b"(a with b)",
    b"(a or b and c)",
    b"a\n",
    b"a\tb",
    b"(a   or\tb)",
    b"(a or b) ",
    b"(a (b))",
]
FLAGS = [
    0,
    2,
    4,
    6,
    8,
    10,
    12,
    14,
    1,
    64,
    1 << 9 | 12,
    1 << 24 | 10,
    1 << 28 | 8,
    0xFFFFFFFF,
    1 << 8 | 1 << 10,
]
TEXTS = [
    b"",
    b"plain",
    "grüße".encode(),
    b"gr\xfc\xdfe",
    b"two\nlines",
    b"a\x01b",
    b"a\x1b[31m",
    b"a\x85b",
    "a\u2028b".encode(),
]
TEXTS += [
    "a\ufffe".encode(),
    "a\uffff".encode(),
    b"\xed\xa0\x80",
    "😀".encode(),
    b"&<>\"'{href}]]>",
    b"x" * 5000,
    b"a\x7f",
    b"a\rb",
    b" a ",
    b"\xef\xbb\xbfa",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
]
BASENAMES = [
    b"",
    b".",
    b"..",
    b"a/b",
    b"a\n",
    "ä".encode(),
    b"\xe4",
    b"a\x01",
    b"x" * 300,
    b"a b",
    b"one",
    b"\xed\xa0\x80",
    b"{href}",
    b"<a>",
    b"*",
    b"a\rb",
    "a\ufffe".encode(),
]
DIRNAMES = [
    b"usr/",
    b"",
    b"/usr",
    b"//usr//",
    b"/../",
    b"/usr/../etc/",
    b"/",
    b"/a b/",
    b"/./",
    "/ä/".encode(),
    b"/\xe4/",
    b"/usr/share",
]
TEXT_TAGS = [
    Tag.SUMMARY,
    Tag.DESCRIPTION,
    Tag.LICENSE,
    Tag.URL,
    Tag.VENDOR,
    Tag.PACKAGER,
    Tag.GROUP,
    Tag.BUILDHOST,
    Tag.SOURCERPM,
    Tag.DISTRIBUTION,
    Tag.OPTFLAGS,
    Tag.RPMVERSION,
    Tag.ENCODING,
    Tag.PLATFORM,
    Tag.POSTIN,
]
FILE_TAGS = [Tag.FILESIZES, Tag.FILEMODES, Tag.FILEMTIMES, Tag.FILEDIGESTS, Tag.FILELINKTOS, Tag.FILEFLAGS, Tag.FILEUSERNAME, Tag.FILEGROUPNAME, Tag.FILEVERIFYFLAGS, Tag.FILEDEVICES, Tag.FILEINODES, Tag.FILELANGS, Tag.FILERDEVS, Tag.BASENAMES, Tag.DIRNAMES, Tag.DIRINDEXES, Tag.FILECOLORS]  # fmt: skip
NUMBERS = [0, 1, 2, 0o40755, 0o100644, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]

PAYLOAD = gzip.compress(
    cpio("./usr/share/hello/one", 2) + b"1\n\0\0" + cpio("./usr/share/hello/two", 2) + b"2\n\0\0" + cpio("TRAILER!!!"),
    mtime=0,
)  # fmt: skip


def string(text: bytes) -> Value:
    return Value(Type.STRING, [text])


def strings(*texts: bytes) -> Value:
    return Value(Type.STRING_ARRAY, list(texts))


def i18n(*texts: bytes) -> Value:
    return Value(Type.I18NSTRING, list(texts))


def numbers(*values: int) -> Value:
    return Value(Type.INT32, list(values))


def valid(name: bytes = b"hello") -> Tags:
    """A package of two files."""
    digests = [hashlib.sha256(text).hexdigest().encode() for text in (b"1\n", b"2\n")]
    return {
        Tag.I18NTABLE: strings(b"C"),
        Tag.NAME: string(name),
        Tag.VERSION: string(b"1.0"),
        Tag.RELEASE: string(b"1.el9"),
        Tag.SUMMARY: i18n(b"A test"),
        Tag.DESCRIPTION: i18n(b"Of\nmore."),
        Tag.BUILDTIME: numbers(1_700_000_000),
        Tag.BUILDHOST: string(b"example.org"),
        Tag.SIZE: numbers(4),
        Tag.LICENSE: string(b"MIT"),
        Tag.GROUP: i18n(b"Unspecified"),
        Tag.OS: string(b"linux"),
        Tag.ARCH: string(b"noarch"),
        Tag.FILESIZES: numbers(2, 2),
        Tag.FILEMODES: Value(Type.INT16, [0o100644] * 2),
        Tag.FILERDEVS: Value(Type.INT16, [0, 0]),
        Tag.FILEMTIMES: numbers(1, 1),
        Tag.FILEDIGESTS: strings(*digests),
        Tag.FILELINKTOS: strings(b"", b""),
        Tag.FILEFLAGS: numbers(0, 0),
        Tag.FILEUSERNAME: strings(b"root", b"root"),
        Tag.FILEGROUPNAME: strings(b"root", b"root"),
        Tag.SOURCERPM: string(b"hello-1.0-1.el9.src.rpm"),
        Tag.FILEVERIFYFLAGS: numbers(0xFFFFFFFF, 0xFFFFFFFF),
        Tag.PROVIDENAME: strings(name),
        Tag.PROVIDEFLAGS: numbers(8),
        Tag.PROVIDEVERSION: strings(b"1.0-1.el9"),
        Tag.REQUIRENAME: strings(b"/bin/sh", b"other"),
        Tag.REQUIREFLAGS: numbers(0, 12),
        Tag.REQUIREVERSION: strings(b"", b"2"),
        Tag.FILEDEVICES: numbers(1, 1),
        Tag.FILEINODES: numbers(1, 2),
        Tag.FILELANGS: strings(b"", b""),
        Tag.CHANGELOGTIME: numbers(1_700_049_600),
        Tag.CHANGELOGNAME: strings(b"A <a@example.org> - 1.0-1"),
        Tag.CHANGELOGTEXT: strings(b"- One"),
        Tag.DIRINDEXES: numbers(0, 0),
        Tag.BASENAMES: strings(b"one", b"two"),
        Tag.DIRNAMES: strings(b"/usr/share/hello/"),
        Tag.PAYLOADFORMAT: string(b"cpio"),
        Tag.PAYLOADCOMPRESSOR: string(b"gzip"),
        Tag.PAYLOADFLAGS: string(b"9"),
        Tag.FILEDIGESTALGO: numbers(8),
        Tag.ENCODING: string(b"utf-8"),
        Tag.PAYLOADSHA256: strings(hashlib.sha256(PAYLOAD).hexdigest().encode()),
        Tag.PAYLOADSHA256ALGO: numbers(8),
    }


def forged(chance: random.Random, name: bytes = b"hello") -> Tags:
    """One with one or two odd values."""
    tags = valid(name)
    for _ in range(chance.choice((1, 1, 2))):
        chance.choice(_KINDS)(chance, tags)
    return tags


def _identity(chance: random.Random, tags: Tags) -> None:
    tag = chance.choice(
        (Tag.NAME, Tag.VERSION, Tag.RELEASE, Tag.VERSION, Tag.RELEASE, Tag.ARCH, Tag.OS)
    )
    values = {
        Tag.NAME: NAMES,
        Tag.ARCH: [b"x86_64", b"banana", b"", b"x/y", b"src", b"i686", b"(none)"],
        Tag.OS: [b"Linux", b"", b"darwin"],
    }
    tags[tag] = string(chance.choice(values.get(tag, VERSIONS)))


def _epoch(chance: random.Random, tags: Tags) -> None:
    tags[Tag.EPOCH] = chance.choice(
        [numbers(n) for n in NUMBERS]
        + [numbers(1, 2), string(b"1"), Value(Type.INT16, [1]), Value(Type.INT64, [1])]
    )


def _relation(chance: random.Random, tags: Tags) -> None:
    kind = chance.choice(list(RELATIONS))
    names, versions, flags = RELATIONS[kind]
    count = chance.choice((1, 1, 2))
    # What rpm itself wants of each is there, too.
    own = (
        [(tags.get(Tag.NAME, string(b"x")).values[0], b"1.0-1.el9", 8)]
        if kind == "Provides"
        else []
    )
    rows = own + [
        (
            chance.choice(RELATED),
            *((chance.choice(EVRS), chance.choice(FLAGS)) if chance.random() < 0.7 else (b"", 0)),
        )
        for _ in range(count)
    ]
    tags[names], tags[versions], tags[flags] = (
        strings(*(row[0] for row in rows)), strings(*(row[1] for row in rows)), numbers(*(row[2] for row in rows))
    )  # fmt: skip
    if chance.random() < 0.15:
        tags.pop(chance.choice((names, versions, flags)))
    elif chance.random() < 0.1:
        tag = chance.choice((names, versions, flags))
        tags[tag] = tags[tag]._replace(values=[*tags[tag].values, *tags[tag].values])


def _text(chance: random.Random, tags: Tags) -> None:
    tag = chance.choice(TEXT_TAGS)
    make = i18n if tag.type == Type.I18NSTRING else string
    tags[tag] = make(chance.choice(TEXTS))
    if make is i18n and chance.random() < 0.4:
        tags[tag] = i18n(*(chance.choice(TEXTS) for _ in range(chance.choice((2, 3)))))
        tags[Tag.I18NTABLE] = strings(
            *chance.choice([(b"C", b"de"), (b"C", b"de", b"fr"), (b"de", b"C"), (b"C",)])
        )
    if tag == Tag.POSTIN:
        tags[Tag.POSTINPROG] = chance.choice(
            [string(b"/bin/sh"), string(b""), string(b"<lua>"), strings(b"/bin/sh", b"-e")]
        )
        if chance.random() < 0.3:
            tags.pop(Tag.POSTINPROG)


def _missing(chance: random.Random, tags: Tags) -> None:
    tags.pop(chance.choice(list(tags)))


def _type(chance: random.Random, tags: Tags) -> None:
    tag = chance.choice(list(tags))
    value = tags[tag]
    if isinstance(value.values[0], int):
        tags[tag] = value._replace(type=chance.choice((2, 3, 4, 5, 1)))
    else:
        tags[tag] = value._replace(type=chance.choice((6, 8, 9)))
    if chance.random() < 0.2:
        tags[tag] = chance.choice(
            (numbers(1), string(b"1"), Value(Type.BIN, b"1234"), strings(b"1"))
        )


def _count(chance: random.Random, tags: Tags) -> None:
    tag = chance.choice(list(tags))
    value = tags[tag]
    if chance.random() < 0.5:
        tags[tag] = value._replace(values=[*value.values, value.values[0]])
    elif len(value.values) > 1:
        tags[tag] = value._replace(values=value.values[:-1])
    else:
        tags[tag] = value._replace(count=chance.choice((0, 2, 1 << 20)))


def _files(chance: random.Random, tags: Tags) -> None:
    what = chance.randrange(5)
    if what == 0:
        names = [b"one", b"two"]
        names[chance.randrange(2)] = chance.choice(BASENAMES)
        tags[Tag.BASENAMES] = strings(*names)
    elif what == 1:
        tags[Tag.DIRNAMES] = strings(chance.choice(DIRNAMES))
    elif what == 2:
        tags[Tag.DIRINDEXES] = numbers(0, chance.choice((1, 0xFFFFFFFF, 0x7FFFFFFF)))
    elif what == 3:
        tags.pop(chance.choice(FILE_TAGS), None)
    else:
        tag = chance.choice(FILE_TAGS[:12])
        value = tags[tag]
        odd = chance.choice(
            NUMBERS[:5]
            if value.type == Type.INT16
            else NUMBERS
            if value.type == Type.INT32
            else [*TEXTS, b"abc", b"0" * 64, b"z" * 64]
        )
        tags[tag] = value._replace(values=[value.values[0], odd])


def _other(chance: random.Random, tags: Tags) -> None:
    tag, value = chance.choice(
        [
            (Tag.PAYLOADFORMAT, string(b"drpm")), (Tag.PAYLOADFORMAT, string(b"tar")), (Tag.PAYLOADFORMAT, string(b"")),
            (Tag.PAYLOADCOMPRESSOR, string(b"banana")), (Tag.PAYLOADCOMPRESSOR, string(b"xz")), (Tag.PAYLOADCOMPRESSOR, string(b"")),
            (Tag.CHANGELOGTIME, numbers(0xFFFFFFFF)), (Tag.CHANGELOGTIME, numbers(0)), (Tag.CHANGELOGTIME, numbers(1, 2)),
            (Tag.CHANGELOGNAME, strings(chance.choice(TEXTS))), (Tag.CHANGELOGTEXT, strings(chance.choice(TEXTS))),
            (Tag.BUILDTIME, numbers(0xFFFFFFFF)), (Tag.SIZE, numbers(0xFFFFFFFF)), (Tag.LONGSIZE, Value(Type.INT64, [1 << 63])),
            (Tag.RPMFORMAT, numbers(6)), (Tag.RPMFORMAT, numbers(4)), (9999, string(b"x")), (100000, numbers(1)), (1106, numbers(1)), (1000, string(b"x")),
            (99, string(b"x")), (61, Value(Type.BIN, b"x" * 16)), (1027, strings(b"/a", b"/b")), (1098, strings(b"/usr")),
            (Tag.FILEDIGESTALGO, numbers(chance.choice((1, 2, 8, 10, 99, 0)))), (Tag.PAYLOADSHA256ALGO, numbers(chance.choice((1, 10, 99, 0)))),
            (Tag.PAYLOADSHA256, strings(b"0" * 64)), (Tag.PAYLOADSHA256, strings(b"z")), (Tag.TRIGGERNAME, strings(b"x")),
            (Tag.TRIGGERSCRIPTS, strings(b"x")), (Tag.FILETRIGGERNAME, strings(b"/x")), (5062, string(b"latin1")),
            (5017, numbers(1)), (1094, string(b"x")), (5011, Value(Type.INT32, [8, 8])), (1177, string(b"x")), (1199, string(b"x")),
            (Tag.PREIN, string(b"exit 1")), (1005, strings(b"x", b"y")), (1195, string(b"x")), (5000, strings(b"/usr/x")),
            (1500, numbers(1)), (269, string(b"x")), (1004, string(b"x")), (1146, strings(b"x")),
        ]
    )  # fmt: skip
    tags[tag] = value


_KINDS = [
    _identity,
    _identity,
    _epoch,
    _relation,
    _relation,
    _relation,
    _text,
    _text,
    _missing,
    _type,
    _count,
    _files,
    _files,
    _other,
    _other,
]


def header(tags: Tags, region: int, chance: random.Random | None = None) -> bytes:
    """As rpm stores it; with a `chance`, perhaps not quite."""
    index, store = [], bytearray()
    for tag, (kind, values, count) in sorted(tags.items()):
        if kind in (Type.INT16, Type.INT32, Type.INT64, 1, 2):
            size = {Type.INT16: 2, Type.INT32: 4, Type.INT64: 8}.get(kind, 1)
            store += bytes(-len(store) % size)
            data = b"".join(
                (v % (1 << 8 * size)).to_bytes(size, "big") for v in values if isinstance(v, int)
            )
        elif isinstance(values, bytes):
            data = values
        else:
            data = b"".join(v + b"\0" for v in values if isinstance(v, bytes))
            if kind == Type.STRING and count is None:
                count = 1
        index.append([tag, kind, len(store), len(values) if count is None else count])
        store += data
    if chance:
        _misplace(chance, index)
    index.insert(0, [region, 7, len(store), 16])
    store += struct.pack(">IIiI", region, 7, -16 * len(index), 16)
    intro = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(index), len(store))
    return intro + b"".join(struct.pack(">IIII", *row) for row in index) + store


def _misplace(chance: random.Random, index: list[list[int]]) -> None:
    position = chance.randrange(1, len(index) - 1)
    match chance.randrange(6):
        case 0:
            index[position], index[position + 1] = index[position + 1], index[position]
        case 1:
            index.insert(position, list(index[position]))
        case 2:
            index[position][2] = index[position - 1][2]
        case 3:
            index[position][2] += 1
        case 4:
            index[position][0] = index[position + 1][0]
        case _:
            index[position][3] += 3


def rpm(main: bytes) -> bytes:
    """The file, with every digest right."""
    signature = header(
        {
            SignatureTag.SHA1: string(hashlib.sha1(main).hexdigest().encode()),
            SignatureTag.SHA256: string(hashlib.sha256(main).hexdigest().encode()),
            SignatureTag.SIZE: numbers(len(main) + len(PAYLOAD)),
            SignatureTag.MD5: Value(Type.BIN, hashlib.md5(main + PAYLOAD).digest()),
            SignatureTag.PAYLOADSIZE: numbers(len(gzip.decompress(PAYLOAD))),
        },
        62,
    )
    return LEAD + signature + bytes(-len(signature) % 8) + main + PAYLOAD


def forgeries(chance: random.Random, count: int) -> Iterator[bytes]:
    """So many packages, each of another name unless that is what is odd."""
    for number in range(count):
        name = b"hello%d" % number
        if chance.random() < 0.06:
            yield rpm(header(valid(name), 63, chance))
        else:
            yield rpm(header(forged(chance, name), 63))
