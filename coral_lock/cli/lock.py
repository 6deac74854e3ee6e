"""`coral-runtime lock`: derive the lock and write it, or check that it is fresh."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.formats import Outcome, emit, output_format_option
from coral_lock.cli.options import config_options, load_config, no_exec_option, version_options
from coral_lock.cli.place_options import place_of, place_options
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.locking import Freshness, derive, freshness_of, kept_versions
from coral_lock.derive.place import open_place
from coral_lock.descriptor.model import HostVersions
from coral_lock.difference.changes import Change
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
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import is_damaged_lock, read_lock, write_lock
from coral_lock.messages import counted, later_version_warning, say, say_warning, size_of
from coral_lock.safe_files import refuse_to_overwrite, write_durably

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.derive.locking import Derivation
    from coral_lock.derive.place import Opened
    from coral_lock.lockfile.model import Lock

_MAX_SHOWN_CHANGES = 12


@click.command()
@config_options
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
@place_options
@click.option("--upgrade", is_flag=True, help="Ignore the versions in the existing lock.")
@click.option(
    "--upgrade-plugin",
    metavar="ID",
    multiple=True,
    help="Upgrade the distribution of this plugin, or the one of that name. May be repeated.",
)
@no_exec_option
@version_options
@click.option(
    "--allow-editable",
    is_flag=True,
    help="Lock editable installs too, without a digest.",
)
@output_format_option
def lock(
    config: str | None,
    no_config: bool,
    settings: tuple[str, ...],
    no_env: bool,
    output: str,
    check: bool,
    python: str | None,
    wheels: tuple[str, ...],
    site_packages: tuple[str, ...],
    target: tuple[str, ...],
    no_cache: bool,
    upgrade: bool,
    upgrade_plugin: tuple[str, ...],
    no_exec: bool,
    core_version: str | None,
    inference_version: str | None,
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
    _refuse_senseless_upgrade(upgrade, upgrade_plugin, wheels)
    place = place_of(python, wheels, site_packages, target)
    descriptor = load_config(config, no_config, settings, no_env).with_told(
        HostVersions(core=core_version, inference=inference_version)
    )
    current = _read_current(output, check)
    is_kept = bool(wheels) and not upgrade
    opened = open_place(
        place,
        descriptor,
        allow_exec=not no_exec,
        kept=kept_versions(_lock_in(current, output), upgrade_plugin) if is_kept else {},
        use_cache=not no_cache,
    )
    for note in opened.notes:
        say_warning(note)
    if not check:
        _refuse_part(opened)
    with shown_progress() as reporter:
        derivation = derive(
            opened,
            descriptor,
            allow_editable=allow_editable,
            reporter=reporter,
        )
    emit_result = partial(_emit, output, derivation, output_format)
    if has_errors(derivation.findings):
        emit_result("failed")
        say("failed to lock" + ("" if check else f"; `{output}` is unchanged"))
        return _integrity_of(derivation, str(current), output) if check else DOES_NOT_HOLD
    if check:
        return _check(output, str(current), derivation, emit_result)
    assert derivation.lock is not None
    return _write(output, current, derivation.lock, emit_result)


def _emit(
    output: str,
    derivation: Derivation,
    output_format: str,
    result: str,
    changes: tuple[Change, ...] = (),
) -> None:
    document: dict[str, Value] = {
        "lock": output,
        "result": result,
        "findings": [finding.to_dict() for finding in derivation.findings],
        "changes": [change.to_dict() for change in changes],
    }
    text = render_text(changes, _MAX_SHOWN_CHANGES)
    findings = derivation.findings
    emit(Outcome(document=document, text=text, findings=findings, changes=changes), output_format)


def _refuse_senseless_upgrade(
    upgrade: bool, upgrade_plugin: tuple[str, ...], wheels: tuple[str, ...]
) -> None:
    if (upgrade or upgrade_plugin) and not wheels:
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


def _read_current(output: str, check: bool) -> str | None:
    """Return the text of the lock that is there; None where there is none to compare with.

    Raises:
        LockError: `--check` finds none, or one that can't be read.
        LockVersionError: it is of a major version that can't be read.
        InputError: the file to write is something else than a lock.
    """
    if check:
        text = decode_lock(read_lock_bytes(output), output)
        read_lock(text, output)
        return text
    return refuse_to_overwrite(
        output, "a lock", lambda text: _is_lock(text, output), "write elsewhere with `-o FILE`"
    )


def _is_lock(text: str, output: str) -> bool:
    """Whether a text is a lock, in whatever state: one that is damaged is written again.

    Raises:
        LockVersionError: it is of a major version that can't be read.
    """
    try:
        read_lock(text, output)
    except LockVersionError:
        raise
    except LockError:
        return is_damaged_lock(text)
    return True


def _lock_in(text: str | None, output: str) -> Lock | None:
    """Return the lock of a text, whose versions are to be kept; None where there is no text.

    Raises:
        LockError: it can't be read, so that nobody knows what to keep.
    """
    if text is None:
        return None
    try:
        return read_lock(decode_lock(text.encode("utf-8", "surrogateescape"), output), output)
    except LockVersionError:
        raise
    except LockError as error:
        raise LockError(
            "the lock can't be read, so its versions can't be kept",
            found=error.message,
            where=error.where,
            hint="after a merge, take one side (`git checkout --ours coral.lock`) and lock again; "
            "`--upgrade` starts from scratch",
        ) from None


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


def _check(
    output: str, current: str, derivation: Derivation, emit_result: Callable[..., None]
) -> int:
    locked = read_lock(current, output)
    warning = later_version_warning(locked, output)
    if warning:
        say_warning(warning)
    freshness = freshness_of(locked, derivation)
    emit_result("fresh" if freshness.is_fresh else "stale", freshness.changes)
    if freshness.is_fresh:
        say(f"{output} is fresh{_extent(freshness)}: {size_of(locked)}")
        return HOLDS
    number = counted(len(freshness.changes), "change")
    say(f"{output} is stale{_extent(freshness)}: {number}, see above")
    remedy = (
        "re-lock all targets from a wheelhouse (`--wheels DIR`)"
        if freshness.parts
        else f"run `{_fixing_command()}`"
    )
    say(f"  hint: {remedy} and have the changes reviewed")
    is_tampered = any(
        each.is_alarming and (each.code == "digest-changed" or "data_digests" in each.place)
        for each in freshness.changes
    )
    return INTEGRITY if is_tampered else DOES_NOT_HOLD


def _integrity_of(derivation: Derivation, current: str, output: str) -> int:
    """Return the exit code of `--check` where failed to lock: 3 if locked bytes differ."""
    locked = {distribution.name for distribution in read_lock(current, output).distributions}
    about_locked = [each for each in derivation.findings if each.subject in locked]
    return max(DOES_NOT_HOLD, exit_code(about_locked))


def _extent(freshness: Freshness) -> str:
    """Return what was inspected, where that isn't the whole lock."""
    if not freshness.parts:
        return ""
    noun = "target" if len(freshness.parts) == 1 else "targets"
    parts = ", ".join(f"`{name}`" for name in freshness.parts)
    others = ", ".join(f"`{name}`" for name in freshness.unchecked)
    return f" for the {noun} {parts} (not checked: {others})"


def _fixing_command() -> str:
    words = [
        f"{word.partition('=')[0]}=…" if "services." in word and "=" in word else word
        for word in sys.argv[1:]
        if word != "--check"
    ]
    return shlex.join(["coral-runtime", *words])


def _write(output: str, current: str | None, lock: Lock, emit_result: Callable[[str], None]) -> int:
    text = write_lock(lock)
    if current == text:
        emit_result("unchanged")
        say(f"{output} is unchanged: {size_of(lock)}")
        return HOLDS
    write_durably(output, text)
    emit_result("written")
    say(f"wrote {output}: {size_of(lock)}")
    return HOLDS
