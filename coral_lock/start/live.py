"""A start without a lock: resolve what is installed now, then activate it."""

from __future__ import annotations

import sys

from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import has_errors
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.model import LockedPlugin
from coral_lock.lockfile.order import activation_order
from coral_lock.probe.run import interpreter_probe
from coral_lock.resolve.resolution import locked_plugin, survey
from coral_lock.start.locked import activate_plugins
from coral_lock.start.report import NOT_RUN, REFUSED, ActivationReport, PluginOutcome
from coral_lock.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.reporter import Reporter


def start_live(
    descriptor: Descriptor | None = None, reporter: Reporter | None = None
) -> ActivationReport:
    """Select plugins among what is installed and activate them in this process.

    Args:
        descriptor: what this runtime should run; None stands for the defaults.
        reporter: is told of progress.

    Raises:
        CycleError: the `after` of some plugins can't be met.
    """
    descriptor = descriptor or load_descriptor(None)
    surveyed = survey(
        EnvironmentInventory(),
        descriptor,
        probe=interpreter_probe(sys.path),
        reporter=reporter,
    )
    selected = {
        plugin.id: locked_plugin(plugin, descriptor) for plugin in surveyed.selection.selected()
    }
    config = descriptor.runtime_config()
    messages = [
        f"No lock: {counted(len(selected), 'plugin')} selected among what is installed",
        *descriptor.warnings,
    ]
    if has_errors(surveyed.findings):
        return ActivationReport(
            outcome=REFUSED,
            locked=False,
            platform=descriptor.platform,
            plugins=tuple(PluginOutcome(id=key, status=NOT_RUN) for key in sorted(selected)),
            patches_enabled=config.built_in_patches(),
            findings=surveyed.findings,
            log_messages=(*messages, "The selection has errors: nothing was activated"),
        )
    order = activation_order({key: plugin.after for key, plugin in selected.items()})
    plugins: list[LockedPlugin] = [selected[key] for key in order]
    return activate_plugins(
        plugins, config, {}, locked=False, findings=surveyed.findings, messages=messages
    )
