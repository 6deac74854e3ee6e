"""What running a plugin showed: measured values and answers, as plain data."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.author.check.subject import DeclaredEntryPoint
    from coral_lock.plugin.facts import PluginFacts


class LiveSpec(Record):
    """A spec as it is at run time, and its class of the two."""

    facts: PluginFacts
    kind: str


class Imported(Record):
    """What importing an entry point in a fresh interpreter showed.

    Args:
        declared: the entry point.
        error: why there are no specs, as a phrase; None where there are.
        is_malformed: whether the import succeeded and what it yields is wrong.
        import_ms: the milliseconds that the import took, without the host's own.
        peak_memory_kib: the most memory that the process had by then; None where this
            system doesn't tell.
        import_memory_kib: how much of it the import added; None likewise.
        output: the beginning of what was printed meanwhile.
        changes: what was changed that others rely on, each as a phrase.
        specs: the live specs.
        hint: what helps against the error, where its kind tells.
    """

    declared: DeclaredEntryPoint
    error: str | None = None
    is_malformed: bool = False
    import_ms: float | None = None
    peak_memory_kib: int | None = None
    import_memory_kib: int | None = None
    output: str = ""
    changes: tuple[str, ...] = ()
    specs: tuple[LiveSpec, ...] = ()
    hint: str | None = None


class Activated(Record):
    """What activating a plugin in a fresh interpreter showed.

    Args:
        plugin: its id.
        declared: the entry point that yields it.
        platform: for which platform.
        supported: what `supports` answered; None where it has none or gave no bool.
        result: `true`, `false`, `unsupported`, or `failed`.
        reason: why it failed, as a phrase; None where it didn't.
        is_no_bool: whether it failed because an answer isn't a bool.
        duration_ms: the milliseconds that `supports` and `activate` took; None where they
            didn't end.
    """

    plugin: str
    declared: DeclaredEntryPoint
    platform: str
    supported: bool | None = None
    result: str
    reason: str | None = None
    is_no_bool: bool = False
    duration_ms: float | None = None


class Untried(Record):
    """A plugin that wasn't activated, as environment variables that it requires aren't set."""

    plugin: str
    declared: DeclaredEntryPoint
    variables: tuple[str, ...]


class Measurements(Record):
    """Everything that running the plugins of a subject showed, in a fixed order."""

    imports: tuple[Imported, ...]
    activations: tuple[Activated, ...]
    configuration: str
    untried: tuple[Untried, ...] = ()
