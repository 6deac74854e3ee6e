"""Findings: deviations as values, with stable slugs that any renderer can show."""

from __future__ import annotations

from coral_lock.errors import DOES_NOT_HOLD, HOLDS, INTEGRITY, fitted
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coral_lock.errors import CoralLockError

ERROR = "error"
WARNING = "warning"


class Code:
    """What the findings of one code have in common.

    Attributes:
        meaning: a sentence, as `docs/findings.md` has it.
        severity: whether it is an error, where the place that finds it doesn't say otherwise.
        exit_code: with what a command ends that finds it as an error: 3 where it says that
            bytes differ from the lock.
        breaks_plugin: whether the plugin that it is about can't be used on any host.
        reason: why a plugin with it is left out, as the lock says it: without the details of
            the finding, which may hold paths.
    """

    __slots__ = ("breaks_plugin", "exit_code", "meaning", "reason", "severity")

    def __init__(
        self,
        meaning: str,
        severity: str = ERROR,
        *,
        exit_code: int = DOES_NOT_HOLD,
        breaks_plugin: bool = False,
        reason: str | None = None,
    ) -> None:
        self.meaning = meaning
        self.severity = severity
        self.exit_code = exit_code
        self.breaks_plugin = breaks_plugin
        self.reason = reason


def _integrity(meaning: str) -> Code:
    return Code(meaning, exit_code=INTEGRITY)


def _broken(meaning: str, reason: str | None = None) -> Code:
    return Code(meaning, breaks_plugin=True, reason=reason)


CODES: Mapping[str, Code] = {
    "activation-failed": Code("A plugin returned False or raised."),
    "bytes-changed": _integrity("Bytes changed under a version that the lock has."),
    "conflict": Code("Two plugins, or two distributions, are mutually exclusive."),
    "contradicts-lock": Code("A descriptor, variable or `--set` contradicts the lock."),
    "costly-import": Code("Importing a plugin takes much time or memory.", WARNING),
    "digest-mismatch": _integrity("The bytes of a distribution's files differ from the lock."),
    "distribution-missing": Code("A locked distribution isn't installed."),
    "duplicate-distribution": Code("A distribution is installed more than once."),
    "duplicate-plugin": Code("A distribution yields the same plugin twice."),
    "editable-install": Code("A distribution is an editable install, so its bytes aren't fixed."),
    "entry-point-drift": Code("A locked plugin's entry point isn't declared by its distribution."),
    "entry-point-unresolved": Code("An entry point names a missing module or attribute."),
    "env-missing": Code("An environment variable that a plugin needs isn't set."),
    "false-record": Code("A RECORD doesn't state the files of its distribution as they are."),
    "file-missing": _integrity("A file of a distribution's RECORD is missing or unreadable."),
    "file-overlap": Code("Two distributions put different files in one place."),
    "foreign-file": Code("A distribution puts files where they aren't its own alone."),
    "foreign-target": _integrity("An entry point's module isn't one of its distribution's files."),
    "host-as-main": Code("The program is a module of the host: patches don't reach it.", WARNING),
    "host-drift": Code("The host's version differs from the lock."),
    "host-failed": Code("The host can't be imported."),
    "host-running": Code("The host was imported before the lock could bring it up."),
    "host-state": Code("What the host says of itself isn't what lock and descriptor ask for."),
    "host-unknown": Code("A plugin requires a version of a host whose version isn't known."),
    "host-unverified": Code(
        "A host isn't installed: its version was only given to the lock.", WARNING
    ),
    "import-failed": Code("A plugin can't be imported."),
    "import-output": Code("Importing a plugin prints.", WARNING),
    "import-side-effect": Code("Importing a plugin changes what others rely on.", WARNING),
    "incompatible": Code("A plugin requires a newer host."),
    "invalid-requirement": _broken("A plugin's version requirement isn't a PEP 440 version."),
    "loader-path": Code("A variable has libraries searched where nobody locked them.", WARNING),
    "loader-preload": Code("A variable puts libraries into every process that nobody locked."),
    "loading-off": Code("A plugin is switched on, and the host's loading of its group is off."),
    "lock-not-accepted": _integrity("The lock isn't one that `accept` accepted on this device."),
    "manifest-contradiction": Code("What a manifest declares is contradictory."),
    "manifest-invalid": _broken(
        "A distribution's manifest can't be used.", "its manifest can't be used"
    ),
    "manifest-misplaced": Code("A manifest is in a place where it isn't read.", WARNING),
    "manifest-missing": Code("A package that offers plugins ships no manifest.", WARNING),
    "manifest-stale": Code("A manifest doesn't say what the code says."),
    "module-shadowed": _integrity("Another file would be imported instead of the locked one."),
    "name-differs": Code("An entry point has another name than its plugin.", WARNING),
    "near-miss": Code("A name is nearly that of one of the distribution's plugins.", WARNING),
    "no-solution": Code("No choice of versions meets every requirement."),
    "not-a-bool": Code("`activate` or `supports` returned something else than True or False."),
    "not-started": Code("`run` ended before it inspected the machine."),
    "platform-drift": Code("The wheel tag that is installed isn't one that the lock covers."),
    "plugin-broken": _broken("A plugin can't be used as it is installed.", "its spec is malformed"),
    "plugin-gone": Code("A plugin that was locked isn't offered any more.", WARNING),
    "poor-description": Code("A plugin's description says nothing.", WARNING),
    "pth-file": Code("A distribution ships a file, e.g. a `.pth`, that runs at every start."),
    "python-drift": Code("The interpreter's version differs from the lock."),
    "replaces-runtime": Code("A distribution would replace coral-lock or the interpreter."),
    "required-plugin-missing": Code("A plugin requires another one that isn't selected."),
    "requirement-unmet": Code("A requirement of a distribution isn't met."),
    "requires-drift": Code("A locked distribution has other requirements than the lock says."),
    "reserved-name": Code("A plugin's name means something else in a descriptor."),
    "sample-invalid": Code("A sample configuration is wrong."),
    "shadowing-script": Code(
        "A module that a distribution puts beside the commands shadows another."
    ),
    "spec-drift": Code("A plugin's live spec differs from the lock."),
    "spec-malformed": Code("A plugin's spec can't be right."),
    "spec-unknown": _broken(
        "The spec of a plugin can't be determined.", "what it is can't be learnt"
    ),
    "spec-unreadable": Code("What a plugin is can't be read from its source.", WARNING),
    "spec-unstable": Code("A plugin's live spec differs from its source or its manifest."),
    "target-uncovered": Code("The lock covers no target like this machine."),
    "uncovered-child": Code("A process that the program starts can't be put under the lock."),
    "unknown-group": Code("A distribution declares entry points in an unknown group."),
    "unknown-plugin": Code("The descriptor names a plugin that no distribution offers."),
    "unlocked-file": _integrity("An unexpected file is in a directory of a locked distribution."),
    "unlocked-module": Code("A module that the descriptor names isn't imported.", WARNING),
    "unlocked-plugin": Code("An installed distribution offers plugins that the lock doesn't name."),
    "unlocked-startup": Code("A file that nobody locked runs at every start of Python.", WARNING),
    "unpinned": Code("The lock holds no digest for a distribution.", WARNING),
    "unpinned-file": Code("A distribution's scripts or data can't be pinned or verified.", WARNING),
    "unusable-record": _integrity("A distribution's RECORD doesn't list what is installed."),
    "version-drift": Code("A distribution's version differs from the lock."),
    "wheel-malformed": Code("A wheel isn't what the format asks for."),
    "wrong-kind": Code("An entry point's group can't hold what it yields."),
    "wrong-platform": Code("A plugin doesn't apply to the platform."),
}
"""Every finding; a test holds the sections of `docs/findings.md` to it."""


