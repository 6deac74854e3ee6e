"""Options that several commands share, and the values that commands get for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from coral_lock.cli.application import Command, declared_options
from coral_lock.cli.grammar import (
    CONFIG_OPTIONS,
    VERSION_OPTIONS,
    Option,
    descriptor_path,
)
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.place import Place
from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import UsageError
from coral_lock.finding import Finding
from coral_lock.messages import say_warning
from coral_lock.names import GROUPS, nearest_group, nearest_id
from coral_lock.record import Record

# `verify` has the options of a place, and none of what it takes to derive a lock.
if TYPE_CHECKING:
    from coral_lock.derive.opening import Opened
    from coral_lock.locking.resolution import Survey

_PLACE_OPTIONS = (
    Option(
        names=("--python",),
        metavar="PATH",
        help="Inspect the environment of another interpreter or of a virtual environment.",
    ),
    Option(
        names=("--wheels",),
        metavar="DIR",
        multiple=True,
        help="Use a directory of wheels; nothing is installed or run. May be repeated.",
    ),
    Option(
        names=("--site-packages",),
        metavar="DIR",
        multiple=True,
        help="Inspect a directory of installed distributions, e.g. of an image.",
    ),
)
_INPUT_OPTIONS = (
    Option(
        names=("--target",),
        metavar="TARGET",
        multiple=True,
        help="A target of the descriptor by its name, or "
        "`python=3.11,platform=linux_aarch64`. May be repeated.",
    ),
    Option(names=("--no-exec",), help="Never import a plugin, not even in a fresh interpreter."),
    *VERSION_OPTIONS,
)


def config_options(command: Command) -> Command:
    """Add the options that name a descriptor; the command gets the `descriptor`."""

    @wraps(command)
    def with_descriptor(*, config: str | None, no_config: bool, no_env: bool, **values: Any) -> Any:
        from coral_lock.descriptor.load import load_descriptor

        descriptor = load_descriptor(
            descriptor_path(config, no_config),
            settings=values.pop("set"),
            environment=None if no_env else os.environ,
            core_version=values.pop("core_version", None),
            inference_version=values.pop("inference_version", None),
        )
        return command(descriptor=descriptor, **values)

    return declared_options(*CONFIG_OPTIONS)(with_descriptor)


def place_options(command: Command) -> Command:
    """Add the options that say where distributions are; the command gets the `place`."""

    @wraps(command)
    def with_place(
        *,
        python: str | None,
        wheels: tuple[str, ...],
        site_packages: tuple[str, ...],
        **values: Any,
    ) -> Any:
        place = Place(python=python, wheels=wheels, site_packages=site_packages)
        return command(place=place, **values)

    return declared_options(*_PLACE_OPTIONS)(with_place)


class Inputs(Record):
    """What a lock is derived from.

    Args:
        descriptor: what the runtime should run, with the versions of hosts that aren't installed.
        place: where distributions are.
        allow_exec: whether plugins may be imported in a fresh interpreter.
    """

    descriptor: Descriptor
    place: Place
    allow_exec: bool

    def open(self, kept: Mapping[str, str], **options: bool) -> Opened:
        """Return the inventories of the place, and print what a user may want to know of it.

        The arguments are those of `open_place`.
        """
        from coral_lock.derive.opening import open_place

        opened = open_place(
            self.place,
            self.descriptor,
            allow_exec=self.allow_exec,
            kept=kept,
            **options,
        )
        for note in opened.notes:
            say_warning(note)
        return opened

    def survey(self, opened: Opened) -> tuple[dict[str, Survey], tuple[Finding, ...]]:
        """Return what each target's plugins are, by its name, and all findings."""
        from coral_lock.derive.locking import gathered_findings, survey_all

        with shown_progress() as reporter:
            surveys = survey_all(opened, self.descriptor, reporter)
        return surveys, gathered_findings(
            opened, {name: each.findings for name, each in surveys.items()}
        )


def input_options(command: Command) -> Command:
    """Add the options that say what a lock is derived from; the command gets the `inputs`."""

    @wraps(command)
    def with_inputs(
        *,
        descriptor: Descriptor,
        place: Place,
        target: tuple[str, ...],
        no_exec: bool,
        **values: Any,
    ) -> Any:
        for warning in descriptor.warnings:
            say_warning(warning)
        inputs = Inputs(
            descriptor=descriptor,
            place=place.replace(targets=target),
            allow_exec=not no_exec,
        )
        return command(inputs=inputs, **values)

    return place_options(config_options(declared_options(*_INPUT_OPTIONS)(with_inputs)))


def known_group(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the value of `--group`, or the id or name of a plugin or a distribution.

    Raises:
        UsageError: there is no such group; the hint has the nearest.
    """
    is_id = parameter.name == "identifier"
    group = (value or "").partition(":")[0] if is_id else value
    if value is None or group in GROUPS or (is_id and ":" not in value):
        return value
    near = nearest_id(value) if is_id else nearest_group(value)
    raise UsageError(
        f"there is no group `{group}`",
        expected=f"one of {', '.join(GROUPS)}",
        hint=f"did you mean `{near}`?" if near else None,
    )
