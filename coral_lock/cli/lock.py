"""`coral-runtime lock`: derive the lock and write it, or check that it is fresh."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

import click

from coral_lock.cli.formats import Outcome, emit, output_format_option
from coral_lock.cli.options import Inputs, input_options
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.locking import Derivation, derive, freshness_of, kept_versions
from coral_lock.derive.opening import Opened
from coral_lock.difference.model import Change
from coral_lock.difference.text import render_text
from coral_lock.errors import (
    DOES_NOT_HOLD,
    HOLDS,
    INTEGRITY,
    InputError,
    LockError,
    LockVersionError,
    UsageError,
)
from coral_lock.finding import exit_code, has_errors
from coral_lock.lockfile.file import decode_lock, load_lock
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import begins_as_lock, read_lock, write_lock
from coral_lock.messages import counted, say, size_of, warned
from coral_lock.safe_files import refuse_to_overwrite, write_durably

_MAX_SHOWN_CHANGES = 12


@click.command()
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="coral.lock",
    show_default=True,
    help="The lock to write or check.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail if the lock isn't what would be written now.",
)
@input_options
@click.option("--no-cache", is_flag=True, help="Don't use the cache of wheel hashes.")
@click.option("--upgrade", is_flag=True, help="Ignore the versions in the existing lock.")
@click.option(
    "--upgrade-plugin",
    metavar="ID",
    multiple=True,
    help="Upgrade the distribution of this plugin, or the one of that name. May be repeated.",
)
@click.option(
    "--allow-editable", is_flag=True, help="Lock editable installs too, without a digest."
)
@output_format_option
def lock(
    output: str,
    check: bool,
    inputs: Inputs,
    no_cache: bool,
    upgrade: bool,
    upgrade_plugin: tuple[str, ...],
    allow_editable: bool,
    output_format: str,
) -> int:
    """Derive coral.lock from the descriptor and from what is installed, or from wheels.

    The same inputs give the same bytes on any machine. No plugin is imported into this
    process; one whose spec can't be read from its source is imported in a fresh
    interpreter, unless --no-exec forbids it. Wheels are never run.

    Where a wheelhouse holds several versions, the newest compatible ones are taken; a version
    that the lock has is kept as long as it is compatible.

    \b
    Examples:
      coral-runtime lock -c runtime.yaml
      coral-runtime lock -c runtime.yaml --check
      coral-runtime lock -c runtime.yaml --check --output-format github
      coral-runtime lock -c runtime.yaml --core-version 0.0.4 --inference-version 0.58.0
      coral-runtime lock -c runtime.yaml --wheels wheelhouse
      coral-runtime lock --wheels wheelhouse --target python=3.11,platform=linux_aarch64
      coral-runtime lock -c runtime.yaml --wheels wheelhouse --upgrade-plugin patches:denoise
    """
    is_chosen = bool(inputs.place.wheels)
    _refuse_senseless_upgrade(upgrade, upgrade_plugin, is_chosen)
    current, existing = _read_current(output, check)
    kept = _kept(existing, upgrade_plugin) if is_chosen and not upgrade else {}
    opened = inputs.open(kept, use_cache=not no_cache, needs_target=True)
    if not check:
        _refuse_part(opened)
    with shown_progress() as reporter:
        derivation = derive(
            opened,
            inputs.descriptor,
            allow_editable=allow_editable,
            reporter=reporter,
        )
    locked = existing if check and isinstance(existing, Lock) else None
    if has_errors(derivation.findings):
        result = _failure(derivation, locked, output)
    elif locked is not None:
        result = _check(derivation, locked, output)
    else:
        result = _write(derivation, current, output)
    document = {"lock": output, "result": result.name}
    text = render_text(result.changes, _MAX_SHOWN_CHANGES)
    outcome = Outcome(
        document=document, text=text, findings=derivation.findings, changes=result.changes
    )
    emit(outcome, output_format)
    for line in result.lines:
        say(line)
    return result.exit_code


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How locking or checking ended.

    Args:
        name: `failed`, `fresh`, `stale`, `unchanged` or `written`.
        exit_code: the exit code.
        lines: what people read on standard error.
        changes: what would change.
    """

    name: str
    exit_code: int
    lines: tuple[str, ...]
    changes: tuple[Change, ...] = ()


def _read_current(output: str, check: bool) -> tuple[str | None, Lock | LockError | None]:
    """Return the text of the existing lock, and the lock or why it can't be read.

    Raises:
        LockError: `--check` finds none, or one that can't be read.
        LockVersionError: it is of a major version that can't be read.
        InputError: the file to write is something else than a lock.
    """
    if check:
        return None, load_lock(output)
    hint = "write elsewhere with `-o FILE`"
    current = refuse_to_overwrite(output, "a lock", begins_as_lock, hint)
    if current is None:
        return None, None
    content = current.encode("utf-8", "surrogateescape")
    try:
        return current, read_lock(decode_lock(content, output), output)
    except LockVersionError:
        raise
    except LockError as error:
        return current, error


