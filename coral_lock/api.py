"""The Python API: what the commands do, for a program that embeds this package."""

from __future__ import annotations

import os

from coral_lock.errors import CoralLockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from coral_lock.derive.locking import Derivation
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.difference.model import Change
    from coral_lock.finding import Finding
    from coral_lock.inventory import Reporter
    from coral_lock.lockfile.model import Lock
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
    python: str | PathLike[str] | None = None,
    wheels: Sequence[str | PathLike[str]] = (),
    site_packages: Sequence[str | PathLike[str]] = (),
    targets: Sequence[str] = (),
    kept: Lock | None = None,
    allow_exec: bool = True,
    core_version: str | None = None,
    inference_version: str | None = None,
    allow_editable: bool = False,
    reporter: Reporter | None = None,
) -> Derivation:
    """Derive a lock from a descriptor and from installed distributions or wheels; write nothing.

    They are those of this environment, unless one of `python`, `wheels` and `site_packages`
    names another place.

    Args:
        config: the descriptor's file, or None for the defaults.
        settings: `KEY=VALUE` overrides, as `--set` takes them.
        environment: variables that override the file, e.g. `os.environ`; None for none.
        python: another interpreter, or the directory of a virtual environment.
        wheels: directories of wheels.
        site_packages: directories with installed distributions, e.g. of an image.
        targets: names of the descriptor's targets, or `python=…,platform=…`.
        kept: a lock whose versions are kept where there are several to choose from.
        allow_exec: whether a plugin whose spec can't be evaluated statically may be
            imported in a fresh interpreter.
        core_version: the version of `coral-inference` if it isn't installed.
        inference_version: the version of `inference` if it isn't installed.
        allow_editable: whether editable installs may be locked, without a digest.
        reporter: receives progress.

    Returns:
        The lock, or None with the findings that stand in its way; `parts` holds that of
        each target. `coral_lock.write_lock` gives a lock's text.

    Raises:
        CoralLockError: the descriptor or the place can't be used.
    """
    from coral_lock.derive.locking import derive, kept_versions
    from coral_lock.derive.opening import open_place
    from coral_lock.derive.place import Place
    from coral_lock.descriptor.load import load_descriptor
    from coral_lock.inventory import Reporter as SilentReporter

    request = _request(config, settings, environment, core_version, inference_version)
    descriptor = request() if request else load_descriptor(None)
    place = Place(
        python=_path(python),
        wheels=_paths(wheels),
        site_packages=_paths(site_packages),
        targets=tuple(targets),
    )
    opened = open_place(
        place, descriptor, allow_exec=allow_exec, kept=kept_versions(kept, ()), needs_target=True
    )
    reporter = reporter or SilentReporter()
    return derive(opened, descriptor, allow_editable=allow_editable, reporter=reporter)


def verify(
    lock: str | PathLike[str] | Lock = "coral.lock",
    *,
    integrity: str = "full",
    python: str | PathLike[str] | None = None,
    site_packages: Sequence[str | PathLike[str]] = (),
    target: str | None = None,
) -> tuple[Finding, ...]:
    """Return every deviation of a machine from a lock; none means that it holds.

    The machine is the environment of this process, unless one of `path`, `python` and
    `site_packages` names another. Nothing of it is run.

    Args:
        lock: the lock or its file. Of a lock with targets, what counts is the part of the
            one that the machine is.
        integrity: `metadata`, `imports` or `full`: whose files are hashed.
        path: directories to inspect in place of this interpreter's `sys.path`.
        python: another interpreter's file, or the directory of a virtual environment.
        site_packages: directories with installed distributions, e.g. of an image.
        target: the name of the lock's target that the machine has to be, by default the one
            that it is; with `site_packages` also `python=3.11,platform=linux_aarch64`.

    Raises:
        LockError: the lock can't be read.
        InputError: the interpreter or a directory can't be used, the lock has no target of
            that name, or it isn't clear for which one a directory is.
        UsageError: the arguments are mutually exclusive.
    """
    from coral_lock.derive.place import Place
    from coral_lock.derive.subject import subject_of
    from coral_lock.verification.verdict import verdict_on

    loaded = _lock(lock)
    place = Place(
        python=_path(python),
        site_packages=_paths(site_packages),
        targets=() if target is None else (target,),
    )
    subject, name = subject_of(place, loaded)
    return verdict_on(loaded, integrity, subject, name).findings


