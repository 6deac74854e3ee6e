"""Findings: deviations as values, with stable slugs that any renderer can show."""

from __future__ import annotations

from coral_lock.errors import DOES_NOT_HOLD, HOLDS, INTEGRITY
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coral_lock.errors import CoralLockError

ERROR = "error"
WARNING = "warning"

INTEGRITY_CODES = frozenset(
    {
        "digest-mismatch",
        "file-missing",
        "foreign-target",
        "module-shadowed",
        "unlocked-file",
        "unusable-record",
    }
)
"""The codes that say that bytes differ from the lock: exit code 3."""

CODES: Mapping[str, str] = {
    "activation-failed": "A plugin returned False or raised.",
    "conflict": "Two plugins, or two distributions, can't go together.",
    "contradicts-lock": "A descriptor, variable or `--set` asks for something else than the lock.",
    "costly-import": "Importing a plugin takes much time or memory.",
    "digest-mismatch": "The bytes of a distribution's files differ from the lock.",
    "distribution-missing": "A locked distribution isn't installed.",
    "duplicate-distribution": "A distribution is installed more than once.",
    "duplicate-plugin": "A distribution yields the same plugin twice.",
    "editable-install": "A distribution is installed in editable mode, so its bytes aren't fixed.",
    "entry-point-drift": "A locked plugin's entry point isn't declared by its distribution.",
    "entry-point-unproven": "Nothing proves that an entry point resolves.",
    "entry-point-unresolved": "An entry point names a module or an attribute that isn't there.",
    "env-missing": "An environment variable that a plugin needs isn't set.",
    "false-record": "A RECORD doesn't state the files of its distribution as they are.",
    "file-missing": "A file that a distribution's RECORD lists is absent.",
    "file-overlap": "Two distributions put different files in one place.",
    "foreign-file": "A distribution puts files where they aren't its own alone.",
    "foreign-target": "An entry point's module isn't among its distribution's own files.",
    "host-as-main": "A module of the host is the program, so patches of it don't reach it.",
    "host-drift": "The host's version differs from the lock.",
    "host-failed": "The host can't be imported.",
    "host-running": "The host was imported before the lock could bring it up.",
    "host-state": "What the host says of itself isn't what lock and descriptor ask for.",
    "host-unknown": "A plugin requires a version of a host whose version isn't known.",
    "host-unverified": "The lock was told a host's version, and this machine has no such host.",
    "import-failed": "A plugin can't be imported.",
    "import-output": "Importing a plugin prints.",
    "import-side-effect": "Importing a plugin changes what others rely on.",
    "incompatible": "A plugin requires a newer host.",
    "invalid-requirement": "A plugin's version requirement isn't a PEP 440 version.",
    "loading-off": "A plugin is switched on, and the host's loading of its group is switched off.",
    "manifest-contradiction": "What a manifest declares can't hold together.",
    "manifest-invalid": "A distribution's manifest can't be used.",
    "manifest-misplaced": "A manifest lies where nobody reads it.",
    "manifest-missing": "A package that offers plugins ships no manifest.",
    "manifest-stale": "A manifest doesn't say what the code says.",
    "module-shadowed": "Another file would be imported instead of the locked one.",
    "name-differs": "An entry point has another name than its plugin.",
    "near-miss": "A name is nearly that of one of the distribution's plugins.",
    "no-solution": "No choice of versions meets every requirement.",
    "not-a-bool": "`activate` or `supports` returned something else than True or False.",
    "not-started": "`run` ended before it looked at the machine.",
    "platform-drift": "The wheel tag that is installed isn't one that the lock covers.",
    "plugin-broken": "A plugin can't be used as it is installed.",
    "poor-description": "A plugin's description says nothing.",
    "pth-file": "A distribution ships a file, like a `.pth`, that runs at every start of Python.",
    "python-drift": "The interpreter's version differs from the lock.",
    "replaces-runtime": "A distribution would replace coral-lock or the interpreter.",
    "required-plugin-missing": "A plugin requires another one that isn't selected.",
    "requirement-unmet": "A requirement of a distribution isn't met by what is there.",
    "requires-drift": "A locked distribution requires other distributions than the lock says.",
    "reserved-name": "A plugin's name means something else in a descriptor.",
    "sample-invalid": "A sample configuration is wrong.",
    "shadowing-script": "A distribution puts a module beside the commands, which shadows another.",
    "spec-drift": "A plugin's live spec differs from the lock.",
    "spec-malformed": "A plugin's spec can't be right.",
    "spec-unknown": "What a plugin is can't be learnt.",
    "spec-unreadable": "What a plugin is can't be read from its source.",
    "spec-unstable": "A plugin's live spec differs from its source or its manifest.",
    "target-uncovered": "The lock covers no target like this machine.",
    "uncovered-child": "A process that the program starts can't be put under the lock.",
    "unknown-group": "A distribution declares entry points in a group that nobody knows.",
    "unknown-plugin": "The descriptor names a plugin that no distribution offers.",
    "unlocked-file": "A file that no wheel put there lies in a locked distribution's directory.",
    "unlocked-module": "The descriptor names modules to import, which a locked start doesn't.",
    "unlocked-plugin": "An installed distribution offers plugins that the lock doesn't name.",
    "unlocked-startup": "A file that nobody locked runs at every start of Python.",
    "unpinned": "The lock holds no digest for a distribution.",
    "unpinned-file": "The scripts, headers and data of a distribution can't be pinned or verified.",
    "unusable-record": "A distribution's RECORD doesn't list what is installed.",
    "version-drift": "A distribution's version differs from the lock.",
    "wheel-malformed": "A wheel isn't what the format asks for.",
    "wrong-kind": "An entry point's group can't hold what it yields.",
    "wrong-platform": "A plugin doesn't apply to the platform.",
}
"""Every code and what it means; the documentation lists them from here."""


_LONG = 500
"""How long a value is of which it is looked whether it has to be cut."""


class Finding(Record):
    """One deviation.

    `subject` is a plugin id or a distribution's normalized name, `where` a file or a
    dotted path, and `hint` the command or edit that helps. What is longer than a message
    may be is cut.
    """

    code: str
    severity: str
    subject: str
    summary: str
    expected: str | None = None
    found: str | None = None
    where: str | None = None
    hint: str | None = None

    def _check(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown finding code `{self.code}`")
        for field in ("subject", "summary", "expected", "found", "where", "hint"):
            value = getattr(self, field)
            if value is not None and len(value) > _LONG:
                # A start that finds nothing unusual doesn't import it.
                from coral_lock.printable import fitted

                object.__setattr__(self, field, fitted(value))

    def to_dict(self) -> dict[str, str | None]:
        """Return the finding as a JSON object; absent details are null."""
        return {field: getattr(self, field) for field in self._fields}


def finding_of_error(error: CoralLockError) -> Finding:
    """Return the finding that says why a start never came to look at the machine."""
    return Finding(
        code="not-started",
        severity=ERROR,
        subject="start",
        summary=error.message,
        expected=error.expected,
        found=error.found,
        where=error.where,
        hint=error.hint,
    )


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
    errors = {finding.code for finding in findings if finding.severity == ERROR}
    if errors & INTEGRITY_CODES:
        return INTEGRITY
    return DOES_NOT_HOLD if errors else HOLDS
