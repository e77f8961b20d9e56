"""Tags and flags of an rpm's headers, by rpm's names, for the writer, the reader and the signer.

rpm refuses a tag of the wrong type. Source: include/rpm/rpmtag.h, rpmds.h and rpmfiles.h of rpm 4.20 and 6.0;
docs/manual/tags.md.
"""

from __future__ import annotations

from enum import IntEnum


class Type(IntEnum):
    """How a tag's values are stored."""

    CHAR = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    STRING = 6
    BIN = 7
    STRING_ARRAY = 8
    I18NSTRING = 9
    """A string per locale of I18NTABLE, which is only ever `C`."""

    @property
    def size(self) -> int:
        """The size of one value in bytes, at least, for strings. Only integers are aligned to it."""
        return _SIZES.get(self, 1)


_SIZES = {Type.INT16: 2, Type.INT32: 4, Type.INT64: 8}


class AnyTag(IntEnum):
    """A tag's number, and its type."""

    type: Type

    def __new__(cls, number: int, type: Type) -> AnyTag:
        tag = int.__new__(cls, number)
        tag._value_ = number
        tag.type = type
        return tag


class Tag(AnyTag):
    """Tags of the main header."""

    HEADERIMMUTABLE = 63, Type.BIN
    I18NTABLE = 100, Type.STRING_ARRAY
    NAME = 1000, Type.STRING
    VERSION = 1001, Type.STRING
    RELEASE = 1002, Type.STRING
    EPOCH = 1003, Type.INT32
    SUMMARY = 1004, Type.I18NSTRING
    DESCRIPTION = 1005, Type.I18NSTRING
    BUILDTIME = 1006, Type.INT32
    BUILDHOST = 1007, Type.STRING
    SIZE = 1009, Type.INT32
    DISTRIBUTION = 1010, Type.STRING
    VENDOR = 1011, Type.STRING
    LICENSE = 1014, Type.STRING
    PACKAGER = 1015, Type.STRING
    GROUP = 1016, Type.I18NSTRING
    URL = 1020, Type.STRING
    OS = 1021, Type.STRING
    ARCH = 1022, Type.STRING
    PREIN = 1023, Type.STRING
    POSTIN = 1024, Type.STRING
    PREUN = 1025, Type.STRING
    POSTUN = 1026, Type.STRING
    FILESIZES = 1028, Type.INT32
    FILEMODES = 1030, Type.INT16
    FILERDEVS = 1033, Type.INT16
    FILEMTIMES = 1034, Type.INT32
    FILEDIGESTS = 1035, Type.STRING_ARRAY
    FILELINKTOS = 1036, Type.STRING_ARRAY
    FILEFLAGS = 1037, Type.INT32
    FILEUSERNAME = 1039, Type.STRING_ARRAY
    FILEGROUPNAME = 1040, Type.STRING_ARRAY
    SOURCERPM = 1044, Type.STRING
    FILEVERIFYFLAGS = 1045, Type.INT32
    PROVIDENAME = 1047, Type.STRING_ARRAY
    REQUIREFLAGS = 1048, Type.INT32
    REQUIRENAME = 1049, Type.STRING_ARRAY
    REQUIREVERSION = 1050, Type.STRING_ARRAY
    CONFLICTFLAGS = 1053, Type.INT32
    CONFLICTNAME = 1054, Type.STRING_ARRAY
    CONFLICTVERSION = 1055, Type.STRING_ARRAY
    RPMVERSION = 1064, Type.STRING
    TRIGGERSCRIPTS = 1065, Type.STRING_ARRAY
    TRIGGERNAME = 1066, Type.STRING_ARRAY
    TRIGGERFLAGS = 1068, Type.INT32
    TRIGGERINDEX = 1069, Type.INT32
    VERIFYSCRIPT = 1079, Type.STRING
    CHANGELOGTIME = 1080, Type.INT32
    CHANGELOGNAME = 1081, Type.STRING_ARRAY
    CHANGELOGTEXT = 1082, Type.STRING_ARRAY
    PREINPROG = 1085, Type.STRING
    POSTINPROG = 1086, Type.STRING
    PREUNPROG = 1087, Type.STRING
    POSTUNPROG = 1088, Type.STRING
    OBSOLETENAME = 1090, Type.STRING_ARRAY
    VERIFYSCRIPTPROG = 1091, Type.STRING_ARRAY
    TRIGGERSCRIPTPROG = 1092, Type.STRING_ARRAY
    FILEDEVICES = 1095, Type.INT32
    FILEINODES = 1096, Type.INT32
    FILELANGS = 1097, Type.STRING_ARRAY
    PROVIDEFLAGS = 1112, Type.INT32
    PROVIDEVERSION = 1113, Type.STRING_ARRAY
    OBSOLETEFLAGS = 1114, Type.INT32
    OBSOLETEVERSION = 1115, Type.STRING_ARRAY
    DIRINDEXES = 1116, Type.INT32
    BASENAMES = 1117, Type.STRING_ARRAY
    DIRNAMES = 1118, Type.STRING_ARRAY
    OPTFLAGS = 1122, Type.STRING
    PAYLOADFORMAT = 1124, Type.STRING
    PAYLOADCOMPRESSOR = 1125, Type.STRING
    PAYLOADFLAGS = 1126, Type.STRING
    PLATFORM = 1132, Type.STRING
    FILECOLORS = 1140, Type.INT32
    PRETRANS = 1151, Type.STRING
    POSTTRANS = 1152, Type.STRING
    PRETRANSPROG = 1153, Type.STRING_ARRAY
    POSTTRANSPROG = 1154, Type.STRING
    LONGFILESIZES = 5008, Type.INT64
    LONGSIZE = 5009, Type.INT64
    FILEDIGESTALGO = 5011, Type.INT32
    BUGURL = 5012, Type.STRING
    VCS = 5034, Type.STRING
    ORDERNAME = 5035, Type.STRING_ARRAY
    ORDERVERSION = 5036, Type.STRING_ARRAY
    ORDERFLAGS = 5037, Type.INT32
    RECOMMENDNAME = 5046, Type.STRING_ARRAY
    RECOMMENDVERSION = 5047, Type.STRING_ARRAY
    RECOMMENDFLAGS = 5048, Type.INT32
    SUGGESTNAME = 5049, Type.STRING_ARRAY
    SUGGESTVERSION = 5050, Type.STRING_ARRAY
    SUGGESTFLAGS = 5051, Type.INT32
    SUPPLEMENTNAME = 5052, Type.STRING_ARRAY
    SUPPLEMENTVERSION = 5053, Type.STRING_ARRAY
    SUPPLEMENTFLAGS = 5054, Type.INT32
    ENHANCENAME = 5055, Type.STRING_ARRAY
    ENHANCEVERSION = 5056, Type.STRING_ARRAY
    ENHANCEFLAGS = 5057, Type.INT32
    ENCODING = 5062, Type.STRING
    FILETRIGGERSCRIPTS = 5066, Type.STRING_ARRAY
    FILETRIGGERSCRIPTPROG = 5067, Type.STRING_ARRAY
    FILETRIGGERNAME = 5069, Type.STRING_ARRAY
    FILETRIGGERINDEX = 5070, Type.INT32
    FILETRIGGERFLAGS = 5072, Type.INT32
    TRANSFILETRIGGERSCRIPTS = 5076, Type.STRING_ARRAY
    TRANSFILETRIGGERSCRIPTPROG = 5077, Type.STRING_ARRAY
    TRANSFILETRIGGERNAME = 5079, Type.STRING_ARRAY
    TRANSFILETRIGGERINDEX = 5080, Type.INT32
    TRANSFILETRIGGERFLAGS = 5082, Type.INT32
    PAYLOADSHA256 = 5092, Type.STRING_ARRAY
    PAYLOADSHA256ALGO = 5093, Type.INT32
    PAYLOADSHA256ALT = 5097, Type.STRING_ARRAY
    PREUNTRANS = 5103, Type.STRING
    POSTUNTRANS = 5104, Type.STRING
    PREUNTRANSPROG = 5105, Type.STRING_ARRAY
    POSTUNTRANSPROG = 5106, Type.STRING_ARRAY
    RPMFORMAT = 5114, Type.INT32


