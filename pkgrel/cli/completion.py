"""`pkgrel completion`."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script with which SHELL completes commands.

    And options, distros, packages and channels. Put it where your shell looks, once; it is the same
    for every version of pkgrel. bash 4.4 or later, with the package bash-completion:

    \b
    mkdir -p ~/.local/share/bash-completion/completions
    pkgrel completion bash > ~/.local/share/bash-completion/completions/pkgrel

    zsh, in a folder of its fpath, such as one that ~/.zshrc adds before `compinit`:

    \b
    mkdir -p ~/.zfunc
    pkgrel completion zsh > ~/.zfunc/_pkgrel
    echo 'fpath+=~/.zfunc; autoload -Uz compinit; compinit' >> ~/.zshrc

    fish:

    \b
    mkdir -p ~/.config/fish/completions
    pkgrel completion fish > ~/.config/fish/completions/pkgrel.fish

    Names and versions of a bucket are asked for, and remembered; PKGREL_COMPLETION_TIMEOUT is how many seconds
    that may take.

    For this shell only: `source <(pkgrel completion bash)`, and so in zsh; in fish
    `pkgrel completion fish | source`.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from pkgrel.cli import main

    kind = get_completion_class(shell)
    assert kind is not None  # click has all three
    # Not BashComplete.source, which looks for a bash on this machine: the script may be for another.
    click.echo(ShellComplete.source(kind(main, {}, "pkgrel", "_PKGREL_COMPLETE")))


def know_bash() -> None:
    """For bash, which takes a word apart: `s3://bucket` arrives as `s3`, `:` and `//bucket`, so does `deploy@web1`."""
    from click.shell_completion import BashComplete, CompletionItem, add_completion_class

    class Bash(BashComplete):
        """click's own, with such words put together again."""

        typed = ""
        """What is on the line of the last word, and stays: an `@` belongs to what bash puts in its place."""

        def get_completion_args(self) -> tuple[list[str], str]:
            """The words before the one that is typed, and that one."""
            before, incomplete = super().get_completion_args()
            words: list[str] = []
            goes_on = False
            for word in (*before, incomplete):
                breaks = word in (":", "@")
                if words and (breaks or goes_on):
                    words[-1] += word
                else:
                    words.append(word)
                goes_on = breaks
            last = words.pop()
            self.typed = last[: max(last.rfind(":") + 1, last.rfind("@"), 0)]
            return words, last

        def format_completion(self, item: CompletionItem) -> str:
            """Only what follows the last place where bash takes words apart."""
            item.value = str(item.value).removeprefix(self.typed)
            return super().format_completion(item)

    add_completion_class(Bash)
