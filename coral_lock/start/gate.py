"""The gate between a program and the runtime: entry points are the lock's, and so is the host.

From its opening on, whoever asks for the runtime's entry points gets those that were
verified, and whoever imports the host first has it start under descriptor and lock.
"""

from __future__ import annotations

import os

from coral_lock.finding import ERROR, Finding, has_errors, sorted_findings
from coral_lock.host.context import (
    current_context,
    is_host_imported,
    is_host_installed,
    state_findings,
    state_of,
)
from coral_lock.host.import_hooks import install_hooks, plugin_modules
from coral_lock.import_guard import lower_import_guard
from coral_lock.imports.finder import installed_imports
from coral_lock.names import HOST_MODULE
from coral_lock.start.activation import Activator, describe_exception
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    STARTED,
    VERIFIED,
    ActivationReport,
)
from coral_lock.start.starting import outcome_message, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from coral_lock.host.context import HostState
    from coral_lock.host.entry_points import ServedEntryPoint
    from coral_lock.start.starting import Starting


_DEPTH = "CORAL_LOCK_DEPTH"
"""Set while the host starts: in how many processes, each started by the one before, it does."""

_MAX_DEPTH = "4"


class Gate:
    """A start that is verified, and under way as soon as the gate is open.

    Args:
        starting: what to start.
        done: is handed the report once a host has started or failed, before its import ends.
            What it raises, the import raises.
        about_to_start: is called before the host is imported; what it raises, the import
            raises.
    """

    def __init__(
        self,
        starting: Starting,
        done: Callable[[ActivationReport], None] = lambda report: None,
        about_to_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._starting = starting
        self._done = done
        self._about_to_start = about_to_start
        self._activator = Activator(starting.config, starting.versions)
        self._entry_points = self._activator.entry_points(starting.plugins)
        self._report: ActivationReport | None = None

    @property
    def starting(self) -> Starting:
        """What is started."""
        return self._starting

    @property
    def entry_points(self) -> tuple[ServedEntryPoint, ...]:
        """The locked entry points, in the order of activation."""
        return self._entry_points

    def open(self, is_eager: bool) -> ActivationReport:
        """Start: at once, or at the first import of the host.

        Without a host, the plugins are activated here, at once.

        Returns:
            The report; where the host hasn't been imported yet, its outcome is `verified`.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        if is_host_imported():
            return self._refuse_running_host()
        lower_import_guard()
        has_host = is_host_installed()
        install_hooks(lambda: self, plugin_modules(self._starting.plugins), has_host)
        if not has_host:
            return self.activate()
        if is_eager:
            return self.start_host()
        waiting = refuse(self._starting, "The host starts at its first import")
        return waiting.replace(outcome=VERIFIED)

    def activate(self) -> ActivationReport:
        """Activate the plugins here, where there is no host that does it."""
        self._activator.activate_all(self._starting.plugins)
        return self._finish(None)

    def start_host(self) -> ActivationReport:
        """Import the host, and return the report of its start."""
        try:
            __import__(HOST_MODULE)
        except KeyboardInterrupt:
            raise
        except BaseException:
            if self._report is None:
                raise
        assert self._report is not None
        return self._report

    def execute_host(self, module: ModuleType, execute: Callable[[], None]) -> None:
        """Let the host start while its module is executed, and compare what it then says."""
        self._about_to_start()
        os.environ.update(self._starting.config.host_environment())
        self._activator.begin_host()
        depth = os.environ.get(_DEPTH, "0")
        try:
            if depth >= _MAX_DEPTH:
                raise RecursionError(
                    "plugins start processes in which the same plugins are activated again"
                )
            os.environ[_DEPTH] = str(int(depth) + 1)
            execute()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._done(self._finish(None, (_host_failed(error),)))
            raise
        finally:
            os.environ.pop(_DEPTH, None)
        context = current_context()
        self._activator.hand_over_services(getattr(context, "config", None))
        self._activator.end_host()
        state = state_of(context)
        outcomes, _ = self._activator.outcomes(self._starting.plugins)
        active = {
            outcome.id: None if outcome.status == NOT_RUN else outcome.status == ACTIVATED
            for outcome in outcomes
        }
        findings = state_findings(state, self._starting.config, active)
        self._done(self._finish(state, tuple(findings)))

    def _finish(
        self, state: HostState | None, findings: tuple[Finding, ...] = ()
    ) -> ActivationReport:
        outcomes, failures = self._activator.outcomes(self._starting.plugins)
        refused = (each for imports in installed_imports() for each in imports.findings)
        findings = (*findings, *failures, *refused)
        self._report = ActivationReport(
            outcome=FAILED if has_errors(findings) else STARTED,
            lock=self._starting.lock,
            platform=state.platform if state else self._starting.config.platform,
            plugins=outcomes,
            patches_enabled=state.patches_enabled
            if state
            else self._starting.config.built_in_patches(),
            host=state,
            findings=sorted_findings((*self._starting.findings, *findings)),
            log_messages=(
                *self._starting.messages,
                *(state.log_messages if state else ()),
                *map(outcome_message, outcomes),
            ),
        )
        return self._report

    def _refuse_running_host(self) -> ActivationReport:
        finding = Finding(
            code="host-running",
            severity=ERROR,
            subject=HOST_MODULE,
            summary="the host was imported before it could be brought up by the lock",
            where=HOST_MODULE,
            hint="call `coral_lock.init` before anything imports `coral_inference`",
        )
        starting = self._starting.replace(
            findings=sorted_findings((*self._starting.findings, finding))
        )
        return refuse(starting, "The host runs already: nothing was activated")


def _host_failed(error: BaseException) -> Finding:
    return Finding(
        code="host-failed",
        severity=ERROR,
        subject=HOST_MODULE,
        summary=f"the host couldn't be imported: {describe_exception(error)}",
        where=HOST_MODULE,
        hint=f"see what `python -c 'import {HOST_MODULE}'` says",
    )