def init(
    config: str | PathLike[str] | None = None,
    *,
    lock: str | PathLike[str] | None = "coral.lock",
    settings: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    integrity: str = "imports",
    state_directory: str | PathLike[str] | None = None,
    closed: bool = False,
    accepted: bool = False,
    trust_directory: str | PathLike[str] | None = None,
    strict_children: bool = False,
    core_version: str | None = None,
    inference_version: str | None = None,
) -> ActivationReport:
    """Verify this machine against a lock and bring the runtime up in this process.

    The host is imported, if there is one, and finds the locked plugins. From then on the
    Python processes that this one starts are under the lock too, and a file that isn't what
    was locked can't be imported.

    Args:
        config: the descriptor's file; it may not contradict the lock.
        lock: the lock's file; None resolves what is installed now, without a lock.
        settings: `KEY=VALUE` overrides, as `--set` takes them.
        environment: variables that override the file, e.g. `os.environ`; None for none.
        integrity: `metadata`, `imports` or `full`: what is proved and hashed first.
        state_directory: the directory of the private bytecode cache, and of the reports.
        closed: whether distributions that the lock doesn't name are invisible.
        accepted: whether the lock has to be one that `coral-runtime accept` accepted here.
        trust_directory: the directory with what was accepted, None for `/var/lib/coral-lock`.
        strict_children: whether what starts a process that can't be put under the lock
            raises an error instead.
        core_version: the version of `coral-inference` if it isn't installed; it may not
            contradict the lock.
        inference_version: the version of `inference`, likewise.

    Raises:
        StartError: the machine doesn't match, or a plugin failed; with the report.
        CoralLockError: the lock or the descriptor can't be used.
    """
    request = _request(config, settings, environment, core_version, inference_version)
    if lock is None:
        from coral_lock.start.live import start_live

        report = start_live(request() if request else None)
    else:
        from coral_lock.children.parent import start_program
        from coral_lock.children.session import VARIABLE
        from coral_lock.reporting import ReportWriter
        from coral_lock.start.report import refusal_of

        path, state = os.fspath(lock), _path(state_directory)
        # A process under the lock of another start is part of that one's report.
        writer = None
        if not os.environ.get(VARIABLE):
            writer = ReportWriter("api", path, integrity, state_directory=state)
        try:
            report = start_program(
                path,
                writer,
                request=request,
                integrity=integrity,
                state_directory=state,
                closed=closed,
                accepted_only=accepted,
                trust_directory=_path(trust_directory),
                is_strict=strict_children,
            )
        except CoralLockError as error:
            if writer is not None:
                writer.tell(refusal_of(error), True)
            raise
        if writer is not None:
            writer.tell(report, True)
            report = report.replace(log_messages=(*report.log_messages, *writer.problems))
    if report.outcome != "started":
        raise StartError(report)
    return report


def _request(
    config: str | PathLike[str] | None,
    settings: Sequence[str],
    environment: Mapping[str, str] | None,
    core_version: str | None,
    inference_version: str | None,
) -> Callable[[], Descriptor] | None:
    """Return what reads what a program requests; None if that is nothing."""
    if not (config or settings or environment or core_version or inference_version):
        return None

    def read() -> Descriptor:
        from coral_lock.descriptor.load import load_descriptor

        return load_descriptor(
            _path(config),
            settings=settings,
            environment=environment,
            core_version=core_version,
            inference_version=inference_version,
        )

    return read


def diff(old: str | PathLike[str] | Lock, new: str | PathLike[str] | Lock) -> tuple[Change, ...]:
    """Return what changed between two locks, the alarming changes first.

    Raises:
        LockError: a lock can't be read.
    """
    from coral_lock.difference.changes import difference

    return difference(_lock(old), _lock(new))


def _lock(lock: str | PathLike[str] | Lock) -> Lock:
    from coral_lock.lockfile.file import load_lock

    return load_lock(os.fspath(lock)) if isinstance(lock, (str, os.PathLike)) else lock


def _path(path: str | PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _paths(paths: Sequence[str | PathLike[str]]) -> tuple[str, ...]:
    return tuple(os.fspath(path) for path in paths)