class SignatureTag(AnyTag):
    """Tags of the signature header."""

    HEADERSIGNATURES = 62, Type.BIN
    SIGPGP = 259, Type.BIN
    """Of header and payload, as in rpm 3; so are PGP and GPG."""
    DSA = 267, Type.BIN
    """Of the main header, as is RSA; for EdDSA and ECDSA too."""
    RSA = 268, Type.BIN
    SHA1 = 269, Type.STRING
    LONGSIZE = 270, Type.INT64
    LONGARCHIVESIZE = 271, Type.INT64
    # The manual says 272; rpm writes and reads SIG_BASE + 17.
    SHA256 = 273, Type.STRING
    OPENPGP = 278, Type.STRING_ARRAY
    """Any number of signatures, in base64; read only by rpm 6, which reads nothing else in format 6."""
    RESERVED = 999, Type.BIN
    """Zeros that a signature may replace without moving what follows; in format 6."""
    SIZE = 1000, Type.INT32
    PGP = 1002, Type.BIN
    MD5 = 1004, Type.BIN
    GPG = 1005, Type.BIN
    PAYLOADSIZE = 1007, Type.INT32
    RESERVEDSPACE = 1008, Type.BIN
    """The same in format 4."""


RELATIONS = {
    "Requires": (Tag.REQUIRENAME, Tag.REQUIREVERSION, Tag.REQUIREFLAGS),
    "Recommends": (Tag.RECOMMENDNAME, Tag.RECOMMENDVERSION, Tag.RECOMMENDFLAGS),
    "Suggests": (Tag.SUGGESTNAME, Tag.SUGGESTVERSION, Tag.SUGGESTFLAGS),
    "Supplements": (Tag.SUPPLEMENTNAME, Tag.SUPPLEMENTVERSION, Tag.SUPPLEMENTFLAGS),
    "Enhances": (Tag.ENHANCENAME, Tag.ENHANCEVERSION, Tag.ENHANCEFLAGS),
    "Conflicts": (Tag.CONFLICTNAME, Tag.CONFLICTVERSION, Tag.CONFLICTFLAGS),
    "Obsoletes": (Tag.OBSOLETENAME, Tag.OBSOLETEVERSION, Tag.OBSOLETEFLAGS),
    "Provides": (Tag.PROVIDENAME, Tag.PROVIDEVERSION, Tag.PROVIDEFLAGS),
    "OrderWithRequires": (Tag.ORDERNAME, Tag.ORDERVERSION, Tag.ORDERFLAGS),
}
"""A kind of relation as spec files call it -> its columns: names, versions, Sense."""


