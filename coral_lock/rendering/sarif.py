"""SARIF 2.1.0, the format in which code scanning exchanges results.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import quote

from coral_lock.canonical_json import Value, write
from coral_lock.difference.model import RISKS
from coral_lock.difference.text import sentence_of
from coral_lock.errors import printable
from coral_lock.finding import CODES, ERROR, Finding
from coral_lock.rendering.outcome import Outcome, Position, change_positions, position_of

_LEVELS = {"high": "error", "medium": "warning", "low": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(outcome: Outcome) -> str:
    """Return findings and changes as a SARIF log with one run.

    The rule of a change is its heaviest risk, or the kind of the change where it has none.
    """
    results = [*_finding_results(outcome), *_change_results(outcome)]
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


def _finding_results(outcome: Outcome) -> Iterator[dict[str, Value]]:
    for finding in outcome.findings or ():
        level = "error" if finding.severity == ERROR else "warning"
        identity: list[Value] = [finding.code, finding.subject, finding.summary]
        yield _result(finding.code, level, _message(finding), position_of(finding.where), identity)


def _message(finding: Finding) -> str:
    details = (
        f"{name}: {value}"
        for name in ("expected", "found", "where", "hint")
        if (value := getattr(finding, name))
    )
    return "; ".join([finding.summary, *details])


def _change_results(outcome: Outcome) -> Iterator[dict[str, Value]]:
    for change, position in change_positions(outcome):
        code = change.risks[0].code if change.risks else change.code
        level = _LEVELS.get(change.level or "", "note")
        identity = [change.code, change.path, change.before, change.after]
        yield _result(code, level, sentence_of(change), position, identity)


def _result(
    code: str, level: str, message: str, position: Position | None, identity: list[Value]
) -> dict[str, Value]:
    fingerprint = hashlib.sha256(write(identity).encode()).hexdigest()
    result: dict[str, Value] = {
        "ruleId": code,
        "level": level,
        "message": {"text": printable(message)},
        "partialFingerprints": {"coralLock/v1": fingerprint},
    }
    if position is not None:
        region = {"startLine": position.line, "startColumn": position.column}
        location: dict[str, Value] = {"artifactLocation": {"uri": quote(position.file)}}
        if position.line:
            location["region"] = {key: value for key, value in region.items() if value}
        result["locations"] = [{"physicalLocation": location}]
    return result
