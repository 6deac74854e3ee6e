"""`coral-runtime lock`: derive the lock and write it, or check that it is fresh."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence

import click

from coral_lock.cli.formats import TEXT, emit, output_format_option
from coral_lock.cli.options import Inputs, input_options
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.locking import Derivation, derive, freshness_of, kept_versions
from coral_lock.derive.opening import Opened
from coral_lock.difference.model import Change
from coral_lock.errors import (
    DOES_NOT_HOLD,
    HOLDS,
    INTEGRITY,
    ConflictMarkersError,
    InputError,
    LockError,
    LockVersionError,
    UsageError,
)
from coral_lock.finding import Finding, exit_code, has_errors, sorted_findings
from coral_lock.lockfile.file import load_lock, parse_lock
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import begins_as_lock, from_mapping, write_lock
from coral_lock.messages import counted, say, say_warning, size_of, warned
from coral_lock.record import Record
from coral_lock.rendering.outcome import Outcome
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
@click.option(
    "--allow-changed-digest",
    metavar="NAME",
    multiple=True,
    help="Accept other bytes of this distribution under an unchanged version. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be written.")
@click.option("-q", "--quiet", is_flag=True, help="Show warnings and errors only.")
@output_format_option
def lock(
    output: str,
    check: bool,
    inputs: Inputs,
    no_cache: bool,
    upgrade: bool,
    upgrade_plugin: tuple[str, ...],
    allow_editable: bool,
    allow_changed_digest: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    output_format: str,
) -> int:
    """Derive coral.lock from the descriptor and from what is installed, or from wheels.

    The same inputs give the same bytes on any machine. No plugin is imported into this
    process; one whose spec can't be read from its source is imported in a fresh
    interpreter, unless --no-exec forbids it. Wheels are never run.

    Where a wheelhouse holds several versions, the newest compatible ones are taken; a version
    that the lock has is kept as long as it is compatible.

    What changes is shown. Other bytes of a distribution whose version is the same are
    refused, unless --allow-changed-digest accepts them.

    \b
    Examples:
      coral-runtime lock -c runtime.yaml
      coral-runtime lock -c runtime.yaml --check
      coral-runtime lock -c runtime.yaml --check --output-format github
      coral-runtime lock -c runtime.yaml --dry-run
      coral-runtime lock -c runtime.yaml --allow-changed-digest acme-vision
      coral-runtime lock -c runtime.yaml --core-version 0.0.4 --inference-version 0.58.0
      coral-runtime lock -c runtime.yaml --wheels wheelhouse
      coral-runtime lock --wheels wheelhouse --target python=3.11,platform=linux_aarch64
      coral-runtime lock -c runtime.yaml --wheels wheelhouse --upgrade-plugin patches:denoise
    """
    is_chosen = bool(inputs.place.wheels)
    _refuse_senseless_upgrade(upgrade, upgrade_plugin, is_chosen)
    if check and (dry_run or allow_changed_digest):
        raise UsageError(
            "`--check` writes nothing, so there is nothing to try or to accept",
            expected="`--check` without `--dry-run` and `--allow-changed-digest`",
        )
    current, existing = _read_current(output, check)
    kept = _kept(existing, upgrade_plugin) if is_chosen and not upgrade else {}
    allowed = _allowed(allow_changed_digest, existing)
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
    locked = existing if isinstance(existing, Lock) else None
    if is_chosen and locked is not None:
        from coral_lock.derive.relocking import name_fetch

        derivation = derivation.replace(findings=name_fetch(derivation.findings, locked))
    if has_errors(derivation.findings):
        result = _failure(derivation, locked if check else None, output)
    elif check and locked is not None:
        result = _check(derivation, locked, output)
    else:
        result = _write(
            derivation,
            current,
            locked,
            output,
            allowed,
            use_cache=not no_cache,
            is_dry_run=dry_run,
        )
    text = "" if quiet and not check else _changes_text(result.changes)
    if not check and output_format == TEXT:
        click.echo(text, err=True, nl=False)
    emit(
        Outcome(
            document={"lock": output, "result": result.name},
            text=text if check else "",
            findings=sorted_findings({*derivation.findings, *result.findings}),
            changes=result.changes,
            locks=None if check else ((locked, output), (derivation.lock, output)),
        ),
        output_format,
    )
    for line in result.lines:
        if not quiet or result.exit_code != HOLDS:
            say(line)
    return result.exit_code


class Result(Record):
    """How locking or checking ended.

    Args:
        name: `failed`, `fresh`, `stale`, `unchanged`, `written`, or `would-write` if it was only
            tried.
        exit_code: the exit code.
        lines: what people read on standard error.
        changes: what changed or would change.
        findings: what is alarming about the changes.
    """

    name: str
    exit_code: int
    lines: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()


def _changes_text(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    from coral_lock.difference.text import render_text

    return render_text(changes, _MAX_SHOWN_CHANGES, is_brief=True)


def _read_current(output: str, check: bool) -> tuple[str | None, Lock | LockError | None]:
    """Return the text of the existing lock, and the lock or why it can't be read.

    Raises:
        LockError: `--check` finds none, or one that can't be read.
        LockVersionError: it is of a major version that can't be read.
        ConflictMarkersError: a merge left its markers in it, so nothing can be compared.
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
        return current, parse_lock(content, output)
    except (ConflictMarkersError, LockVersionError):
        raise
    except LockError as error:
        import json

        # One that is only written in another form can be compared all the same.
        with contextlib.suppress(ValueError, RecursionError, LockError):
            return current, from_mapping(json.loads(current))
        return current, error