_DETAILS = ("expected", "found", "where", "hint")


class Finding(Record):
    """One deviation.

    `severity` is that of its code unless it is given. `subject` is a plugin id or a
    distribution's normalized name, `where` a file or a dotted path, and `hint` the command or
    edit that helps. What is longer than a message may be is cut.
    """

    code: str
    severity: str = ""
    subject: str
    summary: str
    expected: str | None = None
    found: str | None = None
    where: str | None = None
    hint: str | None = None

    def details(self) -> dict[str, str]:
        """Return what is known besides the summary, by what it is."""
        values = {name: getattr(self, name) for name in _DETAILS}
        return {name: value for name, value in values.items() if value}

    def _check(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown finding code `{self.code}`")
        if not self.severity:
            object.__setattr__(self, "severity", CODES[self.code].severity)
        for field in self._fields[2:]:
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, fitted(value))


def finding_of_error(
    error: CoralLockError, code: str = "not-started", subject: str = "start"
) -> Finding:
    """Return what an error says as a finding, by default as that of a start without one."""
    details = {name: getattr(error, name) for name in _DETAILS}
    return Finding(code=code, subject=subject, summary=error.message, **details)


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in their fixed order: errors first, then by subject, code and place."""
    return tuple(
        sorted(
            findings,
            key=lambda finding: (
                finding.severity != ERROR,
                finding.subject,
                finding.code,
                finding.where or "",
                finding.summary,
            ),
        )
    )


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any of the findings is an error."""
    return any(finding.severity == ERROR for finding in findings)


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 without errors, 3 if an error says that bytes differ from the lock, else 1."""
    errors = [CODES[finding.code].exit_code for finding in findings if finding.severity == ERROR]
    return max(errors, default=HOLDS)
