"""Reports of starts, as files that are there already."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.start.report import (
    ACTIVATED,
    STARTED,
    ActivationReport,
    PluginOutcome,
    RuntimeState,
)


def earlier_report() -> str:
    """Return the report of a start that succeeded."""
    report = ActivationReport(
        outcome=STARTED,
        state=RuntimeState(platform="rknn", patches_enabled={"camera": True}),
        plugins=(PluginOutcome(id="patches:p", status=ACTIVATED, distribution="p", version="1.0"),),
        log_messages=("Plugin patches:p activated",),
    )
    return canonical_json.write(report.to_dict())
