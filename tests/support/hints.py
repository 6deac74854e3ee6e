"""What messages tell users to type, held against the commands that there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache

import click

from coral_lock.cli.application import application

OPEN = "…"
"""Stands in a message for what is only known when it is said."""

_SPAN = re.compile(r"`([^`]*)`")
_OPTION = re.compile(r"-[a-zA-Z]|--[a-z…][a-z…-]*")
_COMMAND = "coral-runtime"
_ANYWHERE = frozenset({"--help", "--version"})
_OF_PYTHON = frozenset({"-S", "-c", "-m"})
"""What may be written behind the `--` of `run`, or left out there."""


@cache
def options_of_commands() -> dict[str, frozenset[str]]:
    """Return the options of each command, by its words behind `coral-runtime`."""
    return dict(_commands(application, ()))


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            names = {name for parameter in command.params for name in parameter.opts}
            yield " ".join((*path, name)), frozenset(names | _ANYWHERE)


def command_of(words: Sequence[str]) -> str | None:
    """Return which command a command line calls, None where there is no such command."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in options_of_commands():
            return name
    return None


def wrong_commands(message: str) -> list[str]:
    """Return what a message says to type behind `coral-runtime` that there isn't."""
    wrong = []
    for words in _command_lines(message):
        called = command_of(words)
        if not words or words[0].startswith(("-", OPEN)):
            known: Collection[str] = _ANYWHERE
        elif called is None:
            is_group = any(name.startswith(f"{words[0]} ") for name in options_of_commands())
            if not is_group:
                wrong.append(" ".join(words))
            continue
        else:
            known = options_of_commands()[called]
        own = words[: words.index("--")] if "--" in words else words
        named = [_name(word) for word in own if _OPTION.fullmatch(_name(word))]
        wrong += [name for name in named if not is_among(name, known)]
    return wrong


def is_among(name: str, options: Collection[str]) -> bool:
    """Whether an option, of which a part may be open, can be one of several."""
    pattern = re.escape(name).replace(OPEN, "[a-z-]*")
    return any(re.fullmatch(pattern, option) for option in options)


def bare_options(message: str) -> frozenset[str]:
    """Return the options that a message names without a command that has them.

    They are those of the command that is running: a span in backticks that starts with one.
    """
    named = {
        called for words in _command_lines(message) if (called := command_of(words)) is not None
    }
    elsewhere = [option for called in named for option in options_of_commands()[called]]
    return frozenset(
        name
        for span in _SPAN.findall(message)
        if span.startswith("-") and _OPTION.fullmatch(name := _name(span.split()[0]))
        if not is_among(name, elsewhere)
    )


def _name(word: str) -> str:
    return word.partition("=")[0]


def _command_lines(message: str) -> Iterator[list[str]]:
    """Yield the words behind `coral-runtime` in each command line that a message shows."""
    for span in _SPAN.findall(message):
        words = span.split()
        if words[:1] == [_COMMAND]:
            yield words[1:]


def wrong_hints(words: Sequence[str], stderr: str) -> list[str]:
    """Return the lines of a command's messages that name what it, or another one, doesn't have."""
    called = command_of(words)
    known = options_of_commands()[called] if called else _ANYWHERE
    known |= _OF_PYTHON if called == "run" else frozenset()
    return [
        line
        for line in stderr.splitlines()
        if line.lstrip().startswith("hint:")
        and (wrong_commands(line) or not all(is_among(name, known) for name in bare_options(line)))
    ]
