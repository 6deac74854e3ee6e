"""The Python API: what the commands do, for a program that embeds this package."""

from __future__ import annotations

import sys

from coral_lock.errors import CoralLockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from coral_lock.difference.locks import Change
    from coral_lock.finding import Finding
    from coral_lock.lockfile.model import Lock
    from coral_lock.reporter import Reporter
    from coral_lock.resolve.resolution import Resolution
    from coral_lock.start.report import ActivationReport


class StartError(CoralLockError):
    """A start was refused, or a plugin failed. `report` tells all."""

    def __init__(self, report: ActivationReport) -> None:
        super().__init__(
            f"the start was {report.outcome}"
            if report.outcome == "refused"
            else "a plugin failed, so the start failed",
            hint="see `report.findings`",
        )
        self.report = report
        self.exit_code = report.exit_code


def lock(
    config: str | PathLike[str] | None = None,
    *,
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    path: Sequence[str] | None = None,
    allow_exec: bool = True,
    core_version: str | None = None,
    inference_version: str | None = None,
    allow_editable: bool = False,
    reporter: Reporter | None = None,
) -> Resolution:
    """Derive the lock of a descriptor and of what is installed; nothing is written.

    Args:
        config: the descriptor's file, or None for the defaults.
        settings: `KEY=VALUE` overrides, as `--set` takes them.
        environment: variables that override the file, e.g. `os.environ`; None for none.
        path: the directories to look in, `sys.path` by default.
        allow_exec: whether a plugin whose spec can't be evaluated statically may be
            imported in a fresh interpreter.
        core_version: the version of `coral-inference` where it isn't installed.
        inference_version: the version of `inference` where it isn't installed.
        allow_editable: whether editable installs may be locked, without a digest.
        reporter: is told of progress.

    Returns:
        The lock, or None with the findings that stand in its way.
        `coral_lock.write_lock` gives a lock's text.

    Raises:
        CoralLockError: the descriptor can't be used.
    """
    from coral_lock.descriptor.load import load_descriptor
    from coral_lock.installed.environment import EnvironmentInventory
    from coral_lock.probe.run import interpreter_probe
    from coral_lock.resolve.resolution import resolve

    search = list(sys.path if path is None else path)
    return resolve(
        EnvironmentInventory(search),
        load_descriptor(_text(config), settings=settings, environment=environment),
        probe=interpreter_probe(search) if allow_exec else None,
        core_version=core_version,
        inference_version=inference_version,
        allow_editable=allow_editable,
        reporter=reporter,
    )


def verify(
    lock: str | PathLike[str] | Lock = "coral.lock",
    *,
    integrity: str = "full",
    path: Sequence[str] | None = None,
) -> tuple[Finding, ...]:
    """Return every deviation of this machine from a lock; none means that it holds.

    Args:
        lock: the lock or its file.
        integrity: `metadata`, `plugins` or `full`: whose bytes are hashed.
        path: the directories to look in, `sys.path` by default.

    Raises:
        LockError: the lock can't be read.
    """
    from coral_lock.verification.findings import findings_of
    from coral_lock.verification.machine import observe

    loaded = _lock(lock)
    return findings_of(loaded, observe(loaded, integrity, path))


def init(
    config: str | PathLike[str] | None = None,
    *,
    lock: str | PathLike[str] | None = "coral.lock",
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    integrity: str = "plugins",
    state_directory: str | PathLike[str] | None = None,
) -> ActivationReport:
    """Verify this machine against a lock and activate the lock's plugins in this process.

    The interpreter keeps its private bytecode cache afterwards, and the host's own plugin
    discovery stays switched off.

    Args:
        config: the descriptor's file; it may not contradict the lock.
        lock: the lock's file; None resolves what is installed now, without a lock.
        settings: `KEY=VALUE` overrides, as `--set` takes them.
        environment: variables that override the file, e.g. `os.environ`; None for none.
        integrity: `metadata`, `plugins` or `full`: whose bytes are hashed.
        state_directory: where the private bytecode cache lies.

    Raises:
        StartError: the machine doesn't match, or a plugin failed; with the report.
        CoralLockError: the lock or the descriptor can't be used.
    """
    descriptor = None
    if config is not None or settings or environment:
        from coral_lock.descriptor.load import load_descriptor

        descriptor = load_descriptor(_text(config), settings=settings, environment=environment)
    if lock is None:
        from coral_lock.start.live import start_live

        report = start_live(descriptor)
    else:
        from coral_lock.start.locked import start_locked

        report = start_locked(
            str(_text(lock)),
            descriptor=descriptor,
            integrity=integrity,
            state_directory=_text(state_directory),
        )
    if report.outcome != "started":
        raise StartError(report)
    return report


def diff(old: str | PathLike[str] | Lock, new: str | PathLike[str] | Lock) -> tuple[Change, ...]:
    """Return what changed between two locks, the alarming changes first.

    Raises:
        LockError: a lock can't be read.
    """
    from coral_lock.difference.locks import difference

    return difference(_lock(old), _lock(new))


def _lock(lock: str | PathLike[str] | Lock) -> Lock:
    from coral_lock.lockfile.file import load_lock
    from coral_lock.lockfile.model import Lock as LockType

    return lock if isinstance(lock, LockType) else load_lock(str(_text(lock)))


def _text(path: str | PathLike[str] | None) -> str | None:
    return None if path is None else path.__fspath__() if hasattr(path, "__fspath__") else str(path)
