"""What a person reads on the page of a repository, taken out of its HTML."""

from html.parser import HTMLParser


def commands(page: str, distro: str, channel: str) -> list[str]:
    """The lines to copy for a distro and a channel."""
    (text,) = _texts(page, {"data-distro": distro, "data-channel": channel})
    return text.splitlines()


def script(page: str) -> str:
    """The line to copy that sets up any distro."""
    (text,) = _texts(page, {"data-script": None})
    return text


class _Codes(HTMLParser):
    """The texts of the elements `code` that have certain attributes."""

    def __init__(self, wanted: dict[str, str | None]) -> None:
        super().__init__()
        self.wanted = wanted
        self.inside = False
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "code" and self.wanted.items() <= dict(attrs).items():
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "code"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def _texts(page: str, wanted: dict[str, str | None]) -> list[str]:
    parser = _Codes(wanted)
    parser.feed(page)
    return parser.texts
