"""`pkgrel completion`."""

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

    For this shell only: `source <(pkgrel completion bash)`, and so in zsh; in fish
    `pkgrel completion fish | source`.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from pkgrel.cli import main

    kind = get_completion_class(shell)
    assert kind is not None  # click has all three
    # Not BashComplete.source, which looks for a bash on this machine: the script may be for another.
    click.echo(ShellComplete.source(kind(main, {}, "pkgrel", "_PKGREL_COMPLETE")))
