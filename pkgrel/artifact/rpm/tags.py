"""Numbers and bits of an rpm header that are read here, by rpm's own names.

Source: include/rpm/rpmtag.h, rpmds.h and rpmfi.h of rpm 4.20. rpmfile knows most tags by names of
its own, which change; numbers do not.
"""

from enum import IntEnum


class Tag(IntEnum):
    """Tags of the main header."""

    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    SUMMARY = 1004
    DESCRIPTION = 1005
    BUILDTIME = 1006
    BUILDHOST = 1007
    SIZE = 1009
    DISTRIBUTION = 1010
    VENDOR = 1011
    LICENSE = 1014
    PACKAGER = 1015
    GROUP = 1016
    URL = 1020
    OS = 1021
    ARCH = 1022
    FILESIZES = 1028
    FILEMODES = 1030
    FILEMTIMES = 1034
    FILEDIGESTS = 1035
    FILELINKTOS = 1036
    FILEFLAGS = 1037
    FILEUSERNAME = 1039
    FILEGROUPNAME = 1040
    SOURCERPM = 1044
    RPMVERSION = 1064
    CHANGELOGTIME = 1080
    CHANGELOGNAME = 1081
    CHANGELOGTEXT = 1082
    FILEDEVICES = 1095
    FILEINODES = 1096
    DIRINDEXES = 1116
    BASENAMES = 1117
    DIRNAMES = 1118
    OPTFLAGS = 1122
    PAYLOADFORMAT = 1124
    PAYLOADCOMPRESSOR = 1125
    PAYLOADFLAGS = 1126
    PLATFORM = 1132
    LONGFILESIZES = 5008
    LONGSIZE = 5009
    FILEDIGESTALGO = 5011
    BUGURL = 5012
    VCS = 5034
    ENCODING = 5062
    PAYLOADSHA256 = 5092
    PAYLOADSHA256ALGO = 5093
    PAYLOADSHA256ALT = 5097


class Signature(IntEnum):
    """Tags of the signature header."""

    DSA = 267
    RSA = 268
    SHA1 = 269
    LONGSIZE = 270
    SHA256 = 273
    OPENPGP = 278
    SIZE = 1000
    PGP = 1002
    MD5 = 1004
    GPG = 1005


METADATA = {
    "Name": Tag.NAME,
    "Epoch": Tag.EPOCH,
    "Version": Tag.VERSION,
    "Release": Tag.RELEASE,
    "Arch": Tag.ARCH,
    "OS": Tag.OS,
    "Platform": Tag.PLATFORM,
    "Summary": Tag.SUMMARY,
    "Description": Tag.DESCRIPTION,
    "Group": Tag.GROUP,
    "License": Tag.LICENSE,
    "URL": Tag.URL,
    "BugURL": Tag.BUGURL,
    "VCS": Tag.VCS,
    "Vendor": Tag.VENDOR,
    "Packager": Tag.PACKAGER,
    "Distribution": Tag.DISTRIBUTION,
    "Size": Tag.SIZE,
    "SourceRPM": Tag.SOURCERPM,
    "BuildHost": Tag.BUILDHOST,
    "BuildTime": Tag.BUILDTIME,
    "RPMVersion": Tag.RPMVERSION,
    "OptFlags": Tag.OPTFLAGS,
    "Encoding": Tag.ENCODING,
    "PayloadFormat": Tag.PAYLOADFORMAT,
    "PayloadCompressor": Tag.PAYLOADCOMPRESSOR,
    "PayloadFlags": Tag.PAYLOADFLAGS,
}
"""What is shown of a package: `rpm -qp --queryformat '%{Name}'` takes the same names."""

FILE_FLAGS = {
    1 << 0: "conffile",
    1 << 1: "doc",
    1 << 3: "missingok",
    1 << 4: "noreplace",
    1 << 6: "ghost",
    1 << 7: "license",
    1 << 8: "readme",
    1 << 12: "artifact",
}

DIGESTS = {
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
