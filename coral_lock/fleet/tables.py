"""The tables in which reports are kept for questions about the past, and a report as their rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from coral_lock.fleet.report import Report

_KEY = {
    "device": "VARCHAR",
    "boot": "VARCHAR",
    "sequence": "BIGINT",
    "started": "TIMESTAMP",
    "report": "VARCHAR",
}
"""By what a report is known; `report` is the digest of what it says, whenever it was collected."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "findings": {
        **_KEY,
        "position": "INTEGER",
        "code": "VARCHAR",
        "severity": "VARCHAR",
        "subject": "VARCHAR",
        "summary": "VARCHAR",
        "expected": "VARCHAR",
        "found": "VARCHAR",
        "place": "VARCHAR",
        "hint": "VARCHAR",
    },
    "plugins": {
        **_KEY,
        "position": "INTEGER",
        "plugin": "VARCHAR",
        "status": "VARCHAR",
        "distribution": "VARCHAR",
        "version": "VARCHAR",
        "reason": "VARCHAR",
        "duration_us": "BIGINT",
    },
    "reports": {
        **_KEY,
        "finished": "TIMESTAMP",
        "uptime_s": "DOUBLE",
        "tool_version": "VARCHAR",
        "command": "VARCHAR",
        "outcome": "VARCHAR",
        "exit_code": "INTEGER",
        "lock": "VARCHAR",
        "lock_path": "VARCHAR",
        "integrity": "VARCHAR",
        "target": "VARCHAR",
        "channel": "VARCHAR",
        "serial": "BIGINT",
        "signers": "VARCHAR[]",
        "rollback": "VARCHAR",
        "python": "VARCHAR",
        "platform": "VARCHAR",
        "core": "VARCHAR",
        "core_version": "VARCHAR",
        "inference": "VARCHAR",
        "inference_version": "VARCHAR",
        "errors": "BIGINT",
        "warnings": "BIGINT",
        "uncovered_children": "BIGINT",
    },
}
"""The columns of each table and their types, in the order in which files are replaced."""


def digest_of(report: Report) -> str:
    """Return the SHA-256 of what a report says, whenever it was collected."""
    text = json.dumps({**report, "age_s": None}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rows_of(report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows that a report is, each with its table."""
    key = {
        "device": report["device"],
        "boot": report["boot"],
        "sequence": report["sequence"],
        "started": report["started"][:-1],
        "report": digest_of(report),
    }
    lock, machine, host = report["lock"], report["machine"], report["host"]
    accepted, totals = lock["accepted"] or {}, report["findings_total"]
    core, inference = host["core"] or {}, host["inference"] or {}
    yield (
        "reports",
        {
            **key,
            "finished": report["finished"] and report["finished"][:-1],
            **{
                name: report[name]
                for name in (
                    *("uptime_s", "tool_version", "command", "outcome", "exit_code"),
                    "uncovered_children",
                )
            },
            "lock": lock["sha256"],
            "lock_path": lock["path"],
            "integrity": lock["integrity"],
            "target": lock["target"],
            **{name: accepted.get(name) for name in ("channel", "serial", "signers", "rollback")},
            "python": machine["python"],
            "platform": machine["platform"],
            "core": core.get("distribution"),
            "core_version": core.get("version"),
            "inference": inference.get("distribution"),
            "inference_version": inference.get("version"),
            "errors": totals["error"],
            "warnings": totals["warning"],
        },
    )
    for position, each in enumerate(report["findings"]):
        row = {name: each[name] for name in TABLES["findings"] if name in each}
        yield "findings", {**row, **key, "position": position, "place": each["where"]}
    for position, each in enumerate(report["plugins"]):
        row = {name: each[name] for name in TABLES["plugins"] if name in each}
        yield "plugins", {**row, **key, "position": position, "plugin": each["id"]}
