"""Activating plugins in a fresh interpreter, and reading its report."""

from __future__ import annotations

import json
import os
import sys

from coral_lock.child_process import run_child
from coral_lock.finding import ERROR, Finding
from coral_lock.start.report import FAILED, ActivationReport, PluginOutcome, VerifiedLock
from coral_lock.testing.outcome import Activation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coral_lock.start.starting import Starting

_MAX_OUTPUT = 1 << 26
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")


def activate_freshly(starting: Starting, time_limit: float) -> Activation:
    """Activate plugins in a fresh interpreter, which prints as `coral-runtime init` does.

    Where it ends without a report, or takes too long, each plugin has failed, with that as
    the reason.

    Args:
        starting: what to activate; its configuration is plain data.
        time_limit: the seconds that it may take.

    Raises:
        ValueError: the configuration isn't plain data.
    """
    request = {
        "path": [os.path.abspath(entry) for entry in sys.path],
        "config": _plain(vars(starting.config)),
        "plugins": [_fields(plugin) for plugin in starting.plugins],
        "versions": dict(starting.versions),
        "findings": [_fields(finding) for finding in starting.findings],
    }
    end = run_child(
        (sys.executable, "-I", _CHILD),
        time_limit=time_limit,
        environment=os.environ,
        directory=os.getcwd(),
        memory_limit=None,
        content=json.dumps(request).encode(),
        most_output=_MAX_OUTPUT,
        errors_apart=True,
    )
    ending = f"the interpreter took longer than {time_limit:g} s" if end.excess else None
    stdout, stderr = end.output.decode("utf-8", "replace"), end.errors.decode("utf-8", "replace")
    report = None if ending else _read_report(stdout)
    if report is None:
        report = _without_report(starting, ending or _manner(end.exit_code))
    return Activation(report=report, stdout=stdout, stderr=stderr)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        if json.loads(json.dumps(values)) == values:
            return values
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "a fresh interpreter can only be handed a configuration of plain data: strings, "
        "numbers, booleans, None, lists, and dicts with strings for keys"
    )


def _fields(record: Any) -> dict[str, Any]:
    return {field: getattr(record, field) for field in record._fields}


def _manner(exit_code: int) -> str:
    how = f"with exit code {exit_code}" if exit_code >= 0 else f"by signal {-exit_code}"
    return f"the interpreter ended {how} before it could report"


def _read_report(text: str) -> ActivationReport | None:
    """Return the report that a document holds, or None where there is no document."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    state = document["state"]
    return ActivationReport(
        outcome=document["outcome"],
        lock=VerifiedLock(**document["lock"]) if document["lock"] else None,
        platform=state["platform"],
        plugins=tuple(PluginOutcome(**outcome) for outcome in document["plugins"]),
        patches_enabled=state["patches_enabled"],
        findings=tuple(Finding(**finding) for finding in document["findings"]),
        log_messages=tuple(document["log_messages"]),
    )


def _without_report(starting: Starting, reason: str) -> ActivationReport:
    return ActivationReport(
        outcome=FAILED,
        lock=starting.lock,
        platform=starting.config.platform,
        plugins=tuple(
            PluginOutcome(
                id=plugin.id,
                status=FAILED,
                distribution=plugin.distribution,
                version=starting.versions[plugin.distribution],
                reason=reason,
            )
            for plugin in starting.plugins
        ),
        patches_enabled=starting.config.built_in_patches(),
        findings=(
            *starting.findings,
            *(
                Finding(
                    code="activation-failed",
                    severity=ERROR,
                    subject=plugin.id,
                    summary=f"`{plugin.id}` failed: {reason}",
                    where=plugin.entry_point,
                )
                for plugin in starting.plugins
            ),
        ),
    )
