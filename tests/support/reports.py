"""Reports of starts, as files that are there already."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.start.report import ACTIVATED, STARTED, ActivationReport, PluginOutcome


def earlier_report() -> str:
    """Return the report of a start that succeeded."""
    report = ActivationReport(
        outcome=STARTED,
        lock=None,
        platform="rknn",
        plugins=(PluginOutcome(id="patches:p", status=ACTIVATED, distribution="p", version="1.0"),),
        patches_enabled={"camera": True},
        log_messages=("Plugin patches:p activated",),
    )
    return canonical_json.write(report.to_dict())
