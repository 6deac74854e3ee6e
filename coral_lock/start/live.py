"""A start without a lock: resolve what is installed now, then activate it."""

from __future__ import annotations

import sys

from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import has_errors, sorted_findings
from coral_lock.import_guard import import_startup_modules
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.locking.discovery import Evidence
from coral_lock.locking.resolution import Survey, survey
from coral_lock.messages import counted
from coral_lock.plugin.facts import combined
from coral_lock.probe.run import interpreter_probe
from coral_lock.start.gate import Gate
from coral_lock.start.report import ActivationReport, StartPlan, missing_variables


def start_live(descriptor: Descriptor | None = None) -> ActivationReport:
    """Select plugins among what is installed and start the runtime with them.

    Args:
        descriptor: what this runtime should run; None for the defaults.
    """
    plan = live_plan(
        survey(
            EnvironmentInventory(),
            descriptor or load_descriptor(None),
            evidence=Evidence(interpreter_probe(sys.path)),
            is_installed=True,
        )
    )
    if has_errors(plan.findings):
        return plan.refused("The selection has errors: nothing was activated")
    import_startup_modules()
    return Gate(plan).open(is_eager=True)


def live_plan(surveyed: Survey) -> StartPlan:
    """Return the start of the plugins that are selected among what is installed."""
    descriptor = surveyed.descriptor
    selected = {plugin.id: plugin for plugin in surveyed.plugins}
    findings = sorted_findings((*surveyed.findings, *missing_variables(selected.values())))
    try:
        order = activation_order({key: plugin.after for key, plugin in selected.items()})
    except CycleError:
        # A finding of the survey says so.
        order = tuple(sorted(selected))
    plugins = tuple(selected[key] for key in order)
    return StartPlan(
        plugins=plugins,
        versions={
            each.plugin.distribution.name: each.plugin.distribution.version
            for each in surveyed.decisions
        },
        config=descriptor.runtime_config(
            combined(plugin.default_config_overrides for plugin in plugins)
        ),
        lock=None,
        findings=findings,
        messages=(
            f"No lock: {counted(len(selected), 'plugin')} selected among what is installed",
            *descriptor.warnings,
        ),
    )
