"""Of which type the values of a tag are: rpm refuses a tag that it knows with another one.

Source: include/rpm/rpmtag.h of rpm 6.1, lib/header.c hdrchkTagType(); headerMergeLegacySigs() in lib/package.c and
rpmvfytags in lib/rpmvs.c for signature headers.
"""

from __future__ import annotations

from collections.abc import Iterator

from pkgrel.rpm_tags import RELATIONS, SignatureTag, Tag, Type

_STRINGS = """
100 1000-1002 1004-1005 1007 1010-1011 1014-1016 1018-1027 1035-1036 1039-1040 1044 1047 1049-1050 1054-1055
1059-1062 1064-1067 1079 1081-1082 1085-1092 1094 1097-1099 1113 1115 1117-1118 1120-1126 1132-1133 1135 1142
1147-1157 1159-1160 1196 5000-5002 5005-5007 5010 5012-5016 5030-5031 5034-5036 5040-5044 5046-5047 5049-5050
5052-5053 5055-5056 5058-5062 5066-5067 5069 5071 5076-5077 5079 5081 5086-5090 5092 5096-5101 5103-5106 5109
5116-5118 5120-5124
"""
_INT32 = """
1003 1006 1008-1009 1028 1034 1037 1045-1046 1048 1051-1053 1068-1069 1080 1095-1096 1106 1112 1114 1116 1119
1127-1129 1134 1140-1141 1143-1145 1158 1161 1195 5011 5017-5027 5032-5033 5037 5045 5048 5051 5054 5057 5068
5070 5072 5078 5080 5082 5084-5085 5091 5093 5107-5108 5114-5115 5119
"""


def _numbers(ranges: str) -> Iterator[int]:
    for word in ranges.split():
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


_STRING_TYPES = frozenset([Type.STRING, Type.STRING_ARRAY, Type.I18NSTRING])
"""Those of the main header stand for each other."""
_LISTS = (
    *(Tag.BASENAMES, Tag.DIRNAMES, Tag.FILEUSERNAME, Tag.FILEGROUPNAME, Tag.FILELINKTOS),
    *(Tag.FILEDIGESTS, Tag.CHANGELOGNAME, Tag.CHANGELOGTEXT),
    *(Tag.PAYLOADSHA256, Tag.PAYLOADSHA256ALT),
)
_MAIN: dict[int, frozenset[Type]] = {
    **dict.fromkeys(_numbers(_STRINGS), _STRING_TYPES),
    **dict.fromkeys(_numbers(_INT32), frozenset([Type.INT32])),
    **dict.fromkeys((1030, 1033), frozenset([Type.INT16])),
    **dict.fromkeys((5008, 5009, 5112, 5113), frozenset([Type.INT64])),
    **dict.fromkeys((1012, 1013, 1043, 1146), frozenset([Type.BIN])),
    1029: frozenset([Type.CHAR]),
    # rpm reads the first value, or none, of lists that are stored in another way.
    **dict.fromkeys(_LISTS, frozenset([Type.STRING_ARRAY])),
    **{
        tag: frozenset([Type.STRING_ARRAY])
        for names, versions, _ in RELATIONS.values()
        for tag in (names, versions)
    },
}
_OF_SIGNATURES = frozenset([*range(257, 280)])
"""Tags that signature headers have, and main headers cannot have: rpm makes them one."""
_ONE_VALUE = frozenset([Tag.EPOCH, Tag.BUILDTIME, Tag.SIZE, Tag.LONGSIZE])

_ANY = 0
_SIGNATURE: dict[int, tuple[int, int]] = {
    SignatureTag.SIGPGP: (Type.BIN, _ANY),
    SignatureTag.DSA: (Type.BIN, _ANY),
    SignatureTag.RSA: (Type.BIN, _ANY),
    SignatureTag.SHA1: (Type.STRING, 1),
    SignatureTag.LONGSIZE: (Type.INT64, 1),
    SignatureTag.LONGARCHIVESIZE: (Type.INT64, 1),
    SignatureTag.SHA256: (Type.STRING, 1),
    SignatureTag.OPENPGP: (Type.STRING_ARRAY, _ANY),
    SignatureTag.SIZE: (Type.INT32, 1),
    SignatureTag.PGP: (Type.BIN, _ANY),
    SignatureTag.MD5: (Type.BIN, 16),
    SignatureTag.GPG: (Type.BIN, _ANY),
    SignatureTag.PAYLOADSIZE: (Type.INT32, 1),
}


def problem(tag: int, kind: int, count: int, region: Tag | SignatureTag) -> str:
    """What rpm has against the type or the number of a tag's values; empty if nothing."""
    if region == SignatureTag.HEADERSIGNATURES:
        wanted, values = _SIGNATURE.get(tag, (kind, _ANY))
        if kind != wanted:
            return "has another type than rpm wants"
        return f"has {count} values" if values not in (_ANY, count) else ""
    if tag in _OF_SIGNATURES:
        return "belongs into the signature header"
    if kind not in _MAIN.get(tag, (kind,)):
        return "has another type than rpm wants"
    if count > 1 and (kind == Type.STRING or tag in _ONE_VALUE):
        return f"has {count} values"
    return ""
