"""Options that several commands share."""

from __future__ import annotations

import os

import click

from coral_lock.cli.grammar import descriptor_path
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import UsageError
from coral_lock.messages import say_warning
from coral_lock.names import GROUPS, nearest_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from coral_lock.descriptor.model import Descriptor


if TYPE_CHECKING:
    Command = TypeVar("Command", bound=Callable[..., Any])
    Choice = click.Choice[str]
else:
    Choice = click.Choice


def config_options(command: Command) -> Command:
    """Add the options that say where a descriptor comes from.

    The command gets `config` (a path or None), `no_config` (whether the `runtime.yaml` of the
    working directory is left out), `settings` (the `--set` arguments) and `no_env` (whether
    the environment is left out).
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
    return config_file_options("The descriptor, YAML or JSON.")(command)


def config_file_options(description: str) -> Callable[[Command], Command]:
    """Return what adds `--config` and `--no-config`, of which `descriptor_path` makes a path.

    Args:
        description: what the file is, a sentence.
    """

    def add(command: Command) -> Command:
        command = click.option(
            "--no-config", is_flag=True, help="Don't use the runtime.yaml of this directory."
        )(command)
        return click.option(
            "-c", "--config", metavar="FILE", help=f"{description} [default: runtime.yaml, if any]"
        )(command)

    return add


def load_config(
    config: str | None, no_config: bool, settings: tuple[str, ...], no_env: bool
) -> Descriptor:
    """Return the descriptor that `config_options` name, and warn of what is odd about it.

    Raises:
        CoralLockError: it can't be used.
    """
    descriptor = load_descriptor(
        descriptor_path(config, no_config),
        settings=settings,
        environment=None if no_env else os.environ,
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


class GroupType(Choice):
    """A plugin group by its short name; another one is answered with the nearest."""

    def __init__(self) -> None:
        super().__init__(GROUPS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the group.

        Raises:
            UsageError: there is no such group.
        """
        if value in GROUPS:
            return str(value)
        near = nearest_group(str(value))
        raise UsageError(
            f"there is no group `{value}`",
            expected=f"one of {', '.join(GROUPS)}",
            hint=f"did you mean `{near}`?" if near else None,
        )


def no_exec_option(command: Command) -> Command:
    """Add `--no-exec`."""
    return click.option(
        "--no-exec",
        is_flag=True,
        help="Never import a plugin, not even in a fresh interpreter.",
    )(command)


def version_options(command: Command) -> Command:
    """Add the options that give the versions of hosts that aren't installed."""
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
