"""Options that several commands share."""

from __future__ import annotations

import os

import click

from coral_lock.descriptor.load import load_descriptor
from coral_lock.messages import say_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from coral_lock.descriptor.model import Descriptor

    Command = TypeVar("Command", bound=Callable[..., Any])


def config_options(command: Command) -> Command:
    """Add the options that say where a descriptor comes from.

    The command gets `config` (a path or None), `settings` (the `--set` arguments) and
    `no_env` (whether the environment is left out).
    """
    command = click.option(
        "--no-env", is_flag=True, help="Ignore the CORAL_* environment variables."
    )(command)
    command = click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override a key of the descriptor, e.g. patches.camera=false. May be repeated.",
    )(command)
    return click.option("-c", "--config", metavar="FILE", help="The descriptor, YAML or JSON.")(
        command
    )


def load_config(config: str | None, settings: tuple[str, ...], no_env: bool) -> Descriptor:
    """Return the descriptor that `config_options` name, and warn of what is odd about it.

    Raises:
        CoralLockError: it can't be used.
    """
    descriptor = load_descriptor(
        config, settings=settings, environment=None if no_env else os.environ
    )
    for warning in descriptor.warnings:
        say_warning(warning)
    return descriptor


def lock_option(command: Command) -> Command:
    """Add `--lock FILE`."""
    return click.option(
        "--lock",
        metavar="FILE",
        default="coral.lock",
        show_default=True,
        help="The lock to compare with.",
    )(command)


def output_format_option(command: Command) -> Command:
    """Add `--output-format text|json`."""
    return click.option(
        "--output-format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="How the outcome is printed.",
    )(command)


def no_exec_option(command: Command) -> Command:
    """Add `--no-exec`."""
    return click.option(
        "--no-exec",
        is_flag=True,
        help="Never import a plugin, not even in a fresh interpreter.",
    )(command)


def version_options(command: Command) -> Command:
    """Add the options that tell the versions of hosts that aren't installed."""
    command = click.option(
        "--inference-version",
        metavar="V",
        help="The version of the inference host, where it isn't installed.",
    )(command)
    return click.option(
        "--core-version",
        metavar="V",
        help="The version of coral-inference, where it isn't installed.",
    )(command)
