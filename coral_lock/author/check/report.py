"""All checks of one subject, and their outcome as one document."""

from __future__ import annotations

from coral_lock.author.check.definitions import Definitions
from coral_lock.author.check.entry_points import check_entry_points
from coral_lock.author.check.learning import learn
from coral_lock.author.check.manifest import check_manifests, read_manifests
from coral_lock.author.check.run import check_run, measure, with_live_facts
from coral_lock.author.check.sample import check_samples
from coral_lock.author.check.specs import check_specs
from coral_lock.author.check.targets import search_path
from coral_lock.author.check.trial import TIME_LIMIT
from coral_lock.author.check.wheel import check_wheel
from coral_lock.errors import DOES_NOT_HOLD, HOLDS
from coral_lock.finding import Finding, has_errors, sorted_findings
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from coral_lock.author.check.measurement import Activated, Imported, Measurements
    from coral_lock.author.check.subject import LearntEntryPoint, Subject
    from coral_lock.canonical_json import Value
    from coral_lock.reporter import Reporter


class CheckReport(Record):
    """The outcome of checking a subject; `measurements` is None where nothing was run."""

    subject: Subject
    plugins: tuple[str, ...]
    findings: tuple[Finding, ...]
    measurements: Measurements | None = None

    @property
    def exit_code(self) -> int:
        """1 if there is an error, else 0; no lock is there that bytes could differ from."""
        return DOES_NOT_HOLD if has_errors(self.findings) else HOLDS

    def to_dict(self) -> dict[str, Value]:
        """Return the JSON document of the report."""
        return {
            "target": self.subject.target,
            "kind": self.subject.kind,
            "distribution": self.subject.name,
            "version": self.subject.version,
            "holds": self.exit_code == HOLDS,
            "plugins": list(self.plugins),
            "findings": [finding.to_dict() for finding in self.findings],
            "measurements": _measurements_document(self.measurements),
        }


def check_subject(
    subject: Subject,
    *,
    run: bool = False,
    time_limit: float = TIME_LIMIT,
    reporter: Reporter | None = None,
) -> CheckReport:
    """Return the outcome of every check.

    Args:
        subject: what is checked.
        run: whether the plugins are run, too, in fresh interpreters.
        time_limit: the seconds that each of those may take.
        reporter: is told of each of those.
    """
    definitions = Definitions(subject.read_source)
    learnt = learn(subject, definitions)
    manifests = read_manifests(subject)
    declared = {plugin.id: plugin for plugin in manifests.plugins()}
    measurements: Measurements | None = None
    findings: list[Finding] = [*check_entry_points(subject, learnt), *check_wheel(subject)]
    if run:
        terms = {identifier: plugin.terms for identifier, plugin in declared.items()}
        measurements = measure(
            subject, search_path(subject), terms, time_limit=time_limit, reporter=reporter
        )
        findings += check_run(subject, learnt, measurements)
        learnt = with_live_facts(learnt, measurements)
    covered = [entry.id for entry in subject.entry_points if manifests.of_entry_point(entry)]
    own = {entry.id_of(facts) for entry in learnt for facts in entry.facts} | declared.keys()
    findings += check_specs(subject, learnt, definitions, covered)
    findings += check_manifests(subject, learnt, manifests)
    plugins = own | _unknown(learnt, own)
    findings += check_samples(subject, plugins)
    return CheckReport(
        subject=subject,
        plugins=tuple(sorted(plugins)),
        findings=sorted_findings(dict.fromkeys(findings)),
        measurements=measurements,
    )


def _unknown(learnt: Iterable[LearntEntryPoint], known: Collection[str]) -> set[str]:
    """Return an id for each entry point of which nobody knows what it yields."""
    return {
        entry.declared.id for entry in learnt if not entry.facts and entry.declared.id not in known
    }


def _measurements_document(measurements: Measurements | None) -> Value:
    if measurements is None:
        return None
    return {
        "configuration": measurements.configuration,
        "imports": [_import_document(imported) for imported in measurements.imports],
        "activations": [_activation_document(item) for item in measurements.activations],
    }


def _import_document(imported: Imported) -> dict[str, Value]:
    entry_point = imported.declared.entry_point
    return {
        "entry_point": {
            "group": entry_point.group,
            "name": entry_point.name,
            "value": entry_point.value,
        },
        "error": imported.error,
        "import_ms": imported.import_ms,
        "peak_memory_kib": imported.peak_memory_kib,
        "import_memory_kib": imported.import_memory_kib,
        "output": imported.output,
        "changes": list(imported.changes),
    }


def _activation_document(activated: Activated) -> dict[str, Value]:
    fields = ("plugin", "platform", "supported", "result", "reason", "duration_ms")
    return {field: getattr(activated, field) for field in fields}
