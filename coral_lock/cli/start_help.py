"""Help for `init` and `run` in the click application, from the grammar that parses them.

The click commands are never invoked: the words of these commands are parsed by `cli.grammar`.
"""

from __future__ import annotations

import click

from coral_lock.cli.grammar import START_COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.cli.grammar import Option, StartCommand


def _command(command: StartCommand) -> click.Command:
    examples = "\n".join(f"  {example}" for example in command.examples)
    parameters: list[click.Parameter] = [_parameter(option) for option in command.options]
    if command.takes_program:
        parameters.append(click.Argument(["program"], nargs=-1, metavar="-- PROGRAM [ARGS]..."))
    return click.Command(
        command.name,
        params=parameters,
        help=f"{command.summary}\n\n{command.details}\n\n\b\nExamples:\n{examples}",
    )


def _parameter(option: Option) -> click.Option:
    return click.Option(
        list(option.names),
        is_flag=option.metavar is None,
        metavar="[" + "|".join(option.choices) + "]" if option.choices else option.metavar,
        multiple=option.multiple,
        default=option.default,
        show_default=option.default is not None,
        help=option.help,
    )


init = _command(START_COMMANDS["init"])
run = _command(START_COMMANDS["run"])