class Sense(IntEnum):
    """RPMSENSE_*: the bits of a relation."""

    LESS = 1 << 1
    GREATER = 1 << 2
    EQUAL = 1 << 3
    POSTTRANS = 1 << 5
    PRETRANS = 1 << 7
    INTERP = 1 << 8
    PRE = 1 << 9
    POST = 1 << 10
    PREUN = 1 << 11
    POSTUN = 1 << 12
    VERIFY = 1 << 13
    TRIGGERIN = 1 << 16
    TRIGGERUN = 1 << 17
    TRIGGERPOSTUN = 1 << 18
    RPMLIB = 1 << 24
    TRIGGERPREIN = 1 << 25
    CONFIG = 1 << 28
    META = 1 << 29


class FileFlag(IntEnum):
    """RPMFILE_*."""

    CONFIG = 1 << 0
    DOC = 1 << 1
    MISSINGOK = 1 << 3
    NOREPLACE = 1 << 4
    GHOST = 1 << 6
    LICENSE = 1 << 7
    README = 1 << 8
    ARTIFACT = 1 << 12


HASHES = {
    1: "md5",
    2: "sha1",
    8: "sha256",
    9: "sha384",
    10: "sha512",
    11: "sha224",
    12: "sha3_256",
    14: "sha3_512",
}
"""OpenPGP's numbers of hash algorithms, RFC 9580 section 9.5 -> hashlib's names."""
SHA256 = 8
