"""SARIF 2.1.0, the format in which code scanning exchanges results.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from coral_lock.canonical_json import Value, write
from coral_lock.difference.model import RISKS
from coral_lock.difference.text import sentence_of
from coral_lock.errors import fitted, printable
from coral_lock.finding import CODES, ERROR, Finding
from coral_lock.rendering.outcome import (
    Fingerprints,
    Outcome,
    Position,
    change_positions,
    position_of,
)

_LEVELS = {"high": "error", "medium": "warning", "low": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(outcome: Outcome) -> str:
    """Return findings and changes as a SARIF log with one run.

    The rule of a change is its heaviest risk, or the kind of the change where it has none.
    """
    fingerprints = Fingerprints()
    results = [
        *_finding_results(outcome, fingerprints),
        *_change_results(outcome, fingerprints),
    ]
    rules = {str(result["ruleId"]): _rule(str(result["ruleId"])) for result in results}
    driver: Value = {"name": "coral-runtime", "rules": [rules[code] for code in sorted(rules)]}
    runs: Value = [{"tool": {"driver": driver}, "results": list(results)}]
    return write({"$schema": _SCHEMA, "version": "2.1.0", "runs": runs})


def _rule(code: str) -> dict[str, Value]:
    if code in RISKS:
        text, level = RISKS[code].sentence, _LEVELS[RISKS[code].level]
        sentence = f"{text[0].upper()}{text[1:]}."
    elif code in CODES:
        sentence, level = CODES[code].meaning, CODES[code].severity
    else:
        sentence, level = f"A change of the lock: {code.replace('-', ' ')}.", "note"
    return {
        "id": code,
        "shortDescription": {"text": sentence},
        "help": {"text": f"{sentence} `coral-runtime diff --help` tells what changes mean."},
        "defaultConfiguration": {"level": level},
    }


def _finding_results(outcome: Outcome, fingerprints: Fingerprints) -> Iterator[dict[str, Value]]:
    for finding in outcome.findings or ():
        level = "error" if finding.severity == ERROR else "warning"
        fingerprint = fingerprints.of(finding.code, finding.subject, finding.summary)
        position = position_of(finding.where)
        yield _result(finding.code, level, _message(finding), position, fingerprint)


def _message(finding: Finding) -> str:
    details = (
        f"{name}: {value}"
        for name in ("expected", "found", "where", "hint")
        if (value := getattr(finding, name))
    )
    return "; ".join([finding.summary, *details])


def _change_results(outcome: Outcome, fingerprints: Fingerprints) -> Iterator[dict[str, Value]]:
    for change, position in change_positions(outcome):
        code = change.risks[0].code if change.risks else change.code
        level = _LEVELS.get(change.level or "", "note")
        fingerprint = fingerprints.of(change.code, change.path, change.before, change.after)
        yield _result(code, level, sentence_of(change), position, fingerprint)


def _result(
    code: str, level: str, message: str, position: Position | None, fingerprint: str
) -> dict[str, Value]:
    result: dict[str, Value] = {
        "ruleId": code,
        "level": level,
        "message": {"text": _plain(fitted(printable(message)))},
        "partialFingerprints": {"coralLock/v1": fingerprint},
    }
    if position is not None:
        region = {"startLine": position.line, "startColumn": position.column}
        location: dict[str, Value] = {"artifactLocation": {"uri": _uri(position)}}
        if position.line:
            location["region"] = {key: value for key, value in region.items() if value}
        result["locations"] = [{"physicalLocation": location}]
    return result


def _plain(text: str) -> str:
    """Return text that holds no link: `[text](target)` is one even in plain text (3.11.6)."""
    return text.replace("](", "] (")


def _uri(position: Position) -> str:
    """Return the URI of a file, relative as its path is (3.4.3)."""
    uri = quote(position.path.encode("utf-8", "surrogateescape"))
    return f"file://{uri}" if uri.startswith("/") else uri
