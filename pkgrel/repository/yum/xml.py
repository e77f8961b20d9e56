"""Text in XML, by hand: ElementTree would take a hundred times as long for a channel."""

from collections.abc import Mapping

# XML 1.0 has no way to say most control characters; a brace would be mistaken for `{href}`.
_TEXT: Mapping[int, str | None] = {
    **dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]),
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("\r"): "&#13;",
    ord("{"): "&#123;",
}
_ATTRIBUTE: Mapping[int, str | None] = {
    **_TEXT,
    ord('"'): "&quot;",
    ord("\n"): "&#10;",
    ord("\t"): "&#9;",
}


def text(value: str) -> str:
    """What stands between tags."""
    return unicode(value).translate(_TEXT)


def attribute(value: str) -> str:
    """What stands between double quotes."""
    return unicode(value).translate(_ATTRIBUTE)


def unicode(value: str) -> str:
    """Take bytes that are no UTF-8 for Latin-1, as old packages meant them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape").decode("latin-1")
    return value
