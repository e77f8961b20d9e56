"""HTML from templates in which every value is escaped, unless it is HTML already.

Not jinja2, which the rest of the templates are for: importing it takes longer than publishing a
package into ten thousand may take for its page.
"""

import re
from collections.abc import Iterable
from functools import cache
from html import escape
from string import Template
from urllib.parse import quote

from pkgrel.resources import TEMPLATES

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Html(str):
    """Text that is HTML."""

    __slots__ = ()


def text(value: object) -> Html:
    """The value as text of an element or a quoted attribute; what cannot be shown is replaced."""
    if isinstance(value, Html):
        return value
    return Html(escape(_UNPRINTABLE.sub("\ufffd", str(value).replace("\r\n", "\n")), quote=True))


def join(parts: Iterable[Html]) -> Html:
    """One after another."""
    return Html("".join(parts))


def fill(template: str, /, **values: object) -> Html:
    """Fill in `packaging_templates/page/TEMPLATE.html`; KeyError for a `$name` without a value."""
    escaped = {name: text(value) for name, value in values.items()}
    return Html(_template(template).substitute(escaped))


def paragraph(words: str, kind: str) -> Html:
    """The words in a `p` of a class; nothing if there are none."""
    return Html(f'<p class="{kind}">{text(words)}</p>') if words else Html("")


def link(key: str) -> str:
    """The address of an object, relative to the page; with `+` escaped, which S3 takes for a blank."""
    return "./" + quote(key, safe="/~", errors="replace")


@cache
def _template(name: str) -> Template:
    return Template((TEMPLATES / "page" / f"{name}.html").read_text(encoding="utf-8"))
