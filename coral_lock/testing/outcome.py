"""What became of plugins in a test, and assertions on it."""

from __future__ import annotations

from coral_lock.record import Record
from coral_lock.start.report import ACTIVATED, FAILED, NOT_RUN, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.start.report import ActivationReport, PluginOutcome

_AUTHORS_HINTS = {
    "activation-failed": None,
    "spec-drift": "if a manifest is stale, run `coral-runtime manifest compile`",
}
"""What helps the author of a plugin, where a finding's own hint is for an operator."""


class Activation(Record):
    """The outcome of an activation.

    `report` is the report, as `coral-runtime init` prints it. From a fresh interpreter,
    `stdout` is all that it printed there, which is the report's document and nothing else,
    and `stderr` what the plugins printed; in process, both are empty, and pytest's `capfd`
    knows what was printed.
    """

    report: ActivationReport
    stdout: str = ""
    stderr: str = ""

    def outcome(self, identifier: str) -> PluginOutcome:
        """Return what became of the plugin of that id.

        Raises:
            AssertionError: no such plugin was to be activated.
        """
        for outcome in self.report.plugins:
            if outcome.id == identifier:
                return outcome
        known = ", ".join(f"`{outcome.id}`" for outcome in self.report.plugins) or "none"
        raise AssertionError(f"`{identifier}` wasn't to be activated; what was: {known}")

    def assert_activated(self, identifier: str) -> None:
        """Insist that a plugin is active.

        Raises:
            AssertionError: it isn't; the message says why.
        """
        __tracebackhide__ = True
        outcome = self.outcome(identifier)
        if outcome.status != ACTIVATED:
            raise AssertionError(self._account(outcome, "isn't active"))

    def assert_failed(self, identifier: str, reason_contains: str = "") -> None:
        """Insist that a plugin failed, or wasn't let start, with a reason.

        Args:
            identifier: the plugin's id.
            reason_contains: a text that the reason contains.

        Raises:
            AssertionError: it is active, or there is another reason.
        """
        __tracebackhide__ = True
        outcome = self.outcome(identifier)
        if outcome.status not in (FAILED, REFUSED, NOT_RUN):
            raise AssertionError(self._account(outcome, "didn't fail"))
        if reason_contains not in (outcome.reason or ""):
            raise AssertionError(self._account(outcome, f"didn't fail for `{reason_contains}`"))

    def _account(self, outcome: PluginOutcome, what: str) -> str:
        reason = f": {outcome.reason}" if outcome.reason else ""
        lines = [f"`{outcome.id}` {what}; it is {outcome.status}{reason}"]
        for finding in self.report.findings:
            if finding.subject != outcome.id or not outcome.reason:
                lines.append(f"{finding.severity}[{finding.code}]: {finding.summary}")
            hint = _AUTHORS_HINTS.get(finding.code, finding.hint)
            if hint:
                lines.append(f"  hint: {hint}")
        if self.stderr:
            lines.append(f"It printed:\n{self.stderr.rstrip()}")
        return "\n".join(lines)