def _kept(existing: Lock | LockError | None, upgraded: tuple[str, ...]) -> dict[str, str]:
    """Return the versions to keep, by the name of the distribution.

    Raises:
        LockError: the existing lock can't be read, so its versions aren't known.
        UsageError: it has none of what is to be upgraded.
    """
    if not isinstance(existing, LockError):
        return kept_versions(existing, upgraded)
    raise LockError(
        "the lock can't be read, so its versions can't be kept",
        found=existing.message,
        where=existing.where,
        hint="after a merge, take one side (`git checkout --ours coral.lock`) and lock again; "
        "`--upgrade` starts from scratch",
    )


def _refuse_senseless_upgrade(
    upgrade: bool, upgrade_plugin: tuple[str, ...], is_chosen: bool
) -> None:
    if (upgrade or upgrade_plugin) and not is_chosen:
        raise UsageError(
            "`--upgrade` and `--upgrade-plugin` choose among the versions of a wheelhouse",
            hint="name one with `--wheels DIR`; upgrade what is installed with pip or uv",
        )
    if upgrade and upgrade_plugin:
        raise UsageError(
            "`--upgrade` and `--upgrade-plugin` are mutually exclusive",
            expected="one of them",
            hint="`--upgrade` upgrades every plugin",
        )


def _refuse_part(opened: Opened) -> None:
    """Refuse to write a lock for several targets of which only some were inspected."""
    if 0 < len(opened.inventories) < len(opened.targets):
        targets = ", ".join(f"`{target.name}`" for target in opened.targets)
        raise InputError(
            "the lock has several targets, and only some of them were inspected",
            expected=f"the distributions of {targets}",
            found=f"those of {', '.join(f'`{name}`' for name in opened.inventories)}",
            hint="lock from a wheelhouse with `--wheels DIR` and without `--target`, check this "
            "part with `--check`, or lock for one target with "
            "`--target name=…,python=…,platform=…`",
        )


def _failure(derivation: Derivation, checked: Lock | None, output: str) -> Result:
    """Return the result where no lock is derived: 3 where `--check` finds other locked bytes."""
    unchanged = "" if checked else f"; `{output}` is unchanged"
    locked = {each.name for each in checked.distributions} if checked else set()
    about_locked = [each for each in derivation.findings if each.subject in locked]
    return Result(
        name="failed",
        exit_code=max(DOES_NOT_HOLD, exit_code(about_locked)),
        lines=(f"failed to lock{unchanged}",),
    )


def _check(derivation: Derivation, locked: Lock, output: str) -> Result:
    freshness = freshness_of(warned(locked, output), derivation)
    extent, changes = "", freshness.changes
    if freshness.parts:
        noun = "target" if len(freshness.parts) == 1 else "targets"
        parts, others = (
            ", ".join(f"`{name}`" for name in names)
            for names in (freshness.parts, freshness.unchecked)
        )
        extent = f" for the {noun} {parts} (not checked: {others})"
    if freshness.is_fresh:
        line = f"{output} is fresh{extent}: {size_of(locked)}"
        return Result(name="fresh", exit_code=HOLDS, lines=(line,), changes=changes)
    remedy = (
        "re-lock all targets from a wheelhouse (`--wheels DIR`)"
        if freshness.parts
        else f"run `{_fixing_command()}`"
    )
    is_tampered = any(risk.code == "bytes-changed" for each in changes for risk in each.risks)
    return Result(
        name="stale",
        exit_code=INTEGRITY if is_tampered else DOES_NOT_HOLD,
        lines=(
            f"{output} is stale{extent}: {counted(len(changes), 'change')}, see above",
            f"  hint: {remedy} and have the changes reviewed",
        ),
        changes=changes,
    )


def _fixing_command() -> str:
    words = [
        f"{word.partition('=')[0]}=…" if "services." in word and "=" in word else word
        for word in sys.argv[1:]
        if word != "--check"
    ]
    return shlex.join(["coral-runtime", *words])


def _write(derivation: Derivation, current: str | None, output: str) -> Result:
    assert derivation.lock is not None
    text, size = write_lock(derivation.lock), size_of(derivation.lock)
    if current == text:
        line = f"{output} is unchanged: {size}"
        return Result(name="unchanged", exit_code=HOLDS, lines=(line,))
    write_durably(output, text)
    return Result(name="written", exit_code=HOLDS, lines=(f"wrote {output}: {size}",))
