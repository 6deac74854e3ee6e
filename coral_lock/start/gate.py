"""The gate between a program and the runtime: entry points are the lock's, and so is the host.

Once it is open, anyone who asks for the runtime's entry points gets the verified ones, and the
host starts under descriptor and lock when it is first imported.
"""

from __future__ import annotations

import os

from coral_lock.finding import Finding, has_errors
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
from coral_lock.start.activation import Activator, describe_exception, silence_host
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    STARTED,
    VERIFIED,
    ActivationReport,
    PluginOutcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from coral_lock.host.context import HostState
    from coral_lock.start.plan import StartPlan


_DEPTH = "CORAL_LOCK_DEPTH"
"""Set while the host starts: the number of processes, each a child of the last, that do so."""

_MAX_DEPTH = "4"


class Gate:
    """A start that is verified, and under way as soon as the gate is open.

    `entry_points` are the locked ones, in the order of activation.

    Args:
        plan: what to start.
        done: gets the report once a host has started or failed, before its import ends. What
            it raises, the import raises.
        about_to_start: is called before the host is imported; what it raises, the import
            raises.
    """

    def __init__(
        self,
        plan: StartPlan,
        done: Callable[[ActivationReport], None] = lambda report: None,
        about_to_start: Callable[[], None] = lambda: None,
    ) -> None:
        self._plan = plan
        self._done = done
        self._about_to_start = about_to_start
        self._activator = Activator(plan)
        self._report: ActivationReport | None = None
        self.entry_points = self._activator.entry_points()

    def open(self, is_eager: bool) -> ActivationReport:
        """Start: at once, or at the first import of the host.

        Without a host, the plugins are activated here, at once.

        Returns:
            The report, whose outcome is `verified` if the host hasn't been imported yet.

        Raises:
            KeyboardInterrupt: the user interrupted a plugin.
        """
        if is_host_imported():
            return self._plan.refused(
                "The host is already running: nothing was activated", _host_running()
            )
        lower_import_guard()
        has_host = is_host_installed()
        install_hooks(lambda: self, plugin_modules(self._plan.plugins), has_host)
        if not has_host:
            return self.activate()
        if is_eager:
            return self._start_host()
        messages = ("The host starts at its first import",)
        return self._plan.report(VERIFIED, self._plan.not_run(), messages=messages)

    def activate(self) -> ActivationReport:
        """Activate the plugins here, without a host."""
        self._activator.activate_all()
        return self._finish(None)

    def execute_host(self, module: ModuleType, execute: Callable[[], None]) -> None:
        """Let the host start while its module is executed, and compare the state it reports."""
        self._about_to_start()
        os.environ.update(self._plan.config.host_environment())
        self._activator.is_host_starting = True
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
        self._activator.is_host_starting = False
        state = state_of(context)
        active = {
            outcome.id: None if outcome.status == NOT_RUN else outcome.status == ACTIVATED
            for outcome in self._activator.outcomes()
        }
        self._done(self._finish(state, tuple(state_findings(state, self._plan.config, active))))

    def _start_host(self) -> ActivationReport:
        try:
            __import__(HOST_MODULE)
        except KeyboardInterrupt:
            raise
        except BaseException:
            if self._report is None:
                raise
        assert self._report is not None
        return self._report

    def _finish(
        self, state: HostState | None, findings: tuple[Finding, ...] = ()
    ) -> ActivationReport:
        refused = (each for imports in installed_imports() for each in imports.findings)
        findings = (*findings, *self._activator.failures(), *refused)
        outcomes = self._activator.outcomes()
        self._report = self._plan.report(
            FAILED if has_errors(findings) else STARTED,
            outcomes,
            findings,
            (*(state.log_messages if state else ()), *map(_message, outcomes)),
            state,
        )
        return self._report


def activate(plan: StartPlan) -> ActivationReport:
    """Activate the plugins of a plan in this process, without the host, and report on each."""
    lower_import_guard()
    silence_host(os.environ)
    return Gate(plan).activate()


def _message(outcome: PluginOutcome) -> str:
    """Return the log's line about a plugin."""
    if outcome.status == ACTIVATED:
        return f"Plugin {outcome.id} activated"
    return f"Plugin {outcome.id} {outcome.status}: {outcome.reason}"


def _host_running() -> Finding:
    return Finding(
        code="host-running",
        subject=HOST_MODULE,
        summary="the host was imported before the lock could be applied to it",
        where=HOST_MODULE,
        hint="call `coral_lock.init` before anything imports `coral_inference`",
    )


def _host_failed(error: BaseException) -> Finding:
    return Finding(
        code="host-failed",
        subject=HOST_MODULE,
        summary=f"the host couldn't be imported: {describe_exception(error)}",
        where=HOST_MODULE,
        hint=f"run `python -c 'import {HOST_MODULE}'` to see the whole traceback",
    )
