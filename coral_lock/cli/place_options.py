"""The options that say where to find distributions, and for which targets."""

from __future__ import annotations

import click

from coral_lock.derive.place import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Command = TypeVar("Command", bound=Callable[..., Any])


def place_options(command: Command) -> Command:
    """Add `--python`, `--wheels`, `--site-packages`, `--target` and `--no-cache`.

    The command gets `python`, `wheels`, `site_packages`, `target` and `no_cache`, of which
    `place_of` makes a place.
    """
    command = click.option(
        "--no-cache",
        is_flag=True,
        help="Don't use the cache of wheel hashes.",
    )(command)
    return place_and_target_options(command)


def place_and_target_options(command: Command) -> Command:
    """Add `--python`, `--wheels`, `--site-packages` and `--target`."""
    command = click.option(
        "--target",
        metavar="TARGET",
        multiple=True,
        help="A target of the descriptor by its name, or "
        "`python=3.11,platform=linux_aarch64`. May be repeated.",
    )(command)
    return places(command)


def places(command: Command) -> Command:
    """Add `--python`, `--wheels` and `--site-packages`."""
    command = click.option(
        "--site-packages",
        metavar="DIR",
        multiple=True,
        help="Inspect a directory of installed distributions, e.g. of an image.",
    )(command)
    command = click.option(
        "--wheels",
        metavar="DIR",
        multiple=True,
        help="Use a directory of wheels; nothing is installed or run. May be repeated.",
    )(command)
    return click.option(
        "--python",
        metavar="PATH",
        help="Inspect the environment of another interpreter or of a virtual environment.",
    )(command)


def place_of(
    python: str | None,
    wheels: tuple[str, ...],
    site_packages: tuple[str, ...],
    target: tuple[str, ...],
) -> Place:
    """Return the place that the options name.

    Raises:
        UsageError: they contradict each other.
    """
    return Place(python=python, wheels=wheels, site_packages=site_packages, targets=target)
