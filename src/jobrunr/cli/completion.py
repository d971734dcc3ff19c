"""``jobrunr completion``: the script by which a shell completes verbs, options, ids of jobs and targets."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from jobrunr.cli.root import COMPLETE_VARIABLE
from jobrunr.cli.verb import Verb

_EXAMPLES = (
    ("bash, in ~/.bashrc", 'eval "$(jobrunr completion bash)"'),
    ("zsh, in ~/.zshrc, behind compinit", 'eval "$(jobrunr completion zsh)"'),
    ("fish", "jobrunr completion fish > ~/.config/fish/completions/jobrunr.fish"),
)


@click.command("completion", cls=Verb, examples=_EXAMPLES, short_help="Print the script for completion with TAB.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def verb(context: click.Context, shell: str) -> None:
    """Print the script that teaches a shell to complete this command: verbs, options, ids of jobs, targets."""
    completion = get_completion_class(shell)
    assert completion is not None
    if shell == "bash":
        click.echo(_WHOLE_TARGETS)
    click.echo(completion(context.find_root().command, {}, "jobrunr", COMPLETE_VARIABLE).source())


_WHOLE_TARGETS = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}  # bash takes shop.jobs:send for three words otherwise"
