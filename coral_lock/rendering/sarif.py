"""SARIF 2.1.0, the format in which code scanning exchanges results.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

from urllib.parse import quote

from coral_lock.canonical_json import Value, write
from coral_lock.difference.model import RISKS, Change
from coral_lock.difference.text import sentence_of
from coral_lock.errors import fitted, printable
from coral_lock.finding import CODES, ERROR, Finding
from coral_lock.rendering.outcome import Outcome, Position, results

_LEVELS = {"high": "error", "medium": "warning", "low": "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(outcome: Outcome) -> str:
    """Return findings and changes as a SARIF log with one run.

    The rule of a change is its heaviest risk, or the kind of the change where it has none.
    """
    found = [_result(*each) for each in results(outcome)]
    codes = sorted({str(each["ruleId"]) for each in found})
    driver: Value = {"name": "coral-runtime", "rules": list(map(_rule, codes))}
    runs: Value = [{"tool": {"driver": driver}, "results": list(found)}]
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


def _result(
    found: Finding | Change, position: Position | None, fingerprint: str
) -> dict[str, Value]:
    code = found.code
    if isinstance(found, Finding):
        level = "error" if found.severity == ERROR else "warning"
        details = (f"{name}: {value}" for name, value in found.details().items())
        message = "; ".join([found.summary, *details])
    else:
        code = found.risks[0].code if found.risks else code
        level, message = _LEVELS.get(found.level or "", "note"), sentence_of(found)
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
