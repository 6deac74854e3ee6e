"""Activating plugins in a test as a start does, in this process or in a fresh one."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.finding import ERROR, has_errors
from coral_lock.inventory import EntryPoint
from coral_lock.names import GROUPS, is_object_reference
from coral_lock.plugin.config import RuntimeConfig
from coral_lock.start.report import NOT_RUN, PluginOutcome
from coral_lock.start.starting import activate, refuse
from coral_lock.testing.candidates import entry_point_candidates, installed_candidates
from coral_lock.testing.outcome import Activation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.start.starting import Starting
    from coral_lock.testing.candidates import Candidates
    from coral_lock.testing.process_state import ProcessState

TIME_LIMIT = 60.0


class ActivationHarness:
    """Activates plugins as `coral-runtime init --locked` does; the fixture `coral_activation`.

    What a plugin is, is learnt without running it, as `coral-runtime lock` does: from its
    manifest, its source, or a probe. Then its live spec must equal that, and `activate` is
    called. The host's own discovery is off. Nothing is verified by digests, so an editable
    install can be tested.

    In process, these are put back at the end of the test: environment variables,
    `sys.path`, `sys.meta_path`, and `sys.modules` without the plugins' own modules that
    were imported since. Other modules stay imported, and what plugins change in them stays
    changed: where that matters, use a fresh interpreter.

    Args:
        state: remembers what is to be put back.
    """

    def __init__(self, state: ProcessState) -> None:
        self._state = state

    def __call__(
        self,
        *plugins: str,
        entry_point: str | None = None,
        group: str = "patches",
        name: str | None = None,
        config: RuntimeConfig | None = None,
        fresh: bool = False,
        time_limit: float = TIME_LIMIT,
    ) -> Activation:
        """Activate plugins and return what became of them.

        A plugin that isn't installed, doesn't fit the host or the platform, or can't be
        understood is reported as `not-run`, and nothing runs.

        Args:
            plugins: ids of installed plugins; they are activated in the order of a start.
            entry_point: `module:attribute`, instead of ids. Its distribution need not be
                installed, if the module can be imported.
            group: the entry point's group.
            name: the entry point's own name, which is the plugin's where the attribute is
                an `activate(config)` function; by default the attribute's.
            config: what each plugin is handed; by default a `RuntimeConfig()`.
            fresh: whether it happens in a fresh interpreter, with this one's `sys.path`
                and environment variables.
            time_limit: the seconds that a fresh interpreter may take.

        Raises:
            ValueError: the arguments can't be right.
            CycleError: the `after` of some plugins can't be met.
        """
        config = RuntimeConfig() if config is None else config
        if entry_point is None:
            if not plugins:
                raise ValueError("name plugins by their ids, or an `entry_point`")
            candidates = installed_candidates(plugins, config)
        elif plugins:
            raise ValueError("name plugins by their ids or an `entry_point`, not both")
        else:
            candidates = entry_point_candidates(_entry_point(entry_point, group, name), config)
        if has_errors(candidates.starting.findings):
            return _refused(candidates)
        if fresh:
            from coral_lock.testing.fresh import activate_freshly

            return activate_freshly(candidates.starting, time_limit)
        return self._activate_here(candidates.starting)

    def _activate_here(self, starting: Starting) -> Activation:
        self._state.note_modules(plugin.entry_point for plugin in starting.plugins)
        return Activation(report=activate(starting))


def _entry_point(value: str, group: str, name: str | None) -> EntryPoint:
    if group not in GROUPS:
        raise ValueError(f"the group is one of {', '.join(GROUPS)}, not `{group}`")
    if not is_object_reference(value):
        raise ValueError(f"an entry point is written `module:attribute`, not `{value}`")
    return EntryPoint(group=group, name=name or value.rpartition(":")[2], value=value)


def _refused(candidates: Candidates) -> Activation:
    starting = candidates.starting
    errors = [finding for finding in starting.findings if finding.severity == ERROR]

    def outcome(identifier: str) -> PluginOutcome:
        own = [finding for finding in errors if finding.subject == identifier]
        provider = candidates.providers.get(identifier)
        return PluginOutcome(
            id=identifier,
            status=NOT_RUN,
            distribution=provider.name if provider else "",
            version=provider.version if provider else "",
            reason="; ".join(finding.summary for finding in own or errors),
        )

    report = refuse(starting, "The plugins can't be started: nothing was activated")
    report = report.replace(plugins=tuple(map(outcome, candidates.identifiers)))
    return Activation(report=report, stdout=canonical_json.write(report.to_dict()))
