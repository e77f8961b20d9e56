"""The snippets of the documentation, and running the commands of one as a reader would."""

import re
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tools import PATIENCE

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")))
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """What is between two fences."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, which names it in tables."""
        return self.text.split("\n", 1)[0].strip()


@dataclass(frozen=True)
class Command:
    """A line behind a prompt, and the lines below it."""

    prompt: str
    """`$`: a user on this machine; `#`: root on a host."""
    text: str
    printed: tuple[str, ...]


def of_page(page: str) -> Iterator[Snippet]:
    """All of a page, in order."""
    for match in _FENCE.finditer((ROOT / page).read_text()):
        yield Snippet(page, match[2], textwrap.dedent(match[3]))


def snippets(*languages: str) -> list[Snippet]:
    """Those of all pages in these languages."""
    return [found for page in PAGES for found in of_page(page) if found.language in languages]


def commands(snippet: Snippet) -> Iterator[Command]:
    """The commands of a console."""
    prompt, text, printed = "", "", []
    for line in snippet.text.splitlines():
        if text.endswith("\\"):
            text += "\n" + line
        elif line[:2] in ("$ ", "# "):
            if text:
                yield Command(prompt, text, tuple(printed))
            prompt, text, printed = line[0], line[2:], []
        else:
            printed.append(line)
    yield Command(prompt, text, tuple(printed))


def follow(snippet: Snippet, run: dict[str, Callable[[str], str]]) -> None:
    """Run each command by its prompt's runner, and find what the page shows in what it printed.

    A line `…` stands for any others. A service may still be starting when a page asks it something.
    """
    for command in commands(snippet):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                output = run[command.prompt](command.text)
                _compare(command, output)
                break
            except AssertionError:
                asks = re.match(r"curl|\w+ (rpc|ping|eval|pid)\b", command.text)
                if not asks or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def _compare(command: Command, output: str) -> None:
    said = " ".join(output.split())
    position = 0
    # Lines that a page breaks are whole where they are printed.
    for part in "\n".join(command.printed).split("…"):
        wanted = " ".join(part.split())
        position = said.find(wanted, position)
        assert position >= 0, f"{command.text}: no `{wanted}` in\n{output}"
        position += len(wanted)
