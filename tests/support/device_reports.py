"""Device reports as `coral-runtime report drain` writes them, made without a device."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from jsonschema import Draft202012Validator

from coral_lock.document.schema import schema_text

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)
LOCK = hashlib.sha256(b"the lock of these reports").hexdigest()


@functools.cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema_text("device-report")))


def stamp(time: datetime) -> str:
    """Return a time as reports have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def device_report(
    device: str = "edge-0001",
    *,
    ago: timedelta = timedelta(hours=1),
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a report of a start that went well, which conforms to the schema.

    Args:
        device: whose it is.
        ago: how long before `NOW` the start ended.
        changes: other values, by key; those of an object are added to it.
    """
    finished = NOW - ago
    report: dict[str, Any] = {
        "device_report_version": "1.0",
        "device": device,
        "boot": "7d9f2c1e-0000-4000-8000-000000000001",
        "sequence": 7,
        "started": stamp(finished - timedelta(seconds=1)),
        "finished": stamp(finished),
        "uptime_s": 500.5,
        "age_s": max(ago.total_seconds(), 0.0),
        "tool_version": "0.1.0",
        "command": "init",
        "outcome": "started",
        "exit_code": 0,
        "lock": {
            "path": "/opt/coral/coral.lock",
            "sha256": LOCK,
            "integrity": "imports",
            "target": None,
            "accepted": None,
        },
        "machine": {"python": "3.11.7", "platform": "manylinux_2_36_x86_64"},
        "host": {
            "core": {"distribution": "coral-inference", "version": "0.0.4"},
            "inference": {"distribution": "inference", "version": "0.58.0"},
        },
        "plugins": [
            {
                "id": "patches:camera_stabilizer",
                "status": "activated",
                "distribution": "my-package",
                "version": "1.0.0",
                "reason": None,
                "duration_us": 120,
            }
        ],
        "findings": [],
        "findings_total": {"error": 0, "warning": 0},
        "uncovered_children": 0,
    }
    for key, value in (changes or {}).items():
        report[key] = {**report[key], **value} if isinstance(report[key], dict) else value
    _validator().validate(report)
    return report


def refusal(code: str = "digest-mismatch", subject: str = "my-package") -> dict[str, Any]:
    """Return the changes that make a report one of a start that was refused."""
    finding = {
        "code": code,
        "severity": "error",
        "subject": subject,
        "summary": f"`my_package/x.py` of `{subject}` isn't the file that was locked",
        "expected": "t1:M30tagiDidHa",
        "found": "t1:DRJ2uQ53Xsm",
        "where": "my_package/x.py",
        "hint": None,
    }
    return {
        "outcome": "refused",
        "exit_code": 3,
        "findings": [finding],
        "findings_total": {"error": 1},
        "plugins": [],
    }


def ndjson(*reports: Mapping[str, Any]) -> str:
    """Return reports as they are gathered: one a line."""
    return "".join(
        f"{json.dumps(each, separators=(',', ':'), sort_keys=True)}\n" for each in reports
    )