def _allowed(names: tuple[str, ...], existing: Lock | LockError | None) -> frozenset[str]:
    """Return the distributions whose bytes may change under an unchanged version.

    Raises:
        UsageError: the lock has no distribution of such a name.
    """
    if isinstance(existing, LockError):
        say_warning(f"what changes isn't known, as the lock can't be read: {existing.message}")
    if not names or not isinstance(existing, Lock):
        return frozenset()
    from coral_lock.derive.relocking import allowed_names

    return allowed_names(names, existing)


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
        hint="restore it from version control; `--upgrade` starts from scratch",
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
    import shlex

    words = [
        f"{word.partition('=')[0]}=…" if "services." in word and "=" in word else word
        for word in sys.argv[1:]
        if word != "--check"
    ]
    return shlex.join(["coral-runtime", *words])


def _write(
    derivation: Derivation,
    current: str | None,
    locked: Lock | None,
    output: str,
    allowed: Collection[str],
    *,
    use_cache: bool,
    is_dry_run: bool,
) -> Result:
    """Write what was derived, unless it is there already, or replaces a lock in an alarming way."""
    assert derivation.lock is not None
    text, size = write_lock(derivation.lock), size_of(derivation.lock)
    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()
    if locked is not None:
        # A first lock needs neither, nor does `--check`, unless it finds a change.
        from coral_lock.derive.relocking import relocking_findings
        from coral_lock.difference.changes import difference

        changes = difference(locked, derivation.lock)
        alarming = relocking_findings(
            locked, derivation, changes, allowed=allowed, path=output, use_cache=use_cache
        )
        findings = tuple(alarming)
    if has_errors(findings):
        name, code = "failed", INTEGRITY
        line = f"failed to lock; `{output}` is unchanged"
    elif current == text:
        name, code, line = "unchanged", HOLDS, f"{output} is unchanged: {size}"
    elif is_dry_run:
        name, code, line = "would-write", HOLDS, f"would write {output}: {size}"
    else:
        write_durably(output, text)
        name, code, line = "written", HOLDS, f"wrote {output}: {size}"
    return Result(
        name=name,
        exit_code=code,
        lines=(line,),
        changes=changes,
        findings=findings,
    )
